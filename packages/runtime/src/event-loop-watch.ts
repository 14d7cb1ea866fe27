/**
 * Watches how long the event loop keeps others waiting: metrics, and a line in the log when it was
 * blocked for longer than we promise. Where the measurements come from is node/event-loop-delay.ts.
 */
import type { Log } from './log.ts';
import { defineMetrics, type Metrics } from './metrics.ts';
import { type Disarm, millis, type Time } from './time.ts';

/** No task may keep the event loop for longer. */
export const MAX_BLOCK_MS = 50;
/** How often the measurements are read and begun anew. */
const SAMPLE_INTERVAL_MS = 1_000;
/** At most one warning in this time; the next one tells the worst and how many there were. */
const WARNING_INTERVAL_MS = 60_000;

/** Delays since the last reset. */
export interface DelaySource {
  /** The share `percentile` (0 to 100) of delays was at most this long. */
  percentileMs(percentile: number): number;
  maxMs(): number;
  reset(): void;
}

export const eventLoopMetrics = defineMetrics({
  event_loop_delay_p50_ms: { kind: 'gauge', help: 'Median delay of the event loop, last second.' },
  event_loop_delay_p99_ms: { kind: 'gauge', help: '99th percentile of its delay, last second.' },
  event_loop_delay_max_ms: { kind: 'gauge', help: 'Longest delay, last second.' },
  event_loop_blocks_total: {
    kind: 'counter',
    help: `Seconds in which one task kept the event loop for more than ${MAX_BLOCK_MS} ms.`,
  },
});

/** @returns what ends the watch */
export function watchEventLoop(
  source: DelaySource,
  { clock, timers }: Time,
  log: Log,
  metrics: Metrics,
): Disarm {
  const meters = metrics.declare(eventLoopMetrics);
  let silentUntil = Number.NEGATIVE_INFINITY;
  let worstMs = 0;
  let blocks = 0;

  function sample(): void {
    const maxMs = source.maxMs();
    meters.event_loop_delay_p50_ms.set(source.percentileMs(50));
    meters.event_loop_delay_p99_ms.set(source.percentileMs(99));
    meters.event_loop_delay_max_ms.set(maxMs);
    source.reset();
    if (maxMs > MAX_BLOCK_MS) {
      meters.event_loop_blocks_total.add();
      worstMs = Math.max(worstMs, maxMs);
      blocks++;
    }
    if (blocks > 0 && clock.now() >= silentUntil) {
      log.warn('the event loop was blocked', { worstMs: Math.round(worstMs), blocks });
      silentUntil = clock.now() + WARNING_INTERVAL_MS;
      worstMs = 0;
      blocks = 0;
    }
    disarm = timers.wakeAt(millis(clock.now() + SAMPLE_INTERVAL_MS), sample);
  }

  source.reset();
  let disarm = timers.wakeAt(millis(clock.now() + SAMPLE_INTERVAL_MS), sample);
  return () => disarm();
}
