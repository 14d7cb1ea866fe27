/** The tail cache: which batches it keeps, whose it lets go, and what it counts. */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { Tail, TailCache } from '../../src/log/tail-cache.ts';

/** Bytes with memory of their own. */
const own = (size: number): Buffer => Buffer.from(new ArrayBuffer(size));

describe('the bound', () => {
  test('holds for all partitions together, the oldest leave first', () => {
    const cache = new TailCache(10_000);
    const tails = [new Tail(), new Tail()];
    for (let index = 0; index < 20; index++) {
      cache.add(tails[index % 2]!, own(1000), index >> 1, (index >> 1) + 1);
      expect(cache.bytes).toBeLessThanOrEqual(10_000);
    }
    const [one, two] = tails;
    expect(one!.count + two!.count).toBe(8);
    expect([one!.find(9), two!.find(9)]).toEqual([3, 3]);
    expect([one!.find(5), two!.find(5)]).toEqual([-1, -1]);
  });

  test('counts a frame once, and as long as any slice of it is held', () => {
    const cache = new TailCache(1_000_000);
    const frame = own(100_000);
    const tails = [new Tail(), new Tail()];
    cache.add(tails[0]!, frame.subarray(0, 100), 0, 1);
    expect(cache.bytes).toBeGreaterThanOrEqual(100_000);
    cache.add(tails[1]!, frame.subarray(100, 200), 0, 1);
    expect(cache.bytes).toBeLessThan(101_000);
    cache.clear(tails[0]!);
    expect(cache.bytes).toBeGreaterThanOrEqual(100_000);
    cache.clear(tails[1]!);
    expect(cache.bytes).toBe(0);
  });

  test('an entry larger than all of it is not kept', () => {
    const cache = new TailCache(1000);
    const tail = new Tail();
    cache.add(tail, own(5000), 0, 1);
    expect([cache.bytes, tail.count]).toEqual([0, 0]);
  });
});

test('entries are contiguous: a gap drops what was before it', () => {
  const cache = new TailCache(100_000);
  const tail = new Tail();
  cache.add(tail, own(10), 0, 5);
  cache.add(tail, own(10), 5, 8);
  expect([tail.find(0), tail.find(4), tail.find(5), tail.find(7), tail.find(8)]).toEqual([
    0, 0, 1, 1, -1,
  ]);
  cache.add(tail, own(10), 20, 21);
  expect([tail.count, tail.find(5), tail.find(20)]).toEqual([1, -1, 0]);
});

test('whatever comes and goes, the count is that of what is held', () => {
  const step = fc.record({
    tail: fc.integer({ min: 0, max: 2 }),
    frame: fc.integer({ min: 0, max: 5 }),
    clear: fc.boolean(),
  });
  fc.assert(
    fc.property(
      fc.array(step, { maxLength: 60 }),
      fc.integer({ min: 0, max: 4000 }),
      (steps, limit) => {
        const cache = new TailCache(limit);
        const frames = Array.from({ length: 6 }, (_, index) => own(100 * (index + 1)));
        const tails = [new Tail(), new Tail(), new Tail()];
        const ends = [0, 0, 0];
        for (const { tail: index, frame, clear } of steps) {
          const tail = tails[index]!;
          if (clear) cache.clear(tail);
          else cache.add(tail, frames[frame]!.subarray(0, 50), ends[index]!, ++ends[index]!);
          const held = tails.flatMap((each) =>
            Array.from({ length: each.count }, (_, at) => each.at(at)!),
          );
          const memory = new Set(held.map(({ bytes }) => bytes.buffer));
          const bytes = [...memory].reduce(
            (sum, buffer) => sum + buffer.byteLength,
            held.length * 160,
          );
          expect(cache.bytes).toBe(bytes);
          expect(cache.bytes).toBeLessThanOrEqual(limit);
        }
        for (const tail of tails) cache.clear(tail);
        expect(cache.bytes).toBe(0);
      },
    ),
  );
});
