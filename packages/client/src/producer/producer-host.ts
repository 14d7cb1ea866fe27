/**
 * The producer: records in, batches out, answers back to the records.
 *
 * record -> partitioner -> accumulator -> (due) -> sender: encoded once, one produce request per broker
 * -> verdict per batch. Which batches are due and in which order is the accumulator's to say, what
 * becomes of a failed one is verdict.ts's; here are the user's calls, the clock and the producer id.
 */
import { apis, KafkaError } from '@odradek/protocol';
import { type Disarm, type Environment, type Millis, millis } from '@odradek/runtime';
import type { Cluster } from '../cluster/cluster-host.ts';
import { backoffMs } from '../cluster/retry.ts';
import { ClientMisuse, RequestTimedOut } from '../errors.ts';
import { Accumulator, loneRecordBytes } from './accumulator.ts';
import { type BufferedRecord, type ProducerBatch, recordBytes } from './batch.ts';
import { type Identity, IN_FLIGHT_BATCHES_MAX } from './partition-queue.ts';
import { type Partitioner, StickyPartitioner } from './partitioner.ts';
import { Sender } from './sender-host.ts';
import type {
  Delivery,
  DeliveryCallback,
  OutgoingRecord,
  Producer,
  ProducerOptions,
} from './types.ts';
import { judge } from './verdict.ts';

const RETRY_BACKOFF_MS_LARGEST = 1_000;
/** How often a partition without a leader, or a missing producer id, is asked after. */
const RECHECK_MS = 100;
interface Homeless {
  readonly record: BufferedRecord;
  readonly partition: number | undefined;
  readonly done: DeliveryCallback | undefined;
  readonly sizeBytes: number;
}

export class KafkaProducer implements Producer {
  readonly #cluster: Cluster;
  readonly #environment: Environment;
  readonly #options: Required<Omit<ProducerOptions, 'partitioner'>>;
  readonly #partitioner: Partitioner;
  readonly #accumulator: Accumulator;
  readonly #sender: Sender;
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
    this.#accumulator = new Accumulator(this.#options);
    this.#sender = new Sender(cluster, this.#options, {
      succeeded: (batch, baseOffset, logAppendTimeMs) =>
        this.#succeeded(batch, baseOffset, logAppendTimeMs),
      failed: (batch, error) => {
        batch.sentFailures += 1;
        this.#failed(batch, error);
      },
      unsent: (batch, error) => this.#failed(batch, error),
      stale: (topics) => this.#refresh(topics),
      freed: () => this.#drainSoon(),
    });
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
    if (!this.#ensureIdentity()) return;
    const { requests, leaderless, wakeAt } = this.#accumulator.drain(
      clock.now(),
      this.#identity,
      this.#flushingCount > 0,
      (partition) => this.#cluster.leaderOf(partition),
      (brokerId) => this.#sender.mayAsk(brokerId),
    );
    for (const [brokerId, batches] of requests) this.#sender.send(brokerId, batches);
    if (leaderless.size > 0) {
      this.#refresh([...leaderless]);
      this.#wakeAt(millis(clock.now() + RECHECK_MS));
    } else if (wakeAt !== null) this.#wakeAt(wakeAt);
    // A request that was held back for its size leaves others room in the next turn.
    if (requests.size > 0) this.#drainSoon();
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
        batch.sentFailures <= this.#options.retries &&
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
        if (verdict.leavesGap) this.#leaveGap(batch);
        this.#giveUp(batch, error);
        break;
    }
  }

  #expired(batch: ProducerBatch): void {
    this.#leaveGap(batch);
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

  /** The batch's numbers are spent: its partition goes on under a new identity, the others as they are. */
  #leaveGap(batch: ProducerBatch): void {
    if (batch.sequence === null) return;
    this.#accumulator.leaveGap(batch);
    if (this.#identityState === 'ready') this.#identityState = 'stale';
  }

  /** An idempotent producer has a number from the cluster before it sends. */
  #ensureIdentity(): boolean {
    if (!this.#options.idempotent || this.#identityState === 'ready') return true;
    if (this.#identityState !== 'asking' && this.#accumulator.unanswered.size > 0) {
      this.#identityState = 'asking';
      this.#askIdentity().then(
        (identity) => {
          this.#identity = identity;
          this.#identityState = 'ready';
          this.#drainSoon();
        },
        (error: unknown) => this.#noIdentity(asError(error)),
      );
    }
    return this.#identity !== null; // Partitions without a gap need not wait for the next one.
  }

  #noIdentity(error: Error): void {
    if (this.#identity !== null) {
      this.#identityState = 'stale'; // Asked again; what waits for it expires in its time.
      this.#wakeAt(millis(this.#environment.clock.now() + RECHECK_MS));
      return;
    }
    this.#identityState = 'none';
    for (const batch of this.#accumulator.takeAll()) {
      batch.fail(error);
      this.#finished(batch);
    }
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
