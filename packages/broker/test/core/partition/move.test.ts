/**
 * What to do next with the copy of a log, and how fast. Goal: whatever happens to the log while it is copied, the
 * copy becomes the same, and nothing is copied that need not be. Method: tables, and random histories of a log
 * as a follower has them, against a copy that is stepped now and then.
 */
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { type EpochEndOffset, UNKNOWN } from '../../../src/core/partition/epochs.ts';
import { type CopiedLog, nextMoveStep } from '../../../src/core/partition/move.ts';
import { MoveQuota } from '../../../src/core/partition/move-quota.ts';

/** A log whose records are their epochs; what is below `start` is gone. */
class Model implements CopiedLog {
  start = 0;
  records: number[] = [];

  get logStartOffset(): number {
    return this.start;
  }

  get logEndOffset(): number {
    return this.start + this.records.length;
  }

  get latestEpoch(): number | null {
    return this.records.at(-1) ?? null;
  }

  endOffsetForEpoch(epoch: number): EpochEndOffset {
    const { records, start } = this;
    if (epoch === this.latestEpoch) return { epoch, endOffset: this.logEndOffset };
    const next = records.findIndex((of) => of > epoch);
    if (next < 0) return { epoch: UNKNOWN, endOffset: UNKNOWN };
    return { epoch: records[next - 1] ?? epoch, endOffset: start + next };
  }

  append(epoch: number, count: number): void {
    for (let n = 0; n < count; n += 1) this.records.push(Math.max(epoch, this.latestEpoch ?? 0));
  }

  truncate(offset: number): void {
    if (offset < this.start) this.restart(offset);
    else this.records.length = Math.min(this.records.length, offset - this.start);
  }

  raise(offset: number): void {
    const to = Math.min(Math.max(offset, this.start), this.logEndOffset);
    this.records.splice(0, to - this.start);
    this.start = to;
  }

  restart(offset: number): void {
    this.start = offset;
    this.records = [];
  }
}

/** One step of the copy; what it was. */
function step(log: Model, copy: Model, pieceMax: number): string {
  const next = nextMoveStep(log, copy);
  switch (next.kind) {
    case 'start-anew':
      copy.restart(next.offset);
      break;
    case 'truncate':
      expect(next.offset).toBeLessThan(copy.logEndOffset);
      copy.truncate(next.offset);
      break;
    case 'raise-start':
      copy.raise(next.offset);
      break;
    case 'copy': {
      const from = next.offset - log.start;
      for (const epoch of log.records.slice(from, from + pieceMax)) copy.append(epoch, 1);
      break;
    }
    case 'level':
      break;
  }
  return next.kind;
}

const modelOf = (start: number, records: readonly number[]): Model => {
  const model = new Model();
  model.start = start;
  model.records = [...records];
  return model;
};

test.each([
  { name: 'both empty', log: [0, []], copy: [0, []], expected: { kind: 'level' } },
  { name: 'an empty copy', log: [0, [1, 1]], copy: [0, []], expected: { kind: 'copy', offset: 0 } },
  { name: 'behind', log: [0, [1, 1, 2]], copy: [0, [1]], expected: { kind: 'copy', offset: 1 } },
  { name: 'the same', log: [5, [1, 2]], copy: [5, [1, 2]], expected: { kind: 'level' } },
  {
    name: 'the log was cut',
    log: [0, [1]],
    copy: [0, [1, 1, 1]],
    expected: { kind: 'truncate', offset: 1 },
  },
  {
    name: 'the log was cut and went on under another leader',
    log: [0, [1, 3, 3, 3]],
    copy: [0, [1, 2, 2]],
    expected: { kind: 'truncate', offset: 1 },
  },
  {
    name: 'the log begins behind the end of the copy',
    log: [9, [1]],
    copy: [0, [1, 1]],
    expected: { kind: 'start-anew', offset: 9 },
  },
  {
    name: 'records were deleted that the copy has',
    log: [2, [1, 1]],
    copy: [0, [1, 1, 1]],
    expected: { kind: 'raise-start', offset: 2 },
  },
  {
    name: 'the log began anew',
    log: [3, []],
    copy: [0, [1, 1, 1, 1, 1]],
    expected: { kind: 'start-anew', offset: 3 },
  },
  {
    name: 'nothing is known of the epochs of the copy',
    log: [0, [1, 1, 1]],
    copy: [0, [7]],
    expected: { kind: 'start-anew', offset: 0 },
  },
] as const)('$name', ({ log, copy, expected }) => {
  expect(nextMoveStep(modelOf(log[0], log[1]), modelOf(copy[0], copy[1]))).toEqual(expected);
});

