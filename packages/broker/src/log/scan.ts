/**
 * Walks the batches of a segment's file from some position on, a piece of the file at a time, so
 * that recovery of a large segment needs little memory and lets others run in between.
 */
import { MalformedMessage } from '@odradek/protocol';
import type { DiskFile } from '@odradek/runtime';
import { type BatchFacts, batchSize, claimedSize, entryIsIntact, factsOf } from './batches.ts';

/** Bytes read at once; more only for a batch that is larger. */
export const SCAN_CHUNK_BYTES = 1024 * 1024;

/** The smallest prefix that tells an entry's size and format. */
const PREFIX_BYTES = 17;

/** Sees a whole batch at `at` of `buffer`; false ends the walk before that batch. */
export type VisitBatch = (
  facts: BatchFacts,
  buffer: Buffer,
  at: number,
  position: number,
) => boolean | undefined;

export interface ScanRange {
  readonly from: number;
  /** Size of the file, or where to stop in it. */
  readonly to: number;
  /** Checks each batch's checksum; costs a pass over the bytes. */
  readonly verify: boolean;
  /** Awaited after each piece of the file, with its batches visited. */
  readonly between?: () => Promise<void>;
}

/**
 * Visits batch after batch.
 * @returns the position after the last batch that was whole, sound and not refused by `visit`
 */
export async function scanBatches(
  file: DiskFile,
  { from, to, verify, between }: ScanRange,
  visit: VisitBatch,
): Promise<number> {
  let position = from;
  let wantedBytes = SCAN_CHUNK_BYTES;
  while (position < to) {
    const chunk = Buffer.allocUnsafe(Math.min(wantedBytes, to - position));
    const buffer = chunk.subarray(0, await file.read(chunk, position));
    const { at, stopped } = walkBatches(buffer, position, verify, visit);
    position += at;
    if (at > 0) await between?.();
    if (stopped) return position;
    wantedBytes = SCAN_CHUNK_BYTES;
    if (at > 0) continue;
    // Not one whole batch: either the file ends in one, or it is larger than what was read.
    const sizeBytes = buffer.length < PREFIX_BYTES ? 0 : claimedSize(buffer, 0);
    if (sizeBytes <= buffer.length || sizeBytes > to - position) return position;
    wantedBytes = sizeBytes;
  }
  return position;
}

/**
 * Visits the whole batches of a piece of a file that begins at `position` of it.
 * @returns where in the buffer the walk ended: `stopped` by an unsound or refused batch, else by its end
 */
export function walkBatches(
  buffer: Buffer,
  position: number,
  verify: boolean,
  visit: VisitBatch,
): { readonly at: number; readonly stopped: boolean } {
  let at = 0;
  while (buffer.length - at >= PREFIX_BYTES) {
    const facts = soundBatch(buffer, at, verify);
    if (facts === 'unsound') return { at, stopped: true };
    if (facts === 'cut') break;
    if (visit(facts, buffer, at, position + at) === false) return { at, stopped: true };
    at += facts.sizeBytes;
  }
  return { at, stopped: false };
}

/** The batch at `at`, 'cut' when the buffer ends before it does, 'unsound' when it cannot be right. */
export function soundBatch(
  buffer: Buffer,
  at: number,
  verify: boolean,
): BatchFacts | 'cut' | 'unsound' {
  try {
    if (batchSize(buffer, at) < 0) return 'cut';
    if (verify && !entryIsIntact(buffer, at)) return 'unsound';
    const facts = factsOf(buffer, at);
    return facts.firstOffset < 0 || facts.lastOffset < facts.firstOffset ? 'unsound' : facts;
  } catch (error) {
    if (error instanceof MalformedMessage) return 'unsound';
    throw error;
  }
}
