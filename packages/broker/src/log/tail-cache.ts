/**
 * The newest batches of all partitions, kept in memory as they were received: consumers and
 * followers that keep up are answered without a system call, at no copy.
 *
 * One bound for all partitions together; the oldest batches leave first, whoever's they are. What
 * is counted is the memory that an entry keeps alive: a slice of a request's frame keeps the whole
 * frame, so the frame is counted, once for all slices of it.
 */

/** Default bound, all partitions together. */
export const TAIL_CACHE_BYTES = 64 * 1024 * 1024;

/** What an entry costs besides its bytes. */
const ENTRY_OVERHEAD_BYTES = 160;

/** Batches that were appended at once, hence contiguous. */
export interface TailEntry {
  readonly bytes: Buffer;
  readonly firstOffset: number;
  readonly nextOffset: number;
  /** The partition's entries that it belongs to. */
  readonly tail: Tail;
}

/** The entries of one partition: contiguous in offsets, oldest first. */
export class Tail {
  #entries: TailEntry[] = [];
  /** Entries before this index are gone; the array is cut when half of it is. */
  #head = 0;

  get count(): number {
    return this.#entries.length - this.#head;
  }

  /** Offset from which on everything is here; null when nothing is. */
  get firstOffset(): number | null {
    return this.#entries[this.#head]?.firstOffset ?? null;
  }

  /** The entry at `index`, counted from the oldest. */
  at(index: number): TailEntry | undefined {
    return this.#entries[this.#head + index];
  }

  /** Index of the entry that holds `offset`, or -1. */
  find(offset: number): number {
    let low = this.#head;
    let high = this.#entries.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#entries[middle]?.firstOffset ?? 0) <= offset) low = middle + 1;
      else high = middle;
    }
    const found = this.#entries[low - 1];
    if (low === this.#head || found === undefined || offset >= found.nextOffset) return -1;
    return low - 1 - this.#head;
  }

  push(entry: TailEntry): void {
    this.#entries.push(entry);
  }

  shift(): TailEntry | undefined {
    const entry = this.#entries[this.#head];
    if (entry === undefined) return undefined;
    this.#head += 1;
    if (this.#head * 2 >= this.#entries.length) {
      this.#entries = this.#entries.slice(this.#head);
      this.#head = 0;
    }
    return entry;
  }

  take(): readonly TailEntry[] {
    const entries = this.#entries.slice(this.#head);
    this.#entries = [];
    this.#head = 0;
    return entries;
  }
}

export class TailCache {
  readonly #limitBytes: number;
  /** In order of insertion. A partition's entries leave it from the front, like these do. */
  readonly #order = new Set<TailEntry>();
  /** How many entries keep a piece of memory alive. */
  readonly #users = new Map<ArrayBufferLike, number>();
  #bytes = 0;

  constructor(limitBytes: number = TAIL_CACHE_BYTES) {
    this.#limitBytes = limitBytes;
  }

  /** Memory kept alive. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Takes batches that continue `tail`; lets the oldest go when there are too many. */
  add(tail: Tail, bytes: Buffer, firstOffset: number, nextOffset: number): void {
    const newest = tail.at(tail.count - 1);
    if (newest !== undefined && newest.nextOffset !== firstOffset) this.clear(tail);
    const entry = { bytes, firstOffset, nextOffset, tail };
    tail.push(entry);
    this.#order.add(entry);
    this.#count(entry);
    for (const oldest of this.#order) {
      if (this.#bytes <= this.#limitBytes) break;
      oldest.tail.shift();
      this.#order.delete(oldest);
      this.#uncount(oldest);
    }
  }

  /** Forgets all of a partition: it was truncated or is gone. */
  clear(tail: Tail): void {
    for (const entry of tail.take()) {
      this.#order.delete(entry);
      this.#uncount(entry);
    }
  }

  #count({ bytes }: TailEntry): void {
    const users = this.#users.get(bytes.buffer) ?? 0;
    this.#users.set(bytes.buffer, users + 1);
    this.#bytes += ENTRY_OVERHEAD_BYTES + (users === 0 ? bytes.buffer.byteLength : 0);
  }

  #uncount({ bytes }: TailEntry): void {
    const users = (this.#users.get(bytes.buffer) ?? 0) - 1;
    this.#bytes -= ENTRY_OVERHEAD_BYTES;
    if (users > 0) {
      this.#users.set(bytes.buffer, users);
      return;
    }
    this.#users.delete(bytes.buffer);
    this.#bytes -= bytes.buffer.byteLength;
  }
}
