/**
 * Finds the state on disk: the newest snapshot that is whole, and all log records behind it.
 *
 * Everything is read and checked before anything is handed out. A torn end is cut and logged;
 * whatever else does not fit together stops the start with file, place and remedy, because to go on
 * would lose acknowledged transactions without a word.
 */
import { dirname } from 'node:path';
import type { Disk, Log } from '@odradek/runtime';
import { RESTORE_REMEDY, StorageDamaged } from './errors.ts';
import { listFiles } from './file-names.ts';
import { findInstall, finishInstall } from './install.ts';
import { type ScannedLog, scanLogs } from './log-files.ts';
import type { Continuation } from './log-writer.ts';
import { checkSnapshot, isUnreadable, type ValidSnapshot } from './snapshot-reader.ts';

export interface Recovered {
  readonly snapshot: ValidSnapshot | null;
  readonly snapshotZxid: bigint;
  /** The files with records above snapshotZxid, in order. */
  readonly logs: readonly ScannedLog[];
  readonly lastZxid: bigint;
  /** The log file to go on with; null to begin a new one. */
  readonly continuation: Continuation | null;
}

/** What a start would find, before it changes anything. */
export interface Survey {
  readonly snapshot: ValidSnapshot | null;
  readonly snapshotZxid: bigint;
  /** The files with records above snapshotZxid, in order. */
  readonly scanned: readonly ScannedLog[];
  /** Of the last record; 0 when there is none. */
  readonly logEnd: bigint;
  readonly lastZxid: bigint;
}

/** Where the files of a server are. */
export interface StorageFolders {
  readonly dataFolder: string;
  readonly logFolder: string;
}

/**
 * Reads and checks what a start needs, and changes nothing.
 * @param suits tells whether a snapshot may be used; the newest valid one that may is taken
 * @param endZxid looks no further than to this one, which is durable; null: to the end
 * @throws StorageDamaged, StorageNotUsable, DiskError
 */
export async function survey(
  disk: Disk,
  { dataFolder, logFolder }: StorageFolders,
  log: Log,
  suits: (snapshot: ValidSnapshot) => boolean = () => true,
  endZxid: bigint | null = null,
): Promise<Survey> {
  const install = await findInstall(disk, dataFolder);
  if (install !== null) {
    const { zxid } = install;
    return { snapshot: install, snapshotZxid: zxid, scanned: [], logEnd: 0n, lastZxid: zxid };
  }
  const snapshot = await newestValidSnapshot(disk, dataFolder, log, suits);
  const snapshotZxid = snapshot?.zxid ?? 0n;
  const files = await listFiles(disk, logFolder, 'log');
  const wanted = files.filter(({ zxid }) => endZxid === null || zxid <= endZxid);
  const scanned = await scanLogs(disk, wanted, snapshotZxid, endZxid);
  const logEnd = scanned.at(-1)?.lastZxid ?? 0n;
  if (snapshot !== null) requireLogUpTo(snapshot, logEnd, logFolder);
  const lastZxid = logEnd > snapshotZxid ? logEnd : snapshotZxid;
  return { snapshot, snapshotZxid, scanned, logEnd, lastZxid };
}

/** @throws StorageDamaged, StorageNotUsable, DiskError */
export async function recover(disk: Disk, folders: StorageFolders, log: Log): Promise<Recovered> {
  // Only when it is whole: what it replaces may still be there.
  if ((await findInstall(disk, folders.dataFolder)) !== null) await finishInstall(disk, folders);
  const { snapshot, snapshotZxid, scanned, logEnd, lastZxid } = await survey(disk, folders, log);
  const logs = await cutTornEnd(disk, scanned, log);
  const last = logs.at(-1);
  return {
    snapshot,
    snapshotZxid,
    logs,
    lastZxid,
    continuation:
      last === undefined || logEnd < snapshotZxid
        ? null
        : { path: last.path, salt: last.header.salt, position: last.endPosition },
  };
}

/** The newest snapshot that passes its check; those that do not are named in the log. */
async function newestValidSnapshot(
  disk: Disk,
  folder: string,
  log: Log,
  suits: (snapshot: ValidSnapshot) => boolean,
): Promise<ValidSnapshot | null> {
  const snapshots = await listFiles(disk, folder, 'snapshot');
  for (const candidate of [...snapshots].reverse()) {
    try {
      const snapshot = await checkSnapshot(disk, candidate);
      if (suits(snapshot)) return snapshot;
    } catch (error) {
      if (!isUnreadable(error)) throw error;
      log.warn('a snapshot cannot be used; trying the one before it', { error });
    }
  }
  return null;
}

/** A snapshot may show effects of transactions that came while it was written: the log must have them. */
function requireLogUpTo({ path, seal, zxid }: ValidSnapshot, logEnd: bigint, folder: string): void {
  const end = logEnd > zxid ? logEnd : zxid;
  if (end >= seal.endZxid) return;
  throw new StorageDamaged(
    path,
    null,
    `the snapshot needs the log up to transaction 0x${seal.endZxid.toString(16)}, ` +
      `but the log in ${folder} ends at 0x${end.toString(16)}`,
    RESTORE_REMEDY,
  );
}

/** Says what is cut from the last file; one that has no whole record at all is removed. */
async function cutTornEnd(
  disk: Disk,
  scanned: readonly ScannedLog[],
  log: Log,
): Promise<readonly ScannedLog[]> {
  const last = scanned.at(-1);
  if (last === undefined) return scanned;
  const { path, endPosition, tornBytes, recordCount } = last;
  if (tornBytes > 0) {
    log.warn('the log ends in an unfinished write, which is cut; it was never acknowledged', {
      path,
      offset: endPosition,
      tornBytes,
    });
  }
  if (recordCount > 0) return scanned;
  await disk.remove(path);
  // Were it there again after a power cut, it would go on from an end that the log has left behind.
  await disk.syncDirectory(dirname(path));
  return scanned.slice(0, -1);
}
