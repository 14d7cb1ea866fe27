/**
 * One record of a magic 2 batch: what it is in memory, and its bytes.
 *
 * ```
 * length:varint attributes:int8 timestampDelta:varlong offsetDelta:varint
 * keyLength:varint key valueLength:varint value headerCount:varint (keyLength key valueLength value)*
 * ```
 * A length of -1 is null. Key, value and header values of a decoded record are slices of the batch.
 */
import { MalformedMessage } from '../../errors.ts';
import { sizeOfVarint, sizeOfVarlong, writeVarint, writeVarlong } from '../../wire/varint.ts';
import { VarintCursor } from './varint-cursor.ts';

/** A name, which may occur more than once in a record, and opaque bytes. */
export interface RecordHeader {
  readonly key: string;
  readonly value: Buffer | null;
}

/** A record as it is read. */
export interface Record {
  readonly offset: number;
  /** Milliseconds since 1970; -1 for none, as in all records of magic 0. */
  readonly timestamp: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: readonly RecordHeader[];
}

/** A record as it is handed to an encoder. */
export interface RecordInput {
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  readonly headers?: readonly { readonly key: string; readonly value: Uint8Array | null }[];
  readonly timestamp: number;
  /** Distance from the batch's base offset; the index of the record when left out. */
  readonly offsetDelta?: number;
}

const NO_HEADERS: readonly RecordHeader[] = Object.freeze([]);

/** The fewest bytes of a record: length, attributes, two deltas, two lengths and a count, of one byte each. */
export const SMALLEST_RECORD_BYTES = 7;

/** Bytes that the record takes, its length field included. */
export function recordSize(
  record: RecordInput,
  timestampDelta: number,
  offsetDelta: number,
): number {
  const bodySize = recordBodySize(record, timestampDelta, offsetDelta);
  return sizeOfVarint(bodySize) + bodySize;
}

/** Writes a record for which there is room. @returns the position after it */
export function writeRecord(
  target: Buffer,
  at: number,
  record: RecordInput,
  timestampDelta: number,
  offsetDelta: number,
): number {
  let position = writeVarint(target, at, recordBodySize(record, timestampDelta, offsetDelta));
  target[position++] = 0; // Attributes: none are defined.
  position = writeVarlong(target, position, timestampDelta);
  position = writeVarint(target, position, offsetDelta);
  position = writeBytes(target, record.key, position);
  position = writeBytes(target, record.value, position);
  if (record.headers === undefined) return writeVarint(target, position, 0);
  position = writeVarint(target, position, record.headers.length);
  for (const header of record.headers) {
    position = writeVarint(target, position, Buffer.byteLength(header.key));
    position += target.write(header.key, position);
    position = writeBytes(target, header.value, position);
  }
  return position;
}

function recordBodySize(record: RecordInput, timestampDelta: number, offsetDelta: number): number {
  let size = 1 + sizeOfVarlong(timestampDelta) + sizeOfVarint(offsetDelta);
  size += bytesSize(record.key) + bytesSize(record.value);
  if (record.headers === undefined) return size + 1;
  size += sizeOfVarint(record.headers.length);
  for (const header of record.headers) {
    const keySize = Buffer.byteLength(header.key);
    size += sizeOfVarint(keySize) + keySize + bytesSize(header.value);
  }
  return size;
}

function bytesSize(bytes: Uint8Array | null): number {
  return bytes === null ? 1 : sizeOfVarint(bytes.length) + bytes.length;
}

/** Short runs of bytes are cheaper to copy one by one than with a call out of JavaScript. */
const COPIED_BY_LOOP_BYTES = 24;

function writeBytes(target: Buffer, bytes: Uint8Array | null, at: number): number {
  if (bytes === null) return writeVarint(target, at, -1);
  const start = writeVarint(target, at, bytes.length);
  if (bytes.length > COPIED_BY_LOOP_BYTES) {
    target.set(bytes, start);
  } else {
    for (let index = 0; index < bytes.length; index++) target[start + index] = bytes[index] ?? 0;
  }
  return start + bytes.length;
}

/** What the header of a batch says about all of its records. */
export interface RecordContext {
  readonly baseOffset: number;
  readonly baseTimestamp: number;
  /** Set with LogAppendTime: the timestamp of every record. */
  readonly appendTimestamp: number | null;
  readonly recordCount: number;
}

/**
 * Goes through the records of one batch without building them.
 *
 * After each `next()` the fields describe one record; they are overwritten by the following one.
 * `record()` builds it, if it is wanted. Every byte is checked on the way, headers included.
 */
