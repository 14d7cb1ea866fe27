/**
 * Puts a snapshot of ZooKeeper and its transactions into a state, mending on the way what the
 * original's formats leave open: old records without a counter or without the paths of a session's
 * end, and nodes whose list of access was made after the snapshot had written its lists.
 * Not here: which files, and in what order (load.ts, replay.ts).
 */
import type { Disk } from '@odradek/runtime';
import { apply, nobody } from '../../core/transaction/apply.ts';
import type { Change } from '../../core/transaction/record.ts';
import { ttlOwner } from '../../core/tree/node.ts';
import { parentOf } from '../../core/tree/path.ts';
import { ForeignDataDamaged } from '../errors.ts';
import { type Progress, State } from '../state.ts';
import { derivedPassword } from './session-password.ts';
import { readSnapshot, type SnapshotTrailers } from './snapshot-reader.ts';
import { COUNTER_NOT_TOLD, type OriginalTransaction } from './transactions.ts';

/** After so many nodes it is said how far the work is. */
const STEP = 100_000;
/** At most so many paths are named in one warning. */
const NAMED_PATHS_MAX = 5;

/** Puts what is read into a state. */
export class Loader {
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
    const change = this.#completed(record.change, record.sessionId);
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
  #completed(change: Change, sessionId: bigint): Change {
    const { tree } = this.state;
    if (change.kind === 'multi') {
      const changes = change.changes.map((part) => this.#completed(part, sessionId));
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
    const { tree } = this.state;
    if (change.kind === 'setAcl') {
      // One that is older than the node was for another node of that name.
      if ((this.#withoutAcl.get(change.path) ?? zxid) <= zxid) this.#withoutAcl.delete(change.path);
      return;
    }
    if (change.kind !== 'create' || this.#withoutAcl.get(change.path) !== zxid) return;
    const node = tree.get(change.path);
    if (node?.czxid !== zxid) return;
    tree.setAcl(change.path, change.acl, node.aversion, zxid);
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

/** The first few of many paths. */
export function named(paths: readonly string[]): string {
  const rest = paths.length - NAMED_PATHS_MAX;
  return paths.slice(0, NAMED_PATHS_MAX).join(', ') + (rest > 0 ? ` and ${rest} more` : '');
}
