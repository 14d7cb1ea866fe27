/**
 * The tail cache: which batches it keeps, whose it lets go, what it counts, and that memory is used
 * again only when neither a write nor a reader is left. All pools poison what is released.
 */
import { describe, expect, test } from '@jest/globals';
import { BufferPool, InvariantViolation, type PooledBuffer } from '@odradek/runtime';
import fc from 'fast-check';
import {
  buffersOf,
  joinNeighbours,
  type StoredBatches,
  Tail,
  TailCache,
} from '../../src/log/tail-cache.ts';

const LIMIT_BYTES = 1 << 20;
const BLOCK_BYTES = LIMIT_BYTES / 16;

const poisoned = (): BufferPool => new BufferPool({ poison: true });

/** Stores and adds at once, as when a write is done in no time. */
function put(cache: TailCache, tail: Tail, bytes: Buffer, first: number, next: number): void {
  const stored = cache.store(bytes, tail);
  cache.add(tail, stored, first, next);
  stored.release();
}

function bytesOf(tail: Tail): Buffer {
  return Buffer.concat(Array.from({ length: tail.count }, (_, at) => tail.at(at)!.bytes));
}

describe('the bound', () => {
  test('holds for all partitions together, the oldest leave first', () => {
    const cache = new TailCache(poisoned(), LIMIT_BYTES);
    const tails = [new Tail(), new Tail()];
    for (let n = 0; n < 200; n++) {
      put(cache, tails[n % 2]!, Buffer.alloc(20_000, n), n >> 1, (n >> 1) + 1);
      expect(cache.bytes).toBeLessThanOrEqual(LIMIT_BYTES);
    }
    const [one, two] = tails;
    // Three fit a block; the entries' own cost takes the last of the 16 blocks.
    expect(one!.count + two!.count).toBe(200 - 3 * Math.ceil(200 / 3 - 15));
    expect(one!.find(99)).toBe(one!.count - 1);
    expect(two!.find(99)).toBe(two!.count - 1);
    expect([one!.find(5), two!.find(5)]).toEqual([-1, -1]);
    expect(one!.at(one!.count - 1)?.bytes.equals(Buffer.alloc(20_000, 198))).toBe(true);
  });

  test('a batch that is larger than a block has one of its own, larger than all it is not kept', () => {
    const cache = new TailCache(poisoned(), LIMIT_BYTES);
    const tail = new Tail();
    put(cache, tail, Buffer.alloc(10, 1), 0, 1);
    put(cache, tail, Buffer.alloc(BLOCK_BYTES * 3, 2), 1, 2);
    put(cache, tail, Buffer.alloc(10, 3), 2, 3);
    expect(bytesOf(tail).length).toBe(BLOCK_BYTES * 3 + 20);
    put(cache, tail, Buffer.alloc(LIMIT_BYTES + 1, 4), 3, 4);
    expect([cache.bytes, tail.count]).toEqual([0, 0]);
  });

  test('of nothing keeps nothing', () => {
    const cache = new TailCache(poisoned(), 0);
    const tail = new Tail();
    put(cache, tail, Buffer.alloc(100_000, 1), 0, 1);
    expect([cache.bytes, tail.count]).toEqual([0, 0]);
  });
});

test('entries are contiguous: a gap drops what was before it', () => {
  const cache = new TailCache(poisoned());
  const tail = new Tail();
  put(cache, tail, Buffer.alloc(10_000), 0, 5);
  put(cache, tail, Buffer.alloc(10_000), 5, 8);
  expect([0, 4, 5, 7, 8].map((offset) => tail.find(offset))).toEqual([0, 0, 1, 1, -1]);
  put(cache, tail, Buffer.alloc(10), 20, 21);
  expect([tail.count, tail.find(5), tail.find(20)]).toEqual([1, -1, 0]);
});

test('small batches become one entry, up to a size, however many partitions take turns', () => {
  const cache = new TailCache(poisoned());
  const tails = [new Tail(), new Tail(), new Tail()];
  for (let n = 0; n < 21; n++)
    for (const [index, tail] of tails.entries())
      put(cache, tail, Buffer.alloc(1000, n * 3 + index), n, n + 1);
  for (const [index, tail] of tails.entries()) {
    expect(tail.count).toBeLessThanOrEqual(7); // The room for them doubles: 1, 1, 2, 4, 8 and 5 more.
    expect([0, 20, 21].map((offset) => tail.find(offset))).toEqual([0, tail.count - 1, -1]);
    const expected = [...Array(21).keys()].map((n) => Buffer.alloc(1000, n * 3 + index));
    expect(bytesOf(tail)).toEqual(Buffer.concat(expected));
  }
  const alone = new Tail();
  for (let n = 0; n < 40; n++) put(cache, alone, Buffer.alloc(1000, n), n, n + 1);
  expect(alone.count).toBe(3);
});

