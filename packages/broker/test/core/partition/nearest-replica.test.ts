/** Goal: a leader sends a consumer to the replica that Kafka's rack-aware selector picks. Method: a table. */
import { expect, test } from '@jest/globals';
import { PartitionLeader } from '../../../src/core/partition/leader.ts';
import { nearerReplica } from '../../../src/core/partition/nearest-replica.ts';

const AROUND = { minInsyncReplicas: 1, lagMaxMs: 1_000, isAlive: () => true };
const RACKS = new Map([
  [1, 'a'],
  [2, 'b'],
  [3, 'b'],
  [4, 'c'],
]);

test.each([
  { name: 'the leader is in the rack', rack: 'a', offset: 5, nearer: null },
  { name: 'the one that has most', rack: 'b', offset: 5, nearer: 3 },
  { name: 'a replica that is not in sync is none', rack: 'c', offset: 5, nearer: null },
  { name: 'no replica in the rack', rack: 'd', offset: 5, nearer: null },
  { name: 'nobody there has that much yet', rack: 'b', offset: 21, nearer: null },
  { name: 'nobody there has it any more', rack: 'b', offset: 1, nearer: null },
  { name: 'only one there still has it', rack: 'b', offset: 2, nearer: 2 },
  { name: 'nobody there has fetched', rack: 'b', offset: 5, nearer: null, silent: true },
  { name: 'as much: who had all there was later', rack: 'b', offset: 5, nearer: 2, same: true },
])('$name: $nearer', ({ rack, offset, nearer, silent = false, same = false }) => {
  const leader = new PartitionLeader(
    {
      self: 1,
      replicas: [1, 2, 3, 4],
      isr: [1, 2, 3],
      leaderEpoch: 1,
      partitionEpoch: 1,
      recoveryState: 0,
      epochStartOffset: 0,
      logEndOffset: 20,
      highWatermark: 0,
    },
    0,
  );
  if (!silent) {
    leader.followerFetched(3, { offset: 20, logStartOffset: 5 }, AROUND, 10);
    leader.followerFetched(2, { offset: same ? 20 : 15, logStartOffset: 2 }, AROUND, 20);
    leader.followerFetched(4, { offset: 20, logStartOffset: 0 }, AROUND, 30);
  }
  const rackOf = (id: number): string | null => RACKS.get(id) ?? null;
  expect(nearerReplica(leader, 1, rack, offset, { rackOf })).toBe(nearer);
});
