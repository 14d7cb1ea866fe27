/**
 * xxHash32 of fewer than 16 bytes, which is all that the header checksum of an LZ4 frame needs.
 * @see https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md
 */
const PRIME_1 = 0x9e3779b1;
const PRIME_2 = 0x85ebca77;
const PRIME_3 = 0xc2b2ae3d;
const PRIME_4 = 0x27d4eb2f;
const PRIME_5 = 0x165667b1;

/** The hash with seed 0 of the bytes from `start` to `end`. @returns an unsigned 32-bit integer */
export function xxHash32OfFew(bytes: Buffer, start: number, end: number): number {
  let hash = (PRIME_5 + (end - start)) | 0;
  let position = start;
  for (; end - position >= 4; position += 4) {
    hash = (hash + Math.imul(bytes.readInt32LE(position), PRIME_3)) | 0;
    hash = Math.imul(rotated(hash, 17), PRIME_4);
  }
  for (; position < end; position++) {
    hash = (hash + Math.imul(bytes[position] ?? 0, PRIME_5)) | 0;
    hash = Math.imul(rotated(hash, 11), PRIME_1);
  }
  hash = Math.imul(hash ^ (hash >>> 15), PRIME_2);
  hash = Math.imul(hash ^ (hash >>> 13), PRIME_3);
  return (hash ^ (hash >>> 16)) >>> 0;
}

function rotated(value: number, bits: number): number {
  return (value << bits) | (value >>> (32 - bits));
}
