/**
 * Reading the zig-zag varints of records: a place in some bytes that moves on with each read.
 *
 * Seven bits to a byte, lowest first; the top bit says that another byte follows. A varint holds
 * 32 bits in at most 5 bytes, a varlong 64 bits in at most 10. Apart from wire/reader.ts because
 * records lie inside larger buffers, so that reading has to stop at a given end. Writing them is
 * in wire/varint.ts.
 */
import { MalformedMessage } from '../../errors.ts';

const TWO_TO_28 = 2 ** 28;

/** Moves through `bytes` up to `end`, never past it. */
export class VarintCursor {
  bytes: Buffer;
  end: number;
  position: number;

  constructor(bytes: Buffer, position: number, end: number) {
    this.bytes = bytes;
    this.position = position;
    this.end = end;
  }

  /**
   * Reads a 32-bit zig-zag varint.
   * @throws MalformedMessage at the end of the bytes, or when it goes on after 32 bits
   */
  varint(): number {
    const { bytes, end } = this;
    let position = this.position;
    if (position >= end) throw endedEarly();
    let byte = bytes[position++] ?? 0;
    let raw = byte & 0x7f;
    for (let shift = 7; byte >= 0x80; shift += 7) {
      if (position >= end) throw endedEarly();
      byte = bytes[position++] ?? 0;
      if (shift === 28 && byte > 0x0f) throw new MalformedMessage('a varint has more than 32 bits');
      raw |= (byte & 0x7f) << shift;
    }
    this.position = position;
    return (raw >>> 1) ^ -(raw & 1);
  }

  /**
   * Reads a 64-bit zig-zag varint whose value must lie between -2^53 and 2^53.
   * @throws MalformedMessage at the end of the bytes, when it goes on after 64 bits, or out of range
   */
  varlong(): number {
    const { bytes, end } = this;
    let position = this.position;
    // The low 28 bits and those above are kept apart, because numbers have 32-bit shifts only.
    let low = 0;
    let high = 0;
    let scale = 1;
    for (let index = 0; ; index++) {
      if (position >= end) throw endedEarly();
      const byte = bytes[position++] ?? 0;
      if (index < 4) {
        low |= (byte & 0x7f) << (7 * index);
      } else {
        if (index === 9 && byte > 1) throw new MalformedMessage('a varlong has more than 64 bits');
        high += (byte & 0x7f) * scale;
        scale *= 128;
      }
      if (byte < 0x80) break;
    }
    this.position = position;
    // Half of the zig-zag form is the magnitude, its lowest bit the sign.
    const magnitude = high * (TWO_TO_28 / 2) + (low >>> 1);
    if (magnitude >= Number.MAX_SAFE_INTEGER) {
      throw new MalformedMessage(`a varlong is out of range: about ${magnitude}`);
    }
    return low & 1 ? -magnitude - 1 : magnitude;
  }

  /** Moves on by `count` bytes, which must be there. */
  skip(count: number): void {
    if (count > this.end - this.position) throw endedEarly();
    this.position += count;
  }
}

function endedEarly(): MalformedMessage {
  return new MalformedMessage('a record ends in the middle of a field');
}
