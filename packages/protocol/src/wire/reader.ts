/**
 * A cursor over received bytes. Every read checks that the bytes are there and throws
 * MalformedMessage otherwise, so a caller never sees half a value. Byte fields come out as slices
 * of the input, never as copies: whoever keeps one keeps the frame alive.
 *
 * Compiled codecs (../schema/) read `buffer` and `position` directly and come here for the rare cases.
 */
import { MalformedMessage } from '../errors.ts';
import { readText, readUuid } from './text.ts';
import { unZigZag } from './varint.ts';

export class Reader {
  readonly buffer: Buffer;
  /** Index of the next byte to read. */
  position: number;
  /** Index after the last byte that may be read. */
  readonly end: number;

  constructor(buffer: Buffer, position = 0, end = buffer.length) {
    this.buffer = buffer;
    this.position = position;
    this.end = end;
  }

  /** Bytes not read yet. */
  get remaining(): number {
    return this.end - this.position;
  }

  /** Moves past `sizeBytes` bytes and returns where they begin. */
  take(sizeBytes: number): number {
    const at = this.position;
    if (!(sizeBytes >= 0 && sizeBytes <= this.end - at)) {
      throw new MalformedMessage(
        `${sizeBytes} bytes wanted at byte ${at}, ${this.end - at} are there`,
      );
    }
    this.position = at + sizeBytes;
    return at;
  }

  bool(): boolean {
    return this.uint8() !== 0;
  }

  uint8(): number {
    return this.buffer[this.take(1)] as number;
  }

  int8(): number {
    return this.buffer.readInt8(this.take(1));
  }

  int16(): number {
    return this.buffer.readInt16BE(this.take(2));
  }

  uint16(): number {
    return this.buffer.readUInt16BE(this.take(2));
  }

  int32(): number {
    return this.buffer.readInt32BE(this.take(4));
  }

  uint32(): number {
    return this.buffer.readUInt32BE(this.take(4));
  }

  /** A 64-bit number as a plain one; beyond 2^53 it is malformed. */
  int64(): number {
    const at = this.take(8);
    const value = this.buffer.readInt32BE(at) * 0x100000000 + this.buffer.readUInt32BE(at + 4);
    if (!Number.isSafeInteger(value)) {
      throw new MalformedMessage(`a 64-bit number beyond 2^53 at byte ${at}`);
    }
    return value;
  }

  bigint64(): bigint {
    return this.buffer.readBigInt64BE(this.take(8));
  }

  float64(): number {
    return this.buffer.readDoubleBE(this.take(8));
  }

  /** 22 characters of URL-safe base64. */
  uuid(): string {
    return readUuid(this.buffer, this.take(16));
  }

  /** An unsigned LEB128 number of at most 32 bits. */
  uvarint(): number {
    const { buffer, end } = this;
    let position = this.position;
    let value = 0;
    // Four groups of seven bits stay within what bit operations take for positive.
    for (let shift = 0; shift < 28 && position < end; shift += 7) {
      const byte = buffer[position++] as number;
      value |= (byte & 127) << shift;
      if (byte < 128) {
        this.position = position;
        return value;
      }
    }
    const last = position < end ? (buffer[position++] as number) : 255;
    if (last > 15) {
      throw new MalformedMessage(`no 32-bit variable-length number at byte ${this.position}`);
    }
    this.position = position;
    return value + last * 0x10000000;
  }

  /** A zig-zagged LEB128 number of 32 bits. */
  varint(): number {
    return unZigZag(this.uvarint());
  }

  /** A zig-zagged LEB128 number of 64 bits as a plain one; beyond 2^53 it is malformed. */
  varlong(): number {
    const { buffer, end } = this;
    let position = this.position;
    if (position >= end) throw new MalformedMessage(`no number at byte ${position}`);
    const first = buffer[position++] as number;
    let byte = first;
    let rest = 0; // the magnitude without the sign bit
    let scale = 64;
    rest = (first & 127) >>> 1;
    // Nine groups hold 62 bits of magnitude; what is not safe is refused below.
    while (byte > 127) {
      if (position >= end || position - this.position > 9) {
        throw new MalformedMessage(`no 64-bit variable-length number at byte ${this.position}`);
      }
      byte = buffer[position++] as number;
      rest += (byte & 127) * scale;
      scale *= 128;
    }
    const value = (first & 1) === 0 ? rest : -rest - 1;
    if (!Number.isSafeInteger(value)) {
      throw new MalformedMessage(
        `a 64-bit variable-length number beyond 2^53 at byte ${this.position}`,
      );
    }
    this.position = position;
    return value;
  }

  /** The next `sizeBytes` bytes, as a slice of the input. */
  bytes(sizeBytes: number): Buffer {
    const at = this.take(sizeBytes);
    return this.buffer.subarray(at, at + sizeBytes);
  }

  /** The next `sizeBytes` bytes as UTF-8 text. */
  text(sizeBytes: number): string {
    return readText(this.buffer, this.take(sizeBytes), sizeBytes);
  }

  /** Throws when bytes are left over. */
  expectEnd(): void {
    if (this.position !== this.end) {
      throw new MalformedMessage(`${this.end - this.position} bytes after the end of the message`);
    }
  }
}
