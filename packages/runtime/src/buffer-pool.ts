/**
 * Memory for big byte sequences that is used again instead of being left to the garbage collector.
 *
 * A fresh buffer of a megabyte costs a mapping, a page fault per page and its share of a full
 * collection, which Node starts every few dozen megabytes of buffers; that is several times what
 * receiving the bytes costs. Memory from here is used again as soon as its last holder releases it.
 *
 * Each holder releases once; who forgets costs a buffer that the garbage collector takes as it does
 * any other, and never memory that changes under somebody's hands. Releasing twice would be that, so
 * it is an InvariantViolation. Sizes are rounded up to a power of two, so that memory fits again;
 * what is smaller than the smallest or larger than the largest is made for its one use.
 */
import { InvariantViolation } from './errors.ts';

export const POOLED_BYTES_MIN = 16 * 1024;
export const POOLED_BYTES_MAX = 8 * 1024 * 1024;
/** Default for the bytes that wait to be used again. */
export const POOL_FREE_BYTES_MAX = 32 * 1024 * 1024;
/** What released memory is filled with where mistakes are looked for. */
export const POISON = 0xdb;

/** A piece of memory and the count of those who use it. */
export class PooledBuffer {
  /** At least the bytes asked for; what is in it is undefined. */
  readonly bytes: Buffer;
  readonly #released: (bytes: Buffer) => void;
  #holders = 1;

  /** @internal */
  constructor(bytes: Buffer, released: (bytes: Buffer) => void) {
    this.bytes = bytes;
    this.#released = released;
  }

  get holders(): number {
    return this.#holders;
  }

  /** One more holder, who releases once. */
  hold(): void {
    if (this.#holders === 0) throw new InvariantViolation('a released buffer cannot be held');
    this.#holders += 1;
  }

  /** The caller does not touch the bytes any more. After the last release nobody may. */
  release(): void {
    if (this.#holders === 0) throw new InvariantViolation('a buffer was released twice');
    this.#holders -= 1;
    if (this.#holders === 0) this.#released(this.bytes);
  }
}

export interface BufferPoolOptions {
  /** The most that is kept for later use, in bytes. */
  readonly freeBytesLimit?: number;
  /** Overwrite what is released, so that whoever still reads it notices. */
  readonly poison?: boolean;
}

export class BufferPool {
  readonly #freeBytesLimit: number;
  readonly #poison: boolean;
  /** By size; the last released is the first used again, because processors still have it at hand. */
  readonly #free = new Map<number, Buffer[]>();
  readonly #takeBack = (bytes: Buffer): void => this.#keep(bytes);
  #freeBytes = 0;

  constructor({ freeBytesLimit = POOL_FREE_BYTES_MAX, poison = false }: BufferPoolOptions = {}) {
    this.#freeBytesLimit = freeBytesLimit;
    this.#poison = poison;
  }

  /** Bytes that wait to be used again. */
  get freeBytes(): number {
    return this.#freeBytes;
  }

  /** Memory for at least `sizeBytes` bytes, held once by the caller. */
  take(sizeBytes: number): PooledBuffer {
    const size = pooledSize(sizeBytes);
    const kept = this.#free.get(size)?.pop();
    if (kept !== undefined) this.#freeBytes -= size;
    return new PooledBuffer(kept ?? Buffer.allocUnsafeSlow(size), this.#takeBack);
  }

  #keep(bytes: Buffer): void {
    if (this.#poison) bytes.fill(POISON);
    const size = bytes.length;
    if (!isPooled(size) || this.#freeBytes + size > this.#freeBytesLimit) return;
    const kept = this.#free.get(size);
    if (kept === undefined) this.#free.set(size, [bytes]);
    else kept.push(bytes);
    this.#freeBytes += size;
  }
}

/** The size that is really taken for `sizeBytes`. */
export function pooledSize(sizeBytes: number): number {
  return isPooled(sizeBytes) ? 2 ** (32 - Math.clz32(sizeBytes - 1)) : sizeBytes;
}

function isPooled(sizeBytes: number): boolean {
  return sizeBytes >= POOLED_BYTES_MIN && sizeBytes <= POOLED_BYTES_MAX;
}
