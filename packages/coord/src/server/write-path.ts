/**
 * The way of a write on the server that decides: prepare, propose, commit, apply, reply.
 *
 *   submit     checked against the tree and all outstanding changes, given its zxid, made a record
 *   propose    handed to the replication; many proposals are on their way at once
 *   committed  the replication says that enough disks have the next one
 *   apply      changed in the tree, watches told
 *   complete   whoever asked is told; a reply never carries a zxid that is not applied
 *
 * Everything that changes state comes through here, the openings and endings of sessions included, and
 * on a leader also what clients of other servers ask for. What "enough disks" means is the
 * replication's affair: alone it is our own. How a learner's writes come here: forwarded-writes.ts.
 */
import { zookeeperErrorCodes } from '@odradek/protocol/zookeeper';
import { type Clock, InvariantViolation } from '@odradek/runtime';
import { Fifo } from '../core/fifo.ts';
import { membersOfRecord } from '../core/transaction/members.ts';
import { nextZxid } from '../core/transaction/number-spaces.ts';
import type { Preparer, Requester } from '../core/transaction/prepare.ts';
import type { TransactionRecord } from '../core/transaction/record.ts';
import type { WriteRequest } from '../core/transaction/request.ts';
import type { LogEntry, Origin } from '../replica/types.ts';
import { encodeRecord } from './record-codec.ts';
import type { Expected, ServerState, Stint, Waiter } from './server-state.ts';
import type { ServerStats } from './server-stats.ts';

/** Makes a proposal durable on as many servers as it takes. */
export interface Replication {
  /**
   * @param committed to be called in order of proposing, never from within this call, by a replication
   *   that does not hand committed entries to `ServerState.apply` itself
   * @param origin whose client asked; null: our own
   * @param ensembleText the members from this transaction on; null: they stay
   */
  propose(
    record: Uint8Array,
    zxid: bigint,
    committed: () => void,
    origin: Origin | null,
    ensembleText: string | null,
  ): void;
  /**
   * Asks whether this server has applied everything that anybody was told of before this call. Alone
   * it always has; in an ensemble it takes a word from a quorum.
   * @param confirmed called in the order of asking; may be called from within this call
   */
  confirm(confirmed: () => void): void;
}

/** A client's request as it came: its body lies between two places of a received chunk. */
export interface RequestBytes {
  readonly opCode: number;
  readonly buffer: Buffer;
  readonly position: number;
  readonly end: number;
}

/** Where writes of this server's clients go. */
export interface Writes {
  /** Whether `submit` needs the bytes of what clients ask for. */
  readonly wantsBytes: boolean;
  /** Writes that are on their way. */
  readonly pendingCount: number;
  /**
   * Starts a write on its way.
   * @param waiter called back later, never from within this call
   * @param bytes of a client's request; null where they are not wanted or there are none
   */
  submit(
    request: WriteRequest,
    requester: Requester,
    waiter: Waiter | null,
    bytes: RequestBytes | null,
  ): void;
  /** Calls back, in the order of asking, once everything that anybody was told of before is applied here. */
  confirm(confirmed: () => void): void;
}

/** Which server's clients may write in a session's name, in an ensemble. */
export interface Owners {
  /** Asked with each write, which is a sign of life as well. */
  mayWrite(sessionId: bigint, serverId: number): boolean;
}

export interface WritePathParts {
  readonly state: ServerState;
  readonly preparer: Preparer;
  readonly replication: Replication;
  readonly clock: Clock;
  readonly stats: ServerStats;
  readonly serverId: number;
  /** Proposals go on after this one. */
  readonly lastZxid: bigint;
  /** null: there is no other server. */
  readonly owners: Owners | null;
}

const sessionMoved: WriteRequest = { kind: 'refused', wire: zookeeperErrorCodes.SESSION_MOVED };

export class WritePath implements Writes, Pick<Stint, 'expected' | 'reached'> {
  readonly wantsBytes = false;
  readonly #parts: WritePathParts;
  /** Proposed and not committed. */
  readonly #proposals = new Fifo<Expected>();
  #proposedZxid: bigint;
  /** The proposal whose way is timed; another one is when it is through. */
  #timedZxid = 0n;
  #timedAtMs = 0;
  readonly #committed = (): void => this.#commitNext();

  constructor(parts: WritePathParts) {
    this.#parts = parts;
    this.#proposedZxid = parts.lastZxid;
  }

  get pendingCount(): number {
    return this.#proposals.length;
  }

  confirm(confirmed: () => void): void {
    this.#parts.replication.confirm(confirmed);
  }

  submit(request: WriteRequest, requester: Requester, waiter: Waiter | null): void {
    this.#propose(request, requester, waiter, null);
  }

  /** Starts a write of another server's client; that server waits for it by its origin. */
  submitFor(origin: Origin, request: WriteRequest, requester: Requester): void {
    this.#propose(request, requester, null, origin);
  }

  expected(entry: LogEntry): Expected | null {
    const proposal = this.#proposals.peek();
    if (proposal?.record.zxid !== entry.zxid) return null;
    this.#proposals.shift();
    if (entry.zxid === this.#timedZxid) {
      const { clock, stats } = this.#parts;
      stats.meters.quorum_ack_latency.observe(clock.now() - this.#timedAtMs);
      this.#timedZxid = 0n;
    }
    return proposal;
  }

  reached({ zxid, sessionId, change }: TransactionRecord): void {
    const { preparer } = this.#parts;
    preparer.applied(zxid);
    if (change.kind === 'closeSession') preparer.closed(sessionId);
    else if (change.kind === 'createSession') preparer.opened(sessionId);
  }

  #propose(
    asked: WriteRequest,
    requester: Requester,
    waiter: Waiter | null,
    origin: Origin | null,
  ): void {
    const { preparer, clock, replication, stats, owners, serverId } = this.#parts;
    const { sessionId } = requester;
    const isOwner = owners === null || owners.mayWrite(sessionId, origin?.serverId ?? serverId);
    const zxid = nextZxid(this.#proposedZxid);
    const change = preparer.prepare(isOwner ? asked : sessionMoved, requester, zxid);
    const record = { zxid, timeMs: clock.wallTime(), sessionId, change };
    this.#proposedZxid = zxid;
    this.#proposals.push({ record, waiter });
    stats.proposals += 1;
    const isAboutMembers = asked.kind === 'reconfig' || asked.kind === 'adoptMembers';
    const ensembleText = isAboutMembers ? membersOfRecord(record) : null;
    if (owners !== null && this.#timedZxid === 0n) {
      this.#timedZxid = zxid;
      this.#timedAtMs = clock.now();
    }
    const bytes = encodeRecord(record);
    stats.proposed(bytes.length);
    replication.propose(bytes, zxid, this.#committed, origin, ensembleText);
  }

  #commitNext(): void {
    const proposal = this.#proposals.shift();
    if (proposal === undefined) throw new InvariantViolation('a commit has its proposal');
    this.#parts.state.perform(proposal.record, proposal.waiter);
  }
}
