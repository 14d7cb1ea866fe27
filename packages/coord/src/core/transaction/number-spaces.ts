/**
 * Numbers that run out: what follows when they do, and when to say so beforehand.
 *
 * - A zxid is 32 bits of epoch and 32 bits of counter. A full counter goes on in the next epoch.
 *   Alone that is of no consequence; in an ensemble it is a change of leader, better made in a quiet
 *   hour than met by surprise.
 * - The number of a sequential node is counted beyond 2^31, where the original stops for good. Its
 *   name grows an eleventh digit at 10^10, and then names no longer sort as numbers do.
 * - A node's version is 32 bits on the wire and wraps, but is never -1, which means "any version".
 */

const COUNTER_SIZE = 2 ** 32;
/** Shares of the counter at which its end is announced. */
const ANNOUNCED_SHARES = [0.75, 0.9, 0.99] as const;

const ZXID_MAX = 2n ** 63n - 1n;

/** The zxid after this one. */
export function nextZxid(zxid: bigint): bigint {
  // Reached after 292,000 years of a million writes a second.
  if (zxid >= ZXID_MAX) throw new RangeError('there are no zxids left');
  return zxid + 1n;
}

/** The upper half: which leadership (alone: which round of the counter) a zxid belongs to. */
export const epochOf = (zxid: bigint): number => Number(zxid >> 32n);

/** The lower half. */
export const counterOf = (zxid: bigint): number => Number(BigInt.asUintN(32, zxid));

/** Something worth a line in the log. */
export type ZxidNotice =
  | { readonly kind: 'filling'; readonly usedShare: number; readonly left: number }
  | { readonly kind: 'rolled' };

/** Watches the counter fill up. */
export class ZxidWatch {
  #announced: number;
  #last: number;

  /** @param counter of the last zxid that is applied */
  constructor(counter: number) {
    this.#last = counter;
    this.#announced = passedShares(counter);
  }

  /** @param counter lower half of the zxid that was just applied */
  applied(counter: number): ZxidNotice | null {
    const isNewEpoch = counter < this.#last;
    const wasFull = this.#last === COUNTER_SIZE - 1;
    this.#last = counter;
    if (isNewEpoch) {
      // Mostly of another leader, and nothing to speak of.
      this.#announced = passedShares(counter);
      return wasFull ? { kind: 'rolled' } : null;
    }
    const nextShare = ANNOUNCED_SHARES[this.#announced];
    if (nextShare === undefined || counter < nextShare * COUNTER_SIZE) return null;
    this.#announced = passedShares(counter);
    return { kind: 'filling', usedShare: counter / COUNTER_SIZE, left: COUNTER_SIZE - counter };
  }
}

/** The part of the counter that is used, from 0 to 1. */
export const usedShareOf = (counter: number): number => counter / COUNTER_SIZE;

const passedShares = (counter: number): number =>
  ANNOUNCED_SHARES.filter((share) => counter >= share * COUNTER_SIZE).length;

const milestones = {
  /** Nine tenths of what clients can hold that read the number into 32 bits. */
  nearSigned32: Math.floor(0.9 * 2 ** 31),
  signed32: 2 ** 31,
  nearTenDigits: 9 * 10 ** 9,
  tenDigits: 10 ** 10,
} as const;

/** What a parent's count of creations has come to. */
export type SequenceMilestone = keyof typeof milestones;

/** The milestone that this very count is; null nearly always. */
export function milestoneOf(creationCount: number): SequenceMilestone | null {
  if (creationCount < milestones.nearSigned32) return null;
  for (const [name, count] of Object.entries(milestones)) {
    if (count === creationCount) return name as SequenceMilestone;
  }
  return null;
}

/** The version after this one, in 32 bits and never -1. */
export const nextVersion = (version: number): number => (version === -2 ? 0 : (version + 1) | 0);
