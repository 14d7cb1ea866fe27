/**
 * Sessions on a server that follows or observes: the leader judges their silence and says to which
 * server they belong; here they have their connections, and the leader is told who was heard of.
 *
 * Only the leader can say that a session is alive. That there is none, this server says by itself once
 * it has applied everything that anybody was told of before it was asked.
 * Local sessions concern nobody else: they are judged here.
 */
import { type Disarm, drive, type Environment, millis, type Tick } from '@odradek/runtime';
import { type Lease, NOBODY, SessionExpiry } from '../core/session/expiry.ts';
import { PASSWORD_BYTES, type SessionTable } from '../core/session/session-table.ts';
import type { TransactionRecord } from '../core/transaction/record.ts';
import type { WriteRequest } from '../core/transaction/request.ts';
import type { LearnerMessages } from './ensemble-messages.ts';
import type { DueSessions } from './server-info.ts';
import type { ServerStats } from './server-stats.ts';
import {
  dueByWallClock,
  type HeldSession,
  type LocalSessions,
  type Renewal,
  type SessionConnection,
  type SessionIds,
  type Sessions,
} from './sessions.ts';
import type { Writes } from './write-path.ts';

export interface LearnerSessionsParts {
  readonly environment: Pick<Environment, 'clock' | 'timers' | 'random' | 'log'>;
  readonly sessions: SessionTable;
  readonly tickMs: number;
  readonly stats: ServerStats;
  readonly ids: SessionIds;
  readonly local: LocalSessions;
  readonly messages: LearnerMessages;
  readonly writes: Writes;
  /** A session is no more. */
  ended(sessionId: bigint): void;
}

interface Held {
  readonly connection: SessionConnection;
  readonly lease: Lease;
}

export class LearnerSessions implements Sessions {
  readonly #parts: LearnerSessionsParts;
  /** Of local sessions. */
  readonly #expiry: SessionExpiry;
  readonly #rearm: (tick: Tick) => void;
  /** Sessions that have a connection here. */
  readonly #held = new Map<bigint, Held>();
  /** Those that were heard of since the last report and have lost their connection. */
  readonly #left = new Set<bigint>();
  /** Questions to the leader, by their tickets. */
  readonly #asked = new Map<number, (isAlive: boolean) => void>();
  #lastTicket = 0;
  #reportedAtMs: number;
  #disarm: Disarm;
  #isStopped = false;

