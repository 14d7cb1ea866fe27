/** The event loop's delays as Node measures them: a native timer that notes how late it fires. */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { DelaySource } from '../event-loop-watch.ts';

/** How often the native timer fires; a delay shorter than this may be missed. */
const RESOLUTION_MS = 10;
const NANOSECONDS_PER_MS = 1e6;

export interface NodeDelaySource extends DelaySource {
  /** Ends the measurement. */
  close(): void;
}

export function nodeEventLoopDelay(): NodeDelaySource {
  const histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  histogram.enable();
  // Node counts the whole time between two firings; the delay is what is above the resolution.
  const delayMs = (nanoseconds: number): number =>
    Math.max(0, nanoseconds / NANOSECONDS_PER_MS - RESOLUTION_MS);
  return {
    percentileMs: (percentile) => delayMs(histogram.percentile(percentile)),
    maxMs: () => delayMs(histogram.max),
    reset: () => histogram.reset(),
    close: () => {
      histogram.disable();
    },
  };
}
