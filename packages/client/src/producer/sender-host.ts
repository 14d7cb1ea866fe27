/**
 * Puts batches on the wire: one produce request for what is due at a broker, encoded once, compressed off
 * the event loop, and leaving in the order in which it was taken also when encoding takes its time.
 * What an answer means for a batch is the producer's business.
 */
import {
  apis,
  type Codec,
  encodeBatch,
  encodeBatchAsync,
  KafkaError,
  kafkaErrorOf,
  type ProduceResponse,
} from '@odradek/protocol';
import type { Cluster } from '../cluster/cluster-host.ts';
import type { BrokerConnection } from '../connection/broker-connection-host.ts';
import { partitionKey } from '../topic-partition.ts';
import type { ProducerBatch } from './batch.ts';

/** Topics by name: v13 takes ids only. */
const PRODUCE_VERSION_MAX = 12;
/** Batches of magic 2. */
const PRODUCE_VERSION_MIN = 3;
/** What the answer to a produce request may take on the way, beyond the broker's own time-out. */
const ANSWER_SLACK_MS = 5_000;
/** With acks 0 nothing but the socket pushes back: records wait while it holds this much. */
const UNSENT_BYTES_MAX = 4 * 1024 * 1024;
const UNSENT_RETRY_MS = 1;

export interface SenderOptions {
  readonly acks: 0 | 1 | 'all';
  readonly compression: Codec;
  readonly requestTimeoutMs: number;
  readonly maxInFlightRequests: number;
}

/** What became of each batch, and that a broker takes requests again. */
export interface SenderEvents {
  /** `baseOffset` and `logAppendTimeMs` -1 where they are not known. */
  succeeded(batch: ProducerBatch, baseOffset: number, logAppendTimeMs: number): void;
  failed(batch: ProducerBatch, error: Error): void;
  /** Nothing left: there was no connection, or no way to encode it. */
  unsent(batch: ProducerBatch, error: Error): void;
  /** These topics' leaders may have moved. */
  stale(topics: readonly string[]): void;
  freed(): void;
}

interface BrokerState {
  requestsInFlight: number;
  order: Promise<void>;
}

type PartitionAnswer = ProduceResponse['responses'][number]['partitionResponses'][number];

export class Sender {
  readonly #cluster: Cluster;
  readonly #options: SenderOptions;
  readonly #events: SenderEvents;
  readonly #brokers = new Map<number, BrokerState>();

  constructor(cluster: Cluster, options: SenderOptions, events: SenderEvents) {
    this.#cluster = cluster;
    this.#options = options;
    this.#events = events;
  }

  mayAsk(brokerId: number): boolean {
    return this.#broker(brokerId).requestsInFlight < this.#options.maxInFlightRequests;
  }

  send(brokerId: number, batches: readonly ProducerBatch[]): void {
    const broker = this.#broker(brokerId);
    broker.requestsInFlight += 1;
    const prepared = this.#prepare(brokerId, batches);
    prepared.catch(() => undefined); // Told below, once its turn has come.
    const sent = broker.order.then(() => prepared).then((produce) => ({ answer: produce() }));
    // The next request may leave as soon as this one is written, not when it is answered.
    broker.order = sent.then(
      () => undefined,
      () => undefined,
    );
    sent
      .then(
        ({ answer }) =>
          answer.then(
            (response) => this.#answered(batches, response),
            (error: unknown) => this.#failedAll(batches, error, 'failed'),
          ),
        (error: unknown) => this.#failedAll(batches, error, 'unsent'),
      )
      .finally(() => {
        broker.requestsInFlight -= 1;
        this.#events.freed();
      })
      .catch((error: unknown) => {
        // A callback of the user threw, or a bug: it must not vanish.
        queueMicrotask(() => {
          throw error;
        });
      });
  }

  #broker(brokerId: number): BrokerState {
    let state = this.#brokers.get(brokerId);
    if (state === undefined) {
      state = { requestsInFlight: 0, order: Promise.resolve() };
      this.#brokers.set(brokerId, state);
    }
    return state;
  }

  /** Encodes and finds the connection at the same time; what it returns writes at once. */
  async #prepare(
    brokerId: number,
    batches: readonly ProducerBatch[],
  ): Promise<() => Promise<ProduceResponse | null>> {
    const [connection] = await Promise.all([
      this.#cluster.connectionTo(brokerId, 'produce'),
      ...batches.map((batch) => this.#encode(batch)),
    ]);
    return () => this.#produce(connection, batches);
  }

  async #encode(batch: ProducerBatch): Promise<void> {
    if (batch.encoded !== null) return;
    const { compression } = this.#options;
    const input = { records: batch.records, compression, ...(batch.sequence ?? {}) };
    batch.encoded = compression === 'none' ? encodeBatch(input) : await encodeBatchAsync(input);
  }

  /** null with acks 0, once the socket takes more. */
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
    const answers = answersByPartition(response);
    const stale = new Set<string>();
    for (const batch of batches) {
      const answer = answers.get(partitionKey(batch));
      if (response === null) this.#events.succeeded(batch, -1, -1);
      else if (answer?.errorCode === 0)
        this.#events.succeeded(batch, answer.baseOffset, answer.logAppendTimeMs);
      else {
        const error = failureOf(batch, answer);
        if (error.staleMetadata) stale.add(batch.topic);
        this.#events.failed(batch, error);
      }
    }
    if (stale.size > 0) this.#events.stale([...stale]);
  }

  #failedAll(batches: readonly ProducerBatch[], error: unknown, how: 'failed' | 'unsent'): void {
    const failure = error instanceof Error ? error : new Error(String(error));
    for (const batch of batches) this.#events[how](batch, failure);
    this.#events.stale([...new Set(batches.map(({ topic }) => topic))]);
  }
}

function failureOf(batch: ProducerBatch, answer: PartitionAnswer | undefined): KafkaError {
  if (answer === undefined)
    return new KafkaError('UNKNOWN_SERVER_ERROR', `the answer lacks ${partitionKey(batch)}`);
  return new KafkaError(kafkaErrorOf(answer.errorCode), answer.errorMessage ?? partitionKey(batch));
}

function answersByPartition(
  response: ProduceResponse | null,
): ReadonlyMap<string, PartitionAnswer> {
  const answers = new Map<string, PartitionAnswer>();
  for (const { name, partitionResponses } of response?.responses ?? [])
    for (const answer of partitionResponses)
      answers.set(partitionKey({ topic: name, partition: answer.index }), answer);
  return answers;
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
