/**
 * The segment that a compaction writes: `.cleaned` files of its own beside those of the segments that
 * it stands for, with indexes of its own, forced to the medium before anybody learns of them.
 *
 * Batches that stay as they are are written from where they were read, runs of neighbours as one.
 */
import type { Disk, DiskFile } from '@odradek/runtime';
import { type BatchFacts, factsOf } from '../batches.ts';
import { SUFFIX } from '../file-names.ts';
import { LogDamaged } from '../log-types.ts';
import { Segment } from '../segment.ts';
import { joinNeighbours } from '../tail-cache.ts';
import type { TimeIndexEntry } from '../time-index.ts';
import { type AbortedTransaction, encodeAborted } from '../transaction-index.ts';

/** What the new segment holds. */
export interface CleanedState {
  readonly baseOffset: number;
  readonly sizeBytes: number;
  readonly offsetIndexCount: number;
  readonly timeIndexCount: number;
  readonly lastTimeEntry: TimeIndexEntry | null;
  /** Largest timestamp of the first batch; -1 for none. */
  readonly firstTimestamp: number;
  /** Aborted transactions of which something is left; without any there is no file. */
  readonly abortedCount: number;
  /** Offset of the last of their markers; -1 for none. */
  readonly lastAbortedOffset: number;
}

/** All files that a segment may have. */
export const SEGMENT_FILES = [
  SUFFIX.log,
  SUFFIX.offsetIndex,
  SUFFIX.timeIndex,
  SUFFIX.transactionIndex,
] as const;

export class CleanedSegment {
  readonly #disk: Disk;
  readonly #file: DiskFile;
  /** Counts, and gathers index entries. */
  readonly #segment: Segment;
  readonly #indexIntervalBytes: number;
  #pending: Buffer[] = [];
  #lastOffset: number;
  #closed = false;

  private constructor(disk: Disk, file: DiskFile, segment: Segment, indexIntervalBytes: number) {
    this.#disk = disk;
    this.#file = file;
    this.#segment = segment;
    this.#indexIntervalBytes = indexIntervalBytes;
    this.#lastOffset = segment.baseOffset - 1;
  }

  /** Begins anew, whatever an earlier attempt has left. */
  static async create(
    disk: Disk,
    options: { readonly folder: string; readonly indexIntervalBytes: number },
    baseOffset: number,
  ): Promise<CleanedSegment> {
    const { folder, indexIntervalBytes } = options;
    const segment = cleanedSegment(folder, baseOffset);
    await removeFiles(disk, segment);
    const file = await disk.open(segment.logPath, 'create');
    return new CleanedSegment(disk, file, segment, indexIntervalBytes);
  }

  /**
   * Looks at a batch of the sources before it is judged: offsets ascend.
   * @throws LogDamaged
   */
  follows({ firstOffset, lastOffset }: BatchFacts, file: string): void {
    if (lastOffset <= this.#lastOffset || !this.#segment.covers(lastOffset)) {
      throw new LogDamaged(`${file}: the batch at offset ${firstOffset} is out of order`);
    }
    this.#lastOffset = lastOffset;
  }

  /** Takes a batch as it lies; its bytes must stay until {@link write}. */
  keep(facts: BatchFacts, bytes: Buffer, at: number): void {
    this.#segment.append(facts, this.#indexIntervalBytes);
    this.#pending.push(bytes.subarray(at, at + facts.sizeBytes));
  }

  /** Takes a batch that was made anew. */
  put(batch: Buffer): void {
    this.#segment.append(factsOf(batch, 0), this.#indexIntervalBytes);
    this.#pending.push(batch);
  }

  /** Writes what was taken. @returns how many bytes that were */
  async write(): Promise<number> {
    const buffers = joinNeighbours(this.#pending);
    this.#pending = [];
    const sizeBytes = this.#segment.sizeBytes - this.#segment.writtenBytes;
    if (sizeBytes === 0) return 0;
    await this.#file.write(buffers, this.#segment.writtenBytes);
    this.#segment.writtenBytes += sizeBytes;
    return sizeBytes;
  }

  /** Everything is there: forces it to the medium. */
  async finish(
    aborted: readonly AbortedTransaction[],
    modifiedAtMs: number,
  ): Promise<CleanedState> {
    const segment = this.#segment;
    segment.finish();
    const { offsetIndex, timeIndex, sizeBytes, firstTimestamp, baseOffset } = segment;
    const state = {
      baseOffset,
      sizeBytes,
      firstTimestamp,
      offsetIndexCount: offsetIndex.entries.count,
      timeIndexCount: timeIndex.entries.count,
      lastTimeEntry: timeIndex.last,
      abortedCount: aborted.length,
      lastAbortedOffset: aborted.at(-1)?.lastOffset ?? -1,
    };
    await this.#side(SUFFIX.offsetIndex, (file) => offsetIndex.entries.write(file));
    await this.#side(SUFFIX.timeIndex, (file) => timeIndex.entries.write(file));
    if (aborted.length > 0) {
      await this.#side(SUFFIX.transactionIndex, (file) => file.write([encodeAborted(aborted)], 0));
    }
    await this.#file.sync();
    await this.#close();
    // Retention and old tombstones go by the age of the file.
    await this.#disk.setModifiedTime(segment.logPath, modifiedAtMs);
    // Names before the renames that are to follow: a loss of power must not leave a segment half there.
    await this.#disk.syncDirectory(segment.folder);
    return state;
  }

  /** Nothing came of it. What cannot be removed now is at the next attempt, or at a start. */
  async discard(): Promise<void> {
    try {
      await this.#close();
      await removeFiles(this.#disk, this.#segment);
    } catch {
      // The failure that led here is the one to tell.
    }
  }

  async #close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#file.close();
  }

  async #side(suffix: string, write: (file: DiskFile) => Promise<void>): Promise<void> {
    const file = await this.#disk.open(this.#segment.pathOf(suffix), 'create');
    try {
      await write(file);
      await file.sync();
    } finally {
      await file.close();
    }
  }
}

/** What a compaction of the segments from `baseOffset` on writes, by the names of its files. */
export function cleanedSegment(folder: string, baseOffset: number): Segment {
  return new Segment({
    folder,
    baseOffset,
    createdAtMs: 0,
    jitterMs: 0,
    fileSuffix: SUFFIX.cleaned,
  });
}

/** Removes all files that a segment may have. */
export async function removeFiles(disk: Disk, segment: Segment): Promise<void> {
  for (const suffix of SEGMENT_FILES) await disk.remove(segment.pathOf(suffix));
}
