/**
 * coord-check: reads every file of a data directory, also those that a start would not need, and
 * says what a start would do. It changes nothing.
 */
import type { OdradekError } from '@odradek/runtime';
import { treeDigest } from '../digest/tree-digest.ts';
import { StorageDamaged, StorageNotUsable } from '../storage/errors.ts';
import { listFiles, type StorageFile } from '../storage/file-names.ts';
import { headerOf } from '../storage/log-files.ts';
import { readMark, requireMarkUpTo } from '../storage/mark.ts';
import { type StorageFolders, survey } from '../storage/recovery.ts';
import type { EnsembleMark } from '../storage/types.ts';
import { type ListedFile, listFile } from './list-file.ts';
import {
  besideServer,
  existingFolders,
  loadSurveyed,
  locked,
  logTo,
  type OfflineEnvironment,
  type OwnDirectories,
} from './own-data.ts';
import { hex, type Progress, type StateSummary } from './state.ts';

export interface CheckOptions extends OwnDirectories {
  /** A server may be running: it is not kept out, and the end of the log may be on its way. */
  readonly online: boolean;
}

export interface CheckReport {
  readonly files: readonly ListedFile[];
  /** Places where one log file does not lead to the next, each as a sentence. */
  readonly gaps: readonly string[];
  /** What a start would end with; null when it would refuse. */
  readonly start: (StateSummary & StartPlan) | null;
  /** What the server has promised to its ensemble; null when it has none, or the mark is damaged. */
  readonly mark: EnsembleMark | null;
  /** A snapshot of the leader's that a start would put in the place of everything else; null: none is on its way. */
  readonly install: string | null;
  /** Why a start would refuse. */
  readonly refusal: OdradekError | null;
}

export interface StartPlan {
  readonly snapshot: string | null;
  readonly replayed: number;
  /** As ZooKeeper computes it: servers with the same zxid must agree. */
  readonly digest: bigint;
  /** Of an unfinished write at the end of the log, which would be cut. */
  readonly tornBytes: number;
}

/** @throws DirectoryLocked when a server runs and `online` is not set; OfflineRefused, DiskError */
export async function checkDataDirectory(
  environment: OfflineEnvironment,
  options: CheckOptions,
  progress: Progress,
): Promise<CheckReport> {
  const { disk } = environment;
  const folders = await existingFolders(disk, options);
  if (!options.online)
    return await locked(disk, folders, () => checkOnce(environment, folders, progress));
  const seen = new Set<string>();
  return await besideServer(environment, async () => {
    const report = await checkOnce(environment, folders, progress);
    // Perhaps only a file that was changing under our eyes: then it is right at the next look.
    const damage =
      report.refusal ?? report.files.find((file) => file.damage !== null)?.damage ?? null;
    if (damage instanceof StorageDamaged && !seen.has(damage.message)) {
      seen.add(damage.message);
      throw damage;
    }
    return report;
  });
}

async function checkOnce(
  environment: OfflineEnvironment,
  folders: StorageFolders,
  progress: Progress,
): Promise<CheckReport> {
  const { disk } = environment;
  const snapshots = await listFiles(disk, folders.dataFolder, 'snapshot');
  const logs = await listFiles(disk, folders.logFolder, 'log');
  const installs = await listFiles(disk, folders.dataFolder, 'install');
  const files: ListedFile[] = [];
  for (const { path } of [...snapshots, ...installs, ...logs]) {
    progress.step(`reading ${path}`);
    files.push(await listFile(disk, path, { fromZxid: null, toZxid: null }, null));
  }
  const gaps = await gapsBetween(environment, logs, files);
  const install = installs.at(-1)?.path ?? null;
  let mark: EnsembleMark | null = null;
  try {
    mark = await readMark(disk, folders.dataFolder);
    const found = await survey(disk, folders, logTo(progress));
    if (mark !== null) requireMarkUpTo(mark, found.lastZxid, folders.dataFolder);
    const loaded = await loadSurveyed(disk, found, progress);
    const { state, recordCount } = loaded;
    const start = {
      ...state.summary,
      snapshot: found.snapshot?.path ?? null,
      replayed: recordCount,
      digest: treeDigest(state.tree),
      tornBytes: found.scanned.at(-1)?.tornBytes ?? 0,
    };
    return { files, gaps, start, mark, install, refusal: null };
  } catch (error) {
    if (!(error instanceof StorageDamaged || error instanceof StorageNotUsable)) throw error;
    return { files, gaps, start: null, mark, install, refusal: error };
  }
}

/** Also among files that are older than what a start needs: they are what a restore to an earlier time needs. */
async function gapsBetween(
  { disk }: OfflineEnvironment,
  logs: readonly StorageFile[],
  files: readonly ListedFile[],
): Promise<readonly string[]> {
  const gaps: string[] = [];
  let endZxid: bigint | null = null;
  for (const log of logs) {
    const listed = files.find(({ path }) => path === log.path);
    if (listed === undefined || listed.damage !== null) {
      endZxid = null; // Said already; where it should have ended nobody knows.
      continue;
    }
    const { previousZxid } = await headerOf(disk, log);
    if (endZxid !== null && previousZxid !== endZxid) {
      gaps.push(
        `${log.path} goes on behind transaction ${hex(previousZxid)}, but the file before it ends with ${hex(endZxid)}`,
      );
    }
    endZxid = listed.lastZxid ?? previousZxid;
  }
  return gaps;
}
