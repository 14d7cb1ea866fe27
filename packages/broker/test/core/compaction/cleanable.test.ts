/** What of a log is dirty and may be compacted, case by case: Kafka's LogCleanerManager, and segments that go together. */
import { describe, expect, test } from '@jest/globals';
import {
  dirtOf,
  dirtyRatio,
  type LogFacts,
  worthCleaning,
} from '../../../src/core/compaction/cleanable.ts';
import { groupSegments } from '../../../src/core/compaction/segment-groups.ts';
import { longestSegmentMs } from '../../../src/log/log-config.ts';

const NOW = 1_000_000;

/** Four segments of 100 bytes at 0, 10, 20 and 30, the last one active; one is 100 seconds younger than the one before. */
const facts = (changes: Partial<LogFacts> = {}): LogFacts => ({
  segments: [0, 10, 20, 30].map((baseOffset, index) => ({
    baseOffset,
    sizeBytes: 100,
    youngestMs: NOW - 400_000 + index * 100_000,
    firstBatchMs: NOW - 450_000 + index * 100_000,
  })),
  logStartOffset: 0,
  logEndOffset: 40,
  lastStableOffset: 40,
  cleanedUpTo: null,
  minLagMs: 0,
  maxLagMs: Number.MAX_SAFE_INTEGER,
  wallTimeMs: NOW,
  ...changes,
});

describe('dirtOf', () => {
  test.each<[string, Partial<LogFacts>, [number, number, number, number]]>([
    // name, changes, [first dirty, first uncleanable, clean bytes, cleanable bytes]
    ['nothing was compacted yet', {}, [0, 30, 0, 300]],
    ['all but the last segment was', { cleanedUpTo: 20 }, [20, 30, 200, 100]],
    ['everything was', { cleanedUpTo: 30 }, [30, 30, 300, 0]],
    ['in the middle of a segment', { cleanedUpTo: 15 }, [15, 30, 200, 200]],
    ['an open transaction', { lastStableOffset: 25 }, [0, 20, 0, 200]],
    ['an open transaction from the start', { lastStableOffset: 0 }, [0, 0, 0, 0]],
    [
      'a transaction opened where it was compacted',
      { cleanedUpTo: 20, lastStableOffset: 5 },
      [20, 20, 200, 0],
    ],
    ['too young from the third segment on', { minLagMs: 250_000 }, [0, 20, 0, 200]],
    ['all too young', { minLagMs: 500_000 }, [0, 0, 0, 0]],
    [
      'the start has passed the checkpoint',
      { logStartOffset: 12, cleanedUpTo: 5 },
      [12, 30, 200, 200],
    ],
    ['the checkpoint is past the end', { cleanedUpTo: 41 }, [0, 30, 0, 300]],
  ])('%s', (_, changes, [first, uncleanable, clean, cleanable]) => {
    expect(dirtOf(facts(changes))).toMatchObject({
      firstDirtyOffset: first,
      firstUncleanableOffset: uncleanable,
      cleanBytes: clean,
      cleanableBytes: cleanable,
    });
  });

  test.each([
    [{ cleanedUpTo: 5, logStartOffset: 12 }, true],
    [{ cleanedUpTo: 41 }, true],
    [{ cleanedUpTo: 40 }, false],
    [{ logStartOffset: 12 }, false],
  ])('a checkpoint that makes no sense is to be written anew: %j', (changes, wrong) => {
    expect(dirtOf(facts(changes)).checkpointIsWrong).toBe(wrong);
  });

  test.each([
    // The first dirty segment began 450 s ago, or 350 when the first is clean.
    [{ maxLagMs: 400_000 }, 50_000],
    [{ maxLagMs: 400_000, cleanedUpTo: 10 }, 0],
    [{ maxLagMs: 300_000, cleanedUpTo: 10 }, 50_000],
    [{ maxLagMs: 450_000 }, 0],
  ])('overdue with %j: %i ms', (changes, overdueMs) => {
    expect(dirtOf(facts(changes)).overdueMs).toBe(overdueMs);
  });

  test('the dirty share must be above the ratio, or something overdue', () => {
    const half = dirtOf(facts({ cleanedUpTo: 20, lastStableOffset: 40 }));
    expect(dirtyRatio(half)).toBeCloseTo(1 / 3);
    expect(worthCleaning(half, 0.33)).toBe(true);
    expect(worthCleaning(half, 0.34)).toBe(false);
    expect(worthCleaning(dirtOf(facts({ cleanedUpTo: 20, maxLagMs: 1 })), 0.9)).toBe(true);
    expect(worthCleaning(dirtOf(facts({ cleanedUpTo: 30, maxLagMs: 1 })), 0)).toBe(false);
    expect(worthCleaning(dirtOf(facts({ lastStableOffset: 0 })), 0)).toBe(false);
  });
});

describe('groupSegments', () => {
  const segment = (baseOffset: number, sizeBytes: number, indexBytes = 8) => ({
    baseOffset,
    sizeBytes,
    offsetIndexBytes: indexBytes,
    timeIndexBytes: indexBytes,
  });
  const limits = { segmentBytes: 100, segmentIndexBytes: 80, endOffset: 50 };
  const bases = (groups: readonly (readonly { baseOffset: number }[])[]): number[][] =>
    groups.map((group) => group.map(({ baseOffset }) => baseOffset));

  test.each<[string, ReturnType<typeof segment>[], Partial<typeof limits>, number[][]]>([
    ['none', [], {}, []],
    ['as many as fit', [segment(0, 40), segment(10, 60), segment(20, 1)], {}, [[0, 10], [20]]],
    ['one that is too large alone', [segment(0, 500), segment(10, 10)], {}, [[0], [10]]],
    [
      'full indexes',
      [segment(0, 1, 40), segment(10, 1, 40), segment(20, 1, 8)],
      {},
      [[0, 10], [20]],
    ],
    [
      'a span of offsets that an index cannot hold',
      [segment(0, 1), segment(10, 1), segment(2 ** 31, 1)],
      { endOffset: 2 ** 31 + 5 },
      [[0, 10], [2 ** 31]],
    ],
    [
      'the last offset of the span counts',
      [segment(0, 1), segment(10, 1)],
      { endOffset: 2 ** 31 + 1 },
      [[0], [10]],
    ],
    ['nearly', [segment(0, 1), segment(10, 1)], { endOffset: 2 ** 31 }, [[0, 10]]],
    [
      'an empty segment has no offsets',
      [segment(0, 1), segment(10, 0)],
      { endOffset: 2 ** 33 },
      [[0, 10]],
    ],
  ])('%s', (_, segments, changes, expected) => {
    expect(bases(groupSegments(segments, { ...limits, ...changes }))).toEqual(expected);
  });
});

test.each([
  [['compact'], 5, 100, 5],
  [['compact', 'delete'], 500, 100, 100],
  [['delete'], 5, 100, 100],
  [['compact'], 0, 100, 100],
] as const)(
  'a segment of %j spans no more than max.compaction.lag.ms',
  (cleanupPolicy, maxCompactionLagMs, segmentMs, expected) => {
    expect(longestSegmentMs({ cleanupPolicy, maxCompactionLagMs, segmentMs })).toBe(expected);
  },
);
