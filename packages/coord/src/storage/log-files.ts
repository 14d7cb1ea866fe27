/**
 * The log files of a folder as one sequence of records: which of them are needed on top of a
 * snapshot, whether they follow each other without a gap, and where the last one ends.
 */
import type { Disk } from '@odradek/runtime';
import { RESTORE_REMEDY, StorageDamaged } from './errors.ts';
import { FILE_HEADER_BYTES, type FileHeader, readFileHeader } from './file-header.ts';
import type { StorageFile } from './file-names.ts';
import { FileWindow } from './file-window.ts';
import { recordsIn, wasSynced, writtenBytesFrom } from './log-format.ts';
import type { LogRecord } from './types.ts';

/** One log file after it was read through. */
export interface ScannedLog extends StorageFile {
  readonly header: FileHeader;
  /** Behind the last whole record. */
  readonly endPosition: number;
  readonly sizeBytes: number;
  /** Of the last whole record; the header's previous one when there is none. */
  readonly lastZxid: bigint;
  readonly recordCount: number;
  /** Records with a zxid above the snapshot's, and their payloads' size. */
  readonly newRecords: number;
  readonly newBytes: number;
  /** Bytes of an unfinished last group behind the end, which nobody was promised. */
  readonly tornBytes: number;
}

const hex = (zxid: bigint): string => `0x${zxid.toString(16)}`;

/**
 * Reads and checks all log files that hold records after `snapshotZxid`.
 * @param endZxid a record that is in the files: what is behind it may be on its way, and is not looked at; null: all
 * @returns the files in order; empty when there are none
 * @throws StorageDamaged for a bad record that was synced once, or a gap
 */
export async function scanLogs(
  disk: Disk,
  files: readonly StorageFile[],
  snapshotZxid: bigint,
  endZxid: bigint | null = null,
): Promise<readonly ScannedLog[]> {
  const headers = await Promise.all(files.map((file) => headerOf(disk, file)));
  let first = headers.findLastIndex(({ previousZxid }) => previousZxid <= snapshotZxid);
  const [oldest] = files;
  if (first < 0 && oldest !== undefined) {
    const { previousZxid } = headers[0] ?? { previousZxid: 0n };
    throw new StorageDamaged(
      oldest.path,
      null,
      `transactions ${hex(snapshotZxid)} to ${hex(previousZxid)} are missing: ` +
        'no snapshot holds them and no older log file is there',
      RESTORE_REMEDY,
    );
  }
  const scanned: ScannedLog[] = [];
  for (; first >= 0 && first < files.length; first++) {
    const file = files[first];
    const header = headers[first];
    if (file === undefined || header === undefined) break;
    scanned.push(
      await scanLog(disk, file, header, headers[first + 1] ?? null, snapshotZxid, endZxid),
    );
  }
  return scanned;
}

/** @throws StorageDamaged, StorageNotUsable */
export async function headerOf(disk: Disk, { path, zxid }: StorageFile): Promise<FileHeader> {
  const file = await disk.open(path, 'read');
  try {
    return await readFileHeader(file, 'log', zxid);
  } finally {
    await file.close();
  }
}

/**
 * Reads one log file through.
 * @param next the header of the file behind it, to which it must lead; null when there is none
 * @throws StorageDamaged
 */
export async function scanLog(
  disk: Disk,
  { path, zxid }: StorageFile,
  header: FileHeader,
  next: FileHeader | null,
  snapshotZxid: bigint,
  endZxid: bigint | null = null,
): Promise<ScannedLog> {
  const file = await disk.open(path, 'read');
  try {
    const window = new FileWindow(file, await file.sizeBytes());
    let endPosition = FILE_HEADER_BYTES;
    let lastZxid = header.previousZxid;
    let recordCount = 0;
    let newRecords = 0;
    let newBytes = 0;
    for await (const record of recordsIn(window, header.salt)) {
      if (record.zxid <= lastZxid) break;
      endPosition = record.end;
      lastZxid = record.zxid;
      recordCount++;
      if (record.zxid <= snapshotZxid) continue;
      newRecords++;
      newBytes += record.payload.byteLength;
      if (record.zxid === endZxid) break;
    }
    const isEnd = endZxid !== null && lastZxid >= endZxid;
    if (!isEnd && (await wasSynced(window, endPosition, header.salt))) {
      throw new StorageDamaged(
        path,
        endPosition,
        `the record after transaction ${hex(lastZxid)} is damaged, and there are good ones behind it`,
        RESTORE_REMEDY,
      );
    }
    if (next !== null && next.previousZxid !== lastZxid) {
      throw new StorageDamaged(
        path,
        endPosition,
        `the log goes on in log file ${hex(next.zxid)} behind transaction ${hex(next.previousZxid)}, ` +
          `but this file ends with ${hex(lastZxid)}`,
        RESTORE_REMEDY,
      );
    }
    return {
      path,
      zxid,
      header,
      endPosition,
      sizeBytes: window.sizeBytes,
      lastZxid,
      recordCount,
      newRecords,
      newBytes,
      tornBytes: isEnd ? 0 : await writtenBytesFrom(window, endPosition),
    };
  } finally {
    await file.close();
  }
}

/** The records of scanned files with a zxid above `afterZxid`, in order. */
export async function* recordsAfter(
  disk: Disk,
  logs: readonly ScannedLog[],
  afterZxid: bigint,
): AsyncGenerator<LogRecord> {
  for (const { path, header, endPosition } of logs) {
    const file = await disk.open(path, 'read');
    try {
      const window = new FileWindow(file, endPosition);
      for await (const record of recordsIn(window, header.salt)) {
        if (record.zxid > afterZxid) yield record;
      }
    } finally {
      await file.close();
    }
  }
}
