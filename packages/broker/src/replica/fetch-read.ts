/**
 * Reading for one fetch request: who may read how far in a partition, and the answer of each
 * partition. One pass over the request's partitions, in their order, within the limits; synchronous
 * as long as the newest batches in memory have what is asked for.
 *
 * Waiting for more data is in delayed-fetch.ts, what older consumers get instead of batches in
 * older-fetches.ts, which partitions a request means in fetch-sessions.ts.
 */
import {
  errorCodes,
  type fetchResponse,
  type InputOf,
  KafkaError,
  type KafkaErrorName,
} from '@odradek/protocol';
import { OdradekError, type PooledBuffer } from '@odradek/runtime';
import { divergence, fencing } from '../core/partition/epochs.ts';
import type { PartitionLeader } from '../core/partition/leader.ts';
import type { LogSlice } from '../log/log-types.ts';
import type { PartitionLog } from '../log/partition-log.ts';
import type { AbortedTransaction } from '../log/transaction-index.ts';
import type { PeerPresence } from '../network/peer-presence.ts';
import type { Partition } from './partition.ts';

type TopicAnswer = NonNullable<InputOf<typeof fetchResponse>['responses']>[number];
/** One partition in a fetch response. */
export type PartitionAnswer = TopicAnswer['partitions'][number];

/** In place of a high watermark: the requester need not hear when it moves. */
export const NOT_TOLD = Number.POSITIVE_INFINITY;

/** One partition in a fetch request. */
export interface FetchTarget {
  /** The name; null for a topic id that is not known here. */
  readonly topic: string | null;
  /** All zeros before v13. */
  readonly topicId: string;
  readonly partition: number;
  readonly fetchOffset: number;
  readonly maxBytes: number;
  /** -1 when the requester does not say. */
  readonly currentLeaderEpoch: number;
  readonly lastFetchedEpoch: number;
  readonly logStartOffset: number;
  /** The high watermark that a follower knows of, and wants to know of when it moves; else NOT_TOLD. */
  readonly knownHighWatermark: number;
}

/** What holds for the request as a whole. */
export interface FetchTerms {
  /** Broker id of a follower; -1 for a consumer. */
  readonly replicaId: number;
  readonly readCommitted: boolean;
  /** For all partitions together. */
  readonly maxBytes: number;
  /**
   * At least one whole batch is read of each partition, be it larger than its limit, for as long as
   * there is room for all; else one in all. Before v3 limits are kept when it is converted.
   */
  readonly wholeBatchOfEach: boolean;
  /** Any replica may answer, not only the leader (consumers, v11+). */
  readonly anyReplica: boolean;
  /** The answer has room for the current leader (v12+). */
  readonly tellsLeader: boolean;
  readonly requester: PeerPresence;
  /** Which follower is nearer to the requester than we, who lead; null: consumers read here. */
  readonly nearer: ((leader: PartitionLeader, fetchOffset: number) => number | null) | null;
}

/** Where partitions are looked up. */
export interface ReplicaLookup {
  /** The replica, or why there is none to read from. */
  replicaFor(topic: string | null, topicId: string, partition: number): Partition | KafkaErrorName;
}

/** What was read of one partition. */
export interface PartitionRead {
  readonly target: FetchTarget;
  readonly answer: PartitionAnswer;
  readonly sizeBytes: number;
  /** What was read from, and how far this requester may read; null where nothing was read. */
  readonly source: { readonly log: PartitionLog; readonly end: number } | null;
  /** Must be answered at once: an error, a divergence, a nearer replica, a high watermark. */
  readonly urgent: boolean;
  /** Memory that the records lie in: to be given back when they are sent, or will not be. */
  readonly lent: readonly PooledBuffer[];
}

export interface FetchRead {
  readonly reads: readonly PartitionRead[];
  readonly sizeBytes: number;
  readonly urgent: boolean;
}

const NOTHING_LENT: readonly PooledBuffer[] = [];
const NONE_ABORTED: readonly AbortedTransaction[] = [];

/**
 * The wanted offset lies in an older segment than the end: there is plenty to read, however few bytes
 * the limits have let through, so nobody should wait for more.
 */
export function isSegmentsBehind({ source, target, sizeBytes }: PartitionRead): boolean {
  if (source === null || sizeBytes === 0) return false;
  const { log, end } = source;
  return log.segmentBaseOf(target.fetchOffset) < log.segmentBaseOf(end);
}

/** There is enough, or something that must be told at once. */
export function isWorthAnswering(
  { reads, sizeBytes, urgent }: FetchRead,
  minBytes: number,
): boolean {
  return urgent || sizeBytes >= minBytes || (sizeBytes > 0 && reads.some(isSegmentsBehind));
}

/** All memory that a read holds. */
export function lentFor({ reads }: FetchRead): readonly PooledBuffer[] {
  return reads.flatMap(({ lent }) => lent);
}

/** The records are not needed any more. */
export function giveBack(lent: readonly PooledBuffer[]): void {
  for (const memory of lent) memory.release();
}

