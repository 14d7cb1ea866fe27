/** The outbox: whatever is written leaves in order and once; what a peer does not take is counted while it lasts. */
import { expect, test } from '@jest/globals';
import type { Connection } from '@odradek/runtime';
import fc from 'fast-check';
import { ByteBudget } from '../../src/network/byte-budget.ts';
import { Outbox } from '../../src/network/outbox.ts';

/** A socket that takes everything, or keeps everything waiting. */
function outboxOn(takes: boolean) {
  const written: Buffer[] = [];
  const turns: (() => void)[] = [];
  const socket = {
    write: (bytes: Buffer, taken?: () => void): boolean => {
      written.push(Buffer.from(bytes));
      taken?.();
      return takes;
    },
    get unsentBytes() {
      return takes ? 0 : Buffer.concat(written).length;
    },
    cork: () => undefined,
    uncork: () => undefined,
  };
  const budget = new ByteBudget(1_000_000);
  const timers = {
    wakeAt: () => () => undefined,
    afterTurn: (run: () => void) => void turns.push(run),
  };
  const outbox = new Outbox(socket as unknown as Connection, timers, budget);
  const endTurn = (): void => {
    for (const run of turns.splice(0)) run();
  };
  return { outbox, written, budget, endTurn };
}

const answer = fc.record({
  sizes: fc.array(fc.oneof(fc.integer({ min: 1, max: 600 }), fc.integer({ min: 1, max: 9000 })), {
    minLength: 1,
    maxLength: 3,
  }),
  isAwaited: fc.boolean(),
  endsTurn: fc.boolean(),
});

test('small and large answers, in any order, leave in that order', () => {
  fc.assert(
    fc.property(fc.array(answer, { maxLength: 80 }), (answers) => {
      const { outbox, written, endTurn } = outboxOn(true);
      const expected: Buffer[] = [];
      const told: number[] = [];
      for (const [index, { sizes, isAwaited, endsTurn }] of answers.entries()) {
        const chunks = sizes.map((size) => Buffer.alloc(size, index));
        expected.push(...chunks);
        if (isAwaited) outbox.write(chunks, () => told.push(index));
        else outbox.write(chunks);
        if (endsTurn) endTurn();
      }
      endTurn();
      expect(Buffer.concat(written)).toEqual(Buffer.concat(expected));
      expect(told).toHaveLength(answers.filter(({ isAwaited }) => isAwaited).length);
    }),
  );
});

test('small answers of a turn are one write', () => {
  const { outbox, written, endTurn } = outboxOn(true);
  for (let n = 0; n < 100; n += 1) outbox.write([Buffer.alloc(60, n)]);
  expect(written).toEqual([]);
  endTurn();
  expect(written.map(({ length }) => length)).toEqual([6000]);
});

test('what the peer does not take is counted until the socket has room, or the connection goes', () => {
  const { outbox, budget, endTurn } = outboxOn(false);
  outbox.write([Buffer.alloc(100)]);
  expect([outbox.isBlocked, budget.usedBytes]).toEqual([false, 0]);
  endTurn();
  outbox.write([Buffer.alloc(5000)]);
  expect([outbox.isBlocked, budget.usedBytes]).toEqual([true, 5100]);
  outbox.drained();
  expect([outbox.isBlocked, budget.usedBytes]).toEqual([false, 0]);
  outbox.write([Buffer.alloc(5000)]);
  outbox.release();
  outbox.write([Buffer.alloc(5000)]);
  expect(budget.usedBytes).toBe(0);
});
