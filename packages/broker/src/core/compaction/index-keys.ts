/**
 * The first half of a compaction: which keys the dirty part of a log has, and where last. Control
 * batches and aborted data have no say. Pure; the table is filled in place.
 */
import {
  decodeMessage,
  isControl,
  isTransactional,
  lastOffset,
  magic,
  openRecords,
} from '@odradek/protocol';
import type { KeyOffsets } from './key-offsets.ts';
import type { TransactionTrace } from './transaction-trace.ts';

/** The most that the records of one batch may take when they are unfolded. */
const UNFOLDED_BATCH_BYTES_MAX = 128 * 1024 * 1024;

/** How compaction opens batches: their checksums have been looked at. */
export const UNFOLDING = { verifyChecksum: false, limitBytes: UNFOLDED_BATCH_BYTES_MAX } as const;

export interface KeyIndexing {
  readonly keys: KeyOffsets;
  readonly trace: TransactionTrace;
  /** Records below do not count: they were looked at by an earlier compaction. */
  readonly firstDirtyOffset: number;
}

/**
 * Notes the keys of the whole entry at `at`, whose checksum is right.
 * @returns false when the table is full: what was not noted is left to the next compaction
 * @throws MalformedMessage, DecompressionLimitExceeded
 */
export function indexBatch(
  { keys, trace, firstDirtyOffset }: KeyIndexing,
  buffer: Buffer,
  at: number,
): boolean {
  if (magic(buffer, at) < 2) return indexMessage(keys, firstDirtyOffset, buffer, at);
  const last = lastOffset(buffer, at);
  if (isControl(buffer, at)) trace.control(buffer, at, last);
  else if (!trace.data(buffer, at, last, isTransactional(buffer, at)) && last >= firstDirtyOffset) {
    const cursor = openRecords(buffer, at, UNFOLDING);
    while (cursor.next()) {
      if (cursor.keyLength < 0 || cursor.offset < firstDirtyOffset) continue;
      if (keys.full) return false;
      keys.put(cursor.bytes, cursor.keyAt, cursor.keyLength, cursor.offset);
    }
  }
  if (last >= firstDirtyOffset) keys.latestOffset = last;
  return true;
}

function indexMessage(
  keys: KeyOffsets,
  firstDirtyOffset: number,
  buffer: Buffer,
  at: number,
): boolean {
  const { records, lastOffset: last } = decodeMessage(buffer, at, UNFOLDING);
  for (const { key, offset } of records) {
    if (key === null || offset < firstDirtyOffset) continue;
    if (keys.full) return false;
    keys.put(key, 0, key.length, offset);
  }
  if (last >= firstDirtyOffset) keys.latestOffset = last;
  return true;
}
