/**
 * The newest batches of all partitions, kept in memory: consumers and followers that keep up are
 * answered without a system call.
 *
 * Appended batches are copied into blocks, one behind the other, whoever's they are: a tenth of a
 * second per 2 GB, for which the memory they came in is free again at once, small batches lie close
 * together instead of each keeping a received chunk, and neighbours leave in one piece, to the disk
 * as to a reader. The write to the disk is made from the copy as well. A block belongs to the cache
 * while it is among the newest; it is used again when the cache has let it go and its last batch is
 * written and its last reader is done.
 *
 * One bound for all partitions together; the oldest block leaves first, with all that is in it.
 */
import type { BufferPool, PooledBuffer } from '@odradek/runtime';

/** Default bound, all partitions together. */
export const TAIL_CACHE_BYTES = 48 * 1024 * 1024;

/** The bound is made of this many blocks, if they need not be larger than this. */
const BLOCKS = 16;
const BLOCK_BYTES_MAX = 4 * 1024 * 1024;

/** What an entry costs besides its bytes. */
const ENTRY_OVERHEAD_BYTES = 160;

/** Appends that lie side by side become one entry up to this size: few entries, short walks in them. */
const ENTRY_BYTES_MAX = 16 * 1024;

/**
 * Batches up to this size get room for more of their kind behind them, so that those of one partition lie
 * side by side however many partitions are written to in turn.
 */
const SMALL_BYTES_MAX = 2 * 1024;

/** The room for a second small batch in a block; it doubles up to an entry's size, so little is left over. */
const ROOM_BYTES_MIN = 512;

/** Batches in the cache, contiguous in offsets. */
export interface TailEntry {
  readonly bytes: Buffer;
  readonly sizeBytes: number;
  /** What `bytes` lie in: to be held by whoever uses them for longer than a turn. */
  readonly memory: PooledBuffer;
  readonly firstOffset: number;
  readonly nextOffset: number;
}

/** Numbers only: a view of its bytes for each entry would be most of what the garbage collector has to carry. */
class Entry implements TailEntry {
  readonly block: Block;
  readonly tail: Tail;
  /** Where in the block. */
  readonly start: number;
  end: number;
  readonly firstOffset: number;
  nextOffset: number;
  /** Its partition was cleared. */
  isGone = false;

  constructor(stored: StoredBatches, tail: Tail, firstOffset: number, nextOffset: number) {
    this.block = stored.block;
    this.tail = tail;
    this.start = stored.start;
    this.end = stored.end;
    this.firstOffset = firstOffset;
    this.nextOffset = nextOffset;
  }

  get memory(): PooledBuffer {
    return this.block.memory;
  }

  get sizeBytes(): number {
    return this.end - this.start;
  }

  get bytes(): Buffer {
    return this.block.memory.bytes.subarray(this.start, this.end);
  }

  /** Takes in what lies and counts on right behind it. */
  extend({ block, start, end }: StoredBatches, nextOffset: number): boolean {
    const isBehind = block === this.block && start === this.end;
    if (!isBehind || end - this.start > ENTRY_BYTES_MAX) return false;
    this.end = end;
    this.nextOffset = nextOffset;
    return true;
  }
}

/** Memory that batches are stored in, one behind the other. */
class Block {
  readonly memory: PooledBuffer;
  /** In the order in which they were added, so a partition's come in the order of its offsets. */
  readonly entries: Entry[] = [];
  usedBytes = 0;
  isCached = true;

  constructor(memory: PooledBuffer) {
    this.memory = memory;
  }

  get freeBytes(): number {
    return this.memory.bytes.length - this.usedBytes;
  }
}

/** Batches that were stored and are not written yet: their memory stays until `release`. */
export class StoredBatches {
  /** @internal */
  readonly block: Block;
  /** @internal Where in the block. */
  readonly start: number;
  /** @internal */
  end: number;

  constructor(block: Block, start: number, end: number) {
    block.memory.hold();
    this.block = block;
    this.start = start;
    this.end = end;
  }

  get sizeBytes(): number {
    return this.end - this.start;
  }

