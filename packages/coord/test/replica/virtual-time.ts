/**
 * Time that passes only when nothing is left to do: events in order of their moment, and after each
 * one everything that promises lead to. A run is the same each time.
 */
import { type Clock, type Disarm, type Millis, millis, type Timers } from '@odradek/runtime';

interface Event {
  readonly atMs: number;
  readonly order: number;
  readonly run: () => void;
}

export class VirtualTime implements Clock {
  #nowMs = 1_000;
  #order = 0;
  #eventCount = 0;
  /** A heap, the earliest first. */
  readonly #events: Event[] = [];

  now(): Millis {
    return millis(this.#nowMs);
  }

  wallTime(): Millis {
    return millis(1_700_000_000_000 + Math.floor(this.#nowMs));
  }

  /** Events that have happened. */
  get eventCount(): number {
    return this.#eventCount;
  }

  at(atMs: number, run: () => void): Disarm {
    let isDisarmed = false;
    this.#push({
      atMs: Math.max(atMs, this.#nowMs),
      order: this.#order++,
      run: () => {
        if (!isDisarmed) run();
      },
    });
    return () => {
      isDisarmed = true;
    };
  }

  after(ms: number, run: () => void): Disarm {
    return this.at(this.#nowMs + ms, run);
  }

  /** Timers of one process: they stop with it, and stand still while it is paused. */
  timers(process: { readonly isAlive: boolean; readonly pausedUntilMs: number }): Timers {
    const guard = (run: () => void) => (): void => {
      if (!process.isAlive) return;
      if (process.pausedUntilMs > this.#nowMs) this.at(process.pausedUntilMs, guard(run));
      else run();
    };
    return {
      wakeAt: (deadline, wake) => this.at(Math.max(deadline, this.#nowMs + 0.01), guard(wake)),
      afterTurn: (run) => {
        this.at(this.#nowMs, guard(run));
      },
    };
  }

  async runFor(ms: number): Promise<void> {
    await this.#runUntil(this.#nowMs + ms, () => false);
  }

  /** @returns false when it did not become true in time */
  async runUntil(condition: () => boolean, limitMs: number): Promise<boolean> {
    return await this.#runUntil(this.#nowMs + limitMs, condition);
  }

  async #runUntil(endMs: number, condition: () => boolean): Promise<boolean> {
    await settled();
    for (;;) {
      if (condition()) return true;
      const next = this.#events[0];
      if (next === undefined || next.atMs > endMs) {
        this.#nowMs = endMs;
        return condition();
      }
      this.#pop();
      this.#nowMs = next.atMs;
      this.#eventCount += 1;
      next.run();
      await settled();
    }
  }

  #push(event: Event): void {
    const heap = this.#events;
    let index = heap.length;
    heap.push(event);
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (isBefore(heap[parent]!, event)) break;
      heap[index] = heap[parent]!;
      index = parent;
    }
    heap[index] = event;
  }

  #pop(): void {
    const heap = this.#events;
    const last = heap.pop()!;
    if (heap.length === 0) return;
    let index = 0;
    for (;;) {
      let child = index * 2 + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child += 1;
      if (isBefore(last, heap[child]!)) break;
      heap[index] = heap[child]!;
      index = child;
    }
    heap[index] = last;
  }
}

function isBefore(one: Event, other: Event): boolean {
  return one.atMs !== other.atMs ? one.atMs < other.atMs : one.order < other.order;
}

/** Everything that promises lead to without waiting for time. */
function settled(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
