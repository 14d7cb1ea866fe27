/** coord-restore: an empty data directory becomes what a backup holds, as of any transaction in it. */
import type { Disk } from '@odradek/runtime';
import { StorageDamaged } from '../storage/errors.ts';
import { blocksOf, entriesIn } from '../storage/snapshot-reader.ts';
import { type BackupDescription, type BackupItem, decodeItem, REMEDY } from './backup-format.ts';
import { OfflineRefused } from './errors.ts';
import {
  foldersOf,
  type OfflineEnvironment,
  type OwnDirectories,
  refuseFilled,
  StateBuilder,
  writeState,
} from './own-data.ts';
import { hex, type Progress, type StateSummary } from './state.ts';

export interface RestoreOptions {
  /** The backup file. */
  readonly from: string;
  /** null: the backup is read and checked, and nothing written. */
  readonly to: OwnDirectories | null;
  /** The last transaction that is brought back; null: all. */
  readonly upToZxid: bigint | null;
}

export interface RestoreReport extends StateSummary {
  readonly description: BackupDescription;
  /** The snapshot that was written. */
  readonly written: string | null;
}

/** @throws StorageDamaged, StorageNotUsable, OfflineRefused, DirectoryLocked, DiskError */
export async function restoreBackup(
  environment: OfflineEnvironment,
  { from, to, upToZxid }: RestoreOptions,
  progress: Progress,
): Promise<RestoreReport> {
  const { disk } = environment;
  const folders = to === null ? null : foldersOf(to);
  if (folders !== null) await refuseFilled(disk, folders);
  const builder = new StateBuilder(from, progress);
  let description: BackupDescription | null = null;
  // All of it is read, so that damage behind the wanted transaction is seen too.
  for await (const item of itemsOf(disk, from)) {
    if (item.kind === 'description') {
      description = item.description;
      requireReach(description, upToZxid);
      builder.state.zxid = description.snapshotZxid;
    } else if (description === null) {
      throw new StorageDamaged(
        from,
        null,
        'the backup does not begin with its description',
        REMEDY,
      );
    } else if (item.kind === 'entry') {
      builder.entry(item.bytes);
    } else if (upToZxid === null || item.zxid <= upToZxid) {
      builder.record(item.payload);
    }
  }
  if (description === null) throw new StorageDamaged(from, null, 'the backup is empty', REMEDY);
  const state = builder.finish();
  const written = folders === null ? null : await writeState(environment, folders, state);
  return { ...state.summary, description, written };
}

/** @throws StorageDamaged, StorageNotUsable, DiskError */
async function* itemsOf(disk: Disk, path: string): AsyncGenerator<BackupItem> {
  for await (const block of blocksOf(disk, { path, kind: 'backup', zxid: null })) {
    for (const entry of entriesIn(block)) yield decodeItem(path, entry);
  }
}

function requireReach({ firstZxid, lastZxid }: BackupDescription, upToZxid: bigint | null): void {
  if (upToZxid === null || (upToZxid >= firstZxid && upToZxid <= lastZxid)) return;
  throw new OfflineRefused(
    `the backup reaches from transaction ${hex(firstZxid)} to ${hex(lastZxid)}; ${hex(upToZxid)} is not in it`,
  );
}
