/**
 * Builds a message as a list of chunks. Small fields go into a scratch buffer; byte fields from
 * REFERENCE_MIN_BYTES on are referenced where they are, so a batch on its way to a socket is never
 * copied.
 *
 * The scratch is a slab from which message after message takes its slice; a full slab is left to
 * those who hold slices of it and a new one begun. So a finished message costs no copy and mostly
 * no allocation, at the price that a small slice kept for long keeps its slab (SLAB_BYTES) alive:
 * copy it first if there are many such.
 *
 * Compiled codecs (../schema/) store into `buffer` at `position` themselves, after `reserve`.
 */
import { UnencodableValue } from '../errors.ts';
import { roomForText, writeShortAscii, writeText, writeUuid } from './text.ts';
import { MAX_VARINT_BYTES, sizeOfUvarint, writeUvarint, zigZag } from './varint.ts';

/** Byte fields of this size and above are referenced; below, copying is cheaper than one more chunk. */
export const REFERENCE_MIN_BYTES = 1024;
/** Size of a scratch slab; a message whose small fields need more gets one of its own. */
export const SLAB_BYTES = 64 * 1024;
/** Longest text of the Kafka protocol, set by its int16 lengths and kept by the compact form. */
export const MAX_STRING_BYTES = 32767;

const NOTHING = Buffer.alloc(0);
const VIEW_OF_NOTHING = new DataView(new ArrayBuffer(0));

export class Writer {
  /** The slab. Valid up to the next call that may `reserve`. */
  buffer: Buffer = NOTHING;
  /** The same bytes: stores 64-bit numbers in a third of the time that `buffer` needs. */
  view: DataView = VIEW_OF_NOTHING;
  /** Index in `buffer` of the next byte to write. */
  position = 0;
  /** Index in `buffer` of the first byte that is not yet part of a chunk. */
  start = 0;
  #chunks: Buffer[] = [];
  #chunkBytes = 0;

  /** Bytes written so far, referenced ones included. */
  get sizeBytes(): number {
    return this.#chunkBytes + this.position - this.start;
  }

  /** Begins a message; what an earlier one left unfinished is dropped. */
  begin(): void {
    this.position = this.start;
    if (this.#chunks.length > 0) {
      this.#chunks = [];
      this.#chunkBytes = 0;
    }
  }

  /** Makes sure that `sizeBytes` bytes can be stored from `position` on; may replace `buffer`. */
  reserve(sizeBytes: number): void {
    if (this.buffer.length - this.position >= sizeBytes) return;
    const pending = this.position - this.start;
    const wanted = pending + sizeBytes;
    const slab = Buffer.allocUnsafeSlow(wanted > SLAB_BYTES / 2 ? wanted * 2 : SLAB_BYTES);
    this.buffer.copy(slab, 0, this.start, this.position);
    this.buffer = slab;
    this.view = new DataView(slab.buffer, slab.byteOffset, slab.length);
    this.start = 0;
    this.position = pending;
  }

  bool(value: boolean): void {
    this.uint8(value ? 1 : 0);
  }

  uint8(value: number): void {
    this.reserve(1);
    this.buffer[this.position++] = value;
  }

  int8(value: number): void {
    this.reserve(1);
    this.position = this.buffer.writeInt8(value, this.position);
  }

  int16(value: number): void {
    this.reserve(2);
    this.position = this.buffer.writeInt16BE(value, this.position);
  }

  uint16(value: number): void {
    this.reserve(2);
    this.position = this.buffer.writeUInt16BE(value, this.position);
  }

  int32(value: number): void {
    this.reserve(4);
    this.position = this.buffer.writeInt32BE(value, this.position);
  }

  uint32(value: number): void {
    this.reserve(4);
    this.position = this.buffer.writeUInt32BE(value, this.position);
  }

  /** A safe integer as 64 bits. */
  int64(value: number): void {
    if (!Number.isSafeInteger(value)) throw new UnencodableValue(`${value} is no safe integer`);
    this.reserve(8);
    const low = value >>> 0;
    this.buffer.writeInt32BE((value - low) / 0x100000000, this.position);
    this.position = this.buffer.writeUInt32BE(low, this.position + 4);
  }

  bigint64(value: bigint): void {
    if (BigInt.asIntN(64, value) !== value) {
      throw new UnencodableValue(`${value} is no 64-bit number`);
    }
    this.reserve(8);
    this.view.setBigInt64(this.position, value);
    this.position += 8;
  }

  float64(value: number): void {
    this.reserve(8);
    this.position = this.buffer.writeDoubleBE(value, this.position);
  }

  uuid(text: string): void {
    this.reserve(16);
    if (!writeUuid(this.buffer, this.position, text)) {
      throw new UnencodableValue(`${JSON.stringify(text)} is no uuid of 22 base64url characters`);
    }
    this.position += 16;
  }

