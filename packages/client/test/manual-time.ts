/** A clock that moves when told to, for tests of hosts: real sockets, virtual time. */
import { type Environment, type Millis, millis, nodeEnvironment } from '@odradek/runtime';

export class ManualTime {
  #now = 1_000;
  readonly #alarms = new Set<{ at: number; wake: () => void }>();
  readonly clock = {
    now: (): Millis => millis(this.#now),
    wallTime: (): Millis => millis(1_700_000_000_000 + this.#now),
  };
  readonly timers = {
    wakeAt: (at: Millis, wake: () => void) => {
      const alarm = { at, wake };
      this.#alarms.add(alarm);
      return () => {
        this.#alarms.delete(alarm);
      };
    },
    afterTurn: (run: () => void) => {
      setImmediate(run);
    },
  };

  /** Lets time pass; alarms go off in order, each at its own instant. */
  advance(spanMs: number): void {
    const end = this.#now + spanMs;
    for (;;) {
      const due = [...this.#alarms].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0];
      if (due === undefined) break;
      this.#alarms.delete(due);
      this.#now = Math.max(this.#now, due.at);
      due.wake();
    }
    this.#now = end;
  }

  environment(): Environment {
    return { ...nodeEnvironment(), clock: this.clock, timers: this.timers };
  }
}

/** Turns of the event loop until `holds`; for what sockets bring about. */
export async function until(holds: () => boolean): Promise<void> {
  for (let turn = 0; turn < 100_000; turn += 1) {
    if (holds()) return;
    await new Promise((resolve) => setImmediate(resolve));
  }
  throw new Error(`never came true: ${holds.toString()}`);
}
