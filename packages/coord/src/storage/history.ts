/**
 * The log from some transaction on, read from its files while it goes on being written: for whoever
 * was away. Files are found by their headers and the place in one by hopping from record to record;
 * what is handed out is checked.
 */
import type { Disk } from '@odradek/runtime';
import { RESTORE_REMEDY, StorageDamaged } from './errors.ts';
import { FILE_HEADER_BYTES, type FileHeader } from './file-header.ts';
import { listFiles, type StorageFile } from './file-names.ts';
import { FileWindow } from './file-window.ts';
import { headerOf } from './log-files.ts';
import { recordsIn, seekRecord } from './log-format.ts';
import type { LogRecord } from './types.ts';

interface LogFile extends StorageFile {
  readonly header: FileHeader;
}

/** Where to begin to read. */
export interface HistoryStart {
  /** The last transaction at or before the one asked for. */
  readonly startZxid: bigint;
  /** Up to here everything is in the files. */
  readonly endZxid: bigint;
  /** From the one with what follows `startZxid` on. */
  readonly files: readonly LogFile[];
  /** In the first of them. */
  readonly position: number;
  /** Of the files from there on, preallocated room included. */
  readonly sizeBytes: number;
}

/**
 * @param zxid below `endZxid`
 * @param endZxid a logged transaction that is durable, as is all before it
 * @returns null when the log does not reach back as far as `zxid`
 * @throws StorageDamaged, DiskError
 */
export async function findHistory(
  disk: Disk,
  logFolder: string,
  zxid: bigint,
  endZxid: bigint,
): Promise<HistoryStart | null> {
  const files: LogFile[] = [];
  for (const file of [...(await listFiles(disk, logFolder, 'log'))].reverse()) {
    if (file.zxid > endZxid) continue; // Begun since.
    const header = await headerOf(disk, file);
    files.unshift({ ...file, header });
    if (header.previousZxid <= zxid) break;
  }
  const [first] = files;
  if (first === undefined || first.header.previousZxid > zxid) return null;
  let sizeBytes = 0;
  for (const { path } of files) sizeBytes += (await disk.status(path))?.sizeBytes ?? 0;
  const file = await disk.open(first.path, 'read');
  try {
    const window = new FileWindow(file, await file.sizeBytes());
    const found = await seekRecord(window, first.header.salt, zxid);
    if (found === 'damaged') {
      throw new StorageDamaged(first.path, null, 'a record is damaged', RESTORE_REMEDY);
    }
    const position = found === 'none' ? FILE_HEADER_BYTES : found.end;
    const startZxid = found === 'none' ? first.header.previousZxid : found.zxid;
    return { startZxid, endZxid, files, position, sizeBytes: sizeBytes - position };
  } finally {
    await file.close();
  }
}

/**
 * The records behind the start, up to its end.
 * @throws StorageDamaged when they are not all there, DiskError
 */
export async function* recordsFrom(disk: Disk, start: HistoryStart): AsyncGenerator<LogRecord> {
  let lastZxid = start.startZxid;
  let { position } = start;
  for (const { path, header } of start.files) {
    // The first one may begin before the start.
    if (position === FILE_HEADER_BYTES && header.previousZxid !== lastZxid) {
      throw gapAt(path, FILE_HEADER_BYTES, lastZxid);
    }
    const file = await disk.open(path, 'read');
    try {
      const window = new FileWindow(file, await file.sizeBytes());
      for await (const record of recordsIn(window, header.salt, position)) {
        if (record.zxid > start.endZxid) return;
        yield record;
        lastZxid = record.zxid;
        if (lastZxid === start.endZxid) return;
      }
    } finally {
      await file.close();
    }
    position = FILE_HEADER_BYTES;
  }
  const last = start.files.at(-1);
  if (last !== undefined && lastZxid !== start.endZxid) throw gapAt(last.path, null, lastZxid);
}

function gapAt(path: string, offset: number | null, lastZxid: bigint): StorageDamaged {
  const damage = `the transactions behind 0x${lastZxid.toString(16)} are missing or damaged`;
  return new StorageDamaged(path, offset, damage, RESTORE_REMEDY);
}
