/**
 * The producer: records in, batches out, answers back to the records.
 *
 * record -> partitioner -> accumulator -> (due) -> encoded once, compressed off the event loop -> one
 * produce request per broker -> verdict per batch. Which batches are due and in which order is the
 * accumulator's to say, what becomes of a failed one is verdict.ts's; here are requests and promises.
 */
import {
  apis,
  encodeBatch,
  encodeBatchAsync,
  KafkaError,
  kafkaErrorOf,
  type ProduceResponse,
} from '@odradek/protocol';
import { type Disarm, type Environment, type Millis, millis } from '@odradek/runtime';
import type { Cluster } from '../cluster/cluster-host.ts';
import { backoffMs } from '../cluster/retry.ts';
import type { BrokerConnection } from '../connection/broker-connection-host.ts';
import { ClientMisuse, RequestTimedOut } from '../errors.ts';
import { Accumulator, loneRecordBytes } from './accumulator.ts';
import { type BufferedRecord, type ProducerBatch, recordBytes } from './batch.ts';
import { type Identity, IN_FLIGHT_BATCHES_MAX } from './partition-queue.ts';
import { type Partitioner, StickyPartitioner } from './partitioner.ts';
import type {
  Delivery,
  DeliveryCallback,
  OutgoingRecord,
  Producer,
  ProducerOptions,
} from './types.ts';
import { judge } from './verdict.ts';

/** Topics by name: v13 takes ids only. */
const PRODUCE_VERSION_MAX = 12;
/** Batches of magic 2. */
const PRODUCE_VERSION_MIN = 3;
/** What the answer to a produce request may take on the way, beyond the broker's own time-out. */
const ANSWER_SLACK_MS = 5_000;
const RETRY_BACKOFF_MS_LARGEST = 1_000;
/** How often a partition without a leader is asked after. */
const LEADERLESS_REFRESH_MS = 100;
/** With acks 0 nothing but the socket pushes back: records wait while it holds this much. */
const UNSENT_BYTES_MAX = 4 * 1024 * 1024;
const UNSENT_RETRY_MS = 1;

interface Homeless {
  readonly record: BufferedRecord;
  readonly partition: number | undefined;
  readonly done: DeliveryCallback | undefined;
  readonly sizeBytes: number;
}

interface BrokerState {
  requestsInFlight: number;
  /** Requests leave in the order in which their batches were taken, also when encoding takes its time. */
  order: Promise<void>;
}

export class KafkaProducer implements Producer {
  readonly #cluster: Cluster;
  readonly #environment: Environment;
  readonly #options: Required<Omit<ProducerOptions, 'partitioner'>>;
  readonly #partitioner: Partitioner;
  readonly #accumulator: Accumulator;
  readonly #brokers = new Map<number, BrokerState>();
  /** Records whose topic is not known yet, by topic. */
  readonly #homeless = new Map<string, Homeless[]>();
  readonly #flushes = new Set<{ readonly waitFor: Set<ProducerBatch>; done(): void }>();
  readonly #drainWaiters: (() => void)[] = [];
  readonly #homecomings: (() => void)[] = [];
  readonly #forgetChanges: () => void;
  readonly #closed: () => void;
  #homelessBytes = 0;
  #flushingCount = 0;
  #identity: Identity | null = null;
  #identityState: 'none' | 'asking' | 'ready' | 'stale' = 'none';
  #isDrainDue = false;
  #alarm: { readonly at: Millis; readonly disarm: Disarm } | null = null;
  #state: 'open' | 'closing' | 'closed' = 'open';

