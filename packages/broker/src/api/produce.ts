/**
 * Produce (key 0): appends batches, and answers when they are as safe as was asked for.
 *
 * acks 0: no answer; a failure closes the connection, so that the producer notices. acks 1: when the
 * log is written. acks -1: when every replica that counts has the batch.
 *
 * Versions 0 to 2 carry message sets of magic 0 and 1, of which the log makes batches. From version
 * 13 on topics go by id, and are answered by id (KIP-516).
 *
 * There is no transaction coordinator here yet, so no producer can have begun a transaction:
 * transactional batches are refused like any that no transaction vouches for (KIP-890).
 */
import {
  apis,
  errorCodes,
  type InputOf,
  isTransactional,
  KafkaError,
  type KafkaErrorName,
  magic,
  type ProduceRequest,
  type produceResponse,
  RECORD_BATCH_OVERHEAD,
} from '@odradek/protocol';
import { OdradekError } from '@odradek/runtime';
import type { AppendOrigin, AppendResult } from '../log/log-types.ts';
import { RecordsRefused } from '../log/record-rules.ts';
import { onlyBatch } from '../log/validate.ts';
import { DelayedProduce, type ProduceSlot } from '../replica/delayed-produce.ts';
import type { Partition } from '../replica/partition.ts';
import type { ReplicaManager } from '../replica/replica-manager.ts';
import { handler, type RegisteredHandler, type RequestContext } from './registry.ts';

type ProduceAnswer = InputOf<typeof produceResponse>;
type PartitionAnswer = ProduceAnswer['responses'][number]['partitionResponses'][number];
type TopicData = ProduceRequest['topicData'][number];
type PartitionData = TopicData['partitionData'][number];

/** Where a leader can be reached, for producers that asked somebody else. */
export type EndpointOf = (
  brokerId: number,
  listenerName: string,
) => { readonly host: string; readonly port: number; readonly rack: string | null } | null;

export interface ProduceDependencies {
  readonly replicas: ReplicaManager;
  readonly endpointOf: EndpointOf;
  /** The topic that has this id, as far as this broker has heard. */
  topicNameById(topicId: string): string | undefined;
  /** Topics that only this broker's coordinators write. */
  isInternal(topic: string): boolean;
}

/** Lets a request of this client write internal topics: Kafka's own tool for moving offsets. */
const ADMIN_CLIENT_ID = '__admin_client';
/** New leaders are told from this version on (KIP-951). */
const LEADER_TOLD_SINCE = 10;
/** One batch of magic 2 for a partition from this version on; message sets before (KIP-98). */
const BATCHES_SINCE = 3;
/** KAFKA_STORAGE_ERROR is known from this version on (KIP-112). */
const STORAGE_ERROR_SINCE = 4;
/** Topic ids in place of names from this version on (KIP-516). */
const TOPIC_IDS_SINCE = 13;
/** zstd is known from this version on (KIP-110). */
const ZSTD_SINCE = 7;
const ZSTD = 4;
const CODEC_MASK = 7;
const ATTRIBUTES_AT = 21;

/** With these errors Kafka tells no log start. */
const TELLS_NO_START: ReadonlySet<KafkaErrorName> = new Set([
  'CORRUPT_MESSAGE',
  'KAFKA_STORAGE_ERROR',
  'MESSAGE_TOO_LARGE',
  'NOT_LEADER_OR_FOLLOWER',
  'RECORD_LIST_TOO_LARGE',
]);

/** The answer for one partition while it is in the making. */
class Slot implements ProduceSlot {
  readonly index: number;
  errorCode = 0;
  baseOffset = -1;
  logAppendTimeMs = -1;
  logStartOffset = -1;
  recordErrors: NonNullable<PartitionAnswer['recordErrors']> = [];
  errorMessage: string | null = null;
  currentLeader: { leaderId: number; leaderEpoch: number } | undefined = undefined;

  constructor(index: number) {
    this.index = index;
  }

  failed(error: KafkaErrorName, message: string | null = null): void {
    this.errorCode = errorCodes[error];
    this.baseOffset = -1;
    this.logAppendTimeMs = -1;
    this.errorMessage = message;
  }
}

/** The same for clients that know nothing of disks that fail: they look for another leader. */
class OldSlot extends Slot {
  override failed(error: KafkaErrorName, message: string | null = null): void {
    super.failed(error === 'KAFKA_STORAGE_ERROR' ? 'NOT_LEADER_OR_FOLLOWER' : error, message);
  }
}

/** The answer's partitions, filled in as they come to an end. */
type Responses = readonly {
  readonly name: string;
  readonly topicId: string;
  readonly partitionResponses: readonly Slot[];
}[];

