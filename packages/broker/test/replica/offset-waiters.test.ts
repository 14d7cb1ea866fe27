/**
 * Goal: everybody is told when their offset is reached, once, and nobody's remains keep piling up.
 * Method: random mixes against a plain list.
 */
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { type OffsetWaiter, OffsetWaiters } from '../../src/replica/offset-waiters.ts';

class Waiter implements OffsetWaiter {
  readonly offset: number;
  settled = false;
  outcome: string | null = null;
  constructor(offset: number) {
    this.offset = offset;
  }
  reached(): void {
    this.#settle('reached');
  }
  failed(error: string): void {
    this.#settle(error);
  }
  #settle(outcome: string): void {
    if (this.settled) throw new Error('settled twice');
    this.settled = true;
    this.outcome = outcome;
  }
}

test('any mix of advances, late comers and time-outs settles each waiter rightly', () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant('add' as const), ahead: fc.integer({ min: 1, max: 30 }) }),
    fc.record({ kind: fc.constant('reach' as const), by: fc.integer({ min: 0, max: 20 }) }),
    fc.record({ kind: fc.constant('abandon' as const), nth: fc.nat(50) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const queue = new OffsetWaiters();
      const all: Waiter[] = [];
      let reached = 0;
      for (const one of steps) {
        if (one.kind === 'add') {
          const waiter = new Waiter(reached + one.ahead);
          all.push(waiter);
          queue.add(waiter);
        } else if (one.kind === 'reach') {
          reached += one.by;
          queue.reach(reached);
        } else {
          const open = all.filter(({ settled }) => !settled);
          const waiter = open[one.nth % Math.max(1, open.length)];
          if (waiter === undefined) continue;
          waiter.settled = true;
          waiter.outcome = 'abandoned';
          queue.abandoned();
        }
        for (const { offset, outcome } of all)
          if (outcome !== 'abandoned') expect(outcome).toBe(offset <= reached ? 'reached' : null);
      }
      queue.fail('NOT_LEADER_OR_FOLLOWER');
      for (const { outcome } of all) expect(outcome).not.toBeNull();
      expect(queue.length).toBe(0);
    }),
  );
});

test('those that have given up do not pile up', () => {
  const queue = new OffsetWaiters();
  for (let offset = 1; offset <= 10_000; offset += 1) {
    const waiter = new Waiter(offset);
    queue.add(waiter);
    waiter.settled = true;
    queue.abandoned();
  }
  expect(queue.length).toBeLessThan(200);
});
