/** Says the same thing about the same peer only now and then: what is tried again fails again. */
import type { Clock, Log, LogFields } from '@odradek/runtime';

/** Different lines remembered; beyond it the oldest is forgotten, and may come again. */
const REMEMBERED_MAX = 256;

export class RepeatedLog {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #intervalMs: number;
  readonly #saidAt = new Map<string, number>();

  constructor(clock: Clock, log: Log, intervalMs: number) {
    this.#clock = clock;
    this.#log = log;
    this.#intervalMs = intervalMs;
  }

  warn(message: string, fields: LogFields): void {
    const key = `${message} ${Object.values(fields).join(' ')}`;
    const now = this.#clock.now();
    const saidAt = this.#saidAt.get(key);
    if (saidAt !== undefined && now - saidAt < this.#intervalMs) return;
    this.#saidAt.delete(key);
    this.#saidAt.set(key, now);
    const [oldest] = this.#saidAt.keys();
    if (this.#saidAt.size > REMEMBERED_MAX && oldest !== undefined) this.#saidAt.delete(oldest);
    this.#log.warn(message, fields);
  }
}
