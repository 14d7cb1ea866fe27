/** coord-import: a data directory of ZooKeeper becomes one of ours. The original's files are only read. */
import { loadOriginal, type OriginalSource } from './original/load.ts';
import {
  foldersOf,
  type OfflineEnvironment,
  type OwnDirectories,
  refuseFilled,
  writeState,
} from './own-data.ts';
import type { Progress, StateSummary } from './state.ts';

export interface ImportOptions {
  readonly from: OriginalSource;
  /** null: everything is read and checked, and nothing written. */
  readonly to: OwnDirectories | null;
}

export interface ImportReport extends StateSummary {
  /** The snapshot that was read; null when the log went back to the beginning. */
  readonly snapshot: string | null;
  readonly replayed: number;
  /** Whether the tree is the one that ZooKeeper noted in its log; null when it noted none. */
  readonly digestMatches: boolean | null;
  /** The snapshot that was written. */
  readonly written: string | null;
}

/** @throws ForeignDataDamaged, OfflineRefused, DirectoryLocked, DiskError */
export async function importZooKeeper(
  environment: OfflineEnvironment,
  { from, to }: ImportOptions,
  progress: Progress,
): Promise<ImportReport> {
  const { disk } = environment;
  const folders = to === null ? null : foldersOf(to);
  // Before the long work, not after it.
  if (folders !== null) await refuseFilled(disk, folders);
  const { state, snapshot, replayed, digestMatches } = await loadOriginal(disk, from, progress);
  const summary = state.summary;
  const written = folders === null ? null : await writeState(environment, folders, state);
  return { ...summary, snapshot, replayed, digestMatches, written };
}
