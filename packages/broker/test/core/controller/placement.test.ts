/**
 * Replica placement against vectors worked out by hand from the algorithm: start and shift are
 * given, so every choice is determined.
 */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  interleave,
  type Placement,
  place,
  startForAddedPartitions,
} from '../../../src/core/controller/placement.ts';

const plain = (...ids: number[]) => ids.map((id) => ({ id, rack: null }));

function placedOf(placement: Placement): number[][] {
  if (placement.kind !== 'placed') throw new Error(placement.refusal.reason);
  return [...placement.replicas.values()].map((replicas) => [...replicas]);
}

describe('without racks', () => {
  test('five brokers, ten partitions, three replicas: the second round shifts followers by one', () => {
    const placement = place({
      brokers: plain(0, 1, 2, 3, 4),
      partitionCount: 10,
      replicationFactor: 3,
      start: 0,
      shift: 0,
    });
    expect(placedOf(placement)).toEqual([
      [0, 1, 2],
      [1, 2, 3],
      [2, 3, 4],
      [3, 4, 0],
      [4, 0, 1],
      [0, 2, 3],
      [1, 3, 4],
      [2, 4, 0],
      [3, 0, 1],
      [4, 1, 2],
    ]);
  });

  test('start and shift other than 0; ids are sorted first', () => {
    const placement = place({
      brokers: plain(7, 3, 5),
      partitionCount: 4,
      replicationFactor: 2,
      start: 2,
      shift: 1,
    });
    // Sorted 3,5,7. first: 2,0,1,(0+... shift 2 from partition 3) 2.
    // p0: first 2, (2+1+1%2)%3=1 -> 5; p1: first 0 -> 2 -> 7; p2: first 1 -> 0 -> 3; p3: (2+1+2%2)%3=0 -> 3.
    expect(placedOf(placement)).toEqual([
      [7, 5],
      [3, 7],
      [5, 3],
      [7, 3],
    ]);
  });

  test('added partitions go on where the topic stands', () => {
    const brokers = plain(0, 1, 2, 3, 4);
    const start = startForAddedPartitions(brokers, 0);
    const placement = place({
      brokers,
      partitionCount: 2,
      replicationFactor: 3,
      start,
      shift: start,
      firstPartition: 5,
    });
    expect([...(placement.kind === 'placed' ? placement.replicas : [])]).toEqual([
      [5, [0, 2, 3]],
      [6, [1, 3, 4]],
    ]);
  });

  test.each([
    { ids: [1, 2, 3], first: 2, start: 1 },
    { ids: [1, 4], first: 2, start: 1 },
    { ids: [1, 2], first: 9, start: 0 }, // The first replica's broker is gone: from the beginning.
  ])('brokers $ids, partition 0 on $first: start $start', ({ ids, first, start }) => {
    expect(startForAddedPartitions(plain(...ids), first)).toBe(start);
  });

  test('one broker', () => {
    const one = { brokers: plain(4), partitionCount: 2, replicationFactor: 1, start: 0, shift: 0 };
    expect(placedOf(place(one))).toEqual([[4], [4]]);
  });
});

describe('with racks', () => {
  const racked = [
    { id: 0, rack: 'rack1' },
    { id: 1, rack: 'rack3' },
    { id: 2, rack: 'rack3' },
    { id: 3, rack: 'rack2' },
    { id: 4, rack: 'rack2' },
    { id: 5, rack: 'rack1' },
  ];

  test('brokers are interleaved by rack', () => {
    const racks = new Map([
      ['rack2', [3, 4, 9]],
      ['rack1', [0, 5]],
      ['rack3', [1]],
    ]);
    expect(interleave(racks)).toEqual([0, 3, 1, 5, 4, 9]);
  });

  test('six brokers on three racks, seven partitions: each partition on all racks', () => {
    const placement = place({
      brokers: racked,
      partitionCount: 7,
      replicationFactor: 3,
      start: 0,
      shift: 0,
    });
    // The interleaved list is 0,3,1,5,4,2 (rack1, rack2, rack3, rack1, rack2, rack3).
    expect(placedOf(placement)).toEqual([
      [0, 3, 1],
      [3, 1, 5],
      [1, 5, 4],
      [5, 4, 2],
      [4, 2, 0],
      [2, 0, 3],
      [0, 4, 2],
    ]);
  });

  test('more replicas than racks: every rack once, then brokers that are left', () => {
    const placement = place({
      brokers: racked,
      partitionCount: 1,
      replicationFactor: 5,
      start: 0,
      shift: 0,
    });
    expect(placedOf(placement)).toEqual([[0, 3, 1, 5, 4]]);
  });

  test('racks do not count when one broker names none', () => {
    const brokers = racked.map((broker) => (broker.id === 5 ? { id: 5, rack: null } : broker));
    const request = { brokers, partitionCount: 1, replicationFactor: 3, start: 0, shift: 0 };
    expect(placedOf(place(request))).toEqual([[0, 1, 2]]);
  });
});

test.each([
  { partitionCount: 0, replicationFactor: 1, code: 'INVALID_PARTITIONS' },
  { partitionCount: 1, replicationFactor: 0, code: 'INVALID_REPLICATION_FACTOR' },
  { partitionCount: 1, replicationFactor: 3, code: 'INVALID_REPLICATION_FACTOR' },
])('$partitionCount partitions, $replicationFactor replicas on two brokers: $code', (request) => {
  const placement = place({ brokers: plain(0, 1), start: 0, shift: 0, ...request });
  expect(placement).toMatchObject({ kind: 'refused', refusal: { code: request.code } });
});

test('any placement: distinct live brokers, and leaders as even as can be', () => {
  const rack = fc.option(fc.constantFrom('a', 'b', 'c'), { nil: null });
  fc.assert(
    fc.property(
      fc.array(rack, { minLength: 1, maxLength: 9 }),
      fc.integer({ min: 1, max: 40 }),
      fc.nat(),
      fc.nat(),
      fc.nat(),
      (racks, partitionCount, a, b, c) => {
        const brokers = racks.map((name, index) => ({ id: index * 3, rack: name }));
        const count = brokers.length;
        const replicas = placedOf(
          place({
            brokers,
            partitionCount,
            replicationFactor: 1 + (a % count),
            start: b % count,
            shift: c % count,
          }),
        );
        const led = new Map<number, number>();
        for (const ids of replicas) {
          expect(new Set(ids).size).toBe(1 + (a % count));
          for (const id of ids) expect(brokers.some((broker) => broker.id === id)).toBe(true);
          led.set(ids[0] ?? -1, (led.get(ids[0] ?? -1) ?? 0) + 1);
        }
        const counts = brokers.map(({ id }) => led.get(id) ?? 0);
        expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
      },
    ),
  );
});
