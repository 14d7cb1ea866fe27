/**
 * Reads a segment's file from one end to the other in pieces of bounded size, and shows every batch,
 * whole and checked. A batch that is not sound ends it: compaction must not make something that looks
 * right out of something that is wrong.
 */
import type { DiskFile } from '@odradek/runtime';
import { type BatchFacts, claimedSize } from '../batches.ts';
import { LogDamaged } from '../log-types.ts';
import { soundBatch } from '../scan.ts';

/** Less memory than this for reading would only mean more system calls. */
const BUFFER_BYTES_MIN = 16 * 1024;

/** Enough of an entry to tell its size. */
const SIZE_KNOWN_BYTES = 17;

/** Memory that files are read into; grows for a batch that is larger. */
export class ReadBuffer {
  bytes: Buffer;

  constructor(sizeBytes: number) {
    this.bytes = Buffer.allocUnsafe(Math.max(BUFFER_BYTES_MIN, sizeBytes));
  }

  grow(sizeBytes: number): void {
    if (sizeBytes > this.bytes.length) this.bytes = Buffer.allocUnsafe(sizeBytes);
  }
}

/** What is done with a piece of the file; `bytes` are there until it resolves. */
export interface PieceVisitor {
  /** Sees a batch; false ends the reading. */
  batch(facts: BatchFacts, bytes: Buffer, at: number): boolean;
  /** After the last batch of a piece, with the bytes that were read of it. */
  pieceRead(sizeBytes: number): Promise<void>;
}

/**
 * Shows all batches between two positions.
 * @throws LogDamaged naming the place; DiskError
 */
export async function readSegment(
  file: DiskFile,
  { from, to }: { readonly from: number; readonly to: number },
  buffer: ReadBuffer,
  visitor: PieceVisitor,
): Promise<void> {
  let position = from;
  while (position < to) {
    const wanted = buffer.bytes.subarray(0, Math.min(buffer.bytes.length, to - position));
    const piece = wanted.subarray(0, await file.read(wanted, position));
    const { end, stopped } = walk(piece, visitor, () => `${file.path}: byte ${position}`);
    if (end > 0) await visitor.pieceRead(end);
    if (stopped) return;
    position += end;
    if (end > 0) continue;
    const sizeBytes = piece.length < SIZE_KNOWN_BYTES ? -1 : claimedSize(piece, 0);
    if (sizeBytes <= piece.length || sizeBytes > to - position) {
      throw new LogDamaged(`${file.path}: a batch at byte ${position} is not whole`);
    }
    buffer.grow(sizeBytes);
  }
}

function walk(
  piece: Buffer,
  visitor: PieceVisitor,
  place: () => string,
): { readonly end: number; readonly stopped: boolean } {
  let at = 0;
  while (piece.length - at >= SIZE_KNOWN_BYTES) {
    const facts = soundBatch(piece, at, true);
    if (facts === 'cut') break;
    if (facts === 'unsound') {
      throw new LogDamaged(`${place()} + ${at}: a batch is damaged`);
    }
    if (!visitor.batch(facts, piece, at)) return { end: at, stopped: true };
    at += facts.sizeBytes;
  }
  return { end: at, stopped: false };
}