/** One produce request in the making of its answer. */
class ProduceCall {
  readonly #dependencies: ProduceDependencies;
  readonly #request: ProduceRequest;
  readonly #context: RequestContext;
  readonly #origin: AppendOrigin;
  #firstError: KafkaErrorName | null = null;
  /** Settles when the last batch that was not appended at once has been; null: all were. Never rejects. */
  #late: Promise<unknown> | null = null;

  constructor(dependencies: ProduceDependencies, request: ProduceRequest, context: RequestContext) {
    this.#dependencies = dependencies;
    this.#request = request;
    this.#context = context;
    this.#origin = context.apiVersion >= BATCHES_SINCE ? 'client' : 'old-client';
  }

  run(): ProduceAnswer | null | Promise<ProduceAnswer | null> {
    const { acks } = this.#request;
    if (acks !== 0 && acks !== 1 && acks !== -1)
      return this.#refuseAll('INVALID_REQUIRED_ACKS', `acks=${acks}`);
    if (this.#request.transactionalId === null && this.#hasTransactions()) {
      this.#firstError = 'TRANSACTIONAL_ID_AUTHORIZATION_FAILED';
      return acks === 0
        ? this.#silence()
        : this.#refuseAll(this.#firstError, 'a transactional batch without a transactional id');
    }
    return acks === 0 ? this.#runUnanswered() : this.#runAnswered(acks);
  }

