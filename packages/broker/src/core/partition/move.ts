/**
 * Copying a log into another directory while it goes on: what to do next, given where both are.
 *
 * The copy is kept as a follower keeps its log in step with its leader's, by the rules of epochs.ts,
 * with the difference that both logs are at hand. Pure; ../../replica/log-dir-mover.ts acts.
 */
import { divergence, type EpochEndOffset, truncationOffset } from './epochs.ts';

/** The log that is copied. */
export interface MovedLog {
  readonly logStartOffset: number;
  /** All below it is written. */
  readonly logEndOffset: number;
  endOffsetForEpoch(epoch: number): EpochEndOffset;
}

/** The copy; all of it is written. */
export interface CopiedLog extends MovedLog {
  readonly latestEpoch: number | null;
}

export type MoveStep =
  /** Nothing of the copy is of use: it begins anew. */
  | { readonly kind: 'start-anew'; readonly offset: number }
  /** The end of the copy is not in the log any more. */
  | { readonly kind: 'truncate'; readonly offset: number }
  /** The log has let go of its beginning. */
  | { readonly kind: 'raise-start'; readonly offset: number }
  /** The next batches are to be copied. */
  | { readonly kind: 'copy'; readonly offset: number }
  /** All that is written has been copied. */
  | { readonly kind: 'level' };

export function nextMoveStep(log: MovedLog, copy: CopiedLog): MoveStep {
  const end = copy.logEndOffset;
  const anew = { kind: 'start-anew', offset: log.logStartOffset } as const;
  if (end < log.logStartOffset) return anew;
  if (end > copy.logStartOffset && copy.latestEpoch !== null) {
    const parted = divergence(copy.latestEpoch, end, log.endOffsetForEpoch(copy.latestEpoch));
    if (parted === 'out-of-range') return anew;
    if (parted !== null) {
      const own = copy.endOffsetForEpoch(parted.epoch);
      const offset = truncationOffset(parted, end, end, own);
      return offset < end ? { kind: 'truncate', offset } : anew;
    }
  }
  if (end > log.logEndOffset) return { kind: 'truncate', offset: log.logEndOffset };
  if (copy.logStartOffset < log.logStartOffset)
    return { kind: 'raise-start', offset: log.logStartOffset };
  return end < log.logEndOffset ? { kind: 'copy', offset: end } : { kind: 'level' };
}
