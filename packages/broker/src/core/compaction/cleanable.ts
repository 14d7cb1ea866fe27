/**
 * How dirty a log is: what of it may be compacted now, what share of it that is, and whether it must
 * be. All in whole segments; the active one is never compacted. Pure: the facts are handed in.
 */

export interface SegmentFacts {
  readonly baseOffset: number;
  readonly sizeBytes: number;
  /** Largest timestamp, or the file's time of change when it has none. */
  readonly youngestMs: number;
  /** Largest timestamp of its first batch; null when that is not known or it has none. */
  readonly firstBatchMs: number | null;
}

export interface LogFacts {
  /** Oldest first, at least one; the last is active. */
  readonly segments: readonly SegmentFacts[];
  readonly logStartOffset: number;
  readonly logEndOffset: number;
  /** At most the high watermark. */
  readonly lastStableOffset: number;
  /** Up to where the log was compacted, as the checkpoint tells; null when it never was. */
  readonly cleanedUpTo: number | null;
  /** min.compaction.lag.ms */
  readonly minLagMs: number;
  /** max.compaction.lag.ms */
  readonly maxLagMs: number;
  readonly wallTimeMs: number;
}

export interface Dirt {
  /** Everything below was compacted before. */
  readonly firstDirtyOffset: number;
  /** Base of the first segment that must not be touched. */
  readonly firstUncleanableOffset: number;
  /** The checkpoint made no sense: it is to be written anew with `firstDirtyOffset`. */
  readonly checkpointIsWrong: boolean;
  readonly cleanBytes: number;
  readonly cleanableBytes: number;
  /** For how long something has waited beyond max.compaction.lag.ms; 0 when nothing has. */
  readonly overdueMs: number;
}

/** Share of the log, up to where it may be compacted, that is dirty: 0 to 1. */
export function dirtyRatio({ cleanBytes, cleanableBytes }: Dirt): number {
  const totalBytes = cleanBytes + cleanableBytes;
  return totalBytes === 0 ? 0 : cleanableBytes / totalBytes;
}

export function dirtOf(facts: LogFacts): Dirt {
  const { firstDirtyOffset, checkpointIsWrong } = firstDirty(facts);
  const uncleanable = Math.max(firstDirtyOffset, uncleanableOffset(facts, firstDirtyOffset));
  const { segments } = facts;
  const active = segments.at(-1)?.baseOffset ?? 0;
  const firstUncleanableOffset =
    segmentsBetween(segments, uncleanable, active)[0]?.baseOffset ?? active;
  const start = Math.min(firstDirtyOffset, firstUncleanableOffset);
  return {
    firstDirtyOffset,
    firstUncleanableOffset,
    checkpointIsWrong,
    cleanBytes: sizeOf(segments.filter(({ baseOffset }) => baseOffset < firstDirtyOffset)),
    cleanableBytes: sizeOf(segmentsBetween(segments, start, firstUncleanableOffset)),
    overdueMs: overdueMs(facts, segmentsBetween(segments, firstDirtyOffset, active)),
  };
}

/** Tells whether a log is dirty enough to be compacted now. */
export function worthCleaning(dirt: Dirt, minRatio: number): boolean {
  if (dirt.cleanBytes + dirt.cleanableBytes === 0) return false;
  return (dirt.overdueMs > 0 && dirt.cleanableBytes > 0) || dirtyRatio(dirt) > minRatio;
}

/** The segments that hold offsets of [from, to): those with a base below `to`, from the one with `from` on. */
export function segmentsBetween<T extends { readonly baseOffset: number }>(
  segments: readonly T[],
  from: number,
  to: number,
): readonly T[] {
  if (from >= to) return [];
  const first = segments.findLastIndex(({ baseOffset }) => baseOffset <= from);
  return segments.slice(Math.max(0, first)).filter(({ baseOffset }) => baseOffset < to);
}

function firstDirty({ cleanedUpTo, logStartOffset, logEndOffset }: LogFacts) {
  // Below the start: retention or DeleteRecords took it. Above the end: the log was cut, and what came
  // since may be anything, so all of it counts as dirty.
  const checkpointIsWrong =
    cleanedUpTo !== null && (cleanedUpTo < logStartOffset || cleanedUpTo > logEndOffset);
  const firstDirtyOffset = cleanedUpTo === null || checkpointIsWrong ? logStartOffset : cleanedUpTo;
  return { firstDirtyOffset, checkpointIsWrong };
}

function uncleanableOffset(facts: LogFacts, firstDirtyOffset: number): number {
  const { segments, lastStableOffset, minLagMs, wallTimeMs } = facts;
  const active = segments.at(-1)?.baseOffset ?? 0;
  const tooYoung =
    minLagMs <= 0
      ? undefined
      : segmentsBetween(segments, firstDirtyOffset, active).find(
          ({ youngestMs }) => youngestMs > wallTimeMs - minLagMs,
        );
  return Math.min(lastStableOffset, active, tooYoung?.baseOffset ?? active);
}

function overdueMs({ maxLagMs, wallTimeMs }: LogFacts, dirty: readonly SegmentFacts[]): number {
  const limitMs = wallTimeMs - Math.max(0, maxLagMs);
  let earliestMs = Number.POSITIVE_INFINITY;
  for (const { firstBatchMs } of dirty) {
    if (firstBatchMs !== null && firstBatchMs > 0) earliestMs = Math.min(earliestMs, firstBatchMs);
  }
  return earliestMs < limitMs ? limitMs - earliestMs : 0;
}

function sizeOf(segments: readonly SegmentFacts[]): number {
  let total = 0;
  for (const { sizeBytes } of segments) total += sizeBytes;
  return total;
}
