/**
 * Sessions as they live: opening and renewing them, hearing of them, ending those that fell silent.
 *
 * What a session is stands in core/session; here the machine that judges silence is given time, and
 * each session knows the connection it has at present.
 */
import { createFlags } from '@odradek/protocol';
import { drive, type Environment, type Log, type Tick } from '@odradek/runtime';
import { type Lease, SessionExpiry } from '../core/session/expiry.ts';
import {
  firstSessionId,
  PASSWORD_BYTES,
  type SessionTable,
} from '../core/session/session-table.ts';
import type { Preparer, Requester } from '../core/transaction/prepare.ts';
import type { TransactionRecord } from '../core/transaction/record.ts';
import type { WriteRequest } from '../core/transaction/request.ts';
import type { DueSessions } from './server-info.ts';
import type { ServerStats } from './server-stats.ts';
import type { Waiter } from './write-path.ts';

/** A connection as its session sees it. */
export interface SessionConnection {
  /** The session lives on another connection now, or no longer. */
  leave(reason: string): void;
}

/** A session that a connection has come to hold. */
export interface HeldSession {
  readonly id: bigint;
  readonly password: Buffer;
  readonly timeoutMs: number;
  readonly lease: Lease;
}

/** Sessions that only this server knows (zoo.cfg's localSessions...). */
export interface LocalSessionOptions {
  /** Whether new sessions are local. */
  readonly isEnabled: boolean;
  /** Whether a local session becomes a global one when it wants to own nodes. */
  readonly mayUpgrade: boolean;
}

export interface SessionHostParts {
  readonly environment: Pick<Environment, 'clock' | 'timers' | 'random' | 'log'>;
  readonly sessions: SessionTable;
  readonly preparer: Preparer;
  readonly tickMs: number;
  readonly serverId: number;
  readonly stats: ServerStats;
  readonly localSessions: LocalSessionOptions;
  /** A session is no more. */
  ended(sessionId: bigint): void;
  submit(request: WriteRequest, requester: Requester, waiter: Waiter | null): void;
}

export class SessionHost {
  readonly #parts: SessionHostParts;
  readonly #log: Log;
  readonly #expiry: SessionExpiry;
  readonly #rearm: (tick: Tick) => void;
  readonly #connections = new Map<bigint, SessionConnection>();
  /** Told once the session has ended for good. */
  readonly #afterEnd = new Map<bigint, (() => void)[]>();
  /** Local sessions whose transaction is on its way. */
  readonly #upgrading = new Set<bigint>();
  #nextId: bigint;
  #isStopped = false;

