/**
 * ListOffsets (key 2): offsets by timestamp, and the ends of a log. Version 0 knows no offsets by
 * timestamp: it is answered with the beginnings of segments.
 */
import {
  apis,
  errorCodes,
  type InputOf,
  KafkaError,
  type KafkaErrorName,
  type ListOffsetsRequest,
  type listOffsetsResponse,
} from '@odradek/protocol';
import { OdradekError } from '@odradek/runtime';
import { NO_TOPIC_ID } from '../core/controller/state.ts';
import { fencing } from '../core/partition/epochs.ts';
import { forEachConcurrently } from '../log/for-each-concurrently.ts';
import type { Partition } from '../replica/partition.ts';
import type { ReplicaManager } from '../replica/replica-manager.ts';
import { handler, type RegisteredHandler } from './registry.ts';

type AskedPartition = ListOffsetsRequest['topics'][number]['partitions'][number];

const LATEST = -1;
const EARLIEST = -2;
const MAX_TIMESTAMP = -3;
const EARLIEST_LOCAL = -4;
const LATEST_TIERED = -5;
const EARLIEST_PENDING_UPLOAD = -6;
/** Names for offsets, and the first version that has them. */
const NAMED_SINCE: ReadonlyMap<number, number> = new Map([
  [LATEST, 0],
  [EARLIEST, 0],
  [MAX_TIMESTAMP, 7],
  [EARLIEST_LOCAL, 8],
  [LATEST_TIERED, 9],
  [EARLIEST_PENDING_UPLOAD, 11],
]);
const OFFSET_NOT_AVAILABLE_SINCE = 5;
const LEADER_EPOCH_SINCE = 4;
/** One offset in place of a list of segments' beginnings (KIP-79). */
const ONE_OFFSET_SINCE = 1;
/** Partitions of one request that are looked into at once; look-ups by time wait for each other besides. */
const PARTITIONS_AT_ONCE = 4;
const CONSUMER = -1;
/** A tool that may ask any replica. */
const DEBUGGER = -2;
const READ_COMMITTED = 1;

type Answer = NonNullable<
  InputOf<typeof listOffsetsResponse>['topics']
>[number]['partitions'][number];

/** A partition of a request and what is answered for it. */
interface AnswerSlot {
  readonly topic: string;
  readonly asked: AskedPartition;
  answer: Answer;
}

interface Listed {
  readonly offset: number;
  readonly timestamp: number;
  readonly leaderEpoch: number;
}

/** Older versions have no place for the epoch. */
const inVersion = ({ offset, timestamp, leaderEpoch }: Listed, version: number) =>
  version >= LEADER_EPOCH_SINCE ? { offset, timestamp, leaderEpoch } : { offset, timestamp };

const NONE: ReadonlySet<string> = new Set();
const NOTHING: Listed = { offset: -1, timestamp: -1, leaderEpoch: -1 };

export function listOffsetsHandler({
  replicas,
}: {
  readonly replicas: ReplicaManager;
}): RegisteredHandler {
  return handler(apis.listOffsets, [0, 11], async (request, { apiVersion, presence }) => {
    // Whoever asks in version 0 may ask for several times at once.
    const repeated = apiVersion < ONE_OFFSET_SINCE ? NONE : repeatedPartitions(request);
    const slots: AnswerSlot[] = [];
    const topics = request.topics.map(({ name, partitions }) => ({
      name,
      partitions: partitions.map((asked) => {
        const slot: AnswerSlot = { topic: name, asked, answer: refusal(asked, 'INVALID_REQUEST') };
        if (!repeated.has(`${name}-${asked.partitionIndex}`)) slots.push(slot);
        return slot;
      }),
    }));
    await forEachConcurrently(slots, PARTITIONS_AT_ONCE, async (slot) => {
      if (presence.isGone) return;
      slot.answer = await answer(replicas, slot.topic, slot.asked, request, apiVersion);
    });
    return {
      topics: topics.map(({ name, partitions }) => ({
        name,
        partitions: partitions.map((slot) => slot.answer),
      })),
    };
  });
}

function repeatedPartitions({ topics }: ListOffsetsRequest): ReadonlySet<string> {
  const seen = new Set<string>();
  const repeated = new Set<string>();
  for (const { name, partitions } of topics)
    for (const { partitionIndex } of partitions) {
      const key = `${name}-${partitionIndex}`;
      if (seen.has(key)) repeated.add(key);
      seen.add(key);
    }
  return repeated;
}

