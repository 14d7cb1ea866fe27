/** Time and turns that pass when a test says so. */
import { type Clock, millis, type Timers } from '@odradek/runtime';

export class ManualTime {
  #now = 1_000;
  #alarms: { deadline: number; wake: () => void }[] = [];
  readonly #turn: (() => void)[] = [];

  readonly clock: Clock = {
    now: () => millis(this.#now),
    wallTime: () => millis(1_700_000_000_000 + this.#now),
  };

  readonly timers: Timers = {
    wakeAt: (deadline, wake) => {
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

  /** Alarms that are set. */
  get armedCount(): number {
    return this.#alarms.length;
  }

  /** Ends the turn: runs what was to come after it. */
  endTurn(): void {
    while (this.#turn.length > 0) for (const run of this.#turn.splice(0)) run();
  }

  /** Lets time pass, waking what falls due in order. */
  pass(spanMs: number): void {
    const end = this.#now + spanMs;
    for (;;) {
      this.endTurn();
      const [next] = [...this.#alarms].sort((left, right) => left.deadline - right.deadline);
      if (next === undefined || next.deadline > end) break;
      this.#alarms = this.#alarms.filter((other) => other !== next);
      this.#now = Math.max(this.#now, next.deadline);
      next.wake();
    }
    this.#now = end;
  }
}
