/**
 * Log records in a file, and how a torn end is told from damage.
 *
 *   0 marker (u32)  4 payload size (u32)  8 distance to the group's start (u32)  12 zxid (i64)
 *   20 CRC-32C of bytes 0 to 19 and the payload, begun with the file's salt (u32)  24 payload
 *
 * Records are written in groups: a group is written only after all groups before it are synced, and
 * nothing of it is acknowledged before it is synced itself. So when a record is unreadable, what
 * comes behind it decides. If some later record belongs to a group that began after the bad place,
 * that place had been synced once and acknowledged data is damaged. If not, the bad place is in the
 * last group, whose pages the disk may have taken in any order before the power went: a torn end,
 * which nobody was promised, and which is cut.
 */
import { crc32c } from '@odradek/protocol/zookeeper';
import { FILE_HEADER_BYTES } from './file-header.ts';
import { type FileWindow, WINDOW_BYTES } from './file-window.ts';
import type { LogRecord } from './types.ts';

export const RECORD_HEADER_BYTES = 24;
const MARKER = 0x4f64724c; // "OdrL"
const MARKER_BYTES = Buffer.from([0x4f, 0x64, 0x72, 0x4c]);
const CRC_AT = 20;

/** Writes a record's header to `target` at `at`; the payload follows it or goes out by itself. */
export function writeRecordHeader(
  target: Buffer,
  at: number,
  record: LogRecord,
  sinceGroupStart: number,
  salt: number,
): void {
  target.writeUInt32BE(MARKER, at);
  target.writeUInt32BE(record.payload.byteLength, at + 4);
  target.writeUInt32BE(sinceGroupStart, at + 8);
  target.writeBigInt64BE(record.zxid, at + 12);
  const crc = crc32c(record.payload, crc32c(target.subarray(at, at + CRC_AT), salt));
  target.writeUInt32BE(crc, at + CRC_AT);
}

/** A record as found in a file. */
export interface FoundRecord extends LogRecord {
  readonly position: number;
  /** Of the byte behind it. */
  readonly end: number;
  /** Where the group that it was written with begins. */
  readonly groupStart: number;
}

/** The record at `position`, or null when there is none that is whole and right. */
export async function readRecord(
  window: FileWindow,
  position: number,
  salt: number,
): Promise<FoundRecord | null> {
  let header = window.peek(position, RECORD_HEADER_BYTES);
  if (header === null) {
    if (!(await window.load(position, RECORD_HEADER_BYTES))) return null;
    header = window.peek(position, RECORD_HEADER_BYTES);
  }
  if (header === null || header.readUInt32BE(0) !== MARKER) return null;
  const recordBytes = RECORD_HEADER_BYTES + header.readUInt32BE(4);
  const end = position + recordBytes;
  const groupStart = position - header.readUInt32BE(8);
  if (end > window.sizeBytes || groupStart < FILE_HEADER_BYTES) return null;
  let record = window.peek(position, recordBytes);
  if (record === null) {
    if (!(await window.load(position, recordBytes))) return null;
    record = window.peek(position, recordBytes);
  }
  if (record === null) return null;
  const payload = record.subarray(RECORD_HEADER_BYTES);
  const crc = crc32c(payload, crc32c(record.subarray(0, CRC_AT), salt));
  if (crc !== record.readUInt32BE(CRC_AT)) return null;
  return { zxid: record.readBigInt64BE(12), payload, position, end, groupStart };
}

/**
 * The records from the start of the file to the first place where there is none.
 * @param from where a record begins
 */
export async function* recordsIn(
  window: FileWindow,
  salt: number,
  from: number = FILE_HEADER_BYTES,
): AsyncGenerator<FoundRecord> {
  let position = from;
  let lastZxid = -1n;
  for (;;) {
    const record = await readRecord(window, position, salt);
    if (record === null || record.zxid <= lastZxid) return;
    yield record;
    position = record.end;
    lastZxid = record.zxid;
  }
}

/**
 * Where the last record with a zxid up to `zxid` lies, found by the records' headers: what is passed is not checked,
 * the record itself is.
 */
export async function seekRecord(
  window: FileWindow,
  salt: number,
  zxid: bigint,
): Promise<FoundRecord | 'none' | 'damaged'> {
  let found: number | null = null;
  let lastZxid = -1n;
  for (let at = FILE_HEADER_BYTES; ; ) {
    let header = window.peek(at, RECORD_HEADER_BYTES);
    if (header === null) {
      if (!(await window.load(at, RECORD_HEADER_BYTES))) break;
      header = window.peek(at, RECORD_HEADER_BYTES);
    }
    if (header === null || header.readUInt32BE(0) !== MARKER) break;
    const recordZxid = header.readBigInt64BE(12);
    if (recordZxid > zxid || recordZxid <= lastZxid) break;
    found = at;
    lastZxid = recordZxid;
    at += RECORD_HEADER_BYTES + header.readUInt32BE(4);
  }
  if (found === null) return 'none';
  return (await readRecord(window, found, salt)) ?? 'damaged';
}

/** Tells whether what is at `position`, where no record is readable, was synced once. */
export async function wasSynced(
  window: FileWindow,
  position: number,
  salt: number,
): Promise<boolean> {
  let at = position + 1;
  for (;;) {
    const candidate = await nextMarker(window, at);
    if (candidate === null) return false;
    const record = await readRecord(window, candidate, salt);
    if (record !== null && record.groupStart > position) return true;
    at = record === null ? candidate + 1 : record.end;
  }
}

async function nextMarker(window: FileWindow, from: number): Promise<number | null> {
  let at = from;
  for (;;) {
    if (window.peek(at, MARKER_BYTES.length) === null) {
      if (!(await window.load(at, MARKER_BYTES.length))) return null;
    }
    const rest = window.rest(at);
    const found = rest.indexOf(MARKER_BYTES);
    if (found >= 0) return at + found;
    // A marker may lie across the window's end.
    at += rest.length - MARKER_BYTES.length + 1;
  }
}

/** How many bytes from `position` on hold something else than the zeros of preallocation. */
export async function writtenBytesFrom(window: FileWindow, position: number): Promise<number> {
  const zeros = Buffer.alloc(Math.min(WINDOW_BYTES, Math.max(0, window.sizeBytes - position)));
  let lastWritten = position;
  for (let at = position; at < window.sizeBytes; ) {
    await window.load(at, 1);
    const bytes = window.rest(at);
    if (bytes.length === 0) break;
    if (bytes.compare(zeros, 0, bytes.length) !== 0) {
      lastWritten = at + bytes.findLastIndex((byte) => byte !== 0) + 1;
    }
    at += bytes.length;
  }
  return lastWritten - position;
}
