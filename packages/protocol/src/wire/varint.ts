/**
 * Variable-length integers: LEB128, seven bits a byte, low group first; signed ones zig-zagged.
 * Functions over (buffer, position) for whoever lays bytes out by hand; Reader and Writer use them
 * too. A position is returned, so that a caller needs no object per number.
 */

/** Longest encoding of a 32-bit number. */
export const MAX_VARINT_BYTES = 5;
/** Longest encoding of a 64-bit number. */
export const MAX_VARLONG_BYTES = 10;

/** Bytes that `value` (0 to 2^32 - 1) takes. */
export function sizeOfUvarint(value: number): number {
  if (value < 0x80) return 1;
  if (value < 0x4000) return 2;
  if (value < 0x200000) return 3;
  return value < 0x10000000 ? 4 : 5;
}

/** Writes `value` (0 to 2^32 - 1) and returns the position after it. Room must be there. */
export function writeUvarint(buffer: Buffer, at: number, value: number): number {
  let position = at;
  let rest = value >>> 0;
  while (rest > 127) {
    buffer[position++] = (rest & 127) | 128;
    rest >>>= 7;
  }
  buffer[position++] = rest;
  return position;
}

/** The unsigned form of a signed 32-bit number: 0, -1, 1, -2 become 0, 1, 2, 3. */
export function zigZag(value: number): number {
  return ((value << 1) ^ (value >> 31)) >>> 0;
}

/** The reverse of `zigZag`. */
export function unZigZag(value: number): number {
  return (value >>> 1) ^ -(value & 1);
}

/** Bytes that the signed 32-bit `value` takes. */
export function sizeOfVarint(value: number): number {
  return sizeOfUvarint(zigZag(value));
}

/** Writes a signed 32-bit number and returns the position after it. */
export function writeVarint(buffer: Buffer, at: number, value: number): number {
  return writeUvarint(buffer, at, zigZag(value));
}

/** Bytes that `value` (any safe integer) takes as a varlong. */
export function sizeOfVarlong(value: number): number {
  let size = 1;
  // Zig-zag doubles the magnitude; halving the first limit instead keeps the number safe.
  let rest = (value < 0 ? -(value + 1) : value) / 64;
  while (rest >= 1) {
    size++;
    rest /= 128;
  }
  return size;
}

/** Writes a safe integer as a zig-zagged varlong and returns the position after it. */
export function writeVarlong(buffer: Buffer, at: number, value: number): number {
  if (value >= -0x40000000 && value < 0x40000000) return writeVarint(buffer, at, value);
  // Zig-zag of n is 2n, or -2n-1 when negative: low 31 bits of the magnitude, one sign bit, rest.
  const negative = value < 0;
  const magnitude = negative ? -(value + 1) : value;
  const high = Math.floor(magnitude / 0x8000000); // above the lowest 27 bits
  let low = (magnitude % 0x8000000) * 2 + (negative ? 1 : 0); // 28 bits: four groups
  let position = at;
  for (let group = 0; group < 4; group++) {
    buffer[position++] = (low & 127) | 128;
    low >>>= 7;
  }
  let rest = high;
  while (rest > 127) {
    buffer[position++] = (rest % 128) | 128;
    rest = Math.floor(rest / 128);
  }
  buffer[position++] = rest;
  return position;
}