  /** @param closed called once, when it is */
  constructor(cluster: Cluster, options: ProducerOptions, closed: () => void = () => undefined) {
    this.#closed = closed;
    this.#cluster = cluster;
    this.#environment = cluster.environment;
    const acks = options.acks ?? 'all';
    const isIdempotent = options.idempotent ?? acks === 'all';
    if (isIdempotent && acks !== 'all')
      throw new ClientMisuse("an idempotent producer needs acks 'all'");
    const maxInFlight = options.maxInFlightRequests ?? IN_FLIGHT_BATCHES_MAX;
    if (isIdempotent && maxInFlight > IN_FLIGHT_BATCHES_MAX)
      throw new ClientMisuse(
        `an idempotent producer has at most ${IN_FLIGHT_BATCHES_MAX} requests in flight`,
      );
    this.#options = {
      acks,
      idempotent: isIdempotent,
      compression: options.compression ?? 'none',
      lingerMs: options.lingerMs ?? 5,
      batchBytes: options.batchBytes ?? 64 * 1024,
      bufferBytes: options.bufferBytes ?? 32 * 1024 * 1024,
      maxRequestBytes: options.maxRequestBytes ?? 1024 * 1024,
      maxInFlightRequests: maxInFlight,
      requestTimeoutMs: options.requestTimeoutMs ?? 30_000,
      deliveryTimeoutMs: options.deliveryTimeoutMs ?? 120_000,
      retries: options.retries ?? Number.MAX_SAFE_INTEGER,
      retryBackoffMs: options.retryBackoffMs ?? 100,
    };
    this.#partitioner =
      options.partitioner ??
      new StickyPartitioner(this.#options.batchBytes, (limit) =>
        this.#environment.random.below(limit),
      );
    this.#accumulator = new Accumulator({ ...this.#options, isIdempotent });
    this.#forgetChanges = cluster.onChange(() => this.#drainSoon());
  }

  async send(record: OutgoingRecord): Promise<Delivery> {
    while (this.#isFull && this.#state === 'open') await this.drained();
    return await new Promise((resolve, reject) => {
      this.post(record, (error, delivery) => {
        if (delivery !== null) resolve(delivery);
        else reject(error ?? new ClientMisuse('a record without an outcome'));
      });
    });
  }

  post(record: OutgoingRecord, done?: DeliveryCallback): boolean {
    if (this.#state !== 'open') {
      done?.(new ClientMisuse('the producer is closed'), null);
      return true;
    }
    const { topic, partition } = record;
    const input = this.#inputOf(record);
    if (loneRecordBytes(input) > this.#options.maxRequestBytes) {
      done?.(new KafkaError('MESSAGE_TOO_LARGE', tooLarge(input, this.#options)), null);
      return !this.#isFull;
    }
    const view = this.#cluster.view.topic(topic);
    // Behind records that wait for the topic's metadata, or they would be overtaken.
    if (view === undefined || view.error !== null || this.#homeless.has(topic))
      this.#shelter(topic, { record: input, partition, done, sizeBytes: recordBytes(input) });
    else this.#append(topic, partition, input, done);
    return !this.#isFull;
  }

  drained(): Promise<void> {
    if (!this.#isFull) return Promise.resolve();
    return new Promise((resolve) => this.#drainWaiters.push(resolve));
  }

  async flush(): Promise<void> {
    this.#flushingCount += 1;
    try {
      while (this.#homeless.size > 0) await this.#nextHomecoming();
      const waitFor = new Set(this.#accumulator.unanswered);
      if (waitFor.size === 0) return;
      this.#drainSoon();
      await new Promise<void>((done) => this.#flushes.add({ waitFor, done }));
    } finally {
      this.#flushingCount -= 1;
    }
  }

  async partitionCount(topic: string): Promise<number> {
    const view = await this.#cluster.topic(topic, { allowAutoTopicCreation: true });
    return view.partitions.length;
  }

  async close(): Promise<void> {
    if (this.#state !== 'open') return;
    this.#state = 'closing';
    await this.flush();
    this.#state = 'closed';
    this.#forgetChanges();
    this.#alarm?.disarm();
    for (const resume of this.#drainWaiters.splice(0)) resume();
    this.#closed();
  }

  get #isFull(): boolean {
    return this.#accumulator.bufferedBytes + this.#homelessBytes >= this.#options.bufferBytes;
  }

  #inputOf({ key, value, headers, timestamp }: OutgoingRecord): BufferedRecord {
    const input = {
      key: bytesOf(key ?? null),
      value: bytesOf(value),
      timestamp: timestamp ?? this.#environment.clock.wallTime(),
    };
    if (headers === undefined || headers.length === 0) return input;
    return {
      ...input,
      headers: headers.map((header) => ({ key: header.key, value: bytesOf(header.value) })),
    };
  }

  #append(
    topic: string,
    wanted: number | undefined,
    record: BufferedRecord,
    done: DeliveryCallback | undefined,
  ): void {
    const view = this.#cluster.view.topic(topic);
    const partitionCount = view?.partitions.length ?? 0;
    if (view === undefined || partitionCount === 0) {
      done?.(
        new KafkaError('UNKNOWN_TOPIC_OR_PARTITION', `topic ${topic} has no partitions`),
        null,
      );
      return;
    }
    const partition =
      wanted ??
      this.#partitioner.partition({
        topic,
        key: record.key,
        sizeBytes: recordBytes(record),
        partitionCount,
        available: this.#cluster.view.available(view),
      });
    if (!Number.isInteger(partition) || partition < 0 || partition >= partitionCount) {
      const detail = `topic ${topic} has partitions 0 to ${partitionCount - 1}, not ${partition}`;
      done?.(new KafkaError('UNKNOWN_TOPIC_OR_PARTITION', detail), null);
      return;
    }
    if (this.#accumulator.append(topic, partition, record, done, this.#environment.clock.now()))
      this.#drainSoon();
  }

  /** Keeps a record until its topic is known. */
  #shelter(topic: string, homeless: Homeless): void {
    this.#homelessBytes += homeless.sizeBytes;
    const waiting = this.#homeless.get(topic);
    if (waiting !== undefined) {
      waiting.push(homeless);
      return;
    }
    this.#homeless.set(topic, [homeless]);
    const timeoutMs = Math.min(60_000, this.#options.deliveryTimeoutMs);
    this.#cluster.topic(topic, { allowAutoTopicCreation: true, timeoutMs }).then(
      () => this.#comeHome(topic, null),
      (error: unknown) => this.#comeHome(topic, asError(error)),
    );
  }

  #comeHome(topic: string, error: Error | null): void {
    const waiting = this.#homeless.get(topic) ?? [];
    this.#homeless.delete(topic);
    for (const { record, partition, done, sizeBytes } of waiting) {
      this.#homelessBytes -= sizeBytes;
      if (error === null) this.#append(topic, partition, record, done);
      else done?.(error, null);
    }
    for (const resume of this.#homecomings.splice(0)) resume();
    this.#wakeDrained();
  }

  #nextHomecoming(): Promise<void> {
    return new Promise((resolve) => this.#homecomings.push(resolve));
  }

  /** Once per turn of the event loop, so that records posted together go out together. */
  #drainSoon(): void {
    if (this.#isDrainDue) return;
    this.#isDrainDue = true;
    this.#environment.timers.afterTurn(() => {
      this.#isDrainDue = false;
      this.#drain();
    });
  }

  #drain(): void {
    if (this.#state === 'closed') return;
    const { clock } = this.#environment;
    for (const batch of this.#accumulator.takeExpired(clock.now())) this.#expired(batch);
    if (!this.#isIdentityReady()) return;
    const { requests, leaderless, wakeAt } = this.#accumulator.drain(
      clock.now(),
      this.#identity,
      this.#flushingCount > 0,
      (partition) => this.#cluster.leaderOf(partition),
      (brokerId) => this.#mayAsk(brokerId),
    );
    for (const [brokerId, batches] of requests) this.#dispatch(brokerId, batches);
    if (leaderless.size > 0) {
      this.#refresh([...leaderless]);
      this.#wakeAt(millis(clock.now() + LEADERLESS_REFRESH_MS));
    } else if (wakeAt !== null) this.#wakeAt(wakeAt);
    // A request that was held back for its size leaves others room in the next turn.
    if (requests.size > 0) this.#drainSoon();
  }

  #mayAsk(brokerId: number): boolean {
    return this.#broker(brokerId).requestsInFlight < this.#options.maxInFlightRequests;
  }

  #broker(brokerId: number): BrokerState {
    let state = this.#brokers.get(brokerId);
    if (state === undefined) {
      state = { requestsInFlight: 0, order: Promise.resolve() };
      this.#brokers.set(brokerId, state);
    }
    return state;
  }

  #wakeAt(at: Millis): void {
    if (this.#alarm !== null && this.#alarm.at <= at) return;
    this.#alarm?.disarm();
    const disarm = this.#environment.timers.wakeAt(at, () => {
      this.#alarm = null;
      this.#drain();
    });
    this.#alarm = { at, disarm };
  }

  #dispatch(brokerId: number, batches: readonly ProducerBatch[]): void {
    const broker = this.#broker(brokerId);
    broker.requestsInFlight += 1;
    const prepared = this.#prepare(brokerId, batches);
    prepared.catch(() => undefined); // Told below, once its turn has come.
    const before = broker.order;
    const sent = before.then(() => prepared).then((send) => send());
    // The next request may leave as soon as this one is written, not when it is answered.
    broker.order = sent.then(
      () => undefined,
      () => undefined,
    );
    sent
      .then(({ answer }) => answer)
      .then(
        (response) => this.#answered(batches, response),
        (error: unknown) => this.#failedAll(batches, asError(error)),
      )
      .finally(() => {
        broker.requestsInFlight -= 1;
        this.#drainSoon();
      })
      .catch((error: unknown) => {
        // A callback of the user threw, or a bug: it must not vanish.
        queueMicrotask(() => {
          throw error;
        });
      });
  }

  /** Encodes and finds the connection at the same time; what it returns writes at once. */
  async #prepare(
    brokerId: number,
    batches: readonly ProducerBatch[],
  ): Promise<() => { readonly answer: Promise<ProduceResponse | null> }> {
    const [connection] = await Promise.all([
      this.#cluster.connectionTo(brokerId, 'produce'),
      ...batches.map((batch) => this.#encode(batch)),
    ]);
    return () => ({ answer: this.#produce(connection, batches) });
  }

  async #encode(batch: ProducerBatch): Promise<void> {
    if (batch.encoded !== null) return;
    const input = {
      records: batch.records,
      compression: this.#options.compression,
      ...(batch.sequence ?? {}),
    };
    batch.encoded =
      this.#options.compression === 'none' ? encodeBatch(input) : await encodeBatchAsync(input);
  }

  async #produce(
    connection: BrokerConnection,
    batches: readonly ProducerBatch[],
  ): Promise<ProduceResponse | null> {
    const version = connection.versionOf(apis.produce, PRODUCE_VERSION_MAX);
    if (version < PRODUCE_VERSION_MIN)
      throw new KafkaError('UNSUPPORTED_VERSION', 'the broker is older than Kafka 0.11');
    const { acks, requestTimeoutMs } = this.#options;
    const request = {
      transactionalId: null,
      acks: acks === 'all' ? -1 : acks,
      timeoutMs: requestTimeoutMs,
      topicData: topicData(batches),
    };
    if (acks !== 0)
      return await connection.send(apis.produce, version, request, {
        timeoutMs: requestTimeoutMs + ANSWER_SLACK_MS,
      });
    connection.sendUnanswered(apis.produce, version, request);
    while (connection.unsentBytes > UNSENT_BYTES_MAX && !connection.isClosed)
      await this.#cluster.pause(UNSENT_RETRY_MS);
    return null;
  }

  #answered(batches: readonly ProducerBatch[], response: ProduceResponse | null): void {
    const answers = new Map<
      string,
      ProduceResponse['responses'][number]['partitionResponses'][number]
    >();
    for (const topic of response?.responses ?? [])
      for (const partition of topic.partitionResponses)
        answers.set(`${topic.name}-${partition.index}`, partition);
    const stale = new Set<string>();
    for (const batch of batches) {
      const answer = answers.get(`${batch.topic}-${batch.partition}`);
      if (response === null) this.#succeeded(batch, -1, -1);
      else if (answer === undefined)
        this.#failed(
          batch,
          new KafkaError('UNKNOWN_SERVER_ERROR', 'the answer lacks the partition'),
        );
      else if (answer.errorCode === 0)
        this.#succeeded(batch, answer.baseOffset, answer.logAppendTimeMs);
      else {
        const detail = answer.errorMessage ?? `${batch.topic}-${batch.partition}`;
        const error = new KafkaError(kafkaErrorOf(answer.errorCode), detail);
        if (error.staleMetadata) stale.add(batch.topic);
        this.#failed(batch, error);
      }
    }
    if (stale.size > 0) this.#refresh([...stale]);
  }

  #failedAll(batches: readonly ProducerBatch[], error: Error): void {
    for (const batch of batches) this.#failed(batch, error);
    this.#refresh([...new Set(batches.map(({ topic }) => topic))]);
  }

  #succeeded(batch: ProducerBatch, baseOffset: number, logAppendTimeMs: number): void {
    this.#accumulator.done(batch);
    batch.succeed(baseOffset, logAppendTimeMs);
    this.#finished(batch);
  }

  #failed(batch: ProducerBatch, error: Error): void {
    const now = this.#environment.clock.now();
    batch.failures += 1;
    batch.lastError = error;
    const verdict = judge({
      error,
      recordCount: batch.records.length,
      isIdempotent: this.#options.idempotent,
      isOldest: this.#accumulator.isOldestInFlight(batch),
      mayRetry:
        batch.failures <= this.#options.retries &&
        now < batch.createdAt + this.#options.deliveryTimeoutMs,
    });
    switch (verdict.kind) {
      case 'succeed':
        this.#succeeded(batch, -1, -1);
        break;
      case 'retry': {
        const backoff = {
          firstMs: this.#options.retryBackoffMs,
          largestMs: RETRY_BACKOFF_MS_LARGEST,
        };
        batch.retryAt = millis(now + backoffMs(backoff, batch.failures, this.#cluster.chance()));
        this.#accumulator.putBack(batch);
        this.#wakeAt(batch.retryAt);
        break;
      }
      case 'split':
        this.#accumulator.splitAndPutBack(batch);
        this.#replaceInFlushes(batch);
        break;
      case 'fail':
        if (verdict.resetIdentity) this.#identityState = 'stale';
        this.#giveUp(batch, error);
        break;
    }
  }

  #expired(batch: ProducerBatch): void {
    // Its number is spent although nothing may have arrived under it.
    if (batch.sequence !== null) this.#identityState = 'stale';
    const waitedMs = this.#options.deliveryTimeoutMs;
    const cause = batch.lastError === null ? {} : { cause: batch.lastError };
    const where = `${batch.topic}-${batch.partition}`;
    const why = batch.lastError === null ? '' : `: ${batch.lastError.message}`;
    const error = new RequestTimedOut(
      `not delivered to ${where} within ${waitedMs} ms${why}`,
      cause,
    );
    batch.fail(error);
    this.#finished(batch);
  }

  #giveUp(batch: ProducerBatch, error: Error): void {
    this.#accumulator.done(batch);
    batch.fail(error);
    this.#finished(batch);
  }

  #finished(batch: ProducerBatch): void {
    for (const flush of this.#flushes) {
      flush.waitFor.delete(batch);
      if (flush.waitFor.size > 0) continue;
      this.#flushes.delete(flush);
      flush.done();
    }
    this.#wakeDrained();
  }

  /** A flush that waited for a batch waits for its halves. */
  #replaceInFlushes(batch: ProducerBatch): void {
    for (const { waitFor } of this.#flushes)
      if (waitFor.delete(batch))
        for (const unanswered of this.#accumulator.unanswered) waitFor.add(unanswered);
  }

  #wakeDrained(): void {
    if (this.#isFull) return;
    for (const resume of this.#drainWaiters.splice(0)) resume();
  }

  #refresh(topics: readonly string[]): void {
    this.#cluster.refresh(topics).catch(() => undefined); // The next failure asks again.
  }

  /**
   * An idempotent producer has a number from the cluster before it sends. A stale one is replaced when
   * nothing is on its way under it, so that no batch can be written under both.
   */
  #isIdentityReady(): boolean {
    if (!this.#options.idempotent || this.#identityState === 'ready') return true;
    if (this.#identityState === 'asking' || this.#accumulator.unanswered.size === 0) return false;
    if (this.#identityState === 'stale' && this.#accumulator.hasInFlight) return false;
    this.#identityState = 'asking';
    this.#askIdentity().then(
      (identity) => {
        this.#identity = identity;
        this.#identityState = 'ready';
        this.#drainSoon();
      },
      (error: unknown) => {
        this.#identityState = 'none';
        for (const batch of this.#accumulator.takeAll()) {
          batch.fail(asError(error));
          this.#finished(batch);
        }
      },
    );
    return false;
  }

  async #askIdentity(): Promise<Identity> {
    const { producerId, producerEpoch } = await this.#cluster.call({
      target: { kind: 'any' },
      api: apis.initProducerId,
      body: () => ({ transactionalId: null, transactionTimeoutMs: 0x7fff_ffff }),
      codeOf: ({ errorCode }) => errorCode,
      timeoutMs: this.#options.deliveryTimeoutMs,
    });
    return { producerId, producerEpoch };
  }
}

function topicData(batches: readonly ProducerBatch[]) {
  const topics = new Map<string, { index: number; records: Buffer | null }[]>();
  for (const { topic, partition, encoded } of batches) {
    const partitionData = topics.get(topic);
    const entry = { index: partition, records: encoded };
    if (partitionData === undefined) topics.set(topic, [entry]);
    else partitionData.push(entry);
  }
  return [...topics].map(([name, partitionData]) => ({ name, partitionData }));
}

function bytesOf(data: Buffer | string | null): Buffer | null {
  return typeof data === 'string' ? Buffer.from(data) : data;
}

function tooLarge(
  record: BufferedRecord,
  { maxRequestBytes }: { maxRequestBytes: number },
): string {
  return `a record of ${recordBytes(record)} bytes, more than the ${maxRequestBytes} of maxRequestBytes`;
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