  constructor(parts: SessionHostParts) {
    const { clock, timers, log } = parts.environment;
    this.#parts = parts;
    this.#log = log;
    this.#expiry = new SessionExpiry(parts.tickMs);
    this.#nextId = firstSessionId(parts.serverId, clock.wallTime());
    this.#rearm = drive(this.#expiry, { clock, timers }, ({ sessionId }) =>
      this.#expire(sessionId),
    );
  }

  /** Sessions found at the start live on, with their whole time-out before them. */
  resumeAll(): void {
    const now = this.#parts.environment.clock.now();
    for (const { id, timeoutMs } of this.#parts.sessions.all()) {
      this.#expiry.track(id, timeoutMs, now);
    }
    this.#rearm({ kind: 'tick' });
  }

  /** From now on silence is no longer judged: the sessions live on where the data goes. */
  stop(): void {
    this.#isStopped = true;
  }

  /** Sessions by the time at which they end if nothing is heard of them. */
  due(): readonly DueSessions[] {
    const { clock } = this.#parts.environment;
    const toWallMs = clock.wallTime() - clock.now();
    return this.#expiry
      .due()
      .map(({ dueMs, sessionIds }) => ({ atMs: Math.round(dueMs + toWallMs), ids: sessionIds }));
  }

  /** Makes a session; `opened` is called once its transaction is applied, if it takes one. */
  open(
    connection: SessionConnection,
    timeoutMs: number,
    opened: (session: HeldSession) => void,
  ): void {
    const { environment, sessions, localSessions, submit } = this.#parts;
    const id = this.#newId();
    const password = environment.random.bytes(PASSWORD_BYTES);
    if (localSessions.isEnabled) {
      sessions.openLocal({ id, timeoutMs, password });
      this.#connections.set(id, connection);
      opened({ id, password, timeoutMs, lease: this.#lease(id, timeoutMs) });
      return;
    }
    const requester = { sessionId: id, identities: [] };
    submit({ kind: 'createSession', timeoutMs, password }, requester, {
      complete: () => {
        this.#connections.set(id, connection);
        opened({ id, password, timeoutMs, lease: this.#lease(id, timeoutMs) });
      },
    });
  }

  /**
   * Gives a session to another connection of its client. `answer` hears null only when it is certain
   * that there is no such session: while its end is on its way, that is not yet so.
   */
  renew(
    connection: SessionConnection,
    id: bigint,
    password: Buffer | null,
    timeoutMs: number,
    answer: (session: HeldSession | null) => void,
  ): void {
    const { sessions, preparer } = this.#parts;
    const session = sessions.get(id);
    // The password comes first: whoever merely guesses an id must not disturb its owner.
    if (session === undefined || !sessions.accepts(id, password)) {
      answer(null);
      return;
    }
    if (preparer.isClosing(id)) {
      const waiting = this.#afterEnd.get(id) ?? [];
      this.#afterEnd.set(id, [...waiting, () => answer(null)]);
      return;
    }
    this.#connections.get(id)?.leave('the session was taken up by another connection');
    this.#connections.set(id, connection);
    answer({ id, password: session.password, timeoutMs, lease: this.#lease(id, timeoutMs) });
  }

  /** Whether the session is known to this server only, and is not about to be known to all. */
  isLocal(id: bigint): boolean {
    return this.#parts.sessions.isLocal(id) && !this.#upgrading.has(id);
  }

  /**
   * To be called before a write is submitted: makes a global session of a local one that wants to own nodes.
   * @returns false when it may not have them
   */
  admit(request: WriteRequest, sessionId: bigint): boolean {
    const { sessions, localSessions, submit } = this.#parts;
    if (sessions.localSize === 0 || !this.isLocal(sessionId) || !makesEphemeral(request))
      return true;
    const session = sessions.get(sessionId);
    if (session === undefined || !localSessions.mayUpgrade) return false;
    this.#upgrading.add(sessionId);
    const { password } = session;
    // As it was negotiated last: a renewal may have changed it.
    const timeoutMs = this.#expiry.timeoutOf(sessionId) ?? session.timeoutMs;
    submit({ kind: 'createSession', timeoutMs, password }, { sessionId, identities: [] }, null);
    return true;
  }

  /** Ends a local session whose client said good-bye; everything it wrote is applied. */
  closeLocal(id: bigint): void {
    if (!this.#parts.sessions.closeLocal(id)) return;
    this.#ended(id);
  }

  /** The connection is gone; its session stays until it ends or expires. */
  forget(id: bigint, connection: SessionConnection): void {
    if (this.#connections.get(id) === connection) this.#connections.delete(id);
  }

  /** To be told of every applied transaction, after the one who waits for it. */
  applied({ sessionId, change }: TransactionRecord): void {
    if (change.kind === 'createSession') {
      this.#upgrading.delete(sessionId);
      // Its connection may be gone already: then nobody takes it up and it expires.
      this.#lease(sessionId, change.timeoutMs);
    } else if (change.kind === 'closeSession') {
      this.#ended(sessionId);
    }
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
    const { stats, submit } = this.#parts;
    stats.staleSessionsExpired += 1;
    this.#log.info('session expired', { session: `0x${sessionId.toString(16)}` });
    if (this.isLocal(sessionId)) {
      this.closeLocal(sessionId);
      return;
    }
    submit({ kind: 'closeSession' }, { sessionId, identities: [] }, null);
  }

  #newId(): bigint {
    let id = this.#nextId;
    // A clock that was set back may lead into numbers that are still in use; 0 means "none".
    while (id === 0n || this.#parts.sessions.has(id)) id = BigInt.asIntN(64, id + 1n);
    this.#nextId = BigInt.asIntN(64, id + 1n);
    return id;
  }
}

/** Whether a write would leave a node that ends with its session. */
function makesEphemeral(request: WriteRequest): boolean {
  if (request.kind === 'multi') return request.operations.some(makesEphemeral);
  return request.kind === 'create' && request.variant === 'create' && isEphemeral(request.flags);
}

const isEphemeral = (flags: number): boolean =>
  flags === createFlags.ephemeral || flags === createFlags.ephemeralSequential;
