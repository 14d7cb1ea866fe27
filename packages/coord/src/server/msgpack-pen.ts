/**
 * Writes msgpack values one behind the other, for records whose shape is known: what a general encoder finds
 * out about each value (its type, its size, whether it is worth a lookup) is known here beforehand.
 *
 * @see https://github.com/msgpack/msgpack/blob/master/spec.md
 */

const NIL = 0xc0;
const BIN_8 = 0xc4;
const BIN_16 = 0xc5;
const BIN_32 = 0xc6;
const FLOAT_64 = 0xcb;
const INT_32 = 0xd2;
const INT_64 = 0xd3;
const STR_16 = 0xda;
const STR_32 = 0xdb;
const FIXED_ARRAY = 0x90;
const FIXED_STRING = 0xa0;
const FIXED_STRING_BYTES_MAX = 31;
const SHORT_TEXT_UNITS_MAX = 10; // Three bytes each still fit a fixed string.

/** One 64-bit number and its bytes. */
const word = new DataView(new ArrayBuffer(8));
const wordBytes = new Uint8Array(word.buffer);

export class MsgpackPen {
  readonly #bytes: Buffer;
  #at = 0;

  /** @param sizeBytesMax what is written takes no more than this */
  constructor(sizeBytesMax: number) {
    this.#bytes = Buffer.allocUnsafe(sizeBytesMax);
  }

  /** The head of an array; its elements follow. @param count up to 15 */
  array(count: number): void {
    this.#byte(FIXED_ARRAY | count);
  }

  nothing(): void {
    this.#byte(NIL);
  }

  /** An integer from 0 to 127. */
  small(value: number): void {
    this.#byte(value);
  }

  int32(value: number): void {
    this.#byte(INT_32);
    this.#at = this.#bytes.writeInt32BE(value, this.#at);
  }

  /** Any number. */
  number(value: number): void {
    this.#byte(FLOAT_64);
    this.#at = this.#bytes.writeDoubleBE(value, this.#at);
  }

  int64(value: bigint): void {
    word.setBigInt64(0, value);
    const bytes = this.#bytes;
    const at = this.#at;
    bytes[at] = INT_64;
    // A fifth of what writeBigInt64BE takes, which calculates with bigints.
    for (let index = 0; index < 8; index += 1) bytes[at + 1 + index] = wordBytes[index] ?? 0;
    this.#at = at + 9;
  }

  /** The same, of its halves. */
  int64Of(high: number, low: number): void {
    const bytes = this.#bytes;
    const at = this.#at;
    bytes[at] = INT_64;
    bytes[at + 1] = high >> 24;
    bytes[at + 2] = high >> 16;
    bytes[at + 3] = high >> 8;
    bytes[at + 4] = high;
    bytes[at + 5] = low >> 24;
    bytes[at + 6] = low >> 16;
    bytes[at + 7] = low >> 8;
    bytes[at + 8] = low;
    this.#at = at + 9;
  }

  text(value: string): void {
    if (value.length <= SHORT_TEXT_UNITS_MAX) {
      const sizeBytes = this.#bytes.write(value, this.#at + 1);
      this.#byte(FIXED_STRING | sizeBytes);
      this.#at += sizeBytes;
      return;
    }
    // Written behind the longer head first: how long it is shows only then.
    const sizeBytes = this.#bytes.write(value, this.#at + 3);
    if (sizeBytes <= FIXED_STRING_BYTES_MAX) {
      this.#bytes.copyWithin(this.#at + 1, this.#at + 3, this.#at + 3 + sizeBytes);
      this.#byte(FIXED_STRING | sizeBytes);
    } else if (sizeBytes <= 0xffff) {
      this.#byte(STR_16);
      this.#at = this.#bytes.writeUInt16BE(sizeBytes, this.#at);
    } else {
      this.#bytes.copyWithin(this.#at + 5, this.#at + 3, this.#at + 3 + sizeBytes);
      this.#byte(STR_32);
      this.#at = this.#bytes.writeUInt32BE(sizeBytes, this.#at);
    }
    this.#at += sizeBytes;
  }

  bytes(value: Buffer | null): void {
    if (value === null) {
      this.nothing();
      return;
    }
    this.#binary(value.length);
    this.#bytes.set(value, this.#at);
    this.#at += value.length;
  }

  /** Bytes that are held as a text, one unit each. */
  latin1(value: string): void {
    this.#binary(value.length);
    this.#at += this.#bytes.write(value, this.#at, 'latin1');
  }

  #binary(sizeBytes: number): void {
    if (sizeBytes <= 0xff) {
      this.#byte(BIN_8);
      this.#byte(sizeBytes);
    } else if (sizeBytes <= 0xffff) {
      this.#byte(BIN_16);
      this.#at = this.#bytes.writeUInt16BE(sizeBytes, this.#at);
    } else {
      this.#byte(BIN_32);
      this.#at = this.#bytes.writeUInt32BE(sizeBytes, this.#at);
    }
  }

  /** What was written; the pen is used up. */
  finish(): Buffer {
    return this.#bytes.subarray(0, this.#at);
  }

  #byte(value: number): void {
    this.#bytes[this.#at] = value;
    this.#at += 1;
  }
}
