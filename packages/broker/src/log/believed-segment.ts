/**
 * A segment that was flushed, or left by an orderly stop, is not read through: sizes, the ends of its two
 * indexes, its transaction index if it has one and, of the active one, the last batches tell all there is to know. Unless they contradict each
 * other: then it is recovered like any other (recovery.ts).
 *
 * What is looked at is a few bytes of each file, because a broker starts with thousands of them.
 */
import { RECORD_BATCH_OVERHEAD } from '@odradek/protocol';
import type { Disk } from '@odradek/runtime';
import { factsOf } from './batches.ts';
import { SUFFIX, segmentFileName } from './file-names.ts';
import { type IndexedPosition, OffsetIndex } from './offset-index.ts';
import type { OpenFiles } from './open-files.ts';
import { scanBatches, walkBatches } from './scan.ts';
import { Segment, type SegmentOptions, type SegmentState } from './segment.ts';
import { TimeIndex, type TimeIndexEntry } from './time-index.ts';
import { openTransactionIndex } from './transaction-index.ts';

/** The last batches are read at once up to this size: more than lies behind the last index entry as a rule. */
const TAIL_BYTES = 16 * 1024;

export interface SegmentSurroundings {
  readonly disk: Disk;
  readonly files: OpenFiles;
  /** Sizes of the folder's files, by name. */
  readonly sizes: ReadonlyMap<string, number>;
  /** Where the next segment begins; null for the last one. */
  readonly nextBase: number | null;
}

/** @returns null when an index is missing, or sizes, indexes and batches contradict each other */
export async function believeSegment(
  options: SegmentOptions,
  around: SegmentSurroundings,
): Promise<Segment | null> {
  const sizeOf = (suffix: string): number | undefined =>
    around.sizes.get(segmentFileName(options.baseOffset, suffix));
  const sizeBytes = sizeOf(SUFFIX.log);
  const offsetIndexBytes = sizeOf(SUFFIX.offsetIndex);
  const timeIndexBytes = sizeOf(SUFFIX.timeIndex);
  if (sizeBytes === undefined || offsetIndexBytes === undefined || timeIndexBytes === undefined)
    return null;
  const offsetIndexCount = OffsetIndex.countIn(offsetIndexBytes);
  const timeIndexCount = TimeIndex.countIn(timeIndexBytes);
  if (offsetIndexCount * OffsetIndex.entryBytes !== offsetIndexBytes) return null;
  if (timeIndexCount * TimeIndex.entryBytes !== timeIndexBytes) return null;
  const shell = new Segment(options);
  const entry = await lastOffsetEntry(shell, offsetIndexCount, around);
  if (entry !== null && !pointsInto(entry, shell, sizeBytes, around.nextBase)) return null;
  const times = await edgesOfTimeIndex(shell, timeIndexCount, around);
  if (times !== null && !areSane(times, shell, around.nextBase)) return null;
  const tail =
    around.nextBase === null
      ? await readTail(shell, sizeBytes, entry?.position ?? 0, around)
      : { nextOffset: around.nextBase, firstTimestamp: -1 };
  if (tail === null) return null;
  // A roll and an orderly stop leave an entry: what has none is of clients without times, or somebody has emptied the file.
  if (times === null && (await firstTimestamp(shell, sizeBytes, around)) >= 0) return null;
  const lastTimeEntry = times?.last ?? null;
  const state = { sizeBytes, offsetIndexCount, timeIndexCount, lastTimeEntry, ...tail };
  const segment = new Segment(options, state);
  if (sizeOf(SUFFIX.transactionIndex) === undefined) return segment;
  segment.transactionIndex = await openTransactionIndex(
    around.files,
    segment.pathOf(SUFFIX.transactionIndex),
    { from: options.baseOffset, to: segment.nextOffset },
  );
  return segment.transactionIndex === null ? null : segment;
}

