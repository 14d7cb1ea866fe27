/**
 * Removes what no recovery will need: all but the newest snapshots, and the log files whose records
 * are all older than the oldest snapshot kept.
 */
import { dirname } from 'node:path';
import type { Disk } from '@odradek/runtime';
import { listFiles, type StorageFile } from './file-names.ts';

/** Fewer snapshots than this are never left, whatever is configured. */
const MIN_RETAINED_SNAPSHOTS = 3;

/**
 * Tells which files may go.
 * @param snapshots oldest first
 * @param logs oldest first
 * @see ZooKeeper Administrator's Guide, Maintenance
 */
export function dispensable(
  snapshots: readonly StorageFile[],
  logs: readonly StorageFile[],
  retainSnapshots: number,
): readonly StorageFile[] {
  const retained = Math.max(retainSnapshots, MIN_RETAINED_SNAPSHOTS);
  const kept = snapshots.slice(-retained);
  const [oldestKept] = kept;
  // Until there are enough snapshots, the log from its beginning is one of the ways back.
  if (oldestKept === undefined || kept.length < retained) return [];
  // A log file is named by its first record: the last one that begins at or before the snapshot's
  // zxid may hold the records right behind it.
  const firstNeeded = logs.findLastIndex(({ zxid }) => zxid <= oldestKept.zxid);
  return [...snapshots.slice(0, -retained), ...logs.slice(0, Math.max(firstNeeded, 0))];
}

/** @returns the paths that were removed */
export async function purge(
  disk: Disk,
  { dataFolder, logFolder }: { readonly dataFolder: string; readonly logFolder: string },
  retainSnapshots: number,
): Promise<readonly string[]> {
  const snapshots = await listFiles(disk, dataFolder, 'snapshot');
  const logs = await listFiles(disk, logFolder, 'log');
  const removed = dispensable(snapshots, logs, retainSnapshots);
  // Oldest first: a crash in between leaves the newer ones, which follow each other.
  for (const { path } of removed) await disk.remove(path);
  for (const folder of new Set(removed.map(({ path }) => dirname(path)))) {
    await disk.syncDirectory(folder);
  }
  return removed.map(({ path }) => path);
}
