/**
 * What serves clients at present, and what becomes of those who come while nobody does.
 *
 * A connection belongs to the state of affairs in which its session was opened, and ends with it. A
 * client that comes during an election is kept waiting a moment, since nearly always a leader is there
 * before it could have tried another server; when the election goes on, it is turned away.
 */
import { type Disarm, type Environment, millis } from '@odradek/runtime';
import { Fifo } from '../core/fifo.ts';
import type { ClientConnection } from './client-connection.ts';
import { HELD_CONNECTIONS_MAX, HELD_MS_MAX, HOLDING_MS_MAX } from './limits.ts';
import type { Reads } from './reads.ts';
import type { Sessions } from './sessions.ts';
import type { Writes } from './write-path.ts';

export interface Serving {
  /** Nobody leads: what is there is shown, and nothing changes. */
  readonly isReadOnly: boolean;
  readonly reads: Reads<ClientConnection>;
  readonly writes: Writes;
  readonly sessions: Sessions;
}

/** A connection whose client waits for its session. */
export interface Waiting {
  /** Somebody serves. */
  enter(serving: Serving): void;
  /** Nobody will for a while. */
  turnAway(): void;
}

interface Held {
  readonly waiting: Waiting;
  readonly untilMs: number;
}

export class Doorway {
  readonly #environment: Pick<Environment, 'clock' | 'timers'>;
  #serving: Serving | null = null;
  readonly #held = new Fifo<Held>();
  #disarm: Disarm | null = null;
  /** Monotonic: since when nobody serves. */
  #closedAtMs: number;
  /** Clients that were turned away. */
  turnedAwayCount = 0;

  constructor(environment: Pick<Environment, 'clock' | 'timers'>) {
    this.#environment = environment;
    this.#closedAtMs = environment.clock.now();
  }

  /** null: nobody. */
  get serving(): Serving | null {
    return this.#serving;
  }

  /** From now on clients are served so; those that wait come in first. */
  open(serving: Serving): void {
    this.#serving = serving;
    this.#disarm?.();
    this.#disarm = null;
    for (let next = this.#held.shift(); next !== undefined; next = this.#held.shift()) {
      next.waiting.enter(serving);
    }
  }

  /** Nobody serves any more; the caller closes the connections. */
  close(): void {
    if (this.#serving === null) return;
    this.#serving = null;
    this.#closedAtMs = this.#environment.clock.now();
  }

  /** While nobody serves. @returns false: it cannot wait */
  hold(waiting: Waiting): boolean {
    const now = this.#environment.clock.now();
    const untilMs = Math.min(now + HELD_MS_MAX, this.#closedAtMs + HOLDING_MS_MAX);
    if (untilMs <= now || this.#held.length >= HELD_CONNECTIONS_MAX) {
      this.turnedAwayCount += 1;
      return false;
    }
    this.#held.push({ waiting, untilMs });
    this.#disarm ??= this.#arm(untilMs);
    return true;
  }

  #arm(untilMs: number): Disarm {
    return this.#environment.timers.wakeAt(millis(untilMs), () => this.#turnAway());
  }

  /** Those whose time is over; they wait in the order of their times. */
  #turnAway(): void {
    const now = this.#environment.clock.now();
    this.#disarm = null;
    for (let next = this.#held.peek(); next !== undefined; next = this.#held.peek()) {
      if (next.untilMs > now) {
        this.#disarm = this.#arm(next.untilMs);
        return;
      }
      this.#held.shift();
      this.turnedAwayCount += 1;
      next.waiting.turnAway();
    }
  }
}