  get bytes(): Buffer {
    return this.block.memory.bytes.subarray(this.start, this.end);
  }

  /**
   * Takes in what was stored right behind it, up to the size of an entry of the cache.
   * @returns false when it lies elsewhere; true: `next` is released, and part of this
   */
  takeIn(next: StoredBatches): boolean {
    const isBehind = next.block === this.block && next.start === this.end;
    if (!isBehind || next.end - this.start > ENTRY_BYTES_MAX) return false;
    this.end = next.end;
    next.release();
    return true;
  }

  /** Nobody reads `bytes` by this any more; to be left out if a write may still be running. */
  release(): void {
    this.block.memory.release();
  }
}

/** Part of a block that is kept for the next small batches of one partition. */
interface Room {
  readonly block: Block;
  at: number;
  end: number;
  /** How much was set aside the last time; 0: nothing yet in this block. */
  sizeBytes: number;
}

/** The entries of one partition: contiguous in offsets, oldest first. */
export class Tail {
  #entries: Entry[] = [];
  /** Entries before this index are gone; the array is cut when half of it is. */
  #head = 0;
  /** @internal */
  room: Room | null = null;

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

  /** @internal */
  get newest(): Entry | undefined {
    return this.count === 0 ? undefined : this.#entries.at(-1);
  }

  /** @internal */
  get oldest(): Entry | undefined {
    return this.#entries[this.#head];
  }

  /** @internal */
  push(entry: Entry): void {
    this.#entries.push(entry);
  }

  /** @internal Drops the oldest entry. */
  shift(): void {
    this.#head += 1;
    if (this.#head * 2 >= this.#entries.length) {
      this.#entries = this.#entries.slice(this.#head);
      this.#head = 0;
    }
  }

  /** @internal */
  take(): readonly Entry[] {
    const entries = this.#entries.slice(this.#head);
    this.#entries = [];
    this.#head = 0;
    return entries;
  }
}

export class TailCache {
  readonly #pool: BufferPool;
  readonly #limitBytes: number;
  readonly #blockBytes: number;
  /** Oldest first; the last one is being filled. */
  readonly #blocks: Block[] = [];
  #bytes = 0;

  constructor(pool: BufferPool, limitBytes: number = TAIL_CACHE_BYTES) {
    this.#pool = pool;
    this.#limitBytes = limitBytes;
    this.#blockBytes = Math.min(BLOCK_BYTES_MAX, Math.ceil(limitBytes / BLOCKS));
  }

  /** Memory that belongs to the cache. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Copies batches of the partition of `tail` to where they stay until they are written, and may stay for readers. */
  store(batches: Buffer, tail: Tail): StoredBatches {
    const sizeBytes = batches.length;
    let block = this.#blocks.at(-1);
    let start = sizeBytes > SMALL_BYTES_MAX ? -1 : startInRoom(tail, block, sizeBytes);
    if (start < 0) {
      block = this.#blockFor(sizeBytes);
      start = block.usedBytes;
      block.usedBytes += sizeBytes;
      if (sizeBytes <= SMALL_BYTES_MAX) {
        tail.room = { block, at: block.usedBytes, end: block.usedBytes, sizeBytes: 0 };
      }
    }
    const stored = new StoredBatches(block as Block, start, start + sizeBytes);
    batches.copy(stored.block.memory.bytes, start);
    this.#trim();
    return stored;
  }

