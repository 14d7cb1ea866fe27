/**
 * Sessions on the server that decides: alone, or leading. It alone judges silence, its own clients' and
 * that of the other servers, which tell it whom they heard of.
 *
 * What a session is stands in core/session; here the machine that judges silence is given time, and
 * each session knows the connection it has at present.
 */
import { drive, type Environment, type Tick } from '@odradek/runtime';
import { type Lease, NOBODY, SessionExpiry } from '../core/session/expiry.ts';
import { PASSWORD_BYTES, type SessionTable } from '../core/session/session-table.ts';
import type { Preparer } from '../core/transaction/prepare.ts';
import type { TransactionRecord } from '../core/transaction/record.ts';
import type { WriteRequest } from '../core/transaction/request.ts';
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
import type { Owners, Writes } from './write-path.ts';

export interface SessionHostParts {
  readonly environment: Pick<Environment, 'clock' | 'timers' | 'random' | 'log'>;
  readonly sessions: SessionTable;
  readonly preparer: Preparer;
  readonly tickMs: number;
  readonly serverId: number;
  readonly stats: ServerStats;
  readonly ids: SessionIds;
  readonly local: LocalSessions;
  /** A session is no more. */
  ended(sessionId: bigint): void;
  /** Where transactions go; asked for late, since they need the sessions as well. */
  readonly writes: () => Writes;
}

export class SessionHost implements Sessions, Owners {
  readonly #parts: SessionHostParts;
  readonly #expiry: SessionExpiry;
  readonly #rearm: (tick: Tick) => void;
  readonly #connections = new Map<bigint, SessionConnection>();
  /** Told once the session has ended for good. */
  readonly #afterEnd = new Map<bigint, (() => void)[]>();
  #isStopped = false;

