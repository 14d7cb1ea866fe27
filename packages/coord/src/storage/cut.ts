/**
 * Cuts the end of the log away: transactions that a leader never made certain, and snapshots that may
 * show something of them.
 *
 * The order makes every instant a good one to crash at. Snapshots go first, since one that shows more
 * than the log has would refuse the next start; then the log files behind the cut, the newest first;
 * then the rest of the file in which the cut lies. What a crash leaves is the log up to some place
 * at or behind the cut.
 */
import { dirname } from 'node:path';
import type { Disk, Log } from '@odradek/runtime';
import { CutTooDeep, StorageDamaged } from './errors.ts';
import { FILE_HEADER_BYTES } from './file-header.ts';
import { listFiles, type StorageFile } from './file-names.ts';
import { FileWindow } from './file-window.ts';
import { seekRecord } from './log-format.ts';
import { type StorageFolders, type Survey, survey } from './recovery.ts';
import { isUnreadable, type ValidSnapshot } from './snapshot-reader.ts';
import { readSeal } from './snapshot-seal.ts';

export interface Cut {
  readonly snapshots: readonly string[];
  /** The newest first. */
  readonly logs: readonly string[];
  /** The file that goes on existing, up to here; null when the cut lies between files. */
  readonly within: { readonly path: string; readonly position: number } | null;
}

/**
 * Finds out what would have to go. Changes nothing.
 * @throws CutTooDeep, DiskError
 */
export async function planCut(
  disk: Disk,
  folders: StorageFolders,
  log: Log,
  zxid: bigint,
): Promise<Cut> {
  const base = await baseFor(disk, folders, log, zxid);
  const logs = await listFiles(disk, folders.logFolder, 'log');
  const kept = logs.filter((file) => file.zxid <= zxid);
  const within = await endWithin(disk, base, kept.at(-1) ?? null, zxid);
  const outdated: string[] = [];
  for (const snapshot of await listFiles(disk, folders.dataFolder, 'snapshot')) {
    if (await mayShowMore(disk, snapshot, zxid)) outdated.push(snapshot.path);
  }
  const removed = logs.filter((file) => file.zxid > zxid).map(({ path }) => path);
  return { snapshots: outdated, logs: removed.reverse(), within };
}

/** A state at or before the cut, with the log from there on. */
async function baseFor(
  disk: Disk,
  folders: StorageFolders,
  log: Log,
  zxid: bigint,
): Promise<Survey> {
  const suits = (snapshot: ValidSnapshot): boolean =>
    snapshot.zxid <= zxid && snapshot.seal.endZxid <= zxid;
  try {
    return await survey(disk, folders, log, suits);
  } catch (cause) {
    if (!(cause instanceof StorageDamaged)) throw cause;
    throw new CutTooDeep(
      `the log cannot be cut behind transaction ${hex(zxid)}: no snapshot and log reach back to it`,
      { cause },
    );
  }
}

/** @param last the last file that begins at or before the cut */
async function endWithin(
  disk: Disk,
  { snapshotZxid, scanned }: Survey,
  last: StorageFile | null,
  zxid: bigint,
): Promise<Cut['within']> {
  const log = scanned.find(({ path }) => path === last?.path);
  if (log !== undefined) {
    const file = await disk.open(log.path, 'read');
    try {
      const window = new FileWindow(file, log.endPosition);
      const found = await seekRecord(window, log.header.salt, zxid);
      if (found === 'damaged' || (found !== 'none' && found.zxid !== zxid)) throw unknown(zxid);
      if (found !== 'none') return { path: log.path, position: found.end };
    } finally {
      await file.close();
    }
  }
  // Nothing of the log stays behind the snapshot: it must be where the cut is.
  if (snapshotZxid !== zxid) throw unknown(zxid);
  return log === undefined ? null : { path: log.path, position: FILE_HEADER_BYTES };
}

const unknown = (zxid: bigint): CutTooDeep =>
  new CutTooDeep(`the log cannot be cut behind transaction ${hex(zxid)}: it does not have it`);

async function mayShowMore(disk: Disk, snapshot: StorageFile, zxid: bigint): Promise<boolean> {
  if (snapshot.zxid > zxid) return true;
  try {
    return (await readSeal(disk, snapshot)).endZxid > zxid;
  } catch (error) {
    if (!isUnreadable(error)) throw error;
    return true; // No start would use it.
  }
}

/** Durable when it resolves. */
export async function carryOut(disk: Disk, { snapshots, logs, within }: Cut): Promise<void> {
  for (const path of snapshots) await disk.remove(path);
  for (const folder of new Set(snapshots.map(dirname))) await disk.syncDirectory(folder);
  for (const path of logs) {
    await disk.remove(path);
    // One by one: a folder that loses an older name before a newer one would have a gap.
    await disk.syncDirectory(dirname(path));
  }
  if (within === null) return;
  const file = await disk.open(within.path, 'write');
  try {
    await file.truncate(within.position);
    await file.sync();
  } finally {
    await file.close();
  }
}

const hex = (zxid: bigint): string => `0x${zxid.toString(16)}`;
