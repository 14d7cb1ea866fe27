/**
 * The numbers of all nodes, side by side in pages outside the collected heap.
 *
 * As fields of its own a node's zxids, times and counters are objects of 16 and 24 bytes each, which
 * the garbage collector visits again and again; here they are 64 bytes per node that it never sees.
 * A node knows its page and its place in it (node.ts); places of deleted nodes are used again.
 */
import { invariant } from '@odradek/runtime';

/** A node's numbers, as 64-bit words: four integers, three floating point numbers, two 32-bit integers. */
export const WORDS_PER_NODE = 8;
export const word = {
  czxid: 0,
  mzxid: 1,
  pzxid: 2,
  owner: 3,
  ctime: 4,
  mtime: 5,
  creationCount: 6,
  /** Halves of the last word, counted in 32 bits. */
  version: 14,
  aversion: 15,
} as const;

/** Which half of an integer word is the low one on this machine: 0 or 1. */
export const lowHalf = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1 ? 0 : 1;

const NODES_PER_PAGE = 1024;

/** The same memory under three types; a word has the same index in the first two. */
export interface NumberPage {
  readonly integers: BigInt64Array;
  readonly floats: Float64Array;
  readonly halves: Int32Array;
  /** The number of its first place. */
  readonly firstPlace: number;
}

function newPage(firstPlace: number, nodes: number): NumberPage {
  const bytes = new ArrayBuffer(nodes * WORDS_PER_NODE * 8);
  return {
    integers: new BigInt64Array(bytes),
    floats: new Float64Array(bytes),
    halves: new Int32Array(bytes),
    firstPlace,
  };
}

/** Where a node that is gone finds nothing but zeros, whoever has its place now. */
export const gonePage: NumberPage = newPage(-1, 1);

export class NumberStore {
  readonly #pages: NumberPage[] = [];
  /** Places of deleted nodes. */
  readonly #free: number[] = [];
  #placeCount = 0;

  /** A place that nobody has, all zeros. */
  take(): number {
    const reused = this.#free.pop();
    if (reused !== undefined) return reused;
    const place = this.#placeCount;
    if (place % NODES_PER_PAGE === 0) this.#pages.push(newPage(place, NODES_PER_PAGE));
    this.#placeCount += 1;
    return place;
  }

  /** The page of a place that was taken. */
  pageOf(place: number): NumberPage {
    const page = this.#pages[Math.floor(place / NODES_PER_PAGE)];
    invariant(page !== undefined, 'a place has its page');
    return page;
  }

  /** The place may be had by another node. */
  giveBack(page: NumberPage, place: number): void {
    const from = (place - page.firstPlace) * WORDS_PER_NODE;
    page.integers.fill(0n, from, from + WORDS_PER_NODE);
    this.#free.push(place);
  }
}
