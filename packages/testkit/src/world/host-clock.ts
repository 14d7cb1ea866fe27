/**
 * The two clocks of a host: one that only goes forward, a little too fast or too slow, and one that
 * somebody may set.
 */
import { type Millis, millis } from '@odradek/runtime';

/** When every world begins: 2026-01-01 UTC. */
const WORLD_BEGINS_MS = 1_767_225_600_000;
const MICROS = 1_000;

export class HostClock {
  readonly #rate: number;
  #offsetMs: number;

  /**
   * @param drift by how much faster than the world's time it runs: 0.001 is a millisecond in a second
   * @param skewMs by how much the wall clock is ahead at the beginning
   */
  constructor(drift: number, skewMs: number) {
    this.#rate = 1 + drift;
    this.#offsetMs = skewMs;
  }

  /** Sets the wall clock forward, or back. */
  jump(ms: number): void {
    this.#offsetMs += ms;
  }

  elapsedMs(fromUs: number, toUs: number): number {
    return ((toUs - fromUs) * this.#rate) / MICROS;
  }

  /** How long a span of this clock is in the world's time. */
  microsFor(ms: number): number {
    return Math.ceil((ms * MICROS) / this.#rate);
  }

  wallTime(nowUs: number): Millis {
    return millis(Math.floor(WORLD_BEGINS_MS + (nowUs * this.#rate) / MICROS + this.#offsetMs));
  }
}