  constructor(parts: SessionHostParts) {
    const { clock, timers } = parts.environment;
    this.#parts = parts;
    this.#expiry = new SessionExpiry(parts.tickMs);
    this.#rearm = drive(this.#expiry, { clock, timers }, ({ sessionId }) =>
      this.#expire(sessionId),
    );
  }

  /** Sessions that are there already live on, with their whole time-out before them. */
  resumeAll(): void {
    const { environment, sessions } = this.#parts;
    const now = environment.clock.now();
    for (const { id, timeoutMs } of sessions.all()) this.#expiry.track(id, timeoutMs, now);
    for (const { id, timeoutMs } of sessions.allLocal()) this.#expiry.track(id, timeoutMs, now);
    this.#rearm({ kind: 'tick' });
  }

  stop(): void {
    this.#isStopped = true;
    this.#expiry.clear();
    this.#rearm({ kind: 'tick' });
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
      this.#connections.set(id, connection);
      opened({ id, password, timeoutMs, lease: this.#lease(id, timeoutMs) });
      return;
    }
    const requester = { sessionId: id, identities: [] };
    const waiter = {
      complete: () => {
        this.#connections.set(id, connection);
        opened({ id, password, timeoutMs, lease: this.#lease(id, timeoutMs) });
      },
    };
    writes().submit({ kind: 'createSession', timeoutMs, password }, requester, waiter, null);
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
    // Somebody else may lead by now, who knows more sessions than we do.
    writes().confirm(() => {
      if (this.#isStopped) return;
      if (sessions.has(id)) this.#renewKnown(connection, id, password, timeoutMs, answer);
      else answer('gone');
    });
  }

  #renewKnown(
    connection: SessionConnection,
    id: bigint,
    password: Buffer | null,
    timeoutMs: number,
    answer: (renewal: Renewal) => void,
  ): void {
    const { sessions, serverId } = this.#parts;
    const session = sessions.get(id);
    // The password comes first: whoever merely guesses an id must not disturb its owner.
    if (session === undefined || !sessions.accepts(id, password)) {
      answer('gone');
      return;
    }
    this.#unlessClosing(id, answer, () => {
      this.#connections.get(id)?.leave('the session was taken up by another connection');
      this.#connections.set(id, connection);
      const lease = this.#lease(id, timeoutMs);
      lease.ownerId = serverId;
      answer({ id, password: session.password, timeoutMs, lease });
    });
  }

  /** The same for a client of another server, which has checked the password. */
  renewFor(
    serverId: number,
    id: bigint,
    timeoutMs: number,
    answer: (isAlive: boolean) => void,
  ): void {
    if (!this.#parts.sessions.isGlobal(id)) {
      answer(false);
      return;
    }
    this.#unlessClosing(
      id,
      () => answer(false),
      () => {
        const lease = this.#lease(id, timeoutMs);
        lease.ownerId = serverId;
        this.#heardElsewhere(lease);
        answer(true);
      },
    );
  }

  /** Another server has heard of the session within the last half tick. */
  heard(id: bigint): void {
    const lease = this.#expiry.leaseOf(id);
    if (lease !== undefined) this.#heardElsewhere(lease);
  }

  /** What a server hears next it tells half a tick late: that must not be too late. */
  #heardElsewhere(lease: Lease): void {
    const { environment, tickMs } = this.#parts;
    lease.heardAtMs = environment.clock.now() + tickMs / 2;
  }

  mayWrite(sessionId: bigint, serverId: number): boolean {
    const lease = this.#expiry.leaseOf(sessionId);
    if (lease === undefined) return true;
    if (lease.ownerId === NOBODY) lease.ownerId = serverId;
    if (lease.ownerId !== serverId) return false;
    // Its connection may be gone before that server comes to tell whom it heard of.
    if (serverId !== this.#parts.serverId) this.#heardElsewhere(lease);
    return true;
  }

  isLocal(id: bigint): boolean {
    return this.#parts.local.has(id);
  }

  admit(request: WriteRequest, sessionId: bigint): boolean {
    const { local, writes } = this.#parts;
    return local.admit(request, sessionId, (madeMs, password) => {
      // As it was negotiated last: a renewal may have changed it.
      const timeoutMs = this.#expiry.timeoutOf(sessionId) ?? madeMs;
      const requester = { sessionId, identities: [] };
      writes().submit({ kind: 'createSession', timeoutMs, password }, requester, null, null);
    });
  }

  closeLocal(id: bigint): void {
    if (this.#parts.local.close(id)) this.#ended(id);
  }

  forget(id: bigint, connection: SessionConnection): void {
    if (this.#connections.get(id) === connection) this.#connections.delete(id);
  }

  applied({ sessionId, change }: TransactionRecord): void {
    if (change.kind === 'createSession') {
      this.#parts.local.created(sessionId);
      // Its connection may be gone already: then nobody takes it up and it expires.
      this.#lease(sessionId, change.timeoutMs);
    } else if (change.kind === 'closeSession') {
      this.#ended(sessionId);
    }
  }

  /** While the end of a session is on its way it is not yet certain that there is none. */
  #unlessClosing(id: bigint, ended: (gone: 'gone') => void, isOpen: () => void): void {
    if (!this.#parts.preparer.isClosing(id)) {
      isOpen();
      return;
    }
    const waiting = this.#afterEnd.get(id) ?? [];
    this.#afterEnd.set(id, [...waiting, () => ended('gone')]);
  }

  #ended(sessionId: bigint): void {
    this.#expiry.forget(sessionId);
    this.#parts.ended(sessionId);
    this.#connections.get(sessionId)?.leave('the session has ended');
    this.#connections.delete(sessionId);
    for (const told of this.#afterEnd.get(sessionId) ?? []) told();
    this.#afterEnd.delete(sessionId);
  }

  #lease(id: bigint, timeoutMs: number): Lease {
    const lease = this.#expiry.track(id, timeoutMs, this.#parts.environment.clock.now());
    this.#rearm({ kind: 'tick' });
    return lease;
  }

  #expire(sessionId: bigint): void {
    if (this.#isStopped) return;
    const { stats, writes, environment } = this.#parts;
    stats.staleSessionsExpired += 1;
    environment.log.info('session expired', { session: `0x${sessionId.toString(16)}` });
    if (this.isLocal(sessionId)) {
      this.closeLocal(sessionId);
      return;
    }
    writes().submit({ kind: 'closeSession' }, { sessionId, identities: [] }, null, null);
  }
}
