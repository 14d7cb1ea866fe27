/**
 * Where segments begin, for clients from before Kafka 0.10.1: they had no offsets by timestamp, only
 * the beginnings of the segments that were last written before a time (ListOffsets 0).
 *
 * The log's end counts as the beginning of one more segment, which is written right now.
 */
import type { LogResources } from './log-resources.ts';
import type { LogState } from './log-state.ts';
import type { Segment } from './segment.ts';

const LATEST = -1;
const EARLIEST = -2;

/**
 * Offsets of the segments that are not younger than `timestamp` (-1: of all, -2: of the first).
 * @returns at most `countMax`, the largest first
 */
export async function segmentOffsetsBefore(
  resources: LogResources,
  state: LogState,
  timestamp: number,
  countMax: number,
): Promise<readonly number[]> {
  const { logStartOffset, logEndOffset } = state;
  const segments = state.segments.all;
  const offsets = segments.map(({ baseOffset }) => Math.max(baseOffset, logStartOffset));
  const last = segments.at(-1);
  const hasEnd = last !== undefined && last.writtenBytes > 0;
  if (hasEnd) offsets.push(logEndOffset);
  const end = await endOf(resources, segments, offsets.length, timestamp);
  return offsets.slice(Math.max(0, end - Math.max(0, countMax)), end).reverse();
}

/** How many of the offsets are old enough. */
async function endOf(
  { environment }: LogResources,
  segments: readonly Segment[],
  count: number,
  timestamp: number,
): Promise<number> {
  if (timestamp === LATEST) return count;
  if (timestamp === EARLIEST) return 1;
  if (count > segments.length && environment.clock.wallTime() <= timestamp) return count;
  for (let end = segments.length; end > 0; end -= 1) {
    const segment = segments[end - 1] as Segment;
    // A segment that nothing was written to yet has no file.
    const status = await environment.disk.status(segment.logPath);
    if ((status?.modifiedAtMs ?? segment.createdAtMs) <= timestamp) return end;
  }
  return 0;
}
