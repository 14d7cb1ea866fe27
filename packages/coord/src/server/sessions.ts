/**
 * Sessions as the connections of one server see them, whatever its role: opening, taking up again,
 * ending. What the roles have in common is here: numbers, and sessions that only this server knows.
 *
 * The server that decides is session-host.ts, a learner learner-sessions.ts, a server that nobody leads
 * read-only-sessions.ts.
 */
import { createFlags } from '@odradek/protocol/zookeeper';
import type { Clock } from '@odradek/runtime';
import type { Lease, SessionExpiry } from '../core/session/expiry.ts';
import { firstSessionId, type SessionTable } from '../core/session/session-table.ts';
import type { TransactionRecord } from '../core/transaction/record.ts';
import type { WriteRequest } from '../core/transaction/request.ts';
import type { DueSessions } from './server-info.ts';

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

/**
 * What a wish to go on with a session comes to. `gone`: there is no such session any more, or the password
 * is wrong; clients take it as final, so it must be certain. `unknown`: this server cannot say.
 */
export type Renewal = HeldSession | 'gone' | 'unknown';

/** Sessions that only this server knows (zoo.cfg's localSessions...). */
export interface LocalSessionOptions {
  /** Whether new sessions are local. */
  readonly isEnabled: boolean;
  /** Whether a local session becomes a global one when it wants to own nodes. */
  readonly mayUpgrade: boolean;
}

export interface Sessions {
  /** Makes a session; `opened` is called once it exists: within this call, or later. */
  open(
    connection: SessionConnection,
    timeoutMs: number,
    opened: (session: HeldSession) => void,
  ): void;
  /** Gives a session to another connection of its client. */
  renew(
    connection: SessionConnection,
    id: bigint,
    password: Buffer | null,
    timeoutMs: number,
    answer: (renewal: Renewal) => void,
  ): void;
  /** Whether the session is known to this server only, and is not about to be known to all. */
  isLocal(id: bigint): boolean;
  /**
   * To be called before a write is submitted: makes a global session of a local one that wants to own nodes.
   * @returns false when it may not have them
   */
  admit(request: WriteRequest, sessionId: bigint): boolean;
  /** Ends a local session whose client said good-bye; everything it wrote is applied. */
  closeLocal(id: bigint): void;
  /** The connection is gone; its session stays until it ends or expires. */
  forget(id: bigint, connection: SessionConnection): void;
  /** To be told of every applied transaction, after the one who waits for it. */
  applied(record: TransactionRecord): void;
  /** Sessions by the time at which they end if nothing is heard of them, as far as it is judged here. */
  due(): readonly DueSessions[];
  /** From now on nothing is judged or asked: the sessions live on elsewhere. */
  stop(): void;
}

/** What is judged here, by the time at which it ends, for people: on the wall clock. */
export function dueByWallClock(expiry: SessionExpiry, clock: Clock): readonly DueSessions[] {
  const toWallMs = clock.wallTime() - clock.now();
  return expiry
    .due()
    .map(({ dueMs, sessionIds }) => ({ atMs: Math.round(dueMs + toWallMs), ids: sessionIds }));
}

/** The numbers that one server gives to its sessions. */
export class SessionIds {
  readonly #sessions: SessionTable;
  #next: bigint;

  constructor(sessions: SessionTable, serverId: number, wallTimeMs: number) {
    this.#sessions = sessions;
    this.#next = firstSessionId(serverId, wallTimeMs);
  }

  next(): bigint {
    let id = this.#next;
    // A clock that was set back may lead into numbers that are still in use; 0 means "none".
    while (id === 0n || this.#sessions.has(id)) id = BigInt.asIntN(64, id + 1n);
    this.#next = BigInt.asIntN(64, id + 1n);
    return id;
  }
}

/** Which sessions are local at present, and which of them are about to be global. */
export class LocalSessions {
  readonly #sessions: SessionTable;
  readonly #options: LocalSessionOptions;
  /** Their transaction is on its way. */
  readonly #upgrading = new Set<bigint>();

  constructor(sessions: SessionTable, options: LocalSessionOptions) {
    this.#sessions = sessions;
    this.#options = options;
  }

  /** Whether new sessions are local. */
  get isEnabled(): boolean {
    return this.#options.isEnabled;
  }

  has(id: bigint): boolean {
    return this.#sessions.isLocal(id) && !this.#upgrading.has(id);
  }

  /**
   * @param upgrade submits the transaction that makes it a global session
   * @returns false when the request may not be carried out
   */
  admit(
    request: WriteRequest,
    id: bigint,
    upgrade: (timeoutMs: number, password: Buffer) => void,
  ): boolean {
    if (this.#sessions.localSize === 0 || !this.has(id) || !makesEphemeral(request)) return true;
    const session = this.#sessions.get(id);
    if (session === undefined || !this.#options.mayUpgrade) return false;
    this.#upgrading.add(id);
    upgrade(session.timeoutMs, session.password);
    return true;
  }

  /** @returns whether there was such a session */
  close(id: bigint): boolean {
    return this.#sessions.closeLocal(id);
  }

  /** A session was made. */
  created(id: bigint): void {
    this.#upgrading.delete(id);
  }
}

/** Whether a write would leave a node that ends with its session. */
function makesEphemeral(request: WriteRequest): boolean {
  if (request.kind === 'multi') return request.operations.some(makesEphemeral);
  return request.kind === 'create' && request.variant === 'create' && isEphemeral(request.flags);
}

const isEphemeral = (flags: number): boolean =>
  flags === createFlags.ephemeral || flags === createFlags.ephemeralSequential;
