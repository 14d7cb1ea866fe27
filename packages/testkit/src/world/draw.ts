/**
 * Chance from a seed: the only one there is in a simulated world.
 *
 * Every part of the world draws from a stream of its own, named when it is made, so that taking one
 * part away (a client, a fault) changes nothing that the others draw: that is what makes a schedule
 * shrink.
 */
export class Draw {
  #a: number;
  #b: number;
  #c: number;
  #d: number;

  /** @param seed any text; equal texts give equal streams */
  constructor(seed: string) {
    // The four words are spread over the seed by the mixing of MurmurHash3's finalizer.
    let hash = 0x811c9dc5;
    const word = (salt: number): number => {
      for (let index = 0; index < seed.length; index++) {
        hash = Math.imul(hash ^ seed.charCodeAt(index) ^ salt, 0x01000193);
      }
      hash ^= hash >>> 16;
      hash = Math.imul(hash, 0x85ebca6b);
      hash ^= hash >>> 13;
      hash = Math.imul(hash, 0xc2b2ae35);
      return (hash ^ (hash >>> 16)) | 0;
    };
    this.#a = word(1);
    this.#b = word(2);
    this.#c = word(3);
    this.#d = word(4);
    for (let warmUp = 0; warmUp < 8; warmUp++) this.#next();
  }

  /** 32 bits, by the small fast counter generator (sfc32, public domain). */
  #next(): number {
    const mixed = (((this.#a + this.#b) | 0) + this.#d) | 0;
    this.#d = (this.#d + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (this.#c << 21) | (this.#c >>> 11);
    this.#c = (this.#c + mixed) | 0;
    return mixed >>> 0;
  }

  /** In [0, 1). */
  fraction(): number {
    return this.#next() / 2 ** 32;
  }

  /** An integer in [0, limit); `limit` up to 2^48. */
  below(limit: number): number {
    if (limit <= 2 ** 32) return Math.floor(this.fraction() * limit);
    return Math.floor(((this.#next() * 2 ** 16 + (this.#next() >>> 16)) / 2 ** 48) * limit);
  }

  /** An integer in [low, high]. */
  between(low: number, high: number): number {
    return low + this.below(high - low + 1);
  }

  /** Whether something of this probability happens. */
  chance(probability: number): boolean {
    return this.fraction() < probability;
  }

  /** Mostly small, now and then several times the mean. */
  exponential(mean: number): number {
    return -Math.log(1 - this.fraction()) * mean;
  }

  oneOf<T>(items: readonly T[]): T {
    const item = items[this.below(items.length)];
    if (item === undefined) throw new RangeError('nothing to choose from');
    return item;
  }

  /** One of the keys, as often as its weight says. */
  weighted<Key extends string>(weights: Readonly<Record<Key, number>>): Key {
    const entries = Object.entries<number>(weights) as [Key, number][];
    let at = this.fraction() * entries.reduce((sum, [, weight]) => sum + weight, 0);
    for (const [key, weight] of entries) {
      at -= weight;
      if (at < 0) return key;
    }
    return (entries.at(-1) as [Key, number])[0];
  }

  bytes(sizeBytes: number): Buffer {
    const bytes = Buffer.allocUnsafeSlow(sizeBytes);
    for (let index = 0; index < sizeBytes; index++) bytes[index] = this.#next() >>> 24;
    return bytes;
  }

  shuffled<T>(items: readonly T[]): T[] {
    const left = [...items];
    const drawn: T[] = [];
    while (left.length > 0) drawn.push(...left.splice(this.below(left.length), 1));
    return drawn;
  }
}
