/**
 * Loads a data directory of ZooKeeper: the newest snapshot that is whole, and the log behind it.
 *
 * The replay ends in the tree that the original would serve. What it would do without a word is said:
 * a snapshot passed over, a write that was cut off, nodes of sessions that are gone. What it would
 * lose without a word stops here: a record that hides others, a gap in the log.
 */
import type { Disk } from '@odradek/runtime';
import { DIGEST_VERSION, treeDigest } from '../../digest/tree-digest.ts';
import { ForeignDataDamaged, OfflineRefused } from '../errors.ts';
import { hex, type Progress, type State } from '../state.ts';
import { findOriginalFiles, type OriginalFile } from './data-directory.ts';
import { Loader, named } from './loader.ts';
import type { LogEntry } from './log-reader.ts';
import { type LoadedSnapshot, Replay } from './replay.ts';

export interface OriginalSource {
  readonly dataDirectory: string;
  /** null: the same. */
  readonly logDirectory: string | null;
  /** Damage in the log ends the replay there, with a warning, instead of stopping. */
  readonly acceptLoss: boolean;
  /** Nodes with a time to live as 3.5.3 marked them (emulate353TTLNodes). */
  readonly oldTtlMarks: boolean;
}

export interface LoadedOriginal {
  readonly state: State;
  /** null when there is none, and the log goes back to the beginning. */
  readonly snapshot: string | null;
  readonly replayed: number;
  /** Whether the tree is the one that the original noted: null where it noted none. */
  readonly digestMatches: boolean | null;
}

/** @throws ForeignDataDamaged, OfflineRefused, DiskError */
export async function loadOriginal(
  disk: Disk,
  source: OriginalSource,
  progress: Progress,
): Promise<LoadedOriginal> {
  const trace = await traceOf(disk, source);
  const { snapshots, logs } = await findOriginalFiles(
    disk,
    source.dataDirectory,
    source.logDirectory,
  );
  const base = await newestSnapshot(disk, snapshots, source, progress);
  const loader = base?.loader ?? new Loader(source.oldTtlMarks);
  const { state } = loader;
  const replay = new Replay(disk, loader, source.acceptLoss, progress);
  await replay.run(logsAfter(logs, state.zxid), base === null);
  if (base !== null) replay.requireLogUpTo(base);
  const digestMatches = compareDigest(state, replay.last, progress);
  endDeadSessions(state, progress);
  loader.warnOfLostAcls(progress);
  state.tree.recovered();
  if ((await traceOf(disk, source)) !== trace) {
    throw new OfflineRefused(
      `${source.dataDirectory} was written to while it was read: stop ZooKeeper first`,
    );
  }
  return { state, snapshot: base?.path ?? null, replayed: replay.count, digestMatches };
}

async function newestSnapshot(
  disk: Disk,
  snapshots: readonly OriginalFile[],
  { oldTtlMarks }: OriginalSource,
  progress: Progress,
): Promise<LoadedSnapshot | null> {
  for (const { path, zxid } of [...snapshots].reverse()) {
    progress.step(`reading ${path}`);
    const loader = new Loader(oldTtlMarks);
    try {
      const endZxid = await loader.read(disk, path, zxid, progress);
      return { path, loader, endZxid };
    } catch (error) {
      if (!(error instanceof ForeignDataDamaged)) throw error;
      progress.warn(`${error.message}; trying the snapshot before it`);
    }
  }
  return null;
}

/** From the last file that begins at or before the transaction behind the snapshot. */
function logsAfter(logs: readonly OriginalFile[], snapshotZxid: bigint): readonly OriginalFile[] {
  const first = logs.findLastIndex(({ zxid }) => zxid <= snapshotZxid + 1n);
  return logs.slice(Math.max(first, 0));
}

/** The original notes with each transaction which tree it makes: a proof that ours is the same. */
function compareDigest(state: State, last: LogEntry | null, progress: Progress): boolean | null {
  const noted = last?.digest ?? null;
  if (noted === null || noted.version !== DIGEST_VERSION || last?.record.zxid !== state.zxid)
    return null;
  const own = treeDigest(state.tree);
  if (own === noted.value) return true;
  progress.warn(
    `the tree's digest is ${hex(own)}, but ZooKeeper noted ${hex(noted.value)} with transaction ${hex(state.zxid)}: ` +
      'its servers may differ among each other; compare the nodes that matter',
  );
  return false;
}

/** As the original does when it starts: nobody else would ever delete them. */
function endDeadSessions({ tree, sessions, zxid }: State, progress: Progress): void {
  for (const [sessionId, paths] of [...tree.ephemeralOwners()]) {
    if (sessions.has(sessionId)) continue;
    progress.warn(`session ${hex(sessionId)} is gone: its nodes ${named([...paths])} are left out`);
    for (const path of [...paths]) tree.delete(path, zxid);
  }
}

/** What changes when a server writes: the files, and the last one's time. */
async function traceOf(
  disk: Disk,
  { dataDirectory, logDirectory }: OriginalSource,
): Promise<string> {
  const { snapshots, logs } = await findOriginalFiles(disk, dataDirectory, logDirectory);
  const last = logs.at(-1);
  const status = last === undefined ? null : await disk.status(last.path);
  const paths = [...snapshots, ...logs].map(({ path }) => path);
  return [...paths, status?.sizeBytes, status?.modifiedAtMs].join(' ');
}