test('room that is set aside is less than half of a block', () => {
  const cache = new TailCache(poisoned(), LIMIT_BYTES);
  const tails = Array.from({ length: 7 }, () => new Tail());
  let rounds = 0;
  while (cache.bytes < 2 * BLOCK_BYTES) {
    for (const tail of tails) put(cache, tail, Buffer.alloc(100, rounds), rounds, rounds + 1);
    rounds += 1;
  }
  expect(rounds * tails.length * 100).toBeGreaterThan(BLOCK_BYTES / 2);
});

test('room that is left in a block is left there when the next block has begun', () => {
  const cache = new TailCache(poisoned(), LIMIT_BYTES);
  const [one, two] = [new Tail(), new Tail()];
  for (let n = 0; n < 3; n++) put(cache, one, Buffer.alloc(100, n), n, n + 1);
  for (let n = 0; n < 3; n++) put(cache, two, Buffer.alloc(40_000, 100 + n), n, n + 1);
  for (let n = 3; n < 6; n++) put(cache, one, Buffer.alloc(100, n), n, n + 1);
  const expected = (counts: readonly number[], size: number, from: number): Buffer =>
    Buffer.concat(counts.map((n) => Buffer.alloc(size, from + n)));
  expect(bytesOf(one)).toEqual(expected([0, 1, 2, 3, 4, 5], 100, 0));
  expect(bytesOf(two)).toEqual(expected([0, 1, 2], 40_000, 100));
});

test('what is written is one piece where batches lie side by side', () => {
  const cache = new TailCache(poisoned(), LIMIT_BYTES);
  const [one, two] = [new Tail(), new Tail()];
  const stored: StoredBatches[] = [];
  for (let n = 0; n < 30; n++) {
    stored.push(cache.store(Buffer.alloc(50, n), one));
    cache.store(Buffer.alloc(50, 200), two);
    if (n === 20) stored.push(cache.store(Buffer.alloc(5000, 99), one));
  }
  const buffers = buffersOf(stored.map((each) => ({ stored: each })));
  expect(buffers.length).toBeLessThan(10);
  expect(Buffer.concat(buffers)).toEqual(Buffer.concat(stored.map(({ bytes }) => bytes)));
  expect(buffersOf([])).toEqual([]);
});

test('what waits to be written takes in what lies right behind it, up to an entry of the cache', () => {
  const cache = new TailCache(poisoned(), LIMIT_BYTES);
  const [tail, other] = [new Tail(), new Tail()];
  const all: Buffer[] = [];
  const waiting: StoredBatches[] = [];
  for (let n = 0; n < 400; n++) {
    const bytes = Buffer.alloc(100, n);
    all.push(bytes);
    const stored = cache.store(bytes, tail);
    cache.store(bytes, other).release();
    if (waiting.at(-1)?.takeIn(stored) !== true) waiting.push(stored);
  }
  expect(waiting.length).toBeLessThan(20);
  for (const { sizeBytes } of waiting) expect(sizeBytes).toBeLessThanOrEqual(16 * 1024);
  for (let n = 0; n < 40; n++) put(cache, other, Buffer.alloc(BLOCK_BYTES, n), n, n + 1);
  expect(Buffer.concat(waiting.map(({ bytes }) => bytes))).toEqual(Buffer.concat(all));
  for (const each of waiting) each.release();
  for (const { bytes } of waiting) expect(bytes.every((byte) => byte === 0xdb)).toBe(true);
});

test('slices that lie side by side are joined, others are not', () => {
  const memory = Buffer.from('abcdefghij');
  const slice = (from: number, to: number): Buffer => memory.subarray(from, to);
  expect(joinNeighbours([])).toEqual([]);
  const runs = joinNeighbours([
    slice(0, 2),
    slice(2, 3),
    slice(4, 6),
    Buffer.from('x'),
    slice(6, 7),
    slice(7, 9),
  ]);
  expect(runs.map(String)).toEqual(['abc', 'ef', 'x', 'ghi']);
  expect(runs[0]?.buffer).toBe(memory.buffer);
});

