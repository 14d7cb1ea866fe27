/** One run, drawn from its seed: how the logs are set up, and how often and how the broker comes to an end. */
import { Draw } from '@odradek/testkit';
import type { CleanerSettings } from '../../../packages/broker/src/log/compaction/log-cleaner.ts';
import type { LogConfig } from '../../../packages/broker/src/log/log-config.ts';

/**
 * How a life ends: in order; by kill -9; without power; with a full or a failing disk and then by kill -9;
 * in order, and a bit turns before the next one.
 */
export type Ending = 'close' | 'kill' | 'power' | 'full' | 'failing' | 'rot';

export interface LifePlan {
  readonly operations: number;
  readonly ending: Ending;
  /** Changes of the medium after which it ends, if it has not ended before; null: when its work is done. */
  readonly afterChanges: number | null;
  /** These changes count from the beginning of this compaction on; 0: from the beginning. */
  readonly fromPass: number;
}

export interface LogPlan {
  readonly seed: string;
  readonly logs: number;
  readonly config: Partial<LogConfig>;
  /** null: nobody compacts the logs. */
  readonly cleaner: CleanerSettings | null;
  readonly openFilesLimit: number;
  /** One after the other; what follows is a last one that closes in order, and a look at what is left. */
  readonly lives: readonly LifePlan[];
}

/** Begins the seeds of logs that are compacted. */
export const COMPACTED = 'compacted-';

/** @param seed what begins with {@link COMPACTED} has logs that a cleaner compacts, records with keys, and longer lives */
export function drawLogPlan(seed: number | string): LogPlan {
  const draw = new Draw(`${seed}/log plan`);
  const isCompacted = String(seed).startsWith(COMPACTED);
  const lives = draw.between(1, 4);
  return {
    seed: String(seed),
    logs: draw.between(1, 3),
    config: isCompacted ? drawnCompaction(draw) : drawnConfig(draw),
    cleaner: isCompacted ? drawnCleaner(draw) : null,
    openFilesLimit: draw.oneOf([3, 10, 500]),
    lives: Array.from({ length: lives }, (_, index): LifePlan => {
      const fromPass = isCompacted && draw.chance(0.6) ? draw.between(1, 4) : 0;
      return {
        operations: isCompacted ? draw.between(20, 90) : draw.between(5, 45),
        ending: draw.weighted<Ending>({
          close: 2,
          kill: 3,
          power: 6,
          full: 1,
          failing: 1,
          rot: index === lives - 1 ? 2 : 0,
        }),
        afterChanges: draw.chance(0.8)
          ? draw.between(1, fromPass > 0 ? 80 : isCompacted ? 900 : 350)
          : null,
        fromPass,
      };
    }),
  };
}

/** The same work with one life, which ends at the given change of the medium. */
export function cutShort(
  seed: number | string,
  operations: number,
  ending: 'kill' | 'power',
  afterChanges: number,
): LogPlan {
  const plan = drawLogPlan(seed);
  return { ...plan, logs: 1, lives: [{ operations, ending, afterChanges, fromPass: 0 }] };
}

function drawnConfig(draw: Draw): Partial<LogConfig> {
  return {
    segmentBytes: draw.oneOf([700, 1_500, 4_000, 20_000]),
    indexIntervalBytes: draw.oneOf([0, 100, 1_000]),
    segmentIndexBytes: draw.oneOf([48, 10_485_760]),
    retentionBytes: draw.oneOf([-1, -1, 2_500, 6_000]),
    retentionMs: draw.oneOf([-1, 20_000]),
    fileDeleteDelayMs: draw.oneOf([0, 2_000, 60_000]),
    flushIntervalMessages: draw.oneOf([Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY, 1, 5]),
    flushIntervalMs: draw.oneOf([Number.POSITIVE_INFINITY, 3_000]),
    preallocate: draw.chance(0.2),
    cleanupPolicy: draw.chance(0.2) ? ['compact', 'delete'] : ['delete'],
  };
}

/** The delays of deleted files are short, so that their removal falls into the lives too. */
function drawnCompaction(draw: Draw): Partial<LogConfig> {
  const cuts = draw.chance(0.3);
  return {
    ...drawnConfig(draw),
    segmentBytes: draw.oneOf([500, 900, 2_000]),
    cleanupPolicy: cuts ? ['compact', 'delete'] : ['compact'],
    retentionBytes: cuts ? draw.oneOf([-1, 4_000, 9_000]) : -1,
    retentionMs: cuts ? draw.oneOf([-1, 20_000]) : -1,
    minCleanableDirtyRatio: draw.oneOf([0, 0, 0.3]),
    minCompactionLagMs: draw.oneOf([0, 0, 0, 4_000]),
    maxCompactionLagMs: draw.oneOf([Number.POSITIVE_INFINITY, 10_000]),
    deleteRetentionMs: draw.oneOf([0, 300, 5_000, 60_000]),
  };
}

function drawnCleaner(draw: Draw): CleanerSettings {
  return {
    threads: draw.oneOf([1, 1, 3]),
    // An entry takes 24 bytes: of some logs not all keys find room.
    dedupeBufferBytes: draw.oneOf([24 * 4, 24 * 12, 1 << 16]),
    loadFactor: 0.9,
    ioBufferBytes: 0,
    bytesPerSecond: draw.oneOf([Number.MAX_VALUE, Number.MAX_VALUE, 20_000]),
    backoffMs: draw.oneOf([20, 400, 3_000]),
  };
}
