/** Each flavour of election as a table: who is alive, what is stored, who leads then. */
import { expect, test } from '@jest/globals';
import {
  electAfterLoss,
  electForShutdown,
  electPreferred,
  firstLeader,
  withoutReplica,
} from '../../../src/core/controller/election.ts';

const stored = (leader: number, isr: number[], leaderRecoveryState = 0) => ({
  leader,
  leaderEpoch: 7,
  isr,
  leaderRecoveryState,
});
const candidacy = (live: number[], leader: number, isr: number[]) => ({
  assignment: [1, 2, 3],
  stored: stored(leader, isr),
  isOnline: (id: number) => live.includes(id),
});
const next = (leader: number, isr: number[], leaderRecoveryState = 0) => ({
  leader,
  leaderEpoch: 8,
  isr,
  leaderRecoveryState,
});

test.each([
  { live: [1, 2, 3], leader: { leader: 1, isr: [1, 2, 3] } },
  { live: [3, 2], leader: { leader: 2, isr: [2, 3] } },
])('first leader with $live alive', ({ live, leader }) => {
  expect(firstLeader([1, 2, 3], (id) => live.includes(id))).toEqual({
    ...leader,
    leaderEpoch: 0,
    leaderRecoveryState: 0,
  });
});

test('no first leader when nobody is alive', () => {
  expect(firstLeader([1, 2], () => false)).toBeNull();
});

test.each([
  {
    name: 'next of the ISR',
    live: [2, 3],
    isr: [1, 2, 3],
    unclean: false,
    elected: next(2, [2, 3]),
  },
  {
    name: 'assignment order counts',
    live: [2, 3],
    isr: [3, 2],
    unclean: false,
    elected: next(2, [3, 2]),
  },
  { name: 'only in sync', live: [2, 3], isr: [1, 3], unclean: true, elected: next(3, [3]) },
  { name: 'nobody in sync', live: [2], isr: [1], unclean: false, elected: null },
  { name: 'unclean', live: [2, 3], isr: [1], unclean: true, elected: next(2, [2], 1) },
  { name: 'nobody at all', live: [], isr: [1], unclean: true, elected: null },
])('after the leader was lost: $name', ({ live, isr, unclean, elected }) => {
  expect(electAfterLoss(candidacy(live, 1, isr), unclean)).toEqual(elected);
});

test.each([
  { live: [1, 2, 3], isr: [2, 1], elected: next(1, [2, 1]) },
  { live: [2, 3], isr: [2, 1], elected: null },
  { live: [1, 2, 3], isr: [2, 3], elected: null },
])('preferred: $live alive, ISR $isr', ({ live, isr, elected }) => {
  expect(electPreferred(candidacy(live, 2, isr))).toEqual(elected);
});

test.each([
  { live: [2, 3], isr: [1, 2, 3], stopping: [1], elected: next(2, [2, 3]) },
  { live: [3], isr: [1, 2, 3], stopping: [1, 2], elected: next(3, [3]) },
  { live: [2, 3], isr: [1], stopping: [1], elected: null },
])('controlled shutdown of $stopping with ISR $isr', ({ live, isr, stopping, elected }) => {
  expect(electForShutdown(candidacy(live, 1, isr), (id) => stopping.includes(id))).toEqual(elected);
});

test.each([
  { isr: [1, 2, 3], leader: 1, gone: 1, elected: next(-1, [2, 3]) },
  { isr: [1, 2, 3], leader: 1, gone: 3, elected: next(1, [1, 2]) },
  { isr: [1], leader: 1, gone: 1, elected: next(-1, [1]) }, // The only one known to have everything.
])('replica $gone of ISR $isr goes', ({ isr, leader, gone, elected }) => {
  expect(withoutReplica(stored(leader, isr), gone)).toEqual(elected);
});
