/**
 * Keys must go where every other Kafka client sends them: murmur2 against known hashes. Keyless records
 * stick to a partition for a batch's worth, then go elsewhere.
 */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { murmur2 } from '../../src/producer/murmur2.ts';
import { partitionOfKey, StickyPartitioner } from '../../src/producer/partitioner.ts';

test.each([
  { key: '21', hash: -973932308 },
  { key: 'foobar', hash: -790332482 },
  { key: 'a-little-bit-long-string', hash: -985981536 },
  { key: 'a-little-bit-longer-string', hash: -1486304829 },
  { key: 'lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', hash: -58897971 },
  { key: 'abc', hash: 479470107 },
  { key: '', hash: 275646681 },
  { key: 'kafka', hash: -798503068 },
])('murmur2 of "$key"', ({ key, hash }) => {
  expect(murmur2(Buffer.from(key))).toBe(hash);
  // The same bytes anywhere in a larger buffer.
  expect(murmur2(Buffer.from(`x${key}`).subarray(1))).toBe(hash);
});

test.each([
  { key: '21', masked: 1173551340 },
  { key: 'foobar', masked: 1357151166 },
])('the partition of "$key" is its positive hash modulo the count', ({ key, masked }) => {
  for (const count of [1, 2, 7, 50, 1_000])
    expect(partitionOfKey(Buffer.from(key), count)).toBe(masked % count);
});

describe('sticky', () => {
  const choice = (sizeBytes: number, available = [0, 1, 2]) => ({
    topic: 't',
    key: null,
    sizeBytes,
    partitionCount: 3,
    available,
  });

  test('a batch goes to one partition, the next to another', () => {
    const partitioner = new StickyPartitioner(100, () => 0);
    const chosen = Array.from({ length: 8 }, () => partitioner.partition(choice(30)));
    expect(chosen).toEqual([0, 0, 0, 0, 1, 1, 1, 1]);
  });

  test('partitions without a leader are passed over, unless none has one', () => {
    const partitioner = new StickyPartitioner(1, () => 0);
    expect(partitioner.partition(choice(1, [2]))).toBe(2);
    expect(partitioner.partition(choice(1, [2]))).toBe(2);
    expect(partitioner.partition(choice(1, []))).toBe(0);
  });

  test('a topic that became smaller, and topics apart', () => {
    const partitioner = new StickyPartitioner(1_000, (limit) => limit - 1);
    expect(partitioner.partition(choice(1))).toBe(2);
    expect(partitioner.partition({ ...choice(1, [0]), partitionCount: 1 })).toBe(0);
    expect(partitioner.partition({ ...choice(1), topic: 'u' })).toBe(2);
  });

  test('property: always a partition that exists', () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ size: fc.nat(300), count: fc.integer({ min: 1, max: 9 }) })),
        fc.nat(),
        (records, chance) => {
          const partitioner = new StickyPartitioner(200, (limit) => chance % limit);
          for (const { size, count } of records) {
            const available = Array.from({ length: count }, (_, n) => n).filter((n) => n % 2 === 0);
            const partition = partitioner.partition({
              topic: 't',
              key: null,
              sizeBytes: size,
              partitionCount: count,
              available,
            });
            expect(partition).toBeGreaterThanOrEqual(0);
            expect(partition).toBeLessThan(count);
          }
        },
      ),
    );
  });
});