async function answer(
  replicas: ReplicaManager,
  topic: string,
  asked: AskedPartition,
  request: ListOffsetsRequest,
  version: number,
): Promise<Answer> {
  try {
    checkName(asked.timestamp, version);
    const partition = replicas.replicaFor(topic, NO_TOPIC_ID, asked.partitionIndex);
    if (typeof partition === 'string') throw new KafkaError(partition);
    checkReader(partition, asked, request);
    if (version < ONE_OFFSET_SINCE) return await segmentsOf(partition, asked, request);
    const listed = await list(partition, asked.timestamp, request, version);
    return { partitionIndex: asked.partitionIndex, errorCode: 0, ...inVersion(listed, version) };
  } catch (error) {
    if (error instanceof KafkaError) return refusal(asked, error.code);
    if (error instanceof OdradekError) return refusal(asked, 'KAFKA_STORAGE_ERROR');
    throw error;
  }
}

const refusal = ({ partitionIndex }: AskedPartition, error: KafkaErrorName): Answer => ({
  partitionIndex,
  errorCode: errorCodes[error],
  ...NOTHING,
});

/** Beginnings of segments, the newest first; a consumer sees none above the high watermark. */
async function segmentsOf(
  { log, highWatermark }: Partition,
  { partitionIndex, timestamp, maxNumOffsets }: AskedPartition,
  { replicaId }: ListOffsetsRequest,
) {
  const offsets = await log.segmentOffsetsBefore(timestamp, maxNumOffsets);
  const visible = offsets.filter((offset) => offset <= highWatermark);
  const isCut = replicaId === CONSUMER && visible.length < offsets.length;
  return {
    partitionIndex,
    errorCode: 0,
    oldStyleOffsets: isCut ? [highWatermark, ...visible] : offsets,
  };
}

/** Whoever leads: this can be answered nowhere. */
function checkName(timestamp: number, version: number): void {
  if (timestamp < 0 && version < (NAMED_SINCE.get(timestamp) ?? Number.POSITIVE_INFINITY))
    throw new KafkaError('UNSUPPORTED_VERSION');
}

function checkReader(
  partition: Partition,
  { currentLeaderEpoch }: AskedPartition,
  { replicaId }: ListOffsetsRequest,
): void {
  if (partition.isOffline) throw new KafkaError('KAFKA_STORAGE_ERROR');
  const fenced = fencing(currentLeaderEpoch, partition.leaderEpoch);
  if (fenced !== null) throw new KafkaError(fenced);
  if (partition.leader === null && replicaId !== DEBUGGER)
    throw new KafkaError('NOT_LEADER_OR_FOLLOWER');
}

async function list(
  partition: Partition,
  timestamp: number,
  request: ListOffsetsRequest,
  version: number,
): Promise<Listed> {
  const { log } = partition;
  if (timestamp === EARLIEST || timestamp === EARLIEST_LOCAL) {
    const { logStartOffset } = log;
    return { offset: logStartOffset, timestamp: -1, leaderEpoch: log.epochOf(logStartOffset) };
  }
  // No record of ours lies, or will lie, in other storage than ours.
  if (timestamp === LATEST_TIERED || timestamp === EARLIEST_PENDING_UPLOAD) return NOTHING;
  const end = visibleEnd(partition, request);
  const isSettled = hasSettled(partition, request);
  if (timestamp === LATEST) {
    if (!isSettled) throw notYet(version);
    return { offset: end, timestamp: -1, leaderEpoch: partition.leaderEpoch };
  }
  if (timestamp === MAX_TIMESTAMP) {
    const newest = await log.offsetOfMaxTimestamp();
    if (newest !== null && newest.offset < end) return newest;
    if (!isSettled) throw notYet(version);
    return NOTHING;
  }
  const found = await log.offsetForTimestamp(timestamp, end);
  if (found !== null) return found;
  if (!isSettled) throw notYet(version);
  return NOTHING;
}

function visibleEnd(
  { log, highWatermark }: Partition,
  { replicaId, isolationLevel }: ListOffsetsRequest,
): number {
  if (replicaId !== CONSUMER) return log.logEndOffset;
  return isolationLevel === READ_COMMITTED ? log.lastStableOffset : highWatermark;
}

/** A new leader does not know how far the old one had come before its followers have fetched. */
function hasSettled({ leader, highWatermark }: Partition, { replicaId }: ListOffsetsRequest) {
  return replicaId !== CONSUMER || leader === null || highWatermark >= leader.epochStartOffset;
}

const notYet = (version: number): KafkaError =>
  new KafkaError(
    version >= OFFSET_NOT_AVAILABLE_SINCE ? 'OFFSET_NOT_AVAILABLE' : 'LEADER_NOT_AVAILABLE',
  );
