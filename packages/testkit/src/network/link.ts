/**
 * One direction between two hosts: how long bytes take, and whether they arrive at all. Bytes of one
 * connection never overtake each other; those of different connections do.
 */
import type { Draw } from '../world/draw.ts';

export interface LinkPace {
  readonly latencyUs: number;
  /** Mean of what comes on top, by chance. */
  readonly jitterUs: number;
  readonly bytesPerMs: number;
  /** How often a packet must be sent again. */
  readonly loss: number;
}

/** A local network that is well. */
export const soundLink: LinkPace = { latencyUs: 150, jitterUs: 60, bytesPerMs: 100_000, loss: 0 };

/** What TCP waits before it sends again, at least. */
const RETRANSMISSION_US = 200_000;
const MICROS = 1_000;

export class Link {
  pace: LinkPace = soundLink;
  readonly #draw: Draw;
  #cuts = 0;
  #cutAtUs = 0;
  #freeAtUs = 0;
  readonly #waiting: (() => void)[] = [];

  constructor(draw: Draw) {
    this.#draw = draw;
  }

  get isCut(): boolean {
    return this.#cuts > 0;
  }

  /** Nothing arrives any more. Cuts add up. */
  cut(nowUs: number): void {
    if (this.#cuts === 0) this.#cutAtUs = nowUs;
    this.#cuts += 1;
  }

  /** @returns who waited for it, with what each has to wait yet: TCP tries again more and more rarely */
  heal(nowUs: number): { readonly afterUs: number; readonly go: () => void }[] {
    this.#cuts = Math.max(0, this.#cuts - 1);
    if (this.#cuts > 0) return [];
    const outageUs = nowUs - this.#cutAtUs;
    return this.#waiting.splice(0).map((go) => ({
      afterUs: this.#draw.below(Math.max(RETRANSMISSION_US, Math.min(outageUs, 4_000_000))),
      go,
    }));
  }

  /** Calls `go` some time after the link is healed. */
  whenHealed(go: () => void): void {
    this.#waiting.push(go);
  }

  /** When bytes that are sent now will have arrived, if the link stands. */
  arrivalUs(nowUs: number, sizeBytes: number): number {
    const { latencyUs, jitterUs, bytesPerMs, loss } = this.pace;
    const begin = Math.max(nowUs, this.#freeAtUs);
    this.#freeAtUs = begin + (sizeBytes * MICROS) / bytesPerMs;
    const jitter = jitterUs === 0 ? 0 : this.#draw.exponential(jitterUs);
    const again = loss > 0 && this.#draw.chance(loss) ? RETRANSMISSION_US : 0;
    return Math.ceil(this.#freeAtUs + latencyUs + jitter + again);
  }
}