type Happening =
  | { readonly kind: 'append'; readonly count: number; readonly newLeader: boolean }
  | { readonly kind: 'cut'; readonly count: number }
  | { readonly kind: 'delete'; readonly count: number }
  | { readonly kind: 'restart'; readonly ahead: number }
  | { readonly kind: 'steps'; readonly count: number };

const happening: fc.Arbitrary<Happening> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('append' as const),
      count: fc.nat(5),
      newLeader: fc.boolean(),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('cut' as const),
      count: fc.integer({ min: 1, max: 6 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('delete' as const), count: fc.nat(6) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('restart' as const), ahead: fc.nat(4) }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('steps' as const), count: fc.nat(4) }) },
);

test('whatever happens to the log, its copy becomes the same', () => {
  fc.assert(
    fc.property(
      fc.array(happening, { maxLength: 40 }),
      fc.integer({ min: 1, max: 4 }),
      (happenings, pieceMax) => {
        const log = new Model();
        const copy = new Model();
        let epoch = 0;
        for (const one of happenings) {
          switch (one.kind) {
            case 'append':
              if (one.newLeader) epoch += 1;
              log.append(epoch, one.count);
              break;
            case 'cut': // By a new leader, whose records follow.
              log.truncate(Math.max(log.start, log.logEndOffset - one.count));
              epoch += 1;
              break;
            case 'delete':
              log.raise(log.start + one.count);
              break;
            case 'restart':
              log.restart(log.logEndOffset + one.ahead);
              epoch += 1;
              break;
            case 'steps':
              for (let n = 0; n < one.count; n += 1) step(log, copy, pieceMax);
              break;
          }
        }
        let count = 0;
        while (step(log, copy, pieceMax) !== 'level') {
          count += 1;
          expect(count).toBeLessThan(400);
        }
        expect([copy.start, copy.records]).toEqual([log.start, log.records]);
      },
    ),
    { numRuns: 2_000 },
  );
});

test('a quota holds on average, whatever the pieces', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 100, max: 10_000 }),
      fc.array(fc.integer({ min: 1, max: 5_000 }), { minLength: 20, maxLength: 60 }),
      (rate, pieces) => {
        const quota = new MoveQuota({ windowCount: 1_000_000, windowMs: 1_000 });
        let now = 0;
        let bytes = 0;
        for (const piece of pieces) {
          now += quota.pauseMs(rate, now);
          expect(quota.pauseMs(rate, now)).toBe(0);
          quota.spent(piece, now);
          bytes += piece;
        }
        const last = pieces.at(-1) ?? 0;
        // What was spent before the last piece was covered by the time that had passed.
        expect(((bytes - last) / rate) * 1_000).toBeLessThanOrEqual(Math.max(now, 1_000) + 1);
      },
    ),
  );
});

test('no quota, a quota of nothing, and what is long ago', () => {
  const quota = new MoveQuota({ windowCount: 2, windowMs: 1_000 });
  expect(quota.pauseMs(10, 0)).toBe(0);
  quota.spent(100_000, 0);
  expect(quota.pauseMs(Number.POSITIVE_INFINITY, 0)).toBe(0);
  expect(quota.pauseMs(0, 0)).toBe(Number.POSITIVE_INFINITY);
  expect(quota.pauseMs(10_000, 0)).toBe(10_000);
  expect(quota.pauseMs(10_000, 1_500)).toBe(8_500);
  expect(quota.pauseMs(10_000, 2_000)).toBe(0);
});
