/**
 * Which offset each key was last seen at: the memory of a compaction, bounded.
 *
 * A table of open addressing in one piece of memory, which moves between threads without a copy. Of
 * a key 16 bytes of hash are kept, of an offset a double: 24 bytes in all, as in Kafka. Nothing is
 * ever removed, so a search ends at the first free slot.
 */
import { hashKey, hashWords } from './key-hash.ts';

/** Bytes of an entry: the hash, and the offset plus one (0: the slot is free). */
export const KEY_ENTRY_BYTES = 24;

const WORDS = KEY_ENTRY_BYTES / 4;
const DOUBLES = KEY_ENTRY_BYTES / 8;
const TWO_TO_32 = 2 ** 32;

/** A table on its way between threads. */
export interface KeyTable {
  readonly memory: ArrayBuffer;
  readonly seed: number;
  readonly countMax: number;
  readonly count: number;
  readonly latestOffset: number;
}

export class KeyOffsets {
  readonly #memory: ArrayBuffer;
  readonly #words: Int32Array;
  readonly #doubles: Float64Array;
  readonly #slots: number;
  readonly #seed: number;
  /** Keys that it takes: some slots must stay free, for searches to be short. */
  readonly countMax: number;
  #count: number;
  /** Everything up to this offset has been looked at; -1 before anything was. */
  latestOffset: number;

  constructor(table: KeyTable) {
    this.#memory = table.memory;
    this.#words = new Int32Array(table.memory);
    this.#doubles = new Float64Array(table.memory);
    this.#slots = Math.floor(table.memory.byteLength / KEY_ENTRY_BYTES);
    this.#seed = table.seed;
    this.countMax = table.countMax;
    this.#count = table.count;
    this.latestOffset = table.latestOffset;
  }

  /**
   * An empty table.
   * @param memoryBytes the most it may take
   * @param loadFactor the share of slots that may be used
   * @param keysMax no more than so many keys will come: no more memory is taken than they need
   */
  static sized(memoryBytes: number, loadFactor: number, keysMax: number, seed: number): KeyOffsets {
    const allowed = Math.max(2, Math.floor(memoryBytes / KEY_ENTRY_BYTES));
    const needed = Math.ceil(keysMax / loadFactor) + 1;
    const slots = Math.min(allowed, Math.max(2, needed));
    return new KeyOffsets({
      memory: new ArrayBuffer(slots * KEY_ENTRY_BYTES),
      seed,
      // A full table would be searched for ever, and one that takes nothing gets nowhere.
      countMax: Math.min(slots - 1, Math.max(1, Math.floor(slots * loadFactor))),
      count: 0,
      latestOffset: -1,
    });
  }

  get count(): number {
    return this.#count;
  }

  get full(): boolean {
    return this.#count >= this.countMax;
  }

  /** How much of what may be used is used: 0 to 1. */
  get utilization(): number {
    return this.#count / this.#slots;
  }

  /** Notes that the key that lies at `at` was seen at `offset`, later than ever before. */
  put(bytes: Uint8Array, at: number, length: number, offset: number): void {
    const slot = this.#slotOf(bytes, at, length);
    if (this.#doubles[slot * DOUBLES + 2] === 0) {
      const words = this.#words;
      const base = slot * WORDS;
      words[base] = hashWords[0] ?? 0;
      words[base + 1] = hashWords[1] ?? 0;
      words[base + 2] = hashWords[2] ?? 0;
      words[base + 3] = hashWords[3] ?? 0;
      this.#count += 1;
    }
    this.#doubles[slot * DOUBLES + 2] = offset + 1;
    this.latestOffset = offset;
  }

  /** Where the key was last seen; -1 when it was not. */
  get(bytes: Uint8Array, at: number, length: number): number {
    return (this.#doubles[this.#slotOf(bytes, at, length) * DOUBLES + 2] ?? 0) - 1;
  }

  table(): KeyTable {
    const { countMax, latestOffset } = this;
    const shared = { memory: this.#memory, seed: this.#seed };
    return { ...shared, countMax, count: this.#count, latestOffset };
  }

  /** The slot that holds the key, or the free one where it belongs. */
  #slotOf(bytes: Uint8Array, at: number, length: number): number {
    hashKey(bytes, at, length, this.#seed);
    const h1 = hashWords[0] ?? 0;
    const h2 = hashWords[1] ?? 0;
    const h3 = hashWords[2] ?? 0;
    const h4 = hashWords[3] ?? 0;
    const words = this.#words;
    const doubles = this.#doubles;
    let slot = Math.floor(((h1 >>> 0) * this.#slots) / TWO_TO_32);
    while (doubles[slot * DOUBLES + 2] !== 0) {
      const base = slot * WORDS;
      if (
        words[base] === h1 &&
        words[base + 1] === h2 &&
        words[base + 2] === h3 &&
        words[base + 3] === h4
      ) {
        return slot;
      }
      slot += 1;
      if (slot === this.#slots) slot = 0;
    }
    return slot;
  }
}
