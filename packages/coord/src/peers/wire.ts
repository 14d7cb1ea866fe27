/**
 * msgpack for messages between servers, where both sides know what comes next: each kind of value has
 * one form only, so that writing is a store and reading a comparison and a load.
 *
 *   small integers 0 to 127 as themselves · other numbers as float 64 · zxids as int 64 ·
 *   texts as str 32 · bytes as bin 32 · arrays with 4 or 32 bits for the count
 *
 * @see https://github.com/msgpack/msgpack/blob/master/spec.md
 */

import { MalformedPeerData } from './errors.ts';
import { FRAME_HEADER_BYTES, sealFrame } from './frame.ts';

const NIL = 0xc0;
const FALSE = 0xc2;
const TRUE = 0xc3;
const BIN_32 = 0xc6;
const FLOAT_64 = 0xcb;
const INT_64 = 0xd3;
const STR_32 = 0xdb;
const ARRAY_32 = 0xdd;
const FIXED_ARRAY = 0x90;

/** Room that each kind of value takes at most, besides its own bytes. */
export const VALUE_BYTES_MAX = 9;
/** Of one unit of a text in UTF-8. */
export const TEXT_UNIT_BYTES_MAX = 3;

/** Frames are written here first, one at a time: to make memory, and a view of it, for each costs more than a copy. */
const SCRATCH_BYTES = 128 * 1024;
const scratch = Buffer.allocUnsafeSlow(SCRATCH_BYTES);
const scratchView = viewOf(scratch);

function viewOf(bytes: Buffer): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

/** Writes the payload of one frame. One is finished before the next is begun. */
export class WireWriter {
  readonly #bytes: Buffer;
  readonly #view: DataView;
  #at = FRAME_HEADER_BYTES;

  /** @param payloadBytesMax what is written takes no more than this */
  constructor(payloadBytesMax: number) {
    const sizeBytes = FRAME_HEADER_BYTES + payloadBytesMax;
    const fits = sizeBytes <= SCRATCH_BYTES;
    this.#bytes = fits ? scratch : Buffer.allocUnsafe(sizeBytes);
    this.#view = fits ? scratchView : viewOf(this.#bytes);
  }

  /** Its elements follow. @param count up to 15 */
  array(count: number): void {
    this.#bytes[this.#at++] = FIXED_ARRAY | count;
  }

  longArray(count: number): void {
    this.#bytes[this.#at] = ARRAY_32;
    this.#view.setUint32(this.#at + 1, count);
    this.#at += 5;
  }

  nothing(): void {
    this.#bytes[this.#at++] = NIL;
  }

  /** 0 to 127. */
  small(value: number): void {
    this.#bytes[this.#at++] = value;
  }

  flag(value: boolean): void {
    this.#bytes[this.#at++] = value ? TRUE : FALSE;
  }

  number(value: number): void {
    this.#bytes[this.#at] = FLOAT_64;
    this.#view.setFloat64(this.#at + 1, value);
    this.#at += 9;
  }

  int64(value: bigint): void {
    this.#bytes[this.#at] = INT_64;
    this.#view.setBigInt64(this.#at + 1, value);
    this.#at += 9;
  }

  text(value: string): void {
    const sizeBytes = this.#bytes.write(value, this.#at + 5);
    this.#bytes[this.#at] = STR_32;
    this.#view.setUint32(this.#at + 1, sizeBytes);
    this.#at += 5 + sizeBytes;
  }

  bytes(value: Uint8Array): void {
    this.#bytes[this.#at] = BIN_32;
    this.#view.setUint32(this.#at + 1, value.length);
    this.#bytes.set(value, this.#at + 5);
    this.#at += 5 + value.length;
  }

  /** The finished frame; the writer is used up. */
  finish(): Buffer {
    const written = this.#bytes.subarray(0, this.#at);
    return sealFrame(this.#bytes === scratch ? Buffer.from(written) : written);
  }
}

/** One 64-bit number and its bytes. */
const word = new DataView(new ArrayBuffer(8));
const wordBytes = new Uint8Array(word.buffer);

/** Reads a payload. Whatever is not there as expected is a MalformedPeerData. */
export class WireReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  array(count: number): void {
    this.#expect(FIXED_ARRAY | count);
  }

  /** @param elementBytesMin what an element takes at least: a count that cannot be is refused */
  longArray(elementBytesMin: number): number {
    this.#expect(ARRAY_32);
    const count = this.#size();
    if (count * elementBytesMin <= this.#bytes.length - this.#at) return count;
    throw new MalformedPeerData(`a message says it has ${count} elements, and is too short`);
  }

  /** Tells whether nil comes next, and passes it. */
  isNothing(): boolean {
    if (this.#bytes[this.#at] !== NIL) return false;
    this.#at += 1;
    return true;
  }

  small(): number {
    const value = this.#bytes[this.#at];
    if (value === undefined || value > 0x7f) throw this.#unexpected();
    this.#at += 1;
    return value;
  }

  flag(): boolean {
    const value = this.#bytes[this.#at];
    if (value !== TRUE && value !== FALSE) throw this.#unexpected();
    this.#at += 1;
    return value === TRUE;
  }

  /** An integer from 0 to 2^53 - 1. */
  number(): number {
    this.#expect(FLOAT_64);
    this.#require(8);
    const value = this.#bytes.readDoubleBE(this.#at);
    if (!Number.isSafeInteger(value) || value < 0) throw this.#unexpected();
    this.#at += 8;
    return value;
  }

  int64(): bigint {
    this.#expect(INT_64);
    this.#require(8);
    const bytes = this.#bytes;
    const at = this.#at;
    // A fifth of what readBigInt64BE takes, which calculates with bigints.
    for (let index = 0; index < 8; index += 1) wordBytes[index] = bytes[at + index] ?? 0;
    this.#at = at + 8;
    return word.getBigInt64(0);
  }

  text(): string {
    this.#expect(STR_32);
    const end = this.#end();
    const value = this.#bytes.toString('utf8', this.#at, end);
    this.#at = end;
    return value;
  }

  /** A view of the payload. */
  bytes(): Buffer {
    this.#expect(BIN_32);
    const end = this.#end();
    const value = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return value;
  }

  /** Nothing may come behind the last value. */
  finish(): void {
    if (this.#at !== this.#bytes.length) throw this.#unexpected();
  }

  #expect(head: number): void {
    if (this.#bytes[this.#at] !== head) throw this.#unexpected();
    this.#at += 1;
  }

  #size(): number {
    this.#require(4);
    const size = this.#bytes.readUInt32BE(this.#at);
    this.#at += 4;
    return size;
  }

  /** Where the bytes whose size comes next end. */
  #end(): number {
    const size = this.#size();
    this.#require(size);
    return this.#at + size;
  }

  #require(sizeBytes: number): void {
    if (this.#at + sizeBytes > this.#bytes.length) throw this.#unexpected();
  }

  #unexpected(): MalformedPeerData {
    return new MalformedPeerData(`a message is not as it should be at byte ${this.#at}`);
  }
}
