/**
 * Batches as the log sees them: where each begins and ends, and the facts that indexes, epochs and
 * producer state are fed with. Formats of magic 0 and 1, which a log written by an old broker may
 * hold, are walked as well. Records inside a batch are looked at only in a transaction's marker.
 */
import {
  baseOffset,
  baseSequence,
  batchSize,
  checksumMatches,
  hasProducerId,
  isControl,
  isTransactional,
  LOG_OVERHEAD,
  lastOffset,
  lastOffsetDelta,
  MalformedMessage,
  magic,
  maxTimestamp,
  messageChecksumMatches,
  partitionLeaderEpoch,
  producerEpoch,
  producerId,
  readControlMarker,
  recordCount,
} from '@odradek/protocol';
import type { ProducerBatch } from '../core/producer-state/producer-entry.ts';
import { sequenceAfter } from '../core/producer-state/sequence.ts';

/** Bytes that tell an entry's size, format and offsets, whatever its magic. */
export const BATCH_PREFIX_BYTES = 27;

const LENGTH_AT = 8;
const LEGACY_TIMESTAMP_AT = 18;

/** What the log notes of one batch. */
export interface BatchFacts {
  readonly sizeBytes: number;
  readonly firstOffset: number;
  readonly lastOffset: number;
  /** -1 when the batch has none. */
  readonly maxTimestamp: number;
  /** -1 for formats without one. */
  readonly leaderEpoch: number;
  readonly recordCount: number;
}

/** The size that an entry claims, of which less may be there; needs its first 12 bytes. */
export function claimedSize(buffer: Buffer, at: number): number {
  return buffer.readInt32BE(at + LENGTH_AT) + LOG_OVERHEAD;
}

/** Offset of the last record of the entry at `at`; needs {@link BATCH_PREFIX_BYTES}. */
export function entryLastOffset(buffer: Buffer, at: number): number {
  // Messages of magic 0 and 1 carry the offset of the last message that they wrap.
  return magic(buffer, at) >= 2 ? lastOffset(buffer, at) : baseOffset(buffer, at);
}

/** The facts of the whole entry that lies at `at`. */
export function factsOf(buffer: Buffer, at: number): BatchFacts {
  const format = magic(buffer, at);
  if (format >= 2) {
    return {
      sizeBytes: claimedSize(buffer, at),
      firstOffset: baseOffset(buffer, at),
      lastOffset: lastOffset(buffer, at),
      maxTimestamp: maxTimestamp(buffer, at),
      leaderEpoch: partitionLeaderEpoch(buffer, at),
      recordCount: recordCount(buffer, at),
    };
  }
  const offset = baseOffset(buffer, at);
  return {
    sizeBytes: claimedSize(buffer, at),
    firstOffset: offset,
    lastOffset: offset,
    maxTimestamp: format === 1 ? Number(buffer.readBigInt64BE(at + LEGACY_TIMESTAMP_AT)) : -1,
    leaderEpoch: -1,
    recordCount: 1,
  };
}

/** Tells whether the whole entry at `at` holds the bytes that were written. */
export function entryIsIntact(buffer: Buffer, at: number): boolean {
  return magic(buffer, at) >= 2 ? checksumMatches(buffer, at) : messageChecksumMatches(buffer, at);
}

/**
 * What the batch tells about its idempotent producer; null when it has none, which is told cheaply,
 * and for control batches that end no transaction.
 */
export function producerBatchOf(buffer: Buffer, at: number): ProducerBatch | null {
  if (magic(buffer, at) < 2 || !hasProducerId(buffer, at)) return null;
  const marker = markerOf(buffer, at);
  if (marker === null && isControl(buffer, at)) return null;
  const firstSequence = baseSequence(buffer, at);
  return {
    producerId: producerId(buffer, at),
    producerEpoch: producerEpoch(buffer, at),
    firstSequence,
    lastSequence:
      firstSequence < 0 ? -1 : sequenceAfter(firstSequence, lastOffsetDelta(buffer, at)),
    firstOffset: baseOffset(buffer, at),
    lastOffset: lastOffset(buffer, at),
    timestamp: maxTimestamp(buffer, at),
    transactional: isTransactional(buffer, at),
    marker,
  };
}

/** A marker that cannot be read ends nothing: what the leader took is not refused here. */
function markerOf(buffer: Buffer, at: number): ProducerBatch['marker'] {
  if (!isControl(buffer, at)) return null;
  try {
    return readControlMarker(buffer, at);
  } catch (error) {
    if (error instanceof MalformedMessage) return null;
    throw error;
  }
}

/** End of the whole batches in `buffer` between `from` and `to` that end below `offsetLimit`. */
export function endOfWholeBatches(
  buffer: Buffer,
  from: number,
  to: number,
  offsetLimit: number,
): { readonly end: number; readonly nextOffset: number } {
  let at = from;
  let nextOffset = -1;
  while (to - at >= BATCH_PREFIX_BYTES) {
    const size = claimedSize(buffer, at);
    if (size < BATCH_PREFIX_BYTES || size > to - at) break;
    const last = entryLastOffset(buffer, at);
    if (last >= offsetLimit) break;
    at += size;
    nextOffset = last + 1;
  }
  return { end: at, nextOffset };
}

/** Position of the first batch from `from` on whose last offset is at least `offset`; `buffer.length` or less when none is. */
export function startOfBatchWith(buffer: Buffer, from: number, offset: number): number {
  let at = from;
  while (buffer.length - at >= BATCH_PREFIX_BYTES) {
    if (entryLastOffset(buffer, at) >= offset) return at;
    const size = claimedSize(buffer, at);
    if (size < BATCH_PREFIX_BYTES) return buffer.length;
    at += size;
  }
  return Math.min(at, buffer.length);
}

export { batchSize };
