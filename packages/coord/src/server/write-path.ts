/**
 * The one way of a write: prepare, propose, commit, apply, reply.
 *
 *   submit     checked against the tree and all outstanding changes, given its zxid, made a record
 *   propose    handed to the replication; many proposals are on their way at once
 *   committed  the replication says that enough disks have the next one
 *   apply      changed in the tree, watches told
 *   complete   whoever asked is told; a reply never carries a zxid that is not applied
 *
 * Everything that changes state comes through here, the openings and endings of sessions included.
 * What "enough disks" means is the replication's affair: alone it is our own.
 */
import type { Clock } from '@odradek/runtime';
import { InvariantViolation } from '@odradek/runtime';
import { Fifo } from '../core/fifo.ts';
import type { SessionTable } from '../core/session/session-table.ts';
import { type Applied, apply, type MutationListener } from '../core/transaction/apply.ts';
import { nextZxid } from '../core/transaction/number-spaces.ts';
import type { Preparer, Requester } from '../core/transaction/prepare.ts';
import type { TransactionRecord } from '../core/transaction/record.ts';
import type { WriteRequest } from '../core/transaction/request.ts';
import type { Tree } from '../core/tree/tree.ts';
import type { LastZxid } from './outbox.ts';
import { encodeRecord } from './record-codec.ts';
import type { ServerStats } from './server-stats.ts';

/** Makes a proposal durable on as many servers as it takes. */
export interface Replication {
  /** @param committed called in order of proposing, never from within this call */
  propose(record: Uint8Array, zxid: bigint, committed: () => void): void;
  /**
   * Asks whether this server has applied everything that anybody was told of before this call. Alone
   * it always has; in an ensemble it takes a word from a quorum.
   * @param confirmed called in the order of asking; may be called from within this call
   */
  confirm(confirmed: () => void): void;
}

/** Who waits for a transaction. */
export interface Waiter {
  /** The transaction is applied and is the last one that was. */
  complete(record: TransactionRecord, applied: Applied): void;
}

/** Hears of every applied transaction, after the one who waits for it. */
export type AppliedListener = (record: TransactionRecord) => void;

export interface WritePathParts {
  readonly tree: Tree;
  readonly sessions: SessionTable;
  readonly preparer: Preparer;
  readonly replication: Replication;
  readonly mutations: MutationListener;
  readonly lastZxid: LastZxid;
  readonly clock: Clock;
  readonly stats: ServerStats;
  readonly onApplied: AppliedListener;
}

interface Proposal {
  readonly record: TransactionRecord;
  readonly waiter: Waiter | null;
}

export class WritePath {
  readonly #parts: WritePathParts;
  /** Proposed and not committed. */
  readonly #proposals = new Fifo<Proposal>();
  #proposedZxid: bigint;
  readonly #committed = (): void => this.#commitNext();

  /** Goes on after the last zxid that was applied. */
  constructor(parts: WritePathParts) {
    this.#parts = parts;
    this.#proposedZxid = parts.lastZxid.value;
  }

  /** Proposals that are not committed. */
  get pendingCount(): number {
    return this.#proposals.length;
  }

  /** Calls back once everything that anybody was told of before this call is applied here. */
  confirm(confirmed: () => void): void {
    this.#parts.replication.confirm(confirmed);
  }

  /** Starts a write on its way. `waiter` is called back later, never from within this call. */
  submit(request: WriteRequest, requester: Requester, waiter: Waiter | null): void {
    const { preparer, clock, replication, stats } = this.#parts;
    const zxid = nextZxid(this.#proposedZxid);
    const change = preparer.prepare(request, requester, zxid);
    const record = { zxid, timeMs: clock.wallTime(), sessionId: requester.sessionId, change };
    this.#proposedZxid = zxid;
    this.#proposals.push({ record, waiter });
    stats.proposals += 1;
    replication.propose(encodeRecord(record), zxid, this.#committed);
  }

  #commitNext(): void {
    const proposal = this.#proposals.shift();
    if (proposal === undefined) throw new InvariantViolation('a commit has its proposal');
    this.#apply(proposal);
  }

  #apply({ record, waiter }: Proposal): void {
    const { tree, sessions, mutations, lastZxid, preparer, stats, onApplied } = this.#parts;
    // Notifications carry the zxid of what they tell of, so it is set before the watches fire.
    lastZxid.set(record.zxid);
    const applied = apply(record, tree, sessions, mutations);
    preparer.applied(record.zxid);
    if (record.change.kind === 'closeSession') preparer.closed(record.sessionId);
    stats.commits += 1;
    waiter?.complete(record, applied);
    onApplied(record);
  }
}
