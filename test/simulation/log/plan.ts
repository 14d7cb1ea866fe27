/** One run, drawn from its seed: how the logs are set up, and how often and how the broker comes to an end. */
import { Draw } from '@odradek/testkit';
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
}

export interface LogPlan {
  readonly seed: string;
  readonly logs: number;
  readonly config: Partial<LogConfig>;
  readonly openFilesLimit: number;
  /** One after the other; what follows is a last one that closes in order, and a look at what is left. */
  readonly lives: readonly LifePlan[];
}

export function drawLogPlan(seed: number | string): LogPlan {
  const draw = new Draw(`${seed}/log plan`);
  const lives = draw.between(1, 4);
  return {
    seed: String(seed),
    logs: draw.between(1, 3),
    config: drawnConfig(draw),
    openFilesLimit: draw.oneOf([3, 10, 500]),
    lives: Array.from({ length: lives }, (_, index) => ({
      operations: draw.between(5, 45),
      ending: draw.weighted<Ending>({
        close: 2,
        kill: 3,
        power: 6,
        full: 1,
        failing: 1,
        rot: index === lives - 1 ? 2 : 0,
      }),
      afterChanges: draw.chance(0.8) ? draw.between(1, 350) : null,
    })),
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
  return { ...plan, logs: 1, lives: [{ operations, ending, afterChanges }] };
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
