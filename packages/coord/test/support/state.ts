/** The pure half of a server: what is prepared can be applied at once or later. */
import { SessionTable } from '../../src/core/session/session-table.ts';
import {
  type Applied,
  apply,
  type MutationListener,
  nobody,
} from '../../src/core/transaction/apply.ts';
import { type PrepareOptions, Preparer } from '../../src/core/transaction/prepare.ts';
import type { Change, TransactionRecord } from '../../src/core/transaction/record.ts';
import type { Operation, WriteRequest } from '../../src/core/transaction/request.ts';
import { basicSchemes, type Identity, openEntries } from '../../src/core/tree/acl.ts';
import { Tree } from '../../src/core/tree/tree.ts';

export const SESSION = 0x100n;

export class State {
  readonly tree = new Tree();
  readonly sessions = new SessionTable();
  readonly preparer: Preparer;
  readonly records: TransactionRecord[] = [];
  zxid = 0n;
  timeMs = 1000;
  identities: readonly Identity[] = [];

  constructor(options: Partial<PrepareOptions> = {}) {
    this.preparer = new Preparer(this.tree, this.sessions, {
      skipAcl: false,
      extendedTypes: false,
      schemes: basicSchemes,
      enforceQuota: false,
      reconfigEnabled: false,
      membership: null,
      notices: { quotaExceeded() {}, sequenceReached() {} },
      ...options,
    });
    this.openSession(SESSION);
  }

  openSession(sessionId: bigint): void {
    this.write({ kind: 'createSession', timeoutMs: 4000, password: Buffer.alloc(16) }, sessionId);
  }

  /** Decides and does not apply. */
  prepare(request: WriteRequest, sessionId = SESSION): TransactionRecord {
    this.zxid += 1n;
    this.timeMs += 1;
    const { zxid, timeMs, identities } = this;
    const change = this.preparer.prepare(request, { sessionId, identities }, zxid);
    const record = { zxid, timeMs, sessionId, change };
    this.records.push(record);
    return record;
  }

  apply(record: TransactionRecord, listener: MutationListener = nobody): Applied {
    const applied = apply(record, this.tree, this.sessions, listener);
    this.preparer.applied(record.zxid);
    if (record.change.kind === 'closeSession') this.preparer.closed(record.sessionId);
    return applied;
  }

  /** Decides and applies. */
  write(request: WriteRequest, sessionId = SESSION): Change {
    const record = this.prepare(request, sessionId);
    this.apply(record);
    return record.change;
  }
}

export const create = (path: string, flags = 0, data = ''): Operation => ({
  kind: 'create',
  variant: 'create',
  path,
  data: Buffer.from(data),
  acl: openEntries,
  flags,
  ttlMs: 0n,
});
export const remove = (path: string, version = -1): Operation => ({
  kind: 'delete',
  path,
  version,
});
export const set = (path: string, version = -1, data = 'x'): Operation => ({
  kind: 'setData',
  path,
  data: Buffer.from(data),
  version,
});
export const check = (path: string, version = -1): Operation => ({ kind: 'check', path, version });

/** Everything of a tree that a client could see, and what storage keeps of it. */
export function contents(tree: Tree): unknown {
  return [...tree.stored()]
    .map((node) => ({
      ...node,
      data: node.data?.toString('hex') ?? null,
      children: [...(tree.get(node.path)?.children ?? [])].sort(),
      cversion: tree.get(node.path)?.cversion,
    }))
    .sort((a, b) => (a.path < b.path ? -1 : 1));
}
