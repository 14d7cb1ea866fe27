/**
 * Time that stands still until a test moves it. Wake-ups come when time is moved past them; the end
 * of a turn is the real one, because disks and sockets are.
 */
import { type Clock, type Disarm, type Millis, millis, type Timers } from '@odradek/runtime';

interface Alarm {
  readonly deadline: number;
  readonly wake: () => void;
}

export class ManualTime implements Clock, Timers {
  #nowMs = 1_000;
  wallMs = 1_700_000_000_000;
  readonly #alarms = new Set<Alarm>();

  now(): Millis {
    return millis(this.#nowMs);
  }

  wallTime(): Millis {
    return millis(this.wallMs);
  }

  wakeAt(deadline: Millis, wake: () => void): Disarm {
    const alarm = { deadline, wake };
    this.#alarms.add(alarm);
    return () => this.#alarms.delete(alarm);
  }

  afterTurn(run: () => void): void {
    setImmediate(run);
  }

  /** Moves time on in steps, so that nothing wakes late. */
  advance(ms: number, stepMs = 10): void {
    for (let passedMs = 0; passedMs < ms; passedMs += stepMs) {
      this.#nowMs += stepMs;
      this.wallMs += stepMs;
      this.#fire();
    }
  }

  /** Moves time on at once, as for a process that was suspended. */
  jump(ms: number): void {
    this.#nowMs += ms;
    this.wallMs += ms;
    this.#fire();
  }

  #fire(): void {
    for (const alarm of [...this.#alarms]) {
      if (alarm.deadline > this.#nowMs || !this.#alarms.delete(alarm)) continue;
      alarm.wake();
    }
  }
}
