/**
 * Reads a log file of ZooKeeper, and says how it ends.
 *
 * An entry: Adler-32 of the record as a long, its size, the record, the letter B. The file is
 * enlarged by zeros ahead of need, so a size of 0 is the end. The original takes such an end, or a
 * missing B, wherever it is, and goes on with the next file; what stood behind it is lost without a
 * word. Here it is an end only when nothing but zeros follows what was being written.
 */
import { MalformedMessage, storedFileHeader } from '@odradek/protocol/zookeeper';
import type { Disk } from '@odradek/runtime';
import { FileWindow } from '../../storage/file-window.ts';
import { writtenBytesFrom } from '../../storage/log-format.ts';
import { ForeignDataDamaged } from '../errors.ts';
import { adler32 } from './adler32.ts';
import { FILE_VERSION } from './snapshot-reader.ts';
import { decodeTransaction, type OriginalTransaction } from './transactions.ts';

const HEADER_BYTES = 16;
export const LOG_MAGIC = 0x5a4b4c47; // "ZKLG"
const ENTRY_HEADER_BYTES = 12;
const ENTRY_END = 0x42; // "B"
/** A record over this is taken for damage; nobody configures jute.maxbuffer so high. */
const RECORD_BYTES_MAX = 256 * 1024 * 1024;

/** Of a transaction without a record. */
const SMALLEST_ENTRY_BYTES = ENTRY_HEADER_BYTES + 32 + 1;
const ZXID_AT = 12;
const NEAR = 1n << 20n;

const REMEDY =
  'Copy the file again, use the data of another server of the ensemble, or accept the loss (--accept-loss)';

export interface LogEntry extends OriginalTransaction {
  /** In the file, in bytes. */
  readonly offset: number;
  readonly sizeBytes: number;
}

/** How a file ends. */
export interface LogEnd {
  /** Behind the last whole entry. */
  readonly offset: number;
  /** Of an entry that was being written when the server ended; nobody was promised it. */
  readonly tornBytes: number;
}

export type LogItem =
  | { readonly kind: 'entry'; readonly entry: LogEntry }
  | { readonly kind: 'end'; readonly end: LogEnd };

/**
 * The entries of a file in order; the last item is `end`.
 * @throws ForeignDataDamaged, DiskError
 */
export async function* readLog(disk: Disk, path: string): AsyncGenerator<LogItem> {
  const file = await disk.open(path, 'read');
  try {
    const window = new FileWindow(file, await file.sizeBytes());
    if (!(await hasHeader(window, path))) {
      yield { kind: 'end', end: { offset: 0, tornBytes: 0 } };
      return;
    }
    let offset = HEADER_BYTES;
    let lastZxid: bigint | null = null;
    for (;;) {
      const entry = await entryAt(window, path, offset, lastZxid);
      if (entry === null) {
        yield { kind: 'end', end: { offset, tornBytes: await writtenBytesFrom(window, offset) } };
        return;
      }
      yield { kind: 'entry', entry };
      offset += entry.sizeBytes;
      lastZxid = entry.record.zxid;
    }
  } finally {
    await file.close();
  }
}

/** @returns false for a file that was made and never written to */
async function hasHeader(window: FileWindow, path: string): Promise<boolean> {
  const bytes = await bytesAt(window, 0, HEADER_BYTES);
  if (bytes === null || bytes.every((byte) => byte === 0)) {
    if ((await writtenBytesFrom(window, 0)) === 0) return false;
    throw new ForeignDataDamaged(path, 0, 'the header is cut short', REMEDY);
  }
  const { magic, version } = storedFileHeader.decode(bytes);
  if (magic !== LOG_MAGIC) throw new ForeignDataDamaged(path, 0, 'this is no log of ZooKeeper');
  if (version !== FILE_VERSION)
    throw new ForeignDataDamaged(path, 4, `a log of version ${version}`);
  return true;
}

/** @returns null at the end of the file */
async function entryAt(
  window: FileWindow,
  path: string,
  offset: number,
  lastZxid: bigint | null,
): Promise<LogEntry | null> {
  const damaged = (damage: string, cause?: unknown): ForeignDataDamaged =>
    new ForeignDataDamaged(path, offset, damage, REMEDY, { cause });
  const header = await bytesAt(window, offset, ENTRY_HEADER_BYTES);
  if (header === null) return null; // Shorter than a header: it was being written, if it is anything.
  const size = header.readInt32BE(8);
  if (size < 0 || size > RECORD_BYTES_MAX) throw damaged(`an entry of ${size} bytes`);
  const sizeBytes = ENTRY_HEADER_BYTES + size + 1;
  const checksum = header.readBigInt64BE(0);
  const entry = size === 0 ? null : await bytesAt(window, offset, sizeBytes);
  if (entry === null || entry[sizeBytes - 1] !== ENTRY_END) {
    const writtenBytes = await writtenBytesFrom(window, offset);
    const isLast = writtenBytes <= (size === 0 ? ENTRY_HEADER_BYTES : sizeBytes);
    if (isLast && !(await hidesEntries(window, offset, writtenBytes, lastZxid))) return null;
    throw damaged('the entry is not whole, and there are others behind it');
  }
  const record = entry.subarray(ENTRY_HEADER_BYTES, sizeBytes - 1);
  if (checksum !== BigInt(adler32(record))) throw damaged('the checksum of the entry is wrong');
  try {
    return { ...decodeTransaction(record), offset, sizeBytes };
  } catch (error) {
    if (error instanceof MalformedMessage) throw damaged(error.message, error);
    throw error;
  }
}

/**
 * Whether what looks like one unfinished entry has whole ones in it: then its size is what is wrong,
 * and what follows it was acknowledged.
 */
async function hidesEntries(
  window: FileWindow,
  offset: number,
  writtenBytes: number,
  lastZxid: bigint | null,
): Promise<boolean> {
  const bytes = await bytesAt(window, offset, writtenBytes);
  if (bytes === null) return false;
  for (let at = 1; at + SMALLEST_ENTRY_BYTES <= bytes.length; at += 1) {
    const end = at + ENTRY_HEADER_BYTES + bytes.readInt32BE(at + 8);
    if (end < at + SMALLEST_ENTRY_BYTES - 1 || bytes[end] !== ENTRY_END) continue;
    const record = bytes.subarray(at + ENTRY_HEADER_BYTES, end);
    if (!isNext(record.readBigInt64BE(ZXID_AT), lastZxid)) continue;
    if (bytes.readBigInt64BE(at) === BigInt(adler32(record))) return true;
  }
  return false;
}

/** Near enough behind the last one to be worth computing a checksum. */
function isNext(zxid: bigint, lastZxid: bigint | null): boolean {
  if (lastZxid === null) return zxid > 0n;
  if (zxid <= lastZxid) return false;
  return zxid - lastZxid <= NEAR || BigInt.asUintN(32, zxid) <= NEAR;
}

async function bytesAt(
  window: FileWindow,
  offset: number,
  sizeBytes: number,
): Promise<Buffer | null> {
  const there = window.peek(offset, sizeBytes);
  if (there !== null) return there;
  if (offset + sizeBytes > window.sizeBytes) return null;
  await window.load(offset, sizeBytes);
  return window.peek(offset, sizeBytes);
}
