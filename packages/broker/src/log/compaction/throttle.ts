/**
 * Holds work to a number of bytes per second, on average since it began: whoever has done more waits.
 */
import { type Clock, millis, type Timers } from '@odradek/runtime';

/** Shorter waits are saved up: a timer costs more than they are worth. */
const WAIT_MS_MIN = 10;

export class Throttle {
  readonly #time: { readonly clock: Clock; readonly timers: Timers };
  readonly #bytesPerSecond: number;
  readonly #beganAt: number;
  #bytes = 0;

  /** @param bytesPerSecond infinite or absurdly large for no limit */
  constructor(time: { readonly clock: Clock; readonly timers: Timers }, bytesPerSecond: number) {
    this.#time = time;
    this.#bytesPerSecond = Math.max(1, bytesPerSecond);
    this.#beganAt = time.clock.now();
  }

  /** Takes note of bytes that were read or written, and waits if they were too many too soon. */
  async took(bytes: number, signal: AbortSignal): Promise<void> {
    this.#bytes += bytes;
    const { clock, timers } = this.#time;
    const dueAt = this.#beganAt + (this.#bytes / this.#bytesPerSecond) * 1000;
    if (dueAt - clock.now() < WAIT_MS_MIN) return;
    await new Promise<void>((resolve) => {
      const disarm = timers.wakeAt(millis(dueAt), done);
      signal.addEventListener('abort', done, { once: true });
      function done(): void {
        disarm();
        signal.removeEventListener('abort', done);
        resolve();
      }
    });
  }
}
