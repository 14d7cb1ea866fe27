/**
 * Loads a data directory of ZooKeeper: the newest snapshot that is whole, and the log behind it.
 *
 * The replay ends in the tree that the original would serve. What it would do without a word is said:
 * a snapshot passed over, a write that was cut off, nodes of sessions that are gone. What it would
 * lose without a word stops here: a record that hides others, a gap in the log.
 */
import type { Disk } from '@odradek/runtime';
import { apply, nobody } from '../../core/transaction/apply.ts';
import type { Change, TransactionRecord } from '../../core/transaction/record.ts';
import { ttlOwner } from '../../core/tree/node.ts';
import { parentOf } from '../../core/tree/path.ts';
import { DIGEST_VERSION, treeDigest } from '../digest.ts';
import { ForeignDataDamaged, OfflineRefused } from '../errors.ts';
import { hex, type Progress, State } from '../state.ts';
import { findOriginalFiles, type OriginalFile } from './data-directory.ts';
import { type LogEntry, readLog } from './log-reader.ts';
import { derivedPassword } from './session-password.ts';
import { readSnapshot, type SnapshotTrailers } from './snapshot-reader.ts';
import { COUNTER_NOT_TOLD, type OriginalTransaction } from './transactions.ts';

/** After so many nodes or transactions it is said how far the work is. */
const STEP = 100_000;
/** At most so many paths are named in one warning. */
const NAMED_PATHS_MAX = 5;
const COUNTER_BITS = 32n;

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

interface LoadedSnapshot {
  readonly path: string;
  readonly loader: Loader;
  /** The last transaction of which the nodes may show effects. */
  readonly endZxid: bigint;
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

/** Puts what is read into a state. */
class Loader {
  readonly state = new State();
  readonly #oldTtlMarks: boolean;
  /** Nodes whose list of access was made after the snapshot had written its lists: path to czxid. */
  readonly #withoutAcl = new Map<string, bigint>();

  constructor(oldTtlMarks: boolean) {
    this.#oldTtlMarks = oldTtlMarks;
  }

  /** @returns up to which transaction the log must reach */
  async read(disk: Disk, path: string, zxid: bigint, progress: Progress): Promise<bigint> {
    const { tree, sessions } = this.state;
    let endZxid = zxid;
    let count = 0;
    for await (const item of readSnapshot(disk, path)) {
      if (item.kind === 'session') {
        const { id, timeoutMs } = item;
        sessions.open({ id, timeoutMs, password: derivedPassword(id) });
      } else if (item.kind === 'node') {
        const node = { ...item.node, owner: this.#owner(item.node.owner) };
        if (node.path !== '/' && tree.get(parentOf(node.path)) === undefined) {
          throw new ForeignDataDamaged(path, null, `node ${node.path} has no parent`);
        }
        tree.restore(node);
        if (item.aclMissing) this.#withoutAcl.set(node.path, node.czxid);
        for (const seen of [node.czxid, node.mzxid, node.pzxid]) if (seen > endZxid) endZxid = seen;
        if (++count % STEP === 0) progress.step(`${count} nodes read`);
      } else {
        const shown = zxidOf(item.trailers);
        if (shown > endZxid) endZxid = shown;
      }
    }
    this.state.zxid = zxid;
    return endZxid;
  }

  /** Does what the transaction says, as the original would. */
  apply({ record }: OriginalTransaction): void {
    const { tree, sessions } = this.state;
    const change = this.#completed(record.change, record);
    for (const part of change.kind === 'multi' ? change.changes : [change])
      this.#mend(part, record.zxid);
    apply({ ...record, change }, tree, sessions, nobody);
    this.state.zxid = record.zxid;
  }

  warnOfLostAcls(progress: Progress): void {
    const paths = [...this.#withoutAcl]
      .filter(([path, czxid]) => this.state.tree.get(path)?.czxid === czxid)
      .map(([path]) => path);
    if (paths.length === 0) return;
    progress.warn(
      `the access list of ${named(paths)} is nowhere in the files: only a super user can use or change it now`,
    );
  }

  /** Fills in what old records leave open. */
  #completed(change: Change, { sessionId }: TransactionRecord): Change {
    const { tree } = this.state;
    if (change.kind === 'multi') {
      const changes = change.changes.map((part) =>
        this.#completed(part, { sessionId } as TransactionRecord),
      );
      return { kind: 'multi', changes };
    }
    if (change.kind === 'create' && change.parentCreationCount === COUNTER_NOT_TOLD) {
      const counted = tree.get(parentOf(change.path))?.creationCount ?? 0;
      return {
        ...change,
        parentCreationCount: tree.get(change.path) === undefined ? counted + 1 : counted,
      };
    }
    if (change.kind === 'closeSession') {
      return {
        kind: 'closeSession',
        paths: [...new Set([...change.paths, ...tree.ephemeralsOf(sessionId)])],
      };
    }
    return change;
  }

  /** A node that the snapshot had already, but whose list of access it had not. */
  #mend(change: Change, zxid: bigint): void {
    if (change.kind === 'setAcl') this.#withoutAcl.delete(change.path);
    if (change.kind !== 'create' || this.#withoutAcl.get(change.path) !== zxid) return;
    const { tree } = this.state;
    const node = tree.get(change.path);
    if (node?.czxid !== zxid) return;
    tree.setAcl(change.path, change.acl, node.aversion);
    this.#withoutAcl.delete(change.path);
  }

  /** 3.5.3 set only the highest bit beside the time to live, which could as well be a session. */
  #owner(owner: bigint): bigint {
    const ttlMs = BigInt.asUintN(63, owner);
    const isOldMark = this.#oldTtlMarks && owner < 0n && ttlMs > 0n && ttlMs < 1n << 40n;
    return isOldMark ? ttlOwner(Number(ttlMs)) : owner;
  }
}

const zxidOf = ({ digest, lastProcessedZxid }: SnapshotTrailers): bigint => {
  const ofDigest = digest?.zxid ?? 0n;
  return lastProcessedZxid !== null && lastProcessedZxid > ofDigest ? lastProcessedZxid : ofDigest;
};

/** Goes through the log behind a snapshot. */
class Replay {
  count = 0;
  last: LogEntry | null = null;
  readonly #disk: Disk;
  readonly #loader: Loader;
  readonly #acceptLoss: boolean;
  readonly #progress: Progress;

