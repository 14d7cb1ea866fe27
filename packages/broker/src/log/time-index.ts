/**
 * The time index of a segment (`.timeindex`): from a timestamp to an offset, sparsely.
 *
 * An entry (timestamp, offset) says: no record up to this offset is younger than this timestamp.
 * 12 bytes, both fields ascend. The last entry of a finished segment is its largest timestamp, which
 * retention asks for; one slot is kept free for it.
 */
import { SUFFIX } from './file-names.ts';
import { type FilePlace, IndexEntries } from './index-entries.ts';

const ENTRY_BYTES = 12;
const HIGH_WORD = 0x1_0000_0000;

const scratch = Buffer.alloc(ENTRY_BYTES);

export interface TimeIndexEntry {
  readonly timestamp: number;
  readonly offset: number;
}

export class TimeIndex {
  readonly entries: IndexEntries;
  readonly #baseOffset: number;
  #last: TimeIndexEntry | null;

  /** @param last the last entry of the file, null when it has none */
  constructor(
    place: FilePlace,
    baseOffset: number,
    writtenCount: number,
    last: TimeIndexEntry | null,
  ) {
    this.entries = new IndexEntries(place, SUFFIX.timeIndex, ENTRY_BYTES, writtenCount);
    this.#baseOffset = baseOffset;
    this.#last = last;
  }

  static readonly entryBytes = ENTRY_BYTES;

  static countIn(sizeBytes: number): number {
    return Math.floor(sizeBytes / ENTRY_BYTES);
  }

  /** Reads one entry as it lies in a file. */
  static decode(bytes: Buffer, at: number, baseOffset: number): TimeIndexEntry {
    return {
      timestamp: bytes.readInt32BE(at) * HIGH_WORD + bytes.readUInt32BE(at + 4),
      offset: baseOffset + bytes.readInt32BE(at + 8),
    };
  }

  get last(): TimeIndexEntry | null {
    return this.#last;
  }

  isFull(segmentIndexBytes: number): boolean {
    return this.entries.count >= TimeIndex.countIn(segmentIndexBytes) - 1;
  }

  /** Adds an entry unless its timestamp is no news. */
  append(timestamp: number, offset: number): void {
    if (timestamp < 0 || (this.#last !== null && timestamp <= this.#last.timestamp)) return;
    scratch.writeInt32BE(Math.floor(timestamp / HIGH_WORD), 0);
    scratch.writeUInt32BE(timestamp >>> 0, 4);
    scratch.writeInt32BE(offset - this.#baseOffset, 8);
    this.entries.append(scratch);
    this.#last = { timestamp, offset };
  }

  /** The offset from which on a record with this timestamp or a younger one may be found. */
  floor(resident: Buffer, timestamp: number): number {
    const found = countWhere(resident, (at) => this.#at(resident, at).timestamp <= timestamp) - 1;
    return found < 0 ? this.#baseOffset : this.#at(resident, found).offset;
  }

  /** Drops the entries from `offset` on. */
  truncate(resident: Buffer, offset: number): void {
    const kept = countWhere(resident, (at) => this.#at(resident, at).offset < offset);
    this.#last = kept === 0 ? null : this.#at(resident, kept - 1);
    this.entries.keep(kept);
  }

  #at(resident: Buffer, index: number): TimeIndexEntry {
    return TimeIndex.decode(resident, index * ENTRY_BYTES, this.#baseOffset);
  }
}

/** How many of the first entries satisfy `holds`; after the first that does not, none does. */
function countWhere(resident: Buffer, holds: (index: number) => boolean): number {
  let low = 0;
  let high = resident.length / ENTRY_BYTES;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (holds(middle)) low = middle + 1;
    else high = middle;
  }
  return low;
}