/**
 * Reads what there is for all targets.
 * @param arriving true on the first pass over a request: a follower's progress is taken down then
 */
export function readAll(
  targets: readonly FetchTarget[],
  terms: FetchTerms,
  replicas: ReplicaLookup,
  arriving: boolean,
): FetchRead | Promise<FetchRead> {
  const reads: PartitionRead[] = [];
  let sizeBytes = 0;
  let urgent = false;
  const take = (read: PartitionRead): void => {
    reads.push(read);
    sizeBytes += read.sizeBytes;
    if (read.urgent) urgent = true;
  };
  const next = (index: number): PartitionRead | Promise<PartitionRead> =>
    readOne(
      targets[index] as FetchTarget,
      terms,
      replicas,
      arriving,
      Math.max(0, terms.maxBytes - sizeBytes),
      sizeBytes === 0 || (terms.wholeBatchOfEach && sizeBytes < terms.maxBytes),
    );
  for (let index = 0; index < targets.length; index += 1) {
    const read = next(index);
    if (read instanceof Promise) return finish(read, index + 1);
    take(read);
  }
  return { reads, sizeBytes, urgent };

  async function finish(first: Promise<PartitionRead>, from: number): Promise<FetchRead> {
    take(await first);
    for (let index = from; index < targets.length && !terms.requester.isGone; index += 1) {
      const read = next(index);
      take(read instanceof Promise ? await read : read);
    }
    return { reads, sizeBytes, urgent };
  }
}

/** Reads what there is for one target. */
export function readOne(
  target: FetchTarget,
  terms: FetchTerms,
  replicas: ReplicaLookup,
  arriving = false,
  maxBytes = terms.maxBytes,
  wholeFirstBatch = true,
): PartitionRead | Promise<PartitionRead> {
  const partition = replicas.replicaFor(target.topic, target.topicId, target.partition);
  if (typeof partition === 'string') return failure(target, terms, partition, null);
  try {
    return readPartition(partition, target, terms, arriving, maxBytes, wholeFirstBatch);
  } catch (error) {
    return failure(target, terms, errorNameOf(error), partition);
  }
}

function readPartition(
  partition: Partition,
  target: FetchTarget,
  terms: FetchTerms,
  arriving: boolean,
  maxBytes: number,
  wholeFirstBatch: boolean,
): PartitionRead | Promise<PartitionRead> {
  const { log } = partition;
  const fenced = checkReader(partition, target, terms);
  if (fenced !== null) return failure(target, terms, fenced, partition);
  const { fetchOffset } = target;
  const { leader } = partition;
  const nearer = leader === null ? null : (terms.nearer?.(leader, fetchOffset) ?? null);
  if (nearer !== null) return elsewhere(partition, target, nearer);
  if (target.lastFetchedEpoch >= 0) {
    const ours = log.endOffsetForEpoch(target.lastFetchedEpoch);
    const parted = divergence(target.lastFetchedEpoch, fetchOffset, ours);
    if (parted === 'out-of-range' || fetchOffset < log.logStartOffset)
      return failure(target, terms, 'OFFSET_OUT_OF_RANGE', partition);
    if (parted !== null) return diverging(partition, target, parted);
  }
  if (fetchOffset < log.logStartOffset || fetchOffset > log.nextOffset)
    return failure(target, terms, 'OFFSET_OUT_OF_RANGE', partition);
  if (terms.replicaId >= 0 && arriving)
    partition.followerFetched(terms.replicaId, {
      offset: fetchOffset,
      logStartOffset: target.logStartOffset,
    });
  const end = readableEnd(partition, terms);
  const limit = Math.min(maxBytes, target.maxBytes);
  if (fetchOffset >= end || (limit <= 0 && !wholeFirstBatch))
    return found(partition, target, terms, end, null);
  const { rewrites } = log;
  const again = !terms.readCommitted
    ? null
    : () =>
        // Of records that compaction has taken out it is not told any more that they were aborted.
        rewrites === log.rewrites
          ? null
          : readPartition(partition, target, terms, false, maxBytes, wholeFirstBatch);
  const slice = log.read(fetchOffset, limit, end, wholeFirstBatch);
  const read =
    slice instanceof Promise
      ? slice.then((ready) => answered(partition, target, terms, end, ready, again))
      : answered(partition, target, terms, end, slice, again);
  if (!(read instanceof Promise)) return read;
  return read.catch((error: unknown) => failure(target, terms, errorNameOf(error), partition));
}

/**
 * The answer with what was read, once it is known what of it was aborted.
 * @param again reads once more if that cannot be told any more; null when nobody asks
 */
