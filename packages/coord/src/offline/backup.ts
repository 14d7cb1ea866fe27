/**
 * coord-backup: one file with a snapshot and the log behind it, taken from a stopped server or from
 * beside a running one. Everything that was acknowledged before it began is in it.
 */
import { basename, join } from 'node:path';
import { BlockFileWriter } from '../storage/block-file-writer.ts';
import { recordsAfter } from '../storage/log-files.ts';
import { type StorageFolders, type Survey, survey } from '../storage/recovery.ts';
import { DEFAULT_SETTINGS } from '../storage/settings.ts';
import { entriesOf } from '../storage/snapshot-reader.ts';
import { encodeDescription, encodeLogRecord, encodeSnapshotEntry } from './backup-format.ts';
import { OfflineRefused } from './errors.ts';
import {
  besideServer,
  existingFolders,
  logTo,
  type OfflineEnvironment,
  type OwnDirectories,
} from './own-data.ts';
import { hex, type Progress } from './state.ts';

/** Of backups that are put into a folder: this and the last transaction. */
const NAME = 'coord-backup';

export interface BackupOptions {
  readonly from: OwnDirectories;
  /** A file that is not there yet, or a folder that is. */
  readonly to: string;
  /** The last transaction that goes in; null: all. */
  readonly upToZxid: bigint | null;
  /** Begins with the oldest snapshot instead of the newest, so that it reaches back as far as it can. */
  readonly wholeHistory: boolean;
}

export interface BackupReport {
  readonly path: string;
  readonly sizeBytes: number;
  readonly firstZxid: bigint;
  readonly lastZxid: bigint;
  readonly entryCount: number;
  readonly recordCount: number;
}

/**
 * @throws StorageDamaged when a start would refuse these files too; OfflineRefused, DiskError
 */
export async function backUp(
  environment: OfflineEnvironment,
  options: BackupOptions,
  progress: Progress,
): Promise<BackupReport> {
  const folders = await existingFolders(environment.disk, options.from);
  return await besideServer(environment, () => backUpOnce(environment, options, folders, progress));
}

async function backUpOnce(
  environment: OfflineEnvironment,
  options: BackupOptions,
  folders: StorageFolders,
  progress: Progress,
): Promise<BackupReport> {
  const { disk, clock } = environment;
  const createdAtMs = clock.wallTime();
  const found = await surveyFor(environment, options, folders, progress);
  const firstZxid = firstZxidOf(found);
  const lastZxid = lower(options.upToZxid, found.lastZxid);
  if (options.upToZxid !== null && options.upToZxid > found.lastZxid) {
    throw new OfflineRefused(
      `the last transaction is ${hex(found.lastZxid)}, not ${hex(options.upToZxid)}`,
    );
  }
  const path = await targetOf(environment, options.to, lastZxid);
  const { snapshot, snapshotZxid, scanned } = found;
  const header = { zxid: lastZxid, previousZxid: snapshotZxid };
  // Each item is a little longer than the entry that it holds.
  const settings = { ...DEFAULT_SETTINGS, recordBytes: DEFAULT_SETTINGS.recordBytes + 64 };
  const file = await BlockFileWriter.create(environment, path, 'backup', header, settings);
  let entryCount = 0;
  let recordCount = 0;
  try {
    const source = options.from.dataDirectory;
    file.add(encodeDescription({ createdAtMs, source, snapshotZxid, firstZxid, lastZxid }));
    if (snapshot !== null) {
      progress.step(`copying ${snapshot.path}`);
      for await (const entry of entriesOf(disk, snapshot)) {
        file.add(encodeSnapshotEntry(entry));
        entryCount += 1;
        if (file.isFull) await file.flush();
      }
    }
    progress.step('copying the log');
    for await (const { zxid, payload } of recordsAfter(disk, scanned, snapshotZxid)) {
      if (zxid > lastZxid) break;
      file.add(encodeLogRecord(zxid, payload));
      recordCount += 1;
      if (file.isFull) await file.flush();
    }
    const { sizeBytes } = await file.finish(lastZxid);
    return { path, sizeBytes, firstZxid, lastZxid, entryCount, recordCount };
  } catch (error) {
    await file.abandon();
    throw error;
  }
}

/** Finds a snapshot that suits, with the log behind it. */
async function surveyFor(
  { disk }: OfflineEnvironment,
  { upToZxid, wholeHistory }: BackupOptions,
  folders: StorageFolders,
  progress: Progress,
): Promise<Survey> {
  const log = logTo(progress);
  const early = (zxid: bigint): boolean => upToZxid === null || zxid <= upToZxid;
  let oldest: bigint | null = null;
  if (wholeHistory) {
    await survey(disk, folders, log, ({ zxid, seal }) => {
      if (early(seal.endZxid)) oldest = zxid;
      return false;
    }).catch(() => undefined); // Without a snapshot the log alone may well not do: only the zxid is wanted.
  }
  const found = await survey(
    disk,
    folders,
    log,
    ({ zxid, seal }) => early(seal.endZxid) && (oldest === null || zxid === oldest),
  );
  if (upToZxid !== null && firstZxidOf(found) > upToZxid) {
    throw new OfflineRefused(`no snapshot goes back to transaction ${hex(upToZxid)}`);
  }
  return found;
}

const firstZxidOf = ({ snapshot, snapshotZxid }: Survey): bigint => {
  const endZxid = snapshot?.seal.endZxid ?? 0n;
  return endZxid > snapshotZxid ? endZxid : snapshotZxid;
};

const lower = (wanted: bigint | null, there: bigint): bigint =>
  wanted !== null && wanted < there ? wanted : there;

/** @throws OfflineRefused when there is such a file already */
async function targetOf({ disk }: OfflineEnvironment, to: string, zxid: bigint): Promise<string> {
  const status = await disk.status(to);
  if (status === null) {
    if (basename(to) === '' || to.endsWith('/'))
      throw new OfflineRefused(`there is no folder ${to}`);
    return to;
  }
  if (status.kind !== 'directory')
    throw new OfflineRefused(`${to} is there already; nothing was written`);
  const path = join(to, `${NAME}.${zxid.toString(16).padStart(16, '0')}`);
  if ((await disk.status(path)) !== null)
    throw new OfflineRefused(`${path} is there already; nothing was written`);
  return path;
}
