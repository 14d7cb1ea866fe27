/**
 * Goal: whatever a broker's logs were doing when it was killed, lost its power or met a failing disk, what was
 * promised is there afterwards, and nothing else is served. Method: seeded histories on the simulated disk, long
 * ones ended somewhere, short ones ended at every single change of the medium. `npm run simulate:log` runs more.
 */
import { expect, test } from '@jest/globals';
import { COMPACTED, cutShort, drawLogPlan } from './log/plan.ts';
import { runLogPlan } from './log/run.ts';

/** Each of these found a bug once; what it was is in docs/decisions/log-crash-safety.md. */
const ONCE_FAILED = [
  5, 12, 13, 22, 29, 30, 41, 43, 59, 91, 113, 134, 149, 155, 187, 260, 322, 335, 393, 423, 465, 473,
  529, 599, 20_312, 41_466, 50_118, 61_361, 203_617,
];

/** The same of logs that are compacted; see docs/decisions/compaction.md. */
const COMPACTED_ONCE_FAILED = [593, 872, 100_262, 700_040, 700_085];

test.each([
  ...ONCE_FAILED,
  ...Array.from({ length: 40 }, (_, index) => 10_001 + index),
  ...COMPACTED_ONCE_FAILED.map((seed) => COMPACTED + seed),
  ...Array.from({ length: 15 }, (_, index) => COMPACTED + (10_001 + index)),
])('everything holds with seed %s', async (seed) => {
  expect((await runLogPlan(drawLogPlan(seed))).breach).toBeNull();
});

test.each([
  { seed: 3, ending: 'power', operations: 12 },
  { seed: 5, ending: 'kill', operations: 12 },
  { seed: `${COMPACTED}25`, ending: 'power', operations: 40 },
] as const)(
  'a history of $operations operations may end by $ending at every place, seed $seed',
  async (short) => {
    for (let at = 1; ; at += 1) {
      const plan = cutShort(short.seed, short.operations, short.ending, at);
      const { breach, changes, passes } = await runLogPlan(plan);
      expect({ at, breach }).toEqual({ at, breach: null });
      if ((changes[0] ?? 0) >= at) continue;
      expect(passes > 0).toBe(plan.cleaner !== null);
      return;
    }
  },
);

test.each([7, `${COMPACTED}7`])('a seed is the same run each time, %s', async (seed) => {
  const hashes = [await runLogPlan(drawLogPlan(seed)), await runLogPlan(drawLogPlan(seed))];
  expect(hashes[0]?.traceHash).toBe(hashes[1]?.traceHash);
});