  uvarint(value: number): void {
    this.reserve(MAX_VARINT_BYTES);
    this.position = writeUvarint(this.buffer, this.position, value);
  }

  varint(value: number): void {
    this.uvarint(zigZag(value));
  }

  /** Text with an int16 length in front. */
  classicString(text: string): void {
    this.reserve(2 + roomForText(text));
    if (writeShortAscii(this.buffer, this.position + 2, text)) {
      this.buffer[this.position] = 0;
      this.buffer[this.position + 1] = text.length;
      this.position += 2 + text.length;
      return;
    }
    const sizeBytes = writeText(this.buffer, this.position + 2, text);
    checkStringSize(sizeBytes);
    this.buffer.writeInt16BE(sizeBytes, this.position);
    this.position += 2 + sizeBytes;
  }

  /** Text with its length plus one as an unsigned varint in front. */
  compactString(text: string): void {
    this.reserve(MAX_VARINT_BYTES + roomForText(text));
    if (writeShortAscii(this.buffer, this.position + 1, text)) {
      this.buffer[this.position] = text.length + 1;
      this.position += 1 + text.length;
      return;
    }
    // The prefix is laid out for ASCII; other text may need a longer one and moves up.
    const expected = sizeOfUvarint(text.length + 1);
    const from = this.position + expected;
    const sizeBytes = writeText(this.buffer, from, text);
    checkStringSize(sizeBytes);
    const prefix = sizeOfUvarint(sizeBytes + 1);
    if (prefix !== expected) {
      this.buffer.copyWithin(this.position + prefix, from, from + sizeBytes);
    }
    this.position = writeUvarint(this.buffer, this.position, sizeBytes + 1) + sizeBytes;
  }

  /** Text with an int32 length in front, as Jute has it. */
  juteString(text: string): void {
    this.reserve(4 + roomForText(text));
    const sizeBytes = writeShortAscii(this.buffer, this.position + 4, text)
      ? text.length
      : writeText(this.buffer, this.position + 4, text);
    this.position = this.buffer.writeInt32BE(sizeBytes, this.position) + sizeBytes;
  }

  /** Adds bytes as they are, without a length: referenced when big, copied when small. */
  bytes(bytes: Buffer): void {
    if (bytes.length < REFERENCE_MIN_BYTES) this.copy(bytes);
    else this.reference(bytes);
  }

  /** Adds a copy of the bytes, whatever their size. */
  copy(bytes: Buffer): void {
    this.reserve(bytes.length);
    bytes.copy(this.buffer, this.position);
    this.position += bytes.length;
  }

  /** Adds the bytes themselves as a chunk; they must not change until they are sent. */
  reference(bytes: Buffer): void {
    this.#flush();
    this.#chunks.push(bytes);
    this.#chunkBytes += bytes.length;
  }

  /**
   * Puts the size of what was written since `mark` in front of it, as an unsigned varint. One byte
   * must have been left free at the mark, and nothing referenced since.
   * @param mark distance of the free byte from `start`
   */
  prefixSize(mark: number): void {
    const sizeBytes = this.position - this.start - mark - 1;
    const extra = sizeOfUvarint(sizeBytes) - 1;
    if (extra > 0) {
      this.reserve(extra);
      const from = this.start + mark + 1;
      this.buffer.copyWithin(from + extra, from, this.position);
      this.position += extra;
    }
    writeUvarint(this.buffer, this.start + mark, sizeBytes);
  }

  /** Ends the message and returns its chunks, in order; empty for an empty message. */
  finish(): Buffer[] {
    this.#flush();
    const chunks = this.#chunks;
    this.#chunks = [];
    this.#chunkBytes = 0;
    if (this.buffer.length > SLAB_BYTES) {
      this.buffer = NOTHING;
      this.view = VIEW_OF_NOTHING;
      this.position = 0;
      this.start = 0;
    }
    return chunks;
  }

  /** Ends the message and returns it as one buffer; copies only when there were references. */
  finishWhole(): Buffer {
    const chunks = this.finish();
    const [first] = chunks;
    if (first === undefined) return NOTHING;
    return chunks.length === 1 ? first : Buffer.concat(chunks);
  }

  #flush(): void {
    if (this.position === this.start) return;
    this.#chunks.push(this.buffer.subarray(this.start, this.position));
    this.#chunkBytes += this.position - this.start;
    this.start = this.position;
  }
}

function checkStringSize(sizeBytes: number): void {
  if (sizeBytes > MAX_STRING_BYTES) {
    throw new UnencodableValue(`a string of ${sizeBytes} bytes; ${MAX_STRING_BYTES} is the most`);
  }
}
