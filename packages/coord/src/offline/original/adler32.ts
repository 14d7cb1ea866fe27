/** Adler-32 (RFC 1950), the checksum of ZooKeeper's logs and snapshots; as a running sum. */

const MODULUS = 65_521;
/** So many bytes may be added before the sums must be reduced to stay within 32 bits. */
const REDUCE_AFTER_BYTES = 5_552;

/** The checksum of nothing. */
export const ADLER32_START = 1;

/** @returns the checksum of what `sum` covers and then `bytes`, unsigned */
export function adler32(bytes: Uint8Array, sum = ADLER32_START): number {
  let low = sum & 0xffff;
  let high = sum >>> 16;
  for (let at = 0; at < bytes.length; ) {
    const end = Math.min(at + REDUCE_AFTER_BYTES, bytes.length);
    for (; at < end; at += 1) {
      low += bytes[at] as number;
      high += low;
    }
    low %= MODULUS;
    high %= MODULUS;
  }
  return high * 0x10000 + low;
}
