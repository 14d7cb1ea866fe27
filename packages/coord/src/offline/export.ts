/** coord-export: a data directory of ours becomes one that ZooKeeper starts from. Ours is only read. */
import { survey } from '../storage/recovery.ts';
import { writeOriginalSnapshot } from './original/snapshot-writer.ts';
import {
  existingFolders,
  loadSurveyed,
  locked,
  logTo,
  type OfflineEnvironment,
  type OwnDirectories,
} from './own-data.ts';
import type { Progress, StateSummary } from './state.ts';

export interface ExportOptions {
  readonly from: OwnDirectories;
  /** ZooKeeper's dataDir. */
  readonly to: string;
}

export interface ExportReport extends StateSummary {
  /** The snapshot that was written. */
  readonly written: string;
}

/** @throws DirectoryLocked when a server runs; StorageDamaged, OfflineRefused, DiskError */
export async function exportToZooKeeper(
  { disk }: OfflineEnvironment,
  { from, to }: ExportOptions,
  progress: Progress,
): Promise<ExportReport> {
  const folders = await existingFolders(disk, from);
  return await locked(disk, folders, async () => {
    const found = await survey(disk, folders, logTo(progress));
    const { state } = await loadSurveyed(disk, found, progress);
    const written = await writeOriginalSnapshot(disk, to, state, progress);
    return { ...state.summary, written };
  });
}
