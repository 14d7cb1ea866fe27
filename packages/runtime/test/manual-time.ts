/** Time that passes when a test says so. */
import {
  type Clock,
  type Disarm,
  type Millis,
  millis,
  type Time,
  type Timers,
} from '../src/index.ts';

interface Alarm {
  readonly deadline: number;
  readonly wake: () => void;
}

export class ManualTime implements Time {
  #now = 1_000;
  #alarms: Alarm[] = [];
  readonly #turn: (() => void)[] = [];

  readonly clock: Clock = {
    now: () => millis(this.#now),
    wallTime: () => millis(1_700_000_000_000 + this.#now),
  };

  readonly timers: Timers = {
    wakeAt: (deadline: Millis, wake: () => void): Disarm => {
      const alarm = { deadline, wake };
      this.#alarms.push(alarm);
      return () => {
        this.#alarms = this.#alarms.filter((other) => other !== alarm);
      };
    },
    afterTurn: (run) => {
      this.#turn.push(run);
    },
  };

  /** How many wake-ups are still to come. */
  get armed(): number {
    return this.#alarms.length;
  }

  /** Lets time pass, waking what is due in order. */
  pass(spanMs: number): void {
    const end = this.#now + spanMs;
    for (;;) {
      for (const run of this.#turn.splice(0)) run();
      const [next] = [...this.#alarms].sort((left, right) => left.deadline - right.deadline);
      if (next === undefined || next.deadline > end) break;
      this.#alarms = this.#alarms.filter((other) => other !== next);
      this.#now = Math.max(this.#now, next.deadline);
      next.wake();
    }
    this.#now = end;
  }
}

/** Lets what is already settled run on. */
export async function settle(): Promise<void> {
  for (let n = 0; n < 20; n++) await Promise.resolve();
}
