/** Where ZooKeeper keeps its files, and which there are. */
import { basename, join } from 'node:path';
import type { Disk } from '@odradek/runtime';
import { OfflineRefused } from '../errors.ts';

const FOLDER = 'version-2';

export interface OriginalFile {
  readonly path: string;
  /** Snapshot: the last transaction applied when it began. Log: the first in it. */
  readonly zxid: bigint;
}

export interface OriginalFiles {
  /** Both oldest first. */
  readonly snapshots: readonly OriginalFile[];
  readonly logs: readonly OriginalFile[];
}

/**
 * @param dataDirectory zoo.cfg's dataDir, or the folder version-2 in it
 * @param logDirectory dataLogDir; null when it is the same
 * @throws OfflineRefused when there is nothing of ZooKeeper there
 */
export async function findOriginalFiles(
  disk: Disk,
  dataDirectory: string,
  logDirectory: string | null,
): Promise<OriginalFiles> {
  const dataFolder = await versionFolder(disk, dataDirectory);
  const logFolder = logDirectory === null ? dataFolder : await versionFolder(disk, logDirectory);
  const snapshots = await listed(
    disk,
    dataFolder,
    /^snapshot\.([0-9a-f]{1,16})(?:\.gz|\.snappy)?$/,
  );
  const logs = await listed(disk, logFolder, /^log\.([0-9a-f]{1,16})$/);
  if (snapshots.length === 0 && logs.length === 0) {
    throw new OfflineRefused(
      `${dataFolder} holds no snapshot and ${logFolder} no log of ZooKeeper: name its dataDir, and its dataLogDir if it has one`,
    );
  }
  return { snapshots, logs };
}

async function versionFolder(disk: Disk, directory: string): Promise<string> {
  const folder = basename(directory) === FOLDER ? directory : join(directory, FOLDER);
  const status = await disk.status(folder);
  if (status?.kind === 'directory') return folder;
  throw new OfflineRefused(`${directory} is no data directory of ZooKeeper: there is no ${folder}`);
}

async function listed(
  disk: Disk,
  folder: string,
  pattern: RegExp,
): Promise<readonly OriginalFile[]> {
  const files: OriginalFile[] = [];
  for (const { name, kind } of await disk.list(folder)) {
    const digits = pattern.exec(name)?.[1];
    if (kind !== 'file' || digits === undefined) continue;
    files.push({ path: join(folder, name), zxid: BigInt.asIntN(64, BigInt(`0x${digits}`)) });
  }
  return files.sort((left, right) =>
    left.zxid < right.zxid ? -1 : left.zxid > right.zxid ? 1 : 0,
  );
}