function answered(
  partition: Partition,
  target: FetchTarget,
  terms: FetchTerms,
  end: number,
  slice: LogSlice,
  again: (() => PartitionRead | Promise<PartitionRead> | null) | null,
): PartitionRead | Promise<PartitionRead> {
  if (again === null) return found(partition, target, terms, end, slice);
  let aborted: ReturnType<Partition['log']['abortedTransactions']>;
  try {
    aborted = partition.log.abortedTransactions(target.fetchOffset, slice.nextOffset);
  } catch (error) {
    giveBack(slice.lent);
    throw error;
  }
  const answer = (known: Awaited<typeof aborted>): PartitionRead | Promise<PartitionRead> => {
    const instead = again();
    if (instead === null) return found(partition, target, terms, end, slice, known);
    giveBack(slice.lent);
    return instead;
  };
  if (!(aborted instanceof Promise)) return answer(aborted);
  return aborted.then(answer, (error: unknown) => {
    giveBack(slice.lent);
    throw error;
  });
}

/** May this requester read this replica now? */
function checkReader(
  partition: Partition,
  target: FetchTarget,
  { replicaId, anyReplica }: FetchTerms,
): KafkaErrorName | null {
  if (partition.isOffline) return 'KAFKA_STORAGE_ERROR';
  const fenced = fencing(target.currentLeaderEpoch, partition.leaderEpoch);
  if (fenced !== null) return fenced;
  const mayServe = partition.leader !== null || (anyReplica && partition.isFollower);
  if (!mayServe) return 'NOT_LEADER_OR_FOLLOWER';
  if (replicaId >= 0 && partition.leader?.follower(replicaId) === undefined)
    return 'NOT_LEADER_OR_FOLLOWER';
  return null;
}

function readableEnd(partition: Partition, terms: FetchTerms): number {
  if (terms.replicaId >= 0) return partition.log.logEndOffset;
  return terms.readCommitted ? partition.log.lastStableOffset : partition.highWatermark;
}

function found(
  partition: Partition,
  target: FetchTarget,
  terms: FetchTerms,
  end: number,
  slice: LogSlice | null,
  aborted: readonly AbortedTransaction[] = NONE_ABORTED,
): PartitionRead {
  const { log, highWatermark } = partition;
  return {
    target,
    source: { log, end },
    sizeBytes: slice?.sizeBytes ?? 0,
    // A follower can make use of a high watermark as far as its own log goes.
    urgent: target.knownHighWatermark < Math.min(highWatermark, target.fetchOffset),
    lent: slice?.lent ?? NOTHING_LENT,
    answer: {
      partitionIndex: target.partition,
      errorCode: 0,
      highWatermark,
      lastStableOffset: log.lastStableOffset,
      logStartOffset: log.logStartOffset,
      abortedTransactions: terms.readCommitted ? aborted : null,
      records: slice?.chunks ?? [],
    },
  };
}

const diverging = (
  partition: Partition,
  target: FetchTarget,
  divergingEpoch: { epoch: number; endOffset: number },
): PartitionRead => withoutRecords(partition, target, { divergingEpoch });

/** Another replica is to be read from. */
const elsewhere = (
  partition: Partition,
  target: FetchTarget,
  preferredReadReplica: number,
): PartitionRead => withoutRecords(partition, target, { preferredReadReplica });

function withoutRecords(
  { log, highWatermark }: Partition,
  target: FetchTarget,
  instead: Partial<PartitionAnswer>,
): PartitionRead {
  return {
    target,
    sizeBytes: 0,
    source: null,
    urgent: true,
    lent: NOTHING_LENT,
    answer: {
      partitionIndex: target.partition,
      errorCode: 0,
      highWatermark,
      lastStableOffset: log.lastStableOffset,
      logStartOffset: log.logStartOffset,
      abortedTransactions: null,
      records: [],
      ...instead,
    },
  };
}

/** The answer of a partition that is not read from. */
export function failure(
  target: FetchTarget,
  terms: FetchTerms,
  error: KafkaErrorName,
  partition: Partition | null,
): PartitionRead {
  const tellLeader =
    terms.tellsLeader &&
    partition !== null &&
    (error === 'NOT_LEADER_OR_FOLLOWER' || error === 'FENCED_LEADER_EPOCH');
  return {
    target,
    sizeBytes: 0,
    source: null,
    urgent: true,
    lent: NOTHING_LENT,
    answer: {
      partitionIndex: target.partition,
      errorCode: errorCodes[error],
      highWatermark: -1,
      lastStableOffset: -1,
      // Where the log begins tells a follower that fell out of range where to go on.
      logStartOffset: error === 'OFFSET_OUT_OF_RANGE' ? (partition?.log.logStartOffset ?? -1) : -1,
      abortedTransactions: null,
      records: [],
      ...(tellLeader
        ? { currentLeader: { leaderId: partition.leaderId, leaderEpoch: partition.leaderEpoch } }
        : {}),
    },
  };
}

/** The code for what a log threw; a bug of ours is thrown on. */
function errorNameOf(error: unknown): KafkaErrorName {
  if (error instanceof KafkaError) return error.code;
  if (error instanceof OdradekError) return 'KAFKA_STORAGE_ERROR';
  throw error;
}