  #runUnanswered(): null | Promise<null> {
    this.#appendAll(0, null);
    return this.#late === null ? this.#silence() : this.#late.then(() => this.#silence());
  }

  #silence(): null {
    if (this.#firstError !== null)
      throw new KafkaError(this.#firstError, 'with acks=0 only a closed connection tells');
    return null;
  }

  /** Appends at once; the answer is there at once when nothing is left to wait for. */
  #runAnswered(acks: -1 | 1): ProduceAnswer | Promise<ProduceAnswer> {
    const { deadlines } = this.#dependencies.replicas;
    let isDone = false;
    let resolve: (() => void) | null = null;
    const delayed = new DelayedProduce(acks, () => {
      isDone = true;
      resolve?.();
    });
    const responses = this.#appendAll(acks, delayed);
    const begin = (): void => delayed.begin(deadlines, this.#request.timeoutMs);
    if (this.#late === null) begin();
    else void this.#late.then(begin); // The time runs from when all is appended.
    if (isDone) return this.#answer(responses);
    return new Promise((fulfil) => {
      resolve = () => fulfil(this.#answer(responses));
    });
  }

  /** Asked before anything is appended, since all of the request is refused then. */
  #hasTransactions(): boolean {
    if (this.#origin !== 'client') return false;
    for (const { partitionData } of this.#request.topicData)
      for (const { records } of partitionData)
        if (
          records !== null &&
          records.length >= RECORD_BATCH_OVERHEAD &&
          isTransactional(records, 0)
        )
          return true;
    return false;
  }

  #refuseAll(error: KafkaErrorName, detail: string): ProduceAnswer {
    return {
      responses: this.#request.topicData.map(({ name, topicId, partitionData }) => ({
        name,
        topicId,
        partitionResponses: partitionData.map(({ index }) => {
          const slot = new Slot(index);
          slot.failed(error, detail);
          return slot;
        }),
      })),
    };
  }

  #appendAll(acks: -1 | 0 | 1, delayed: DelayedProduce | null): Responses {
    return this.#request.topicData.map((data) => {
      const { name, topicId, partitionData } = data;
      const topic = this.#nameOf(data);
      return {
        name,
        topicId,
        partitionResponses: partitionData.map((each) =>
          this.#append(topic, topicId, each, acks, delayed),
        ),
      };
    });
  }

  #answer(responses: Responses): ProduceAnswer {
    return { responses, ...this.#endpoints(responses) };
  }

  /** null for an id that is not known here. */
  #nameOf({ name, topicId }: TopicData): string | null {
    if (this.#context.apiVersion < TOPIC_IDS_SINCE) return name;
    return this.#dependencies.topicNameById(topicId) ?? null;
  }

  #append(
    topic: string | null,
    topicId: string,
    { index, records }: PartitionData,
    acks: -1 | 0 | 1,
    delayed: DelayedProduce | null,
  ): Slot {
    const isOld = this.#context.apiVersion < STORAGE_ERROR_SINCE;
    const slot = isOld ? new OldSlot(index) : new Slot(index);
    const partition = this.#dependencies.replicas.replicaFor(topic, topicId, index);
    let isForLog = false;
    try {
      if (topic === null) throw new KafkaError('UNKNOWN_TOPIC_ID');
      // A topic that was made anew: what is meant is another one than the one that lies here.
      if (partition === 'INCONSISTENT_TOPIC_ID') throw new KafkaError('UNKNOWN_TOPIC_ID');
      if (typeof partition === 'string') throw new KafkaError(partition);
      this.#checkTopic(topic);
      const batch = this.#checkBatch(records);
      isForLog = true;
      const result = partition.append(batch, acks, this.#origin);
      if (result instanceof Promise) this.#appendLater(slot, topic, partition, result, delayed);
      else this.#appended(slot, partition, result, delayed);
    } catch (error) {
      const held = typeof partition === 'string' ? null : partition;
      this.#refuse(slot, error, topic, held, isForLog);
    }
    return slot;
  }

  #appended(
    slot: Slot,
    partition: Partition,
    { firstOffset, lastOffset, logAppendTimeMs, logStartOffset }: AppendResult,
    delayed: DelayedProduce | null,
  ): void {
    slot.baseOffset = firstOffset;
    slot.logAppendTimeMs = logAppendTimeMs;
    slot.logStartOffset = logStartOffset;
    delayed?.expect(partition, lastOffset + 1, slot);
  }

  /** The batch is in a worker, or waits behind one that is. */
  #appendLater(
    slot: Slot,
    topic: string,
    partition: Partition,
    result: Promise<AppendResult>,
    delayed: DelayedProduce | null,
  ): void {
    const settled = result.then(
      (appended) => this.#appended(slot, partition, appended, delayed),
      (error: unknown) => this.#refuse(slot, error, topic, partition, true),
    );
    this.#late = this.#late === null ? settled : Promise.all([this.#late, settled]);
  }

  #checkTopic(topic: string): void {
    if (this.#dependencies.isInternal(topic) && this.#context.clientId !== ADMIN_CLIENT_ID)
      throw new KafkaError('INVALID_TOPIC_EXCEPTION', 'internal topics are not for clients');
  }

  /** What depends on the request; the log checks what depends on the batch alone. */
  #checkBatch(records: Buffer | null): Buffer {
    if (records === null) throw new KafkaError('INVALID_RECORD', 'no records for the partition');
    const batch = this.#origin === 'client' ? onlyBatch(records) : records;
    if (batch.length < RECORD_BATCH_OVERHEAD || magic(batch, 0) !== 2) return batch;
    const codec = batch.readInt16BE(ATTRIBUTES_AT) & CODEC_MASK;
    if (codec === ZSTD && this.#context.apiVersion < ZSTD_SINCE)
      throw new KafkaError('UNSUPPORTED_COMPRESSION_TYPE', 'zstd needs Produce 7');
    if (isTransactional(batch, 0))
      throw new KafkaError('INVALID_TXN_STATE', 'no transaction of this producer is known');
    return batch;
  }

  /** @param isForLog what depends on the request alone was right */
  #refuse(
    slot: Slot,
    error: unknown,
    topic: string | null,
    partition: Partition | null,
    isForLog: boolean,
  ): void {
    const code = codeOf(error);
    this.#firstError ??= code;
    slot.failed(code, error instanceof Error ? error.message : null);
    if (isForLog && partition !== null && !TELLS_NO_START.has(code))
      slot.logStartOffset = partition.log.logStartOffset;
    if (error instanceof RecordsRefused)
      slot.recordErrors = error.recordErrors.map(({ batchIndex, message }) => ({
        batchIndex,
        batchIndexErrorMessage: message,
      }));
    const tellsLeader = this.#context.apiVersion >= LEADER_TOLD_SINCE && topic !== null;
    if (code === 'NOT_LEADER_OR_FOLLOWER' && tellsLeader)
      slot.currentLeader = this.#dependencies.replicas.leaderOf(topic, slot.index, partition);
  }

  #endpoints(
    responses: readonly { readonly partitionResponses: readonly Slot[] }[],
  ): Pick<ProduceAnswer, 'nodeEndpoints'> {
    if (this.#firstError === null) return {};
    const nodes = new Map<
      number,
      { nodeId: number; host: string; port: number; rack: string | null }
    >();
    for (const { partitionResponses } of responses)
      for (const { currentLeader } of partitionResponses) {
        const nodeId = currentLeader?.leaderId ?? -1;
        const endpoint = this.#dependencies.endpointOf(nodeId, this.#context.listenerName);
        if (endpoint !== null) nodes.set(nodeId, { nodeId, ...endpoint });
      }
    return nodes.size === 0 ? {} : { nodeEndpoints: [...nodes.values()] };
  }
}

/** A failure of the disk is the broker's, and retriable; a bug of ours is thrown on. */
function codeOf(error: unknown): KafkaErrorName {
  if (error instanceof KafkaError) return error.code;
  if (error instanceof OdradekError) return 'KAFKA_STORAGE_ERROR';
  throw error;
}

export function produceHandler(dependencies: ProduceDependencies): RegisteredHandler {
  return handler(
    apis.produce,
    [0, 13],
    (request, context) => new ProduceCall(dependencies, request, context).run(),
    // The log has copied the batches when they are appended.
    { mayOverlap: true, keepsNothing: true },
  );
}