async function lastOffsetEntry(
  { baseOffset, offsetIndex }: Segment,
  count: number,
  { disk }: SegmentSurroundings,
): Promise<IndexedPosition | null> {
  if (count === 0) return null;
  const sizeBytes = OffsetIndex.entryBytes;
  const { path } = offsetIndex.entries;
  const [bytes] = await disk.readPieces([{ path, position: (count - 1) * sizeBytes, sizeBytes }]);
  return OffsetIndex.decode(bytes ?? Buffer.alloc(sizeBytes), 0, baseOffset);
}

/**
 * A segment's first batch has no entry, so neither offset nor position is that of the segment's start: zeros
 * are what a broker that maps its indexes into memory leaves behind the real entries when it is killed.
 */
function pointsInto(
  { offset, position }: IndexedPosition,
  { baseOffset }: Segment,
  sizeBytes: number,
  nextBase: number | null,
): boolean {
  if (position <= 0 || position >= sizeBytes || offset <= baseOffset) return false;
  return nextBase === null || offset < nextBase;
}

interface TimeIndexEdges {
  readonly count: number;
  readonly first: TimeIndexEntry;
  readonly last: TimeIndexEntry;
}

async function edgesOfTimeIndex(
  { baseOffset, timeIndex }: Segment,
  count: number,
  { disk }: SegmentSurroundings,
): Promise<TimeIndexEdges | null> {
  if (count === 0) return null;
  const sizeBytes = TimeIndex.entryBytes;
  const { path } = timeIndex.entries;
  const positions = count === 1 ? [0] : [0, (count - 1) * sizeBytes];
  const pieces = await disk.readPieces(
    positions.map((position) => ({ path, position, sizeBytes })),
  );
  const edge = (piece: Buffer | undefined): TimeIndexEntry =>
    TimeIndex.decode(piece ?? Buffer.alloc(sizeBytes), 0, baseOffset);
  return { count, first: edge(pieces[0]), last: edge(pieces.at(-1)) };
}

/** Timestamps and offsets ascend, within the segment. */
function areSane(
  { count, first, last }: TimeIndexEdges,
  { baseOffset }: Segment,
  nextBase: number | null,
): boolean {
  if (first.offset < baseOffset || first.timestamp < 0) return false;
  if (nextBase !== null && last.offset >= nextBase) return false;
  return count === 1 || (last.offset > first.offset && last.timestamp > first.timestamp);
}

/** The largest timestamp of a segment's first batch; -1 in an empty segment. */
async function firstTimestamp(
  { logPath: path }: Segment,
  sizeBytes: number,
  { disk }: SegmentSurroundings,
): Promise<number> {
  if (sizeBytes === 0) return -1;
  const [head] = await disk.readPieces([{ path, position: 0, sizeBytes: RECORD_BATCH_OVERHEAD }]);
  return timestampIn(head);
}

function timestampIn(head: Buffer | undefined): number {
  const header = Buffer.alloc(RECORD_BATCH_OVERHEAD); // One of an old format may be shorter.
  head?.copy(header);
  return factsOf(header, 0).maxTimestamp;
}

/** Log end and first timestamp of the active segment: from its last indexed batch on, and its first batch. */
async function readTail(
  { baseOffset, logPath: path }: Segment,
  sizeBytes: number,
  from: number,
  { disk, files }: SegmentSurroundings,
): Promise<Pick<SegmentState, 'nextOffset' | 'firstTimestamp'> | null> {
  let nextOffset = baseOffset;
  if (sizeBytes === 0) return { nextOffset, firstTimestamp: -1 };
  const [head, tail] = await disk.readPieces([
    { path, position: 0, sizeBytes: RECORD_BATCH_OVERHEAD },
    { path, position: from, sizeBytes: Math.min(sizeBytes - from, TAIL_BYTES) },
  ]);
  const visit = (batch: { readonly lastOffset: number }): boolean => {
    nextOffset = batch.lastOffset + 1;
    return true;
  };
  let end = from + walkBatches(tail ?? Buffer.alloc(0), from, false, visit).at;
  if (end < sizeBytes) {
    end = await files.use(path, (file) =>
      scanBatches(file, { from: end, to: sizeBytes, verify: false }, visit),
    );
  }
  return end === sizeBytes ? { nextOffset, firstTimestamp: timestampIn(head) } : null;
}
