/**
 * Things done every so often: one at a time each, the next time counted from the end of the last.
 * They stop when told, after those that are under way.
 */
import { type Disarm, type Environment, millis } from '@odradek/runtime';

export class Chores {
  readonly #environment: Environment;
  readonly #armed = new Set<Disarm>();
  readonly #running = new Set<Promise<void>>();
  #stopped = false;

  constructor(environment: Environment) {
    this.#environment = environment;
  }

  /** An interval that never ends (see LogConfig) is one that never comes. */
  every(intervalMs: number, firstAfterMs: number, run: () => Promise<void>): void {
    if (intervalMs < Number.MAX_SAFE_INTEGER) this.#arm(firstAfterMs, intervalMs, run);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    for (const disarm of this.#armed) disarm();
    this.#armed.clear();
    await Promise.all(this.#running);
  }

  #arm(delayMs: number, intervalMs: number, run: () => Promise<void>): void {
    if (this.#stopped) return;
    const { clock, timers } = this.#environment;
    const disarm = timers.wakeAt(millis(clock.now() + delayMs), () => {
      this.#armed.delete(disarm);
      const running = run().finally(() => {
        this.#running.delete(running);
        this.#arm(intervalMs, intervalMs, run);
      });
      this.#running.add(running);
    });
    this.#armed.add(disarm);
  }
}
