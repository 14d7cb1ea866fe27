/** How a learner's log is brought in line, by what the leader's history has at its last zxid. */
import { expect, test } from '@jest/globals';
import { planSync } from '../../../src/core/quorum/sync.ts';

const zxid = (epoch: number, counter: number): bigint => (BigInt(epoch) << 32n) | BigInt(counter);

test.each([
  { name: 'both empty', learner: 0n, floor: 0n, plan: { kind: 'diff', zxid: 0n } },
  {
    name: 'the last one is in our history',
    learner: zxid(3, 7),
    floor: zxid(3, 7),
    plan: { kind: 'diff', zxid: zxid(3, 7) },
  },
  {
    name: 'it has more of an epoch than we have',
    learner: zxid(3, 7),
    floor: zxid(3, 4),
    plan: { kind: 'truncate', zxid: zxid(3, 4) },
  },
  {
    name: 'it has an epoch that we have nothing of',
    learner: zxid(3, 1),
    floor: zxid(2, 9),
    plan: { kind: 'snapshot' },
  },
  {
    name: 'it has something and we have nothing',
    learner: zxid(1, 1),
    floor: 0n,
    plan: { kind: 'snapshot' },
  },
  {
    name: 'our log does not reach back so far',
    learner: zxid(1, 1),
    floor: null,
    plan: { kind: 'snapshot' },
  },
] as const)('$name', ({ learner, floor, plan }) => {
  expect(planSync(learner, floor)).toEqual(plan);
});