export class RecordCursor {
  offset = 0;
  offsetDelta = 0;
  /** The effective timestamp: the append time with LogAppendTime. */
  timestamp = 0;
  /** Size of the record with its length field. */
  sizeBytes = 0;
  /** -1 for a null key. */
  keyLength = 0;
  /** -1 for a null value: a tombstone on compacted topics. */
  valueLength = 0;
  headerCount = 0;
  /** Where in `bytes` the part of the record begins that does not depend on its batch: key, value and headers. */
  bodyAt = 0;
  /** Where in `bytes` the key lies. */
  keyAt = 0;
  /** Where in `bytes` the record ends. */
  endAt = 0;
  readonly #context: RecordContext;
  readonly #cursor: VarintCursor;
  #leftCount: number;
  #valueAt = 0;
  #headersAt = 0;

  /**
   * @param section the records of the batch, decompressed, from `start` to `end`
   * @throws MalformedMessage when so many records cannot be in so few bytes
   */
  constructor(section: Buffer, start: number, end: number, context: RecordContext) {
    const { recordCount } = context;
    if (recordCount < 0 || recordCount > (end - start) / SMALLEST_RECORD_BYTES) {
      throw new MalformedMessage(`${recordCount} records in ${end - start} bytes`);
    }
    this.#context = context;
    this.#cursor = new VarintCursor(section, start, end);
    this.#leftCount = recordCount;
  }

  /** What the records lie in, decompressed. */
  get bytes(): Buffer {
    return this.#cursor.bytes;
  }

  /**
   * Moves to the next record.
   * @returns false after the last one
   * @throws MalformedMessage for a record that is not well-formed, and for bytes after the last one
   */
  next(): boolean {
    const cursor = this.#cursor;
    if (this.#leftCount === 0) {
      if (cursor.position === cursor.end) return false;
      throw new MalformedMessage(`${cursor.end - cursor.position} bytes after the last record`);
    }
    this.#leftCount--;
    const startedAt = cursor.position;
    const length = cursor.varint();
    const end = cursor.position + length;
    if (length < SMALLEST_RECORD_BYTES - 1 || end > cursor.end) {
      throw new MalformedMessage(`a record of length ${length}`);
    }
    this.sizeBytes = end - startedAt;
    cursor.skip(1); // Attributes: none are defined, readers take any.
    const timestampDelta = cursor.varlong();
    const { baseOffset, baseTimestamp, appendTimestamp } = this.#context;
    this.timestamp = appendTimestamp ?? baseTimestamp + timestampDelta;
    this.offsetDelta = cursor.varint();
    this.offset = baseOffset + this.offsetDelta;
    this.bodyAt = cursor.position;
    this.endAt = end;
    this.keyLength = cursor.varint();
    this.keyAt = cursor.position;
    this.#skipNullable(this.keyLength);
    this.valueLength = cursor.varint();
    this.#valueAt = cursor.position;
    this.#skipNullable(this.valueLength);
    this.headerCount = cursor.varint();
    if (this.headerCount < 0) throw new MalformedMessage(`${this.headerCount} record headers`);
    this.#headersAt = cursor.position;
    for (let index = 0; index < this.headerCount; index++) {
      const keyLength = cursor.varint();
      if (keyLength < 0) throw new MalformedMessage('a record header without a key');
      cursor.skip(keyLength);
      this.#skipNullable(cursor.varint());
    }
    if (cursor.position !== end) {
      throw new MalformedMessage(
        `a record of length ${length} that is ${cursor.position - end} off`,
      );
    }
    return true;
  }

  /** The current record's key, a slice. */
  key(): Buffer | null {
    return this.#slice(this.keyAt, this.keyLength);
  }

  /** The current record's value, a slice. */
  value(): Buffer | null {
    return this.#slice(this.#valueAt, this.valueLength);
  }

  headers(): readonly RecordHeader[] {
    if (this.headerCount === 0) return NO_HEADERS;
    const { bytes, end } = this.#cursor;
    const cursor = new VarintCursor(bytes, this.#headersAt, end);
    const headers: RecordHeader[] = [];
    for (let index = 0; index < this.headerCount; index++) {
      const keyLength = cursor.varint();
      const key = bytes.toString('utf8', cursor.position, cursor.position + keyLength);
      cursor.skip(keyLength);
      const valueLength = cursor.varint();
      headers.push({ key, value: this.#slice(cursor.position, valueLength) });
      if (valueLength > 0) cursor.skip(valueLength);
    }
    return headers;
  }

  /** Builds the current record. */
  record(): Record {
    return {
      offset: this.offset,
      timestamp: this.timestamp,
      key: this.key(),
      value: this.value(),
      headers: this.headers(),
    };
  }

  #slice(at: number, length: number): Buffer | null {
    return length < 0 ? null : this.#cursor.bytes.subarray(at, at + length);
  }

  #skipNullable(length: number): void {
    if (length < -1) throw new MalformedMessage(`a record field of length ${length}`);
    if (length > 0) this.#cursor.skip(length);
  }
}
