/**
 * What makes up one log in memory, shared by the files that work on it: partition-log.ts owns it
 * and appends, log-reader.ts reads, upkeep.ts rolls, flushes and retires, truncation.ts cuts.
 *
 * `logStartOffset <= highWatermark <= logEndOffset <= nextOffset`, and `recoveryPoint <= logEndOffset`.
 */
import type { ProducerStates } from '../core/producer-state/producer-states.ts';
import type { AppendQueue } from './append-queue.ts';
import type { LogFlush } from './flush/log-flush.ts';
import type { LeaderEpochs } from './leader-epochs.ts';
import type { LogConfig } from './log-config.ts';
import type { LoadedLog } from './log-loader.ts';
import type { LogReader } from './log-reader.ts';
import type { LogResources } from './log-resources.ts';
import type { ProducerSnapshots } from './producer-snapshots.ts';
import { SegmentList } from './segment-list.ts';
import { Tail } from './tail-cache.ts';

export interface LogState {
  /** The partition's folder. */
  readonly folder: string;
  readonly segments: SegmentList;
  readonly epochs: LeaderEpochs;
  readonly snapshots: ProducerSnapshots;
  readonly tail: Tail;
  config: LogConfig;
  producers: ProducerStates;
  logStartOffset: number;
  /** Everything below has been handed to the operating system: the readable end. */
  logEndOffset: number;
  /** The next offset to assign. */
  nextOffset: number;
  /** Everything below has been forced to the medium. */
  recoveryPoint: number;
  /** Settles with the last of the flushes that were asked for; they run one at a time. */
  lastSync: Promise<void>;
  /** As the replica last told. */
  highWatermark: number;
  /** Counts truncations and replacements of segments: what was read across one may be a mixture. */
  generation: number;
  /** Counts replacements of segments by compacted ones: what was aborted may be told differently since. */
  rewrites: number;
}

/** A log's state with what works on it. */
export interface LogParts {
  readonly resources: LogResources;
  readonly state: LogState;
  readonly reader: LogReader;
  readonly queue: AppendQueue;
  readonly flush: LogFlush;
  /** Has the directory's checkpoints written, with what the state says now. */
  readonly checkpoint: () => Promise<void>;
}

/** One for all: there are thousands of logs. */
const NOTHING_TO_WAIT_FOR = Promise.resolve();

/** The state that a log starts with. */
export function stateOf(loaded: LoadedLog, folder: string, config: LogConfig): LogState {
  const { segments, logStartOffset, recoveryPoint, epochs, snapshots, producers } = loaded;
  const logEndOffset = segments.at(-1)?.nextOffset ?? logStartOffset;
  return {
    folder,
    config,
    segments: new SegmentList(segments),
    epochs,
    snapshots,
    producers,
    tail: new Tail(),
    logStartOffset,
    logEndOffset,
    nextOffset: logEndOffset,
    recoveryPoint,
    lastSync: NOTHING_TO_WAIT_FOR,
    highWatermark: logStartOffset,
    generation: 0,
    rewrites: 0,
  };
}
