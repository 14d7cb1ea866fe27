/**
 * How old proposals are, to within a tick and without a note for each: of every tick it is known what
 * was the last one by then.
 */
import type { Millis } from '@odradek/runtime';

interface Milestone {
  readonly at: Millis;
  readonly zxid: bigint;
}

export class ProposalAges {
  readonly #ageMs: number;
  /** The oldest first; only the first one is old enough. */
  readonly #milestones: Milestone[] = [];

  /** @param ageMs from this age on a proposal is old */
  constructor(ageMs: number) {
    this.#ageMs = ageMs;
  }

  /**
   * To be asked at each tick.
   * @param proposedZxid the last one by now
   * @returns the last one that is old: who has not acknowledged it by now is too slow; 0 for none
   */
  agedAt(now: Millis, proposedZxid: bigint): bigint {
    const since = now - this.#ageMs;
    const milestones = this.#milestones;
    milestones.push({ at: now, zxid: proposedZxid });
    for (;;) {
      const [oldest, next] = milestones;
      if (oldest === undefined || oldest.at > since) return 0n;
      // The newest of those that are old enough stays: it is asked for again.
      if (next === undefined || next.at > since) return oldest.zxid;
      milestones.shift();
    }
  }
}
