/**
 * What a leader wants to know of a batch's records before it takes them: that they are well-formed,
 * and what all of them have in common. One pass, without an object for any record.
 *
 * It is on the way of every produced batch. So numbers of one byte, which most are, are read where
 * they are needed and only longer ones by a function, and what is found goes into one object that is
 * used again. Who needs single records takes a RecordCursor (record.ts).
 */
import { MalformedMessage } from '../../errors.ts';
import { SMALLEST_RECORD_BYTES } from './record.ts';
import { VarintCursor } from './varint-cursor.ts';

/** What the records of one batch have in common. Overwritten by the next survey. */
export interface RecordSurvey {
  /** Distances from the batch's base timestamp; 0 without records. */
  minTimestampDelta: number;
  maxTimestampDelta: number;
  /** That of the first record. */
  firstTimestampDelta: number;
  /** The offset delta of each record is its index. */
  countsUp: boolean;
  /** Some record has no key. */
  lacksKey: boolean;
  /** Some record has attributes, of which none are defined. */
  hasAttributes: boolean;
}

const found: RecordSurvey = {
  minTimestampDelta: 0,
  maxTimestampDelta: 0,
  firstTimestampDelta: 0,
  countsUp: true,
  lacksKey: false,
  hasAttributes: false,
};

const NOTHING = Buffer.alloc(0);
/** For numbers of more than two bytes; used again, for it is the way of a batch that means ill as well. */
const cursor = new VarintCursor(NOTHING, 0, 0);
/** Where the number that was read last ends. */
let next = 0;

/**
 * Goes through the records that lie in `bytes` from `start` to `end`, uncompressed.
 * @returns an object that the next call overwrites
 * @throws MalformedMessage when they are not exactly `recordCount` well-formed records
 */
export function surveyRecords(
  bytes: Buffer,
  start: number,
  end: number,
  recordCount: number,
): Readonly<RecordSurvey> {
  if (recordCount < 0 || recordCount > (end - start) / SMALLEST_RECORD_BYTES)
    throw new MalformedMessage(`${recordCount} records in ${end - start} bytes`);
  let minTimestampDelta = 0;
  let maxTimestampDelta = 0;
  let firstTimestampDelta = 0;
  let countsUp = true;
  let lacksKey = false;
  let attributes = 0;
  let position = start;
  for (let index = 0; index < recordCount; index++) {
    const length = varintAt(bytes, position, end);
    const recordEnd = next + length;
    if (length < SMALLEST_RECORD_BYTES - 1 || recordEnd > end)
      throw new MalformedMessage(`record ${index} is of length ${length}`);
    attributes |= bytes[next] ?? 0;
    const timestampDelta = varlongAt(bytes, next + 1, recordEnd);
    if (index === 0) {
      firstTimestampDelta = timestampDelta;
      minTimestampDelta = timestampDelta;
      maxTimestampDelta = timestampDelta;
    } else if (timestampDelta > maxTimestampDelta) maxTimestampDelta = timestampDelta;
    else if (timestampDelta < minTimestampDelta) minTimestampDelta = timestampDelta;
    if (varintAt(bytes, next, recordEnd) !== index) countsUp = false;
    const keyLength = varintAt(bytes, next, recordEnd);
    if (keyLength < 0) lacksKey = true;
    position = pastBytes(keyLength);
    position = pastBytes(varintAt(bytes, position, recordEnd));
    // Nearly all records have no headers: then this byte is their last one.
    if (position !== recordEnd - 1 || bytes[position] !== 0)
      passHeaders(bytes, position, recordEnd);
    position = recordEnd;
  }
  if (position !== end) throw new MalformedMessage(`${end - position} bytes after the last record`);
  found.minTimestampDelta = minTimestampDelta;
  found.maxTimestampDelta = maxTimestampDelta;
  found.firstTimestampDelta = firstTimestampDelta;
  found.countsUp = countsUp;
  found.lacksKey = lacksKey;
  found.hasAttributes = attributes !== 0;
  cursor.bytes = NOTHING; // Not to keep a batch alive.
  return found;
}

/** Reads a number, of which most are of one byte or two. */
function varintAt(bytes: Buffer, position: number, end: number): number {
  if (position + 1 < end) {
    const first = bytes[position] ?? 0;
    if (first < 0x80) {
      next = position + 1;
      return (first >>> 1) ^ -(first & 1);
    }
    const second = bytes[position + 1] ?? 0;
    if (second < 0x80) {
      next = position + 2;
      const raw = (first & 0x7f) | (second << 7);
      return (raw >>> 1) ^ -(raw & 1);
    }
  }
  placeCursor(bytes, position, end);
  const value = cursor.varint();
  next = cursor.position;
  return value;
}

/** As `varintAt`, for 64 bits. */
function varlongAt(bytes: Buffer, position: number, end: number): number {
  if (position + 1 < end) {
    const first = bytes[position] ?? 0;
    if (first < 0x80) {
      next = position + 1;
      return (first >>> 1) ^ -(first & 1);
    }
    const second = bytes[position + 1] ?? 0;
    if (second < 0x80) {
      next = position + 2;
      const raw = (first & 0x7f) | (second << 7);
      return (raw >>> 1) ^ -(raw & 1);
    }
  }
  placeCursor(bytes, position, end);
  const value = cursor.varlong();
  next = cursor.position;
  return value;
}

function placeCursor(bytes: Buffer, position: number, end: number): void {
  cursor.bytes = bytes;
  cursor.position = position;
  cursor.end = end;
}

/** The position behind bytes of this length, which was just read; -1 is null and takes none. */
function pastBytes(length: number): number {
  if (length >= 0) return next + length;
  if (length === -1) return next;
  throw new MalformedMessage(`a record field of length ${length}`);
}

/** Makes sure that a record's headers begin at `position` and end where the record does. */
function passHeaders(bytes: Buffer, position: number, recordEnd: number): void {
  const count = varintAt(bytes, position, recordEnd);
  if (count < 0) throw new MalformedMessage(`${count} record headers`);
  let at = next;
  for (let index = 0; index < count; index++) {
    const keyLength = varintAt(bytes, at, recordEnd);
    if (keyLength < 0) throw new MalformedMessage('a record header without a key');
    at = pastBytes(varintAt(bytes, pastBytes(keyLength), recordEnd));
  }
  if (at !== recordEnd)
    throw new MalformedMessage(`a record that is ${at - recordEnd} bytes off its length`);
}
