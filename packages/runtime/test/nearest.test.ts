/** Edit distance and the guess that is made from it. */
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { editDistance, nearestName } from '../src/index.ts';

test.each([
  ['', '', 0],
  ['abc', '', 3],
  ['kitten', 'sitting', 3],
  ['log.dir', 'log.dirs', 1],
  ['prot', 'port', 1],
  ['ca', 'abc', 3],
])('%s -> %s takes %i', (from, to, distance) => {
  expect(editDistance(from, to)).toBe(distance);
  expect(editDistance(to, from)).toBe(distance);
});

test('a limit cuts the search short but never changes what lies within it', () => {
  const words = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), maxLength: 8 });
  fc.assert(
    fc.property(words, words, fc.nat(9), (from, to, limit) => {
      const distance = editDistance(from, to);
      expect(editDistance(from, to, limit)).toBe(Math.min(distance, limit + 1));
      expect(distance).toBeLessThanOrEqual(Math.max(from.length, to.length));
      expect(distance === 0).toBe(from === to);
    }),
  );
});

test('the nearest known name, or none when all are too far', () => {
  const known = ['log.dirs', 'log.dir', 'num.partitions', 'broker.id'];
  expect(nearestName('log.drs', known)).toBe('log.dirs');
  expect(nearestName('Broker.ID', known)).toBe('broker.id');
  expect(nearestName('num.partition', known)).toBe('num.partitions');
  expect(nearestName('zookeeper', known)).toBeNull();
  expect(nearestName('x', [])).toBeNull();
});
