/**
 * Where logs part, and how far they are cut. Goal: a follower ends with a prefix of its leader's log
 * and loses nothing it need not. Method: tables, and random pairs of logs that are made to converge.
 */
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { judge, mayStop } from '../../../src/core/partition/assignment.ts';
import {
  afterOutOfRange,
  divergence,
  type EpochEndOffset,
  fencing,
  truncationOffset,
} from '../../../src/core/partition/epochs.ts';

test.each([
  { requested: -1, current: 5, expected: null },
  { requested: 5, current: 5, expected: null },
  { requested: 4, current: 5, expected: 'FENCED_LEADER_EPOCH' },
  { requested: 6, current: 5, expected: 'UNKNOWN_LEADER_EPOCH' },
])(
  'a request of epoch $requested at a replica of epoch $current',
  ({ requested, current, expected }) => {
    expect(fencing(requested, current)).toBe(expected);
  },
);

test.each([
  { name: 'a prefix', epoch: 3, offset: 20, ours: { epoch: 3, endOffset: 30 }, expected: null },
  { name: 'the same end', epoch: 3, offset: 30, ours: { epoch: 3, endOffset: 30 }, expected: null },
  {
    name: 'longer than its epoch was',
    epoch: 3,
    offset: 31,
    ours: { epoch: 3, endOffset: 30 },
    expected: { epoch: 3, endOffset: 30 },
  },
  {
    name: 'of an epoch we never had',
    epoch: 3,
    offset: 10,
    ours: { epoch: 2, endOffset: 12 },
    expected: { epoch: 2, endOffset: 12 },
  },
  {
    name: 'of an epoch nobody knows',
    epoch: 9,
    offset: 10,
    ours: { epoch: -1, endOffset: -1 },
    expected: 'out-of-range',
  },
])('a follower whose log is $name', ({ epoch, offset, ours, expected }) => {
  expect(divergence(epoch, offset, ours)).toEqual(expected);
});

test.each([
  { latest: 10, earliest: 0, end: 15, expected: { kind: 'truncate', offset: 10 } },
  { latest: 90, earliest: 40, end: 15, expected: { kind: 'start-anew', offset: 40 } },
  { latest: 90, earliest: 10, end: 15, expected: { kind: 'continue', offset: 15 } },
])(
  'out of range with the leader at $earliest..$latest and us at $end',
  ({ latest, earliest, end, expected }) => {
    expect(afterOutOfRange(latest, earliest, end)).toEqual(expected);
  },
);

/** A log as the list of its records' epochs, which never fall. */
type EpochLog = readonly number[];

/** Kafka's rule for the end of an epoch (kafka-storage, leader epoch cache). */
function endOf(log: EpochLog, epoch: number): EpochEndOffset {
  if (log.length === 0 || epoch < 0) return { epoch: -1, endOffset: -1 };
  const latest = log.at(-1) ?? -1;
  if (epoch === latest) return { epoch, endOffset: log.length };
  if (epoch > latest) return { epoch: -1, endOffset: -1 };
  const next = log.findIndex((one) => one > epoch);
  const floor = next === 0 ? epoch : (log[next - 1] ?? -1);
  return { epoch: floor, endOffset: next };
}

test('two logs with a common past always converge, and only what differs is cut', () => {
  const suffix = (epochs: readonly number[]) =>
    fc
      .array(fc.constantFrom(...epochs), { maxLength: 8 })
      .map((list) => list.sort((a, b) => a - b));
  const common = fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 1, maxLength: 8 });
  fc.assert(
    // An epoch has one leader, so two logs that part have no epoch in common from there on, but for
    // the one in which the common past ends and one of them may go on.
    fc.property(common, suffix([4, 6, 8]), suffix([5, 7, 9]), (past, leaderTail, followerTail) => {
      const shared = past.sort((a, b) => a - b);
      const leader: EpochLog = [...shared, ...leaderTail, 10];
      let follower: EpochLog = [...shared, ...followerTail];
      for (let round = 0; round < 30; round += 1) {
        const offset = follower.length;
        const parted = divergence(
          follower.at(-1) ?? -1,
          offset,
          endOf(leader, follower.at(-1) ?? -1),
        );
        if (parted === null) break;
        expect(parted).not.toBe('out-of-range');
        if (parted === 'out-of-range') return;
        const cut = truncationOffset(parted, offset, offset, endOf(follower, parted.epoch));
        expect(cut).toBeLessThan(offset);
        follower = follower.slice(0, cut);
        if (follower.length === 0) break;
      }
      expect(follower).toEqual(shared);
    }),
  );
});

test('the example of the reference: two epochs that the other never had', () => {
  const leader = { epoch: 0, endOffset: 12 };
  expect(divergence(1, 15, leader)).toEqual(leader);
  expect(truncationOffset(leader, 15, 15, { epoch: 0, endOffset: 10 })).toBe(10);
});

const state = { leader: 1, leaderEpoch: 5, replicas: [1, 2], topicId: 'A' };
test.each([
  { name: 'new, ours to lead', held: null, self: 1, expected: 'lead' },
  { name: 'new, ours to follow', held: null, self: 2, expected: 'follow' },
  { name: 'not ours', held: null, self: 3, expected: 'UNKNOWN_TOPIC_OR_PARTITION' },
  { name: 'of a later epoch', held: { leaderEpoch: 4, topicId: 'A' }, self: 1, expected: 'lead' },
  {
    name: 'of the same epoch',
    held: { leaderEpoch: 5, topicId: 'A' },
    self: 1,
    expected: 'STALE_CONTROLLER_EPOCH',
  },
  {
    name: 'of an older epoch',
    held: { leaderEpoch: 6, topicId: 'A' },
    self: 1,
    expected: 'STALE_CONTROLLER_EPOCH',
  },
  {
    name: 'bringing a topic id',
    held: { leaderEpoch: 5, topicId: null },
    self: 1,
    expected: 'adopt-topic-id',
  },
  {
    name: 'of another topic of that name',
    held: { leaderEpoch: 4, topicId: 'B' },
    self: 1,
    expected: 'INCONSISTENT_TOPIC_ID',
  },
])('a partition $name', ({ held, self, expected }) => {
  expect(judge(state, held, self)).toBe(expected);
});

test.each([
  { requested: -1, held: 9, expected: true },
  { requested: -2, held: 9, expected: true },
  { requested: 9, held: 9, expected: true },
  { requested: 8, held: 9, expected: false },
])('stopping under epoch $requested at $held', ({ requested, held, expected }) => {
  expect(mayStop(requested, held)).toBe(expected);
});
