/**
 * Sessions as they live: opening and renewing them, hearing of them, ending those that fell silent.
 *
 * What a session is stands in core/session; here the machine that judges silence is given time, and
 * each session knows the connection it has at present.
 */
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
import type { DueSessions } from './four-letter-words.ts';
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

export interface SessionHostParts {
  readonly environment: Pick<Environment, 'clock' | 'timers' | 'random' | 'log'>;
  readonly sessions: SessionTable;
  readonly preparer: Preparer;
  readonly tickMs: number;
  readonly serverId: number;
  readonly stats: ServerStats;
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

  /** Makes a session; `opened` is called once its transaction is applied. */
  open(
    connection: SessionConnection,
    timeoutMs: number,
    opened: (session: HeldSession) => void,
  ): void {
    const { environment, submit } = this.#parts;
    const id = this.#newId();
    const password = environment.random.bytes(PASSWORD_BYTES);
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

  /** The connection is gone; its session stays until it ends or expires. */
  forget(id: bigint, connection: SessionConnection): void {
    if (this.#connections.get(id) === connection) this.#connections.delete(id);
  }

  /** To be told of every applied transaction, after the one who waits for it. */
  applied({ sessionId, change }: TransactionRecord): void {
    if (change.kind === 'createSession') {
      // Its connection may be gone already: then nobody takes it up and it expires.
      this.#lease(sessionId, change.timeoutMs);
    } else if (change.kind === 'closeSession') {
      this.#expiry.forget(sessionId);
      this.#connections.get(sessionId)?.leave('the session has ended');
      this.#connections.delete(sessionId);
      for (const told of this.#afterEnd.get(sessionId) ?? []) told();
      this.#afterEnd.delete(sessionId);
    }
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
