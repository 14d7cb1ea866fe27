/**
 * The newest entries of the log in memory, so that a learner that was away for a moment is brought in
 * line without a disk. Bounded in bytes; which entries are certain is not known here.
 */
import type { LogEntry } from './types.ts';

/** What an entry costs besides its record. */
const ENTRY_OVERHEAD_BYTES = 150;

/** In the place of a dropped entry, so that it can be forgotten. */
const DROPPED: LogEntry = { zxid: 0n, record: new Uint8Array(), origin: null, ensembleText: null };

/** Dropped entries that may stand at the front before the rest is moved up. */
const COMPACT_FROM = 4096;

export const entryBytes = ({ record }: LogEntry): number =>
  record.byteLength + ENTRY_OVERHEAD_BYTES;

export class RecentEntries {
  readonly #sizeBytesMax: number;
  #entries: LogEntry[] = [];
  /** Index of the oldest one that is still here. */
  #head = 0;
  #sizeBytes = 0;
  /** The logged zxid before the oldest one. */
  #beforeZxid: bigint;

  /** @param lastZxid the last one in the log, from which on entries will come */
  constructor(sizeBytesMax: number, lastZxid: bigint) {
    this.#sizeBytesMax = sizeBytesMax;
    this.#beforeZxid = lastZxid;
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  push(entry: LogEntry): void {
    this.#entries.push(entry);
    this.#sizeBytes += entryBytes(entry);
    while (this.#sizeBytes > this.#sizeBytesMax) this.#dropOldest();
  }

  /** The last logged zxid that is not above `zxid`; null: not known here. */
  floor(zxid: bigint): bigint | null {
    if (zxid < this.#beforeZxid) return null;
    const index = this.#firstAbove(zxid);
    return index === this.#head ? this.#beforeZxid : (this.#entries[index - 1]?.zxid ?? null);
  }

  /**
   * What follows a logged zxid, in order, up to about `sizeBytesMax`, one entry at least.
   * @returns empty at the end; null when something of it is not here any more
   */
  after(zxid: bigint, sizeBytesMax: number): LogEntry[] | null {
    if (zxid < this.#beforeZxid) return null;
    const from = this.#firstAbove(zxid);
    let sizeBytes = 0;
    let to = from;
    for (; to < this.#entries.length && sizeBytes < sizeBytesMax; to++) {
      const entry = this.#entries[to];
      if (entry !== undefined) sizeBytes += entryBytes(entry);
    }
    return this.#entries.slice(from, to);
  }

  /** The log was cut: it ends at `zxid` now. */
  truncate(zxid: bigint): void {
    if (zxid < this.#beforeZxid) {
      this.restart(zxid);
      return;
    }
    const from = this.#firstAbove(zxid);
    for (const entry of this.#entries.slice(from)) this.#sizeBytes -= entryBytes(entry);
    this.#entries.length = from;
  }

  /** The log goes on after `zxid`, and nothing before it is known. */
  restart(zxid: bigint): void {
    this.#entries = [];
    this.#head = 0;
    this.#sizeBytes = 0;
    this.#beforeZxid = zxid;
  }

  #dropOldest(): void {
    const oldest = this.#entries[this.#head];
    if (oldest === undefined) return;
    this.#sizeBytes -= entryBytes(oldest);
    this.#beforeZxid = oldest.zxid;
    this.#entries[this.#head] = DROPPED;
    this.#head += 1;
    if (this.#head < COMPACT_FROM || this.#head * 2 < this.#entries.length) return;
    this.#entries = this.#entries.slice(this.#head);
    this.#head = 0;
  }

  /** Index of the first entry above `zxid`, or where it would be. */
  #firstAbove(zxid: bigint): number {
    let low = this.#head;
    let high = this.#entries.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const entry = this.#entries[middle];
      if (entry !== undefined && entry.zxid > zxid) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}
