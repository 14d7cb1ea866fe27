/**
 * The memory that small writes go through on their way to the thread that carries them out (small-writes.ts,
 * small-writes-thread.ts): a ring of orders, and a ring of the bytes that they write.
 *
 * The event loop adds orders at HEAD, the thread carries them out in order and counts them in DONE. An order belongs to
 * whoever changed its state: the thread claims each before it begins, and the event loop may call back what is not
 * claimed. So nothing is ever written that was called back, however late the thread goes on.
 *
 * Counts run on and turn negative; an order's place is its count modulo the size of the ring.
 */

/** Orders that may be under way at once. A power of two. */
export const ORDERS_MAX = 1024;
/** Bytes that may be under way at once. */
export const RING_BYTES = 1024 * 1024;

/** Places of the shared counts and flags. */
export const HEAD = 0;
export const DONE = 1;
/** 1: the thread waits for HEAD to change. */
export const ASLEEP = 2;
/** 1: the thread has said that something is done, and the event loop has not looked yet. */
export const TOLD = 3;
const COUNTS = 4;

export const QUEUED = 0;
export const CLAIMED = 1;
export const CALLED_BACK = 2;

/** In place of the bytes written: it failed. */
export const FAILED = -1;

export interface RingMemory {
  readonly orders: SharedArrayBuffer;
  readonly bytes: SharedArrayBuffer;
}

export function ringMemory(): RingMemory {
  const words = COUNTS + 5 * ORDERS_MAX;
  return {
    orders: new SharedArrayBuffer(ORDERS_MAX * Float64Array.BYTES_PER_ELEMENT + words * 4),
    bytes: new SharedArrayBuffer(RING_BYTES),
  };
}

/** The same memory, seen from either side. */
export class WriteRing {
  /** Where in its file an order writes. */
  readonly positions: Float64Array;
  readonly counts: Int32Array;
  readonly states: Int32Array;
  readonly descriptors: Int32Array;
  /** Where in `bytes` its bytes lie. */
  readonly starts: Int32Array;
  readonly sizes: Int32Array;
  /** Bytes written, or FAILED. */
  readonly results: Int32Array;
  readonly bytes: Uint8Array;

  constructor({ orders, bytes }: RingMemory) {
    let at = 0;
    const words = (count: number): Int32Array => {
      const view = new Int32Array(orders, at, count);
      at += view.byteLength;
      return view;
    };
    this.positions = new Float64Array(orders, 0, ORDERS_MAX);
    at = this.positions.byteLength;
    this.counts = words(COUNTS);
    this.states = words(ORDERS_MAX);
    this.descriptors = words(ORDERS_MAX);
    this.starts = words(ORDERS_MAX);
    this.sizes = words(ORDERS_MAX);
    this.results = words(ORDERS_MAX);
    this.bytes = new Uint8Array(bytes);
  }
}

/** The place of the order with this count. */
export const placeOf = (count: number): number => count & (ORDERS_MAX - 1);
