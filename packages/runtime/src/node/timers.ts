/**
 * Timers over Node's setTimeout and setImmediate.
 *
 * Node rounds delays to its own millisecond counter, which may run up to one millisecond ahead of
 * the clock's fractions, and turns delays of 2^31 ms and more into 1 ms. Both would wake too early,
 * so a timer that fires before its deadline is armed again for the rest.
 */
import { type Clock, type Disarm, type Millis, millis, type Timers } from '../time.ts';
import { nodeClock } from './clock.ts';

/** The longest delay Node takes as it is meant: about 24.8 days. */
const MAX_DELAY_MS = 2 ** 31 - 1;

/** One wake-up; arms itself again until the deadline has really passed. */
class Alarm {
  readonly #clock: Clock;
  readonly #deadline: Millis;
  #wake: (() => void) | null;
  #timeout: NodeJS.Timeout;

  constructor(clock: Clock, deadline: Millis, wake: () => void) {
    this.#clock = clock;
    this.#deadline = deadline;
    this.#wake = wake;
    this.#timeout = this.#arm();
  }

  #arm(): NodeJS.Timeout {
    const restMs = Math.ceil(this.#deadline - this.#clock.now());
    const delayMs = Math.min(Math.max(restMs, 1), MAX_DELAY_MS);
    return setTimeout(() => this.#fire(), delayMs).unref();
  }

  #fire(): void {
    const wake = this.#wake;
    if (wake === null) return;
    if (this.#clock.now() < this.#deadline) {
      this.#timeout = this.#arm();
      return;
    }
    this.#wake = null;
    wake();
  }

  disarm(): void {
    if (this.#wake === null) return;
    this.#wake = null;
    clearTimeout(this.#timeout);
  }
}

/** Timers on a given monotonic clock whose unit passes as real time does. */
export function timersOn(clock: Clock): Timers {
  return {
    wakeAt(deadline: Millis, wake: () => void): Disarm {
      const alarm = new Alarm(clock, millis(deadline), wake);
      return () => alarm.disarm();
    },
    afterTurn(run: () => void): void {
      setImmediate(run);
    },
  };
}

export const nodeTimers: Timers = timersOn(nodeClock);
