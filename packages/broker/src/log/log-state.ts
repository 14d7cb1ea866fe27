/**
 * What makes up one log in memory, shared by the files that work on it: partition-log.ts owns it
 * and appends, log-reader.ts reads, truncation.ts cuts, retention decides what is too old.
 *
 * `logStartOffset <= highWatermark <= logEndOffset <= nextOffset`, and `recoveryPoint <= logEndOffset`.
 */
import type { ProducerStates } from '../core/producer-state/producer-states.ts';
import type { LeaderEpochs } from './leader-epochs.ts';
import type { ProducerSnapshots } from './producer-snapshots.ts';
import type { SegmentList } from './segment-list.ts';
import type { Tail } from './tail-cache.ts';

export interface LogState {
  readonly segments: SegmentList;
  readonly epochs: LeaderEpochs;
  readonly snapshots: ProducerSnapshots;
  readonly tail: Tail;
  producers: ProducerStates;
  logStartOffset: number;
  /** Everything below has been handed to the operating system: the readable end. */
  logEndOffset: number;
  /** The next offset to assign. */
  nextOffset: number;
  /** Everything below has been forced to the medium. */
  recoveryPoint: number;
  /** As the replica last told. */
  highWatermark: number;
  /** Counts truncations: what was read across one may be a mixture. */
  generation: number;
}
