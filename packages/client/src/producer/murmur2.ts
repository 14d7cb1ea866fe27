/**
 * murmur2, 32 bits, with the seed that all Kafka clients use for keys: the partition of a key must
 * be the same whoever produces it. int32 arithmetic. Pure.
 */
const SEED = 0x9747b28c;
const M = 0x5bd1e995;
const R = 24;

/** @returns a signed 32-bit hash */
export function murmur2(bytes: Buffer): number {
  const { length } = bytes;
  const wordsEnd = length - (length % 4);
  let hash = (SEED ^ length) | 0;
  for (let at = 0; at < wordsEnd; at += 4) {
    let word = Math.imul(bytes.readInt32LE(at), M);
    word ^= word >>> R;
    hash = Math.imul(hash, M) ^ Math.imul(word, M);
  }
  const tailBytes = length - wordsEnd;
  if (tailBytes > 0) {
    for (let n = tailBytes - 1; n >= 0; n -= 1) hash ^= bytes.readUInt8(wordsEnd + n) << (8 * n);
    hash = Math.imul(hash, M);
  }
  hash ^= hash >>> 13;
  hash = Math.imul(hash, M);
  return hash ^ (hash >>> 15);
}
