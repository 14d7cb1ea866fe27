/** The pool: memory is used again after its last holder, never before; whatever is forgotten is lost, not shared. */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  BufferPool,
  POISON,
  POOLED_BYTES_MAX,
  POOLED_BYTES_MIN,
  type PooledBuffer,
  pooledSize,
} from '../src/buffer-pool.ts';
import { InvariantViolation } from '../src/errors.ts';

test.each([
  [0, 0],
  [100, 100],
  [POOLED_BYTES_MIN - 1, POOLED_BYTES_MIN - 1],
  [POOLED_BYTES_MIN, POOLED_BYTES_MIN],
  [POOLED_BYTES_MIN + 1, 2 * POOLED_BYTES_MIN],
  [1_000_000, 1 << 20],
  [1 << 20, 1 << 20],
  [POOLED_BYTES_MAX - 1, POOLED_BYTES_MAX],
  [POOLED_BYTES_MAX, POOLED_BYTES_MAX],
  [POOLED_BYTES_MAX + 1, POOLED_BYTES_MAX + 1],
])('%i bytes take %i', (wanted, taken) => {
  expect(pooledSize(wanted)).toBe(taken);
  expect(new BufferPool().take(wanted).bytes.length).toBe(taken);
});

describe('one buffer', () => {
  test('is used again after the last release', () => {
    const pool = new BufferPool();
    const first = pool.take(100_000);
    first.hold();
    first.release();
    expect(pool.freeBytes).toBe(0);
    expect(pool.take(100_000).bytes.buffer).not.toBe(first.bytes.buffer);
    first.release();
    expect(pool.freeBytes).toBe(131_072);
    expect(pool.take(120_000).bytes.buffer).toBe(first.bytes.buffer);
    expect(pool.freeBytes).toBe(0);
  });

  test('cannot be released or held after its last release, also while others use the memory', () => {
    const pool = new BufferPool();
    const stale = pool.take(100_000);
    stale.release();
    const next = pool.take(100_000);
    expect(() => stale.release()).toThrow(InvariantViolation);
    expect(() => stale.hold()).toThrow(InvariantViolation);
    expect(next.holders).toBe(1);
  });
});

test('what is larger than the largest size, or smaller than the smallest, is not kept, and never more than the limit', () => {
  const pool = new BufferPool({ freeBytesLimit: 50_000 });
  pool.take(POOLED_BYTES_MAX + 1).release();
  pool.take(POOLED_BYTES_MIN - 1).release();
  expect(pool.freeBytes).toBe(0);
  const four = Array.from({ length: 4 }, () => pool.take(POOLED_BYTES_MIN));
  for (const buffer of four) buffer.release();
  expect(pool.freeBytes).toBe(3 * POOLED_BYTES_MIN);
});

test('a poisoning pool overwrites what is released', () => {
  const pool = new BufferPool({ poison: true });
  const buffer = pool.take(100);
  buffer.bytes.fill(1);
  const { bytes } = buffer;
  buffer.release();
  expect(bytes.every((byte) => byte === POISON)).toBe(true);
});

type Step = ['take', number] | ['hold' | 'release' | 'forget', number];

test('no two users ever share memory, whoever holds, releases or forgets', () => {
  const step: fc.Arbitrary<Step> = fc.oneof(
    fc.tuple(fc.constant('take' as const), fc.integer({ min: 1, max: 600_000 })),
    fc.tuple(fc.constantFrom('hold' as const, 'release' as const, 'forget' as const), fc.nat()),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
      const pool = new BufferPool({ freeBytesLimit: 1 << 20 });
      /** A model: each buffer in use, with the holders that are known, and those that forgot. */
      const used = new Map<PooledBuffer, { holders: number; mark: number }>();
      let mark = 0;
      for (const [what, number] of steps) {
        if (what === 'take') {
          const buffer = pool.take(number);
          mark = (mark + 1) % 251;
          buffer.bytes.fill(mark);
          used.set(buffer, { holders: 1, mark });
        } else {
          const entry = [...used][number % Math.max(1, used.size)];
          if (entry === undefined) continue;
          const [buffer, state] = entry;
          if (what === 'hold') {
            buffer.hold();
            state.holders += 1;
          } else if (what === 'release' && state.holders > 0) {
            state.holders -= 1;
            buffer.release();
            if (buffer.holders === 0) used.delete(buffer);
          } else if (what === 'forget' && state.holders > 0) state.holders -= 1;
        }
        expect(pool.freeBytes).toBeLessThanOrEqual(1 << 20);
        expect(new Set([...used.keys()].map(({ bytes }) => bytes.buffer)).size).toBe(used.size);
      }
      for (const [{ bytes }, { mark: expected }] of used) {
        expect([bytes[0], bytes[bytes.length >> 1], bytes.at(-1)]).toEqual([
          expected,
          expected,
          expected,
        ]);
      }
    }),
    { numRuns: 60 },
  );
});