  constructor(disk: Disk, loader: Loader, acceptLoss: boolean, progress: Progress) {
    this.#disk = disk;
    this.#loader = loader;
    this.#acceptLoss = acceptLoss;
    this.#progress = progress;
  }

  /** @param fromNothing there is no snapshot: the log must begin with the first transaction of all */
  async run(logs: readonly OriginalFile[], fromNothing: boolean): Promise<void> {
    for (const { path } of logs) {
      this.#progress.step(`replaying ${path}`);
      try {
        await this.#file(path, fromNothing);
      } catch (error) {
        if (!(this.#acceptLoss && error instanceof ForeignDataDamaged)) throw error;
        const { zxid } = this.#loader.state;
        this.#progress.warn(
          `${error.message}. ACCEPTED: everything after transaction ${hex(zxid)} is left out`,
        );
        return;
      }
    }
  }

  /** A snapshot may show effects of transactions that came while it was written: the log must have them. */
  requireLogUpTo({ path, endZxid }: LoadedSnapshot): void {
    const { zxid } = this.#loader.state;
    if (zxid >= endZxid) return;
    const damage = `it shows effects of transaction ${hex(endZxid)}, but the log ends at ${hex(zxid)}`;
    if (!this.#acceptLoss) {
      throw new ForeignDataDamaged(
        path,
        null,
        damage,
        'Name the log directory (--log-dir) if there is one',
      );
    }
    this.#progress.warn(`${path}: ${damage}. ACCEPTED: such nodes are half as of then`);
    this.#loader.state.zxid = endZxid;
  }

  async #file(path: string, fromNothing: boolean): Promise<void> {
    const { state } = this.#loader;
    let repeated = 0;
    for await (const item of readLog(this.#disk, path)) {
      if (item.kind === 'end') {
        const { offset, tornBytes } = item.end;
        if (tornBytes === 0) continue;
        this.#progress.warn(
          `${path} ends at byte ${offset} in a write that was never finished (${tornBytes} bytes); nobody was promised it`,
        );
        continue;
      }
      const { entry } = item;
      const { zxid } = entry.record;
      if (zxid <= state.zxid) {
        if (this.last !== null) repeated += 1;
        continue;
      }
      const isFirst = fromNothing && this.last === null;
      if (isFirst ? !isBeginning(zxid) : !follows(zxid, state.zxid)) {
        throw new ForeignDataDamaged(
          path,
          entry.offset,
          `the log goes on with transaction ${hex(zxid)}, but the one before it is ${hex(state.zxid)}: what was between is missing`,
          'Look for the missing log files (--log-dir), or accept the loss (--accept-loss)',
        );
      }
      this.#loader.apply(entry);
      this.last = entry;
      if (++this.count % STEP === 0) this.#progress.step(`${this.count} transactions replayed`);
    }
    if (repeated > 0)
      this.#progress.warn(
        `${path}: ${repeated} transactions that came before are repeated; they are skipped`,
      );
  }
}

/** Counted on by one, or the first of a later epoch. */
function follows(zxid: bigint, previous: bigint): boolean {
  if (zxid === previous + 1n) return true;
  return zxid >> COUNTER_BITS > previous >> COUNTER_BITS && BigInt.asUintN(32, zxid) <= 1n;
}

/** The first transaction of a server alone, or of an ensemble's first leader. */
const isBeginning = (zxid: bigint): boolean => zxid === 1n || zxid === (1n << COUNTER_BITS) + 1n;

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

function named(paths: readonly string[]): string {
  const rest = paths.length - NAMED_PATHS_MAX;
  return paths.slice(0, NAMED_PATHS_MAX).join(', ') + (rest > 0 ? ` and ${rest} more` : '');
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
