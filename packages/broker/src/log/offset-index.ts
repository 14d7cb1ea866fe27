/**
 * The offset index of a segment (`.index`): from an offset to a position in the log file, sparsely.
 *
 * An entry holds the last offset of a batch, relative to the segment's base, and where that batch
 * begins; 8 bytes. So the batch that holds an offset never begins before the greatest entry that is
 * not above the offset. Lookups work on the entries in memory, which index-cache.ts provides.
 */
import { SUFFIX } from './file-names.ts';
import { type FilePlace, IndexEntries } from './index-entries.ts';

const ENTRY_BYTES = 8;

const scratch = Buffer.alloc(ENTRY_BYTES);

export interface IndexedPosition {
  readonly offset: number;
  readonly position: number;
}

export class OffsetIndex {
  readonly entries: IndexEntries;
  readonly #baseOffset: number;

  constructor(place: FilePlace, baseOffset: number, writtenCount: number) {
    this.entries = new IndexEntries(place, SUFFIX.offsetIndex, ENTRY_BYTES, writtenCount);
    this.#baseOffset = baseOffset;
  }

  static readonly entryBytes = ENTRY_BYTES;

  /** How many whole entries a file of this size holds. */
  static countIn(sizeBytes: number): number {
    return Math.floor(sizeBytes / ENTRY_BYTES);
  }

  /** Reads one entry as it lies in a file. */
  static decode(bytes: Buffer, at: number, baseOffset: number): IndexedPosition {
    return { offset: baseOffset + bytes.readInt32BE(at), position: bytes.readInt32BE(at + 4) };
  }

  isFull(segmentIndexBytes: number): boolean {
    return this.entries.count >= OffsetIndex.countIn(segmentIndexBytes);
  }

  append(lastOffset: number, position: number): void {
    scratch.writeInt32BE(lastOffset - this.#baseOffset, 0);
    scratch.writeInt32BE(position, 4);
    this.entries.append(scratch);
  }

  /** The greatest entry that is not above `offset`; the segment's start when all are. */
  floor(resident: Buffer, offset: number): IndexedPosition {
    const found = countUpTo(resident, 0, offset - this.#baseOffset) - 1;
    return found < 0 ? { offset: this.#baseOffset, position: 0 } : this.#at(resident, found);
  }

  /** The smallest entry at or above `offset`; null when all are below. */
  ceiling(resident: Buffer, offset: number): IndexedPosition | null {
    const found = countUpTo(resident, 0, offset - this.#baseOffset - 1);
    return found * ENTRY_BYTES < resident.length ? this.#at(resident, found) : null;
  }

  /** The position of the last batch with an entry that begins at or before `position`; 0 when there is none. */
  floorOfPosition(resident: Buffer, position: number): number {
    const found = countUpTo(resident, 4, position) - 1;
    return found < 0 ? 0 : resident.readInt32BE(found * ENTRY_BYTES + 4);
  }

  /** Drops the entries of batches that reach `offset` or more. */
  truncate(resident: Buffer, offset: number): void {
    this.entries.keep(countUpTo(resident, 0, offset - this.#baseOffset - 1));
  }

  #at(resident: Buffer, index: number): IndexedPosition {
    return OffsetIndex.decode(resident, index * ENTRY_BYTES, this.#baseOffset);
  }
}

/** How many entries have a field (at `fieldAt`) that is at most `limit`; the field ascends. */
function countUpTo(resident: Buffer, fieldAt: number, limit: number): number {
  let low = 0;
  let high = resident.length / ENTRY_BYTES;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (resident.readInt32BE(middle * ENTRY_BYTES + fieldAt) <= limit) low = middle + 1;
    else high = middle;
  }
  return low;
}
