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
  readonly #holdsProcess: boolean;
  #wake: (() => void) | null;
  #timeout: NodeJS.Timeout;

  constructor(clock: Clock, deadline: Millis, wake: () => void, holdsProcess: boolean) {
    this.#clock = clock;
    this.#holdsProcess = holdsProcess;
    this.#deadline = deadline;
    this.#wake = wake;
    this.#timeout = this.#arm();
  }

  #arm(): NodeJS.Timeout {
    const restMs = Math.ceil(this.#deadline - this.#clock.now());
    const delayMs = Math.min(Math.max(restMs, 1), MAX_DELAY_MS);
    const timeout = setTimeout(() => this.#fire(), delayMs);
    return this.#holdsProcess ? timeout : timeout.unref();
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

/**
 * Timers on a given monotonic clock whose unit passes as real time does.
 * @param holdsProcess an armed timer keeps the process alive: for a library, whose caller waits for it
 */
export function timersOn(clock: Clock, holdsProcess = false): Timers {
  return {
    wakeAt(deadline: Millis, wake: () => void): Disarm {
      const alarm = new Alarm(clock, millis(deadline), wake, holdsProcess);
      return () => alarm.disarm();
    },
    afterTurn(run: () => void): void {
      setImmediate(run);
    },
  };
}

export const nodeTimers: Timers = timersOn(nodeClock);
