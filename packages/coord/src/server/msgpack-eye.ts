/**
 * Reads msgpack values whose kinds are known beforehand: the counterpart of the pen (msgpack-pen.ts), and like it
 * faster than a general decoder by what need not be found out. It insists on what the pen writes. Where something
 * else stands, it is `puzzled`, what it returned means nothing, and a general decoder has to look.
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
const SMALL_MAX = 0x7f;

/** One 64-bit number and its bytes. */
const word = new DataView(new ArrayBuffer(8));
const wordBytes = new Uint8Array(word.buffer);

export class MsgpackEye {
  readonly #bytes: Buffer;
  #at = 0;
  #isPuzzled = false;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  /** Whether something else stood there than was asked for, or less, or more is left. Ask at the end. */
  get isPuzzled(): boolean {
    return this.#isPuzzled || this.#at !== this.#bytes.length;
  }

  /** The head of an array of up to 15. @returns how many elements follow */
  array(): number {
    const count = this.#byte() - FIXED_ARRAY;
    return count >= 0 && count <= 0xf ? count : this.#puzzled();
  }

  nothing(): void {
    this.#expect(NIL);
  }

  /** An integer from 0 to 127. */
  small(): number {
    const value = this.#byte();
    return value <= SMALL_MAX ? value : this.#puzzled();
  }

  int32(): number {
    this.#expect(INT_32);
    return this.#uint32() | 0;
  }

  /** Any number. */
  number(): number {
    this.#expect(FLOAT_64);
    this.#word();
    return word.getFloat64(0);
  }

  int64(): bigint {
    this.#expect(INT_64);
    this.#word();
    return word.getBigInt64(0);
  }

  text(): string {
    const head = this.#byte();
    let sizeBytes = head - FIXED_STRING;
    if (head === STR_16) sizeBytes = this.#uint16();
    else if (head === STR_32) sizeBytes = this.#uint32();
    else if (sizeBytes < 0 || sizeBytes > FIXED_STRING_BYTES_MAX) sizeBytes = this.#puzzled();
    const from = this.#at;
    this.#at += sizeBytes;
    return this.#bytes.toString('utf8', from, this.#at);
  }

  /** A copy, which keeps nothing else in memory. */
  bytes(): Buffer | null {
    const head = this.#byte();
    if (head === NIL) return null;
    let sizeBytes: number;
    if (head === BIN_8) sizeBytes = this.#byte();
    else if (head === BIN_16) sizeBytes = this.#uint16();
    else if (head === BIN_32) sizeBytes = this.#uint32();
    else sizeBytes = this.#puzzled();
    const from = this.#at;
    this.#at += sizeBytes;
    // A size that cannot be is found out at the end; nothing is allocated for it.
    if (this.#at > this.#bytes.length) return null;
    return Buffer.from(this.#bytes.subarray(from, this.#at));
  }

  #word(): void {
    const bytes = this.#bytes;
    const at = this.#at;
    for (let index = 0; index < 8; index += 1) wordBytes[index] = bytes[at + index] ?? 0;
    this.#at = at + 8;
  }

  #uint16(): number {
    return this.#byte() * 0x100 + this.#byte();
  }

  #uint32(): number {
    return this.#uint16() * 0x1_0000 + this.#uint16();
  }

  #expect(head: number): void {
    if (this.#byte() !== head) this.#puzzled();
  }

  #byte(): number {
    const value = this.#bytes[this.#at] ?? 0;
    this.#at += 1;
    return value;
  }

  #puzzled(): number {
    this.#isPuzzled = true;
    return 0;
  }
}
