/** Java's string hash and the partition that follows from it, against values that Java computed. */
import { expect, test } from '@jest/globals';
import { coordinatorPartition, javaHash } from '../../../src/core/group/coordinator-partition.ts';

test.each([
  ['test-group', 627841412, 12],
  ['console-consumer-1', 35782224, 24],
  ['', 0, 0],
  ['my-txn-id', 1405732511, 11],
  ['group-é', 293427483, 33],
])('%j', (id, hash, partition) => {
  expect(javaHash(id)).toBe(hash);
  expect(coordinatorPartition(id, 50)).toBe(partition);
});

test('the one hash without a positive twin counts as 0', () => {
  expect(javaHash('polygenelubricants')).toBe(-2147483648);
  expect(coordinatorPartition('polygenelubricants', 50)).toBe(0);
});

test('a negative hash counts as its positive twin (122 · (31^6 - 1) / 30 - 2^32)', () => {
  expect(javaHash('zzzzzz')).toBe(-685785664);
  expect(coordinatorPartition('zzzzzz', 50)).toBe(685785664 % 50);
});
