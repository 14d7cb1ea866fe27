/**
 * Which segments are too old: a pure decision over what is known of them, oldest first, stopping
 * at the first that stays. A segment goes when all of it is below the log's start, when the log is
 * larger than it may be, or when its youngest record is older than it may be; and never before the
 * high watermark has passed its end, for until then it may be all that a replica has.
 *
 * Logs with only 'compact' in their policy are never cut by size or time.
 */
import type { LogConfig } from './log-config.ts';

export interface SegmentAge {
  /** The offset after its last batch, or the base of the next segment. */
  readonly endOffset: number;
  readonly sizeBytes: number;
  /** Largest timestamp, or the file's time of change when it has none. */
  readonly youngestMs: number;
}

export interface RetentionInput {
  /** Oldest first; the last one is active. */
  readonly segments: readonly SegmentAge[];
  readonly logStartOffset: number;
  readonly highWatermark: number;
  readonly config: Pick<LogConfig, 'cleanupPolicy' | 'retentionBytes' | 'retentionMs'>;
  readonly wallTimeMs: number;
}

export type RetentionReason = 'log-start' | 'size' | 'time';

export interface RetentionDecision {
  /** How many of the oldest segments go. All of them: a fresh one has to be rolled first. */
  readonly count: number;
  /** Why the last of them goes. */
  readonly reason: RetentionReason | null;
}

export function expiredSegments(input: RetentionInput): RetentionDecision {
  const { segments, config } = input;
  const cuts = config.cleanupPolicy.includes('delete');
  let totalBytes = 0;
  for (const { sizeBytes } of segments) totalBytes += sizeBytes;
  let excessBytes = config.retentionBytes < 0 || !cuts ? 0 : totalBytes - config.retentionBytes;
  let reason: RetentionReason | null = null;
  let count = 0;
  for (const [index, segment] of segments.entries()) {
    const active = index === segments.length - 1;
    if (segment.endOffset > input.highWatermark) break;
    if (active && segment.sizeBytes === 0) break;
    const why = reasonFor(segment, active, excessBytes, cuts, input);
    if (why === null) break;
    excessBytes -= segment.sizeBytes;
    reason = why;
    count += 1;
  }
  return { count, reason };
}

function reasonFor(
  segment: SegmentAge,
  active: boolean,
  excessBytes: number,
  cuts: boolean,
  { config, logStartOffset, wallTimeMs }: RetentionInput,
): RetentionReason | null {
  if (!active && segment.endOffset <= logStartOffset) return 'log-start';
  if (!cuts) return null;
  if (excessBytes > 0 && excessBytes - segment.sizeBytes >= 0) return 'size';
  if (config.retentionMs >= 0 && wallTimeMs - segment.youngestMs > config.retentionMs)
    return 'time';
  return null;
}