  constructor(parts: LearnerSessionsParts) {
    const { environment, sessions, tickMs } = parts;
    const { clock, timers } = environment;
    this.#parts = parts;
    this.#expiry = new SessionExpiry(tickMs);
    const now = clock.now();
    for (const { id, timeoutMs } of sessions.allLocal()) this.#expiry.track(id, timeoutMs, now);
    this.#rearm = drive(this.#expiry, { clock, timers }, ({ sessionId }) =>
      this.#expireLocal(sessionId),
    );
    this.#reportedAtMs = now;
    this.#disarm = this.#armReport();
  }

  stop(): void {
    this.#isStopped = true;
    this.#disarm();
    this.#expiry.clear();
    this.#rearm({ kind: 'tick' });
    this.#asked.clear();
  }

  due(): readonly DueSessions[] {
    return dueByWallClock(this.#expiry, this.#parts.environment.clock);
  }

  open(
    connection: SessionConnection,
    timeoutMs: number,
    opened: (session: HeldSession) => void,
  ): void {
    const { environment, sessions, ids, local, writes } = this.#parts;
    const id = ids.next();
    const password = environment.random.bytes(PASSWORD_BYTES);
    if (local.isEnabled) {
      sessions.openLocal({ id, timeoutMs, password });
      opened({ id, password, timeoutMs, lease: this.#hold(id, connection, timeoutMs) });
      return;
    }
    const requester = { sessionId: id, identities: [] };
    const waiter = {
      complete: () =>
        opened({ id, password, timeoutMs, lease: this.#hold(id, connection, timeoutMs) }),
    };
    writes.submit({ kind: 'createSession', timeoutMs, password }, requester, waiter, null);
  }

  renew(
    connection: SessionConnection,
    id: bigint,
    password: Buffer | null,
    timeoutMs: number,
    answer: (renewal: Renewal) => void,
  ): void {
    const { sessions, writes } = this.#parts;
    if (sessions.has(id)) {
      this.#renewKnown(connection, id, password, timeoutMs, answer);
      return;
    }
    // It may have been made a moment ago, on a server that is further.
    writes.confirm(() => {
      if (this.#isStopped) return;
      if (sessions.has(id)) this.#renewKnown(connection, id, password, timeoutMs, answer);
      else answer('gone');
    });
  }

  /** The leader has answered a question. */
  renewed(ticket: number, isAlive: boolean): void {
    const answer = this.#asked.get(ticket);
    this.#asked.delete(ticket);
    answer?.(isAlive);
  }

  isLocal(id: bigint): boolean {
    return this.#parts.local.has(id);
  }

  admit(request: WriteRequest, sessionId: bigint): boolean {
    const { local, writes } = this.#parts;
    return local.admit(request, sessionId, (madeMs, password) => {
      const timeoutMs = this.#expiry.timeoutOf(sessionId) ?? madeMs;
      const requester = { sessionId, identities: [] };
      writes.submit({ kind: 'createSession', timeoutMs, password }, requester, null, null);
    });
  }

  closeLocal(id: bigint): void {
    if (this.#parts.local.close(id)) this.#ended(id);
  }

  forget(id: bigint, connection: SessionConnection): void {
    const held = this.#held.get(id);
    if (held?.connection !== connection) return;
    this.#held.delete(id);
    if (held.lease.heardAtMs >= this.#reportedAtMs && !this.isLocal(id)) this.#left.add(id);
  }

  applied({ sessionId, change }: TransactionRecord): void {
    if (change.kind === 'createSession') {
      this.#parts.local.created(sessionId);
      this.#expiry.forget(sessionId); // If it was a local one: from now on the leader judges.
    } else if (change.kind === 'closeSession') {
      this.#ended(sessionId);
    }
  }

  #renewKnown(
    connection: SessionConnection,
    id: bigint,
    password: Buffer | null,
    timeoutMs: number,
    answer: (renewal: Renewal) => void,
  ): void {
    const { sessions, messages } = this.#parts;
    const session = sessions.get(id);
    // The password comes first: whoever merely guesses an id must not disturb its owner.
    if (session === undefined || !sessions.accepts(id, password)) {
      answer('gone');
      return;
    }
    const take = (): void => {
      this.#held.get(id)?.connection.leave('the session was taken up by another connection');
      const lease = this.#hold(id, connection, timeoutMs);
      answer({ id, password: session.password, timeoutMs, lease });
    };
    if (this.isLocal(id)) {
      take();
      return;
    }
    this.#lastTicket += 1;
    this.#asked.set(this.#lastTicket, (isAlive) => (isAlive ? take() : answer('gone')));
    messages.renew(this.#lastTicket, id, timeoutMs);
  }

  #hold(id: bigint, connection: SessionConnection, timeoutMs: number): Lease {
    const now = this.#parts.environment.clock.now();
    const isLocal = this.#parts.sessions.isLocal(id);
    const lease = isLocal
      ? this.#expiry.track(id, timeoutMs, now)
      : { sessionId: id, timeoutMs, heardAtMs: now, ownerId: NOBODY };
    if (isLocal) this.#rearm({ kind: 'tick' });
    this.#held.set(id, { connection, lease });
    return lease;
  }

  #ended(sessionId: bigint): void {
    this.#expiry.forget(sessionId);
    this.#parts.ended(sessionId);
    this.#held.get(sessionId)?.connection.leave('the session has ended');
    this.#held.delete(sessionId);
    this.#left.delete(sessionId);
  }

  #expireLocal(sessionId: bigint): void {
    if (this.#isStopped) return;
    const { stats, environment } = this.#parts;
    stats.staleSessionsExpired += 1;
    environment.log.info('local session expired', { session: `0x${sessionId.toString(16)}` });
    this.closeLocal(sessionId);
  }

  #armReport(): Disarm {
    const { clock, timers } = this.#parts.environment;
    return timers.wakeAt(millis(clock.now() + this.#parts.tickMs / 2), () => {
      this.#report();
      this.#disarm = this.#armReport();
    });
  }

  /** Tells the leader who was heard of since the last time. */
  #report(): void {
    const { environment, messages } = this.#parts;
    const sinceMs = this.#reportedAtMs;
    this.#reportedAtMs = environment.clock.now();
    const heard = [...this.#left];
    this.#left.clear();
    for (const [id, { lease }] of this.#held) {
      if (lease.heardAtMs >= sinceMs && !this.isLocal(id)) heard.push(id);
    }
    if (heard.length > 0) messages.heard(heard);
  }
}
