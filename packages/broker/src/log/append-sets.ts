/**
 * From the bytes that somebody wants appended to a set of batches with offsets: the leader's way,
 * which checks and assigns, and the follower's way, which checks and takes over. Neither changes
 * the log; partition-log.ts does, with what comes out here.
 */
import {
  KafkaError,
  setBaseOffset,
  setLogAppendTime,
  setPartitionLeaderEpoch,
} from '@odradek/protocol';
import type { ProducerBatch, RememberedBatch } from '../core/producer-state/producer-entry.ts';
import type { Pace } from './at-once.ts';
import { type BatchFacts, factsOf, producerBatchOf } from './batches.ts';
import type { LogConfig } from './log-config.ts';
import { type AppendOrigin, type AppendResult, UnexpectedAppendOffset } from './log-types.ts';
import { soundBatch } from './scan.ts';
import { validateClientBatch } from './validate.ts';
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

/** What somebody wants appended is judged by this. */
export interface Judgement {
  readonly origin: AppendOrigin;
  readonly config: LogConfig;
  readonly wallTimeMs: number;
}

/**
 * Checks what a leader is to append, and makes batches of it that want nothing but offsets.
 * @returns null when there is too much to do `at-once`
 * @throws KafkaError as validateClientBatch does
 */
export function validBatches(records: Buffer, judgement: Judgement, pace: 'patient'): Buffer;
export function validBatches(records: Buffer, judgement: Judgement, pace: Pace): Buffer | null;
export function validBatches(
  records: Buffer,
  { origin, config, wallTimeMs }: Judgement,
  pace: Pace,
): Buffer | null {
  if (origin === 'client') return validateClientBatch(records, config, wallTimeMs, pace);
  if (origin === 'old-client') return validateMessageSet(records, config, wallTimeMs, pace);
  return records;
}

export interface LeaderAppend extends Judgement {
  readonly nextOffset: number;
  readonly leaderEpoch: number;
}

/**
 * Gives valid batches their offsets, the epoch and, where the topic asks for it, the time, in place.
 * @throws KafkaError RECORD_LIST_TOO_LARGE
 */
export function leaderSet(bytes: Buffer, append: LeaderAppend): AppendSet {
  const { config, leaderEpoch, wallTimeMs, origin } = append;
  if (bytes.length > config.segmentBytes) {
    const detail = `${bytes.length} bytes, segment.bytes is ${config.segmentBytes}`;
    throw new KafkaError('RECORD_LIST_TOO_LARGE', detail);
  }
  const isStamped =
    config.messageTimestampType === 'LogAppendTime' && origin !== 'coordinator' && bytes.length > 0;
  if (isStamped) setLogAppendTime(bytes, 0, wallTimeMs); // Clients' batches come one by one.
  const logAppendTimeMs = isStamped ? wallTimeMs : -1;
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

/** What becomes of batches that were appended before. */
export function duplicateResult(
  { firstOffset, lastOffset, timestamp }: RememberedBatch,
  logStartOffset: number,
): AppendResult {
  return {
    firstOffset,
    lastOffset,
    logAppendTimeMs: timestamp,
    logStartOffset,
    maxTimestamp: timestamp,
    offsetOfMaxTimestamp: lastOffset,
    duplicate: true,
    sizeBytes: 0,
    recordCount: lastOffset - firstOffset + 1,
  };
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
