/**
 * How a learner's log is made the beginning of the leader's, judged by the learner's last zxid alone.
 *
 * That one number is enough: a zxid was given out by one leader only, after everything that this
 * leader had before, so two logs that share a zxid are equal up to it. And within an epoch zxids have
 * no gaps, so a learner that has a later one of some epoch has all earlier ones of it.
 */
import { epochOf } from '../transaction/number-spaces.ts';

export type SyncPlan =
  /** The learner's log is the beginning of ours: everything after `zxid` is sent. */
  | { readonly kind: 'diff'; readonly zxid: bigint }
  /** It is up to `zxid`; what it has after that goes, then everything of ours after it is sent. */
  | { readonly kind: 'truncate'; readonly zxid: bigint }
  /** Nothing of it can be built on, or ours does not reach back so far. */
  | { readonly kind: 'snapshot' };

/**
 * @param learnerZxid the last one in the learner's log; 0: it is empty
 * @param floorZxid the last one in our log that is not above it; null: our log does not reach back to it
 */
export function planSync(learnerZxid: bigint, floorZxid: bigint | null): SyncPlan {
  if (floorZxid === null) return { kind: 'snapshot' };
  if (floorZxid === learnerZxid) return { kind: 'diff', zxid: floorZxid };
  // Of another epoch: where the two logs part cannot be told from here.
  if (epochOf(floorZxid) !== epochOf(learnerZxid)) return { kind: 'snapshot' };
  return { kind: 'truncate', zxid: floorZxid };
}
