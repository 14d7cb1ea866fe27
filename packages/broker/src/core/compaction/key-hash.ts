/**
 * 128 bits for a key: MurmurHash3 (x86, 128 bits), public domain, by Austin Appleby.
 *
 * Compaction takes two keys with the same hash for one, as Kafka does with its MD5: at 128 bits that
 * does not happen by chance, and who may write to a topic can replace its keys without such tricks.
 * Arithmetic of 32 bits is what JavaScript does well; a call to a digest of OpenSSL would cost ten
 * times as much for the short keys that are usual.
 */

const C1 = 0x239b961b;
const C2 = 0xab0e9789 | 0;
const C3 = 0x38b34ae5;
const C4 = 0xa1e38b93 | 0;

/** The four words of the last hash: read before the next call. */
export const hashWords = new Int32Array(4);

/** Hashes `length` bytes from `at` on into {@link hashWords}. */
export function hashKey(bytes: Uint8Array, at: number, length: number, seed: number): void {
  let h1 = seed | 0;
  let h2 = h1;
  let h3 = h1;
  let h4 = h1;
  const blocksEnd = at + (length & ~15);
  for (let block = at; block < blocksEnd; block += 16) {
    h1 ^= scrambled(word(bytes, block), C1, 15, C2);
    h1 = (Math.imul(rotated(h1, 19) + h2, 5) + 0x561ccd1b) | 0;
    h2 ^= scrambled(word(bytes, block + 4), C2, 16, C3);
    h2 = (Math.imul(rotated(h2, 17) + h3, 5) + 0x0bcaa747) | 0;
    h3 ^= scrambled(word(bytes, block + 8), C3, 17, C4);
    h3 = (Math.imul(rotated(h3, 15) + h4, 5) + 0x96cd1c35) | 0;
    h4 ^= scrambled(word(bytes, block + 12), C4, 18, C1);
    h4 = (Math.imul(rotated(h4, 13) + h1, 5) + 0x32ac3b17) | 0;
  }
  const rest = length & 15;
  if (rest > 12) h4 ^= scrambled(tail(bytes, blocksEnd + 12, rest - 12), C4, 18, C1);
  if (rest > 8) h3 ^= scrambled(tail(bytes, blocksEnd + 8, rest - 8), C3, 17, C4);
  if (rest > 4) h2 ^= scrambled(tail(bytes, blocksEnd + 4, rest - 4), C2, 16, C3);
  if (rest > 0) h1 ^= scrambled(tail(bytes, blocksEnd, rest), C1, 15, C2);
  h1 ^= length;
  h2 ^= length;
  h3 ^= length;
  h4 ^= length;
  h1 = (h1 + h2 + h3 + h4) | 0;
  h2 = (h2 + h1) | 0;
  h3 = (h3 + h1) | 0;
  h4 = (h4 + h1) | 0;
  h1 = finished(h1);
  h2 = finished(h2);
  h3 = finished(h3);
  h4 = finished(h4);
  h1 = (h1 + h2 + h3 + h4) | 0;
  hashWords[0] = h1;
  hashWords[1] = h2 + h1;
  hashWords[2] = h3 + h1;
  hashWords[3] = h4 + h1;
}

function rotated(value: number, bits: number): number {
  return (value << bits) | (value >>> (32 - bits));
}

function scrambled(value: number, first: number, bits: number, second: number): number {
  return Math.imul(rotated(Math.imul(value, first), bits), second);
}

function finished(value: number): number {
  let mixed = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return mixed ^ (mixed >>> 16);
}

function word(bytes: Uint8Array, at: number): number {
  return (
    (bytes[at] ?? 0) |
    ((bytes[at + 1] ?? 0) << 8) |
    ((bytes[at + 2] ?? 0) << 16) |
    ((bytes[at + 3] ?? 0) << 24)
  );
}

/** The first 1 to 4 bytes of a word; the others are 0. */
function tail(bytes: Uint8Array, at: number, count: number): number {
  if (count >= 4) return word(bytes, at);
  let value = bytes[at] ?? 0;
  if (count > 1) value |= (bytes[at + 1] ?? 0) << 8;
  if (count > 2) value |= (bytes[at + 2] ?? 0) << 16;
  return value;
}
