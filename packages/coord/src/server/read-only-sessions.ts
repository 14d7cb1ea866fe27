/**
 * Sessions on a server that nobody leads and that shows what it has (readonlymode.enabled). New ones
 * are known to it alone and end with this state of affairs. Those that all servers know are only
 * attached: whether they are alive is for a leader to say, who judges them all the same meanwhile.
 */
import { drive, type Environment, type Tick } from '@odradek/runtime';
import { type Lease, SessionExpiry } from '../core/session/expiry.ts';
import {
  PASSWORD_BYTES,
  SessionTable,
  type SessionTable as Table,
} from '../core/session/session-table.ts';
import type { DueSessions } from './server-info.ts';
import {
  dueByWallClock,
  type HeldSession,
  type Renewal,
  type SessionConnection,
  type SessionIds,
  type Sessions,
} from './sessions.ts';

export interface ReadOnlySessionsParts {
  readonly environment: Pick<Environment, 'clock' | 'timers' | 'random'>;
  /** As of the last applied transaction. */
  readonly sessions: Table;
  readonly tickMs: number;
  readonly ids: SessionIds;
}

export class ReadOnlySessions implements Sessions {
  readonly #parts: ReadOnlySessionsParts;
  /** Those that were made here. */
  readonly #own = new SessionTable();
  readonly #expiry: SessionExpiry;
  readonly #rearm: (tick: Tick) => void;
  readonly #connections = new Map<bigint, SessionConnection>();

  constructor(parts: ReadOnlySessionsParts) {
    const { clock, timers } = parts.environment;
    this.#parts = parts;
    this.#expiry = new SessionExpiry(parts.tickMs);
    this.#rearm = drive(this.#expiry, { clock, timers }, ({ sessionId }) => this.#end(sessionId));
  }

  open(
    connection: SessionConnection,
    timeoutMs: number,
    opened: (session: HeldSession) => void,
  ): void {
    const { environment, ids } = this.#parts;
    const id = ids.next();
    const password = environment.random.bytes(PASSWORD_BYTES);
    this.#own.open({ id, timeoutMs, password });
    opened({ id, password, timeoutMs, lease: this.#hold(id, connection, timeoutMs) });
  }

  renew(
    connection: SessionConnection,
    id: bigint,
    password: Buffer | null,
    timeoutMs: number,
    answer: (renewal: Renewal) => void,
  ): void {
    const table = this.#own.has(id) ? this.#own : this.#parts.sessions;
    const session = table.get(id);
    if (session === undefined) {
      answer('unknown');
    } else if (table.accepts(id, password)) {
      this.#connections.get(id)?.leave('the session was taken up by another connection');
      const lease = this.#hold(id, connection, timeoutMs);
      answer({ id, password: session.password, timeoutMs, lease });
    } else {
      answer('gone');
    }
  }

  /** None of them ever writes. */
  isLocal(): boolean {
    return true;
  }

  admit(): boolean {
    return true;
  }

  closeLocal(id: bigint): void {
    this.#end(id);
  }

  forget(id: bigint, connection: SessionConnection): void {
    if (this.#connections.get(id) === connection) this.#connections.delete(id);
  }

  applied(): void {}

  due(): readonly DueSessions[] {
    return dueByWallClock(this.#expiry, this.#parts.environment.clock);
  }

  stop(): void {
    this.#expiry.clear();
    this.#rearm({ kind: 'tick' });
  }

  #hold(id: bigint, connection: SessionConnection, timeoutMs: number): Lease {
    this.#connections.set(id, connection);
    const lease = this.#expiry.track(id, timeoutMs, this.#parts.environment.clock.now());
    this.#rearm({ kind: 'tick' });
    return lease;
  }

  #end(id: bigint): void {
    this.#expiry.forget(id);
    this.#own.close(id);
    this.#connections.get(id)?.leave('the session has ended');
    this.#connections.delete(id);
  }
}