describe('memory is used again', () => {
  test('not while a write is pending', () => {
    const pool = poisoned();
    const cache = new TailCache(pool, LIMIT_BYTES);
    const tail = new Tail();
    const pending = cache.store(Buffer.alloc(BLOCK_BYTES, 7), tail);
    for (let n = 0; n < 40; n++) put(cache, new Tail(), Buffer.alloc(BLOCK_BYTES, n), 0, 1);
    expect(pending.bytes.equals(Buffer.alloc(BLOCK_BYTES, 7))).toBe(true);
    cache.add(tail, pending, 0, 1);
    expect(tail.count).toBe(0); // Its block has left the cache meanwhile.
    pending.release();
    expect(pending.bytes.every((byte) => byte === 0xdb)).toBe(true);
    expect(() => pending.release()).toThrow(InvariantViolation);
  });

  test('not while a reader holds it', () => {
    const pool = poisoned();
    const cache = new TailCache(pool, LIMIT_BYTES);
    const tail = new Tail();
    put(cache, tail, Buffer.alloc(BLOCK_BYTES, 7), 0, 1);
    const { bytes, memory } = tail.at(0)!;
    memory.hold();
    for (let n = 0; n < 40; n++) put(cache, new Tail(), Buffer.alloc(BLOCK_BYTES, n), 0, 1);
    expect(tail.count).toBe(0);
    expect(bytes.equals(Buffer.alloc(BLOCK_BYTES, 7))).toBe(true);
    memory.release();
    expect(bytes.every((byte) => byte === 0xdb)).toBe(true);
  });
});

const step = fc.record({
  tail: fc.integer({ min: 0, max: 2 }),
  size: fc.oneof(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 1, max: 70_000 })),
  what: fc.constantFrom('store', 'store', 'store', 'write', 'write', 'clear', 'read', 'done'),
});

test('whatever is stored, written late, cleared and read: readers see what was appended, in order', () => {
  fc.assert(
    fc.property(
      fc.array(step, { maxLength: 150 }),
      fc.constantFrom(0, 5000, 200_000, 600_000),
      (steps, limit) => {
        const cache = new TailCache(poisoned(), limit);
        const logs = [0, 1, 2].map(() => ({
          tail: new Tail(),
          appended: [] as Buffer[],
          written: 0,
          pending: [] as StoredBatches[],
        }));
        const readers: { memory: PooledBuffer; bytes: Buffer; expected: Buffer }[] = [];
        let mark = 0;
        for (const { tail: index, size, what } of steps) {
          const log = logs[index]!;
          const { tail, appended, pending } = log;
          if (what === 'store') {
            mark = (mark + 1) % 200;
            appended.push(Buffer.alloc(size, mark));
            pending.push(cache.store(appended.at(-1)!, tail));
          } else if (what === 'write') {
            for (const stored of pending.splice(0)) {
              expect(stored.bytes.equals(appended[log.written]!)).toBe(true);
              cache.add(tail, stored, log.written, log.written + 1);
              stored.release();
              log.written += 1;
            }
          } else if (what === 'clear') cache.clear(tail);
          else if (what === 'read' && tail.count > 0) {
            const { memory, bytes, firstOffset, nextOffset } = tail.at(size % tail.count)!;
            memory.hold();
            const expected = Buffer.concat(appended.slice(firstOffset, nextOffset));
            readers.push({ memory, bytes, expected });
          } else if (what === 'done') readers.shift()?.memory.release();

          expect(cache.bytes).toBeLessThanOrEqual(limit);
          for (const each of logs) {
            let expectedFirst = each.tail.firstOffset ?? each.written;
            for (let at = 0; at < each.tail.count; at++) {
              const entry = each.tail.at(at)!;
              expect(entry.firstOffset).toBe(expectedFirst);
              expectedFirst = entry.nextOffset;
            }
            expect(expectedFirst).toBe(each.written);
          }
          for (const { bytes, expected } of readers) expect(bytes.equals(expected)).toBe(true);
        }
        for (const { tail, appended } of logs) {
          const from = tail.firstOffset ?? appended.length;
          const kept = Buffer.concat(appended.slice(from, from + written(tail, from)));
          expect(bytesOf(tail).equals(kept)).toBe(true);
        }
      },
    ),
    { numRuns: 150 },
  );
});

/** How many appends a tail holds, each having one offset. */
function written(tail: Tail, from: number): number {
  return tail.count === 0 ? 0 : tail.at(tail.count - 1)!.nextOffset - from;
}

test('what is stored aside takes nobody else’s place, and its memory is free once it is written', () => {
  const pool = poisoned();
  const cache = new TailCache(pool, LIMIT_BYTES);
  const [tail, aside] = [new Tail(), new Tail()];
  put(cache, tail, Buffer.alloc(1_000, 1), 0, 1);
  const { bytes } = cache;
  for (let n = 0; n < 50; n += 1) {
    const stored = cache.storeAside(Buffer.alloc(100_000, n));
    cache.add(aside, stored, n, n + 1);
    expect(Buffer.concat(buffersOf([{ stored }])).equals(Buffer.alloc(100_000, n))).toBe(true);
    stored.release();
  }
  expect([cache.bytes, aside.count]).toEqual([bytes, 0]);
  expect(bytesOf(tail).equals(Buffer.alloc(1_000, 1))).toBe(true);
  expect(pool.freeBytes).toBe(1 << 17);
});