  /** The same for a log that nobody reads yet: what others' readers want stays where it is. */
  storeAside(batches: Buffer): StoredBatches {
    const block = new Block(this.#pool.take(batches.length));
    block.isCached = false;
    batches.copy(block.memory.bytes);
    const stored = new StoredBatches(block, 0, batches.length);
    block.memory.release(); // From here on the write alone holds it.
    return stored;
  }

  /** Shows stored batches, which continue `tail`, to its readers; they were stored in this order. */
  add(tail: Tail, stored: StoredBatches, firstOffset: number, nextOffset: number): void {
    const { newest } = tail;
    const { block } = stored;
    if (newest !== undefined && newest.nextOffset !== firstOffset) this.clear(tail);
    else if (newest?.extend(stored, nextOffset)) return;
    if (!block.isCached) {
      this.clear(tail); // What comes later would not continue what is there.
      return;
    }
    const entry = new Entry(stored, tail, firstOffset, nextOffset);
    tail.push(entry);
    block.entries.push(entry);
    this.#bytes += ENTRY_OVERHEAD_BYTES;
    this.#trim();
  }

  /** Forgets what a partition has below `offset`: its files say something else there. */
  dropBelow(tail: Tail, offset: number): void {
    for (;;) {
      const oldest = tail.oldest;
      if (oldest === undefined || oldest.firstOffset >= offset) return;
      oldest.isGone = true;
      tail.shift();
    }
  }

  /** Forgets all of a partition: it was truncated or is gone. Its bytes go with their blocks. */
  clear(tail: Tail): void {
    for (const entry of tail.take()) entry.isGone = true;
  }

  /** A block with room; the one being filled unless it has too little. */
  #blockFor(sizeBytes: number): Block {
    const newest = this.#blocks.at(-1);
    if (newest !== undefined && newest.freeBytes >= sizeBytes) return newest;
    const block = new Block(this.#pool.take(Math.max(sizeBytes, this.#blockBytes)));
    this.#blocks.push(block);
    this.#bytes += block.memory.bytes.length;
    return block;
  }

  #trim(): void {
    while (this.#bytes > this.#limitBytes) {
      const oldest = this.#blocks.shift();
      if (oldest === undefined) return;
      oldest.isCached = false;
      for (const { tail, isGone } of oldest.entries) if (!isGone) tail.shift();
      this.#bytes -= oldest.memory.bytes.length + oldest.entries.length * ENTRY_OVERHEAD_BYTES;
      oldest.memory.release();
    }
  }
}

/**
 * Finds a place behind the partition's last small batch, if that is in the block that is being filled; makes room
 * for more where there is none left.
 * @returns -1: it is its first small batch in this block, or the block is full
 */
function startInRoom({ room }: Tail, newest: Block | undefined, sizeBytes: number): number {
  if (room === null || room.block !== newest) return -1;
  if (room.end - room.at < sizeBytes) {
    const wanted = Math.min(Math.max(room.sizeBytes * 2, ROOM_BYTES_MIN), ENTRY_BYTES_MAX);
    const grown = Math.max(wanted, sizeBytes);
    if (newest.freeBytes < grown) return -1;
    // What is left of the old room goes unused, unless the new one follows it at once.
    if (room.end !== newest.usedBytes) room.at = newest.usedBytes;
    newest.usedBytes += grown;
    room.end = newest.usedBytes;
    room.sizeBytes = grown;
  }
  const start = room.at;
  room.at += sizeBytes;
  return start;
}

/** What a write takes: stored batches that lie side by side as one. */
export function buffersOf(appends: readonly { readonly stored: StoredBatches }[]): Buffer[] {
  const buffers: Buffer[] = [];
  let block: StoredBatches['block'] | null = null;
  let start = 0;
  let end = 0;
  for (const { stored } of appends) {
    if (stored.block === block && stored.start === end) {
      end = stored.end;
      continue;
    }
    if (block !== null) buffers.push(block.memory.bytes.subarray(start, end));
    ({ block, start, end } = stored);
  }
  if (block !== null) buffers.push(block.memory.bytes.subarray(start, end));
  return buffers;
}

/** Two slices of the same memory, the second right behind the first, as one. */
export function joined(first: Buffer, second: Buffer): Buffer {
  return Buffer.from(first.buffer, first.byteOffset, first.length + second.length);
}

/** Puts slices together that lie side by side. */
export function joinNeighbours(slices: readonly Buffer[]): Buffer[] {
  const runs: Buffer[] = [];
  let last: Buffer | undefined;
  for (const slice of slices) {
    const isNeighbour =
      last?.buffer === slice.buffer && last.byteOffset + last.length === slice.byteOffset;
    if (last !== undefined && isNeighbour) runs[runs.length - 1] = last = joined(last, slice);
    else {
      last = slice;
      runs.push(slice);
    }
  }
  return runs;
}
