/**
 * Which neighbouring segments become one: as many as fit, by what they hold before anything is
 * dropped, so that compaction does not leave thousands of nearly empty files. Pure.
 */

export interface GroupedSegment {
  readonly baseOffset: number;
  readonly sizeBytes: number;
  readonly offsetIndexBytes: number;
  readonly timeIndexBytes: number;
}

export interface GroupLimits {
  /** segment.bytes */
  readonly segmentBytes: number;
  /** segment.index.bytes */
  readonly segmentIndexBytes: number;
  /** Where the last of the segments ends at the latest. */
  readonly endOffset: number;
}

/** Offsets in indexes are 32-bit distances from the base. */
const OFFSET_SPAN_MAX = 0x7fff_ffff;

/** @param segments neighbours, oldest first */
export function groupSegments<T extends GroupedSegment>(
  segments: readonly T[],
  { segmentBytes, segmentIndexBytes, endOffset }: GroupLimits,
): readonly (readonly T[])[] {
  const groups: T[][] = [];
  let group: T[] = [];
  let sizeBytes = 0;
  let offsetIndexBytes = 0;
  let timeIndexBytes = 0;
  for (const [index, segment] of segments.entries()) {
    const lastOffset = (segments[index + 1]?.baseOffset ?? endOffset) - 1;
    const first = group[0];
    const fits =
      first !== undefined &&
      sizeBytes + segment.sizeBytes <= segmentBytes &&
      offsetIndexBytes + segment.offsetIndexBytes <= segmentIndexBytes &&
      timeIndexBytes + segment.timeIndexBytes <= segmentIndexBytes &&
      // An empty segment has no offsets, however far its end may seem.
      (segment.sizeBytes === 0 || lastOffset - first.baseOffset <= OFFSET_SPAN_MAX);
    if (!fits) {
      group = [];
      groups.push(group);
      sizeBytes = 0;
      offsetIndexBytes = 0;
      timeIndexBytes = 0;
    }
    group.push(segment);
    sizeBytes += segment.sizeBytes;
    offsetIndexBytes += segment.offsetIndexBytes;
    timeIndexBytes += segment.timeIndexBytes;
  }
  return groups;
}
