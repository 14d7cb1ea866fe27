/**
 * From the bytes that somebody wants appended to a set of batches with offsets: the leader's way,
 * which checks and assigns, and the follower's way, which checks and takes over. Neither changes
 * the log; partition-log.ts does, with what comes out here.
 */
import { KafkaError, setBaseOffset, setPartitionLeaderEpoch } from '@odradek/protocol';
import type { ProducerBatch } from '../core/producer-state/producer-entry.ts';
import { type BatchFacts, factsOf, producerBatchOf } from './batches.ts';
import type { LogConfig } from './log-config.ts';
import { type AppendOrigin, UnexpectedAppendOffset } from './log-types.ts';
import { soundBatch } from './scan.ts';
import { type ValidBatch, validateClientBatch } from './validate.ts';
import { validateMessageSet } from './validate-message-set.ts';

/** Batches that are ready to go into the log, all of them or none. */
export interface AppendSet {
  readonly bytes: Buffer;
  readonly batches: readonly BatchFacts[];
  /** Those of idempotent producers. */
  readonly producers: readonly ProducerBatch[];
  /** -1 with CreateTime. */
  readonly logAppendTimeMs: number;
  readonly recordCount: number;
  /** -1 when no batch has a timestamp. */
  readonly maxTimestamp: number;
  readonly offsetOfMaxTimestamp: number;
}

export interface LeaderAppend {
  readonly nextOffset: number;
  readonly leaderEpoch: number;
  readonly origin: AppendOrigin;
  readonly config: LogConfig;
  readonly wallTimeMs: number;
}

/**
 * Checks what a leader is to append and gives it offsets and epoch, in place.
 * @throws KafkaError as validateClientBatch does, and RECORD_LIST_TOO_LARGE
 */
export function leaderSet(records: Buffer, append: LeaderAppend): AppendSet {
  const { config, leaderEpoch } = append;
  const { bytes, logAppendTimeMs } = validated(records, append);
  if (bytes.length > config.segmentBytes) {
    const detail = `${bytes.length} bytes, segment.bytes is ${config.segmentBytes}`;
    throw new KafkaError('RECORD_LIST_TOO_LARGE', detail);
  }
  const batches: BatchFacts[] = [];
  const producers: ProducerBatch[] = [];
  let offset = append.nextOffset;
  for (let at = 0; at < bytes.length; ) {
    setBaseOffset(bytes, at, offset);
    setPartitionLeaderEpoch(bytes, at, leaderEpoch);
    const facts = factsOf(bytes, at);
    const producer = producerBatchOf(bytes, at);
    if (producer !== null) producers.push(producer);
    batches.push(facts);
    offset = facts.lastOffset + 1;
    at += facts.sizeBytes;
  }
  return { bytes, batches, producers, logAppendTimeMs, ...summary(batches) };
}

function validated(records: Buffer, { origin, config, wallTimeMs }: LeaderAppend): ValidBatch {
  if (origin === 'client') return validateClientBatch(records, config, wallTimeMs);
  if (origin === 'old-client') return validateMessageSet(records, config, wallTimeMs);
  return { bytes: records, logAppendTimeMs: -1 };
}

export interface FollowerAppend {
  /** `topic-partition`, for messages. */
  readonly name: string;
  readonly nextOffset: number;
  /** Batches of a later epoch, and all behind them, are left out. */
  readonly maxLeaderEpoch: number;
}

/**
 * Checks what a leader has sent: sound batches that continue the log. A last one that is cut short
 * is left out.
 * @throws UnexpectedAppendOffset when the first batch lies below the log's end
 * @throws KafkaError CORRUPT_MESSAGE
 */
export function followerSet(records: Buffer, append: FollowerAppend): AppendSet {
  const batches: BatchFacts[] = [];
  const producers: ProducerBatch[] = [];
  let at = 0;
  let expected = append.nextOffset;
  while (at < records.length) {
    const facts = soundBatch(records, at, true);
    if (facts === 'cut') break;
    if (facts === 'unsound') {
      const detail = `${append.name}: fetched a damaged batch behind offset ${expected}`;
      throw new KafkaError('CORRUPT_MESSAGE', detail);
    }
    if (facts.leaderEpoch > append.maxLeaderEpoch) break;
    if (facts.firstOffset < expected) throw outOfPlace(append, facts, expected, at === 0);
    batches.push(facts);
    const producer = producerBatchOf(records, at);
    if (producer !== null) producers.push(producer);
    expected = facts.lastOffset + 1;
    at += facts.sizeBytes;
  }
  const bytes = at === records.length ? records : records.subarray(0, at);
  return { bytes, batches, producers, logAppendTimeMs: -1, ...summary(batches) };
}

function outOfPlace(
  { name }: FollowerAppend,
  { firstOffset, lastOffset }: BatchFacts,
  expected: number,
  isFirst: boolean,
): Error {
  return isFirst
    ? new UnexpectedAppendOffset(name, firstOffset, lastOffset, expected)
    : new KafkaError('CORRUPT_MESSAGE', `${name}: fetched offsets out of order`);
}

function summary(
  batches: readonly BatchFacts[],
): Pick<AppendSet, 'recordCount' | 'maxTimestamp' | 'offsetOfMaxTimestamp'> {
  let recordCount = 0;
  let maxTimestamp = -1;
  let offsetOfMaxTimestamp = -1;
  for (const batch of batches) {
    recordCount += batch.recordCount;
    if (batch.maxTimestamp <= maxTimestamp) continue;
    maxTimestamp = batch.maxTimestamp;
    offsetOfMaxTimestamp = batch.lastOffset;
  }
  return { recordCount, maxTimestamp, offsetOfMaxTimestamp };
}
