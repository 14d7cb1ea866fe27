/**
 * Applying: the only thing that changes the tree and the sessions. Recovery, followers and tests
 * use this same function, so it asks nobody anything: everything is in the record.
 */
import type { SessionTable } from '../session/session-table.ts';
import { type Acl, openAcl } from '../tree/acl.ts';
import { copyOfStat, type Node, type Stat } from '../tree/node.ts';
import { parentOf } from '../tree/path.ts';
import type { Tree } from '../tree/tree.ts';
import type { Change, TransactionRecord } from './record.ts';

/** Hears of each mutation while it is applied, in order. */
export interface MutationListener {
  created(path: string, acl: Acl, parentAcl: Acl): void;
  changed(path: string, acl: Acl): void;
  deleted(path: string, acl: Acl, parentAcl: Acl): void;
}

/** For replay: nobody watches. */
export const nobody: MutationListener = {
  created() {},
  changed() {},
  deleted() {},
};

/**
 * What the reply needs: the node that was made or changed; for a multi, how each such node looked
 * right after its operation (null for deletes and checks); null for everything else.
 */
export type Applied = Node | readonly (Stat | null)[] | null;

/** Carries out a transaction. Doing it twice, or on a tree that already has it, does no harm. */
export function apply(
  { zxid, timeMs, sessionId, change }: TransactionRecord,
  tree: Tree,
  sessions: SessionTable,
  listener: MutationListener,
): Applied {
  switch (change.kind) {
    case 'multi':
      return change.changes.map((part) => {
        const node = applyToNode(part, tree, zxid, timeMs, listener);
        return node === null ? null : copyOfStat(node);
      });
    case 'createSession':
      sessions.open({
        id: sessionId,
        timeoutMs: change.timeoutMs,
        password: change.password,
      });
      return null;
    case 'closeSession':
      for (const path of change.paths) remove(path, tree, zxid, listener);
      sessions.close(sessionId);
      return null;
    default:
      return applyToNode(change, tree, zxid, timeMs, listener);
  }
}

function applyToNode(
  change: Change,
  tree: Tree,
  zxid: bigint,
  timeMs: number,
  listener: MutationListener,
): Node | null {
  switch (change.kind) {
    case 'create': {
      const { path, data, acl, owner, parentCreationCount } = change;
      const node = tree.create(path, data, acl, owner, parentCreationCount, zxid, timeMs);
      if (node === undefined) return null;
      listener.created(path, node.acl, aclOf(parentOf(path), tree));
      return node;
    }
    case 'delete':
      remove(change.path, tree, zxid, listener);
      return null;
    case 'setData': {
      const { path, data, version } = change;
      const node = tree.setData(path, data, version, zxid, timeMs);
      if (node === undefined) return null;
      listener.changed(path, node.acl);
      return node;
    }
    case 'setAcl':
      return tree.setAcl(change.path, change.acl, change.version, zxid) ?? null;
    default:
      return null; // `check` and `error` change nothing; what is left is no change to one node.
  }
}

function remove(path: string, tree: Tree, zxid: bigint, listener: MutationListener): void {
  const node = tree.delete(path, zxid);
  if (node !== undefined) listener.deleted(path, node.acl, aclOf(parentOf(path), tree));
}

const aclOf = (path: string, tree: Tree): Acl => tree.get(path)?.acl ?? openAcl;
