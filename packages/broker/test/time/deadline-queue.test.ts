/**
 * Goal: everybody is woken at their time, whoever is taken out is not, and nothing is left behind.
 * Method: small scenes, then random ones against a plain list.
 */
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { DeadlineQueue, Expiring } from '../../src/time/deadline-queue.ts';
import { ManualTime } from '../manual-time.ts';

class Entry extends Expiring {
  readonly #expired: () => void;
  constructor(expired: () => void) {
    super();
    this.#expired = expired;
  }
  override expire(): void {
    this.#expired();
  }
}

test('entries of one duration need one timer, and fall due one by one', () => {
  const time = new ManualTime();
  const queue = new DeadlineQueue(time);
  const woken: string[] = [];
  queue.add(new Entry(() => woken.push('first')), 100);
  time.pass(10);
  queue.add(new Entry(() => woken.push('second')), 100);
  expect(time.armedCount).toBe(1);
  time.pass(89);
  expect(woken).toEqual([]);
  time.pass(1);
  expect(woken).toEqual(['first']);
  time.pass(10);
  expect(woken).toEqual(['first', 'second']);
  expect(time.armedCount).toBe(0);
});

test('adding again renews', () => {
  const time = new ManualTime();
  const queue = new DeadlineQueue(time);
  let count = 0;
  const entry = new Entry(() => {
    count += 1;
  });
  for (let n = 0; n < 10; n += 1) {
    queue.add(entry, 100);
    time.pass(99);
  }
  expect(count).toBe(0);
  time.pass(1);
  expect(count).toBe(1);
});

test('an entry may add itself again when it expires', () => {
  const time = new ManualTime();
  const queue = new DeadlineQueue(time);
  let count = 0;
  const entry: Entry = new Entry(() => {
    count += 1;
    queue.add(entry, 50);
  });
  queue.add(entry, 50);
  time.pass(500);
  expect(count).toBe(10);
});

test('after close nobody is woken and no timer is left', () => {
  const time = new ManualTime();
  const queue = new DeadlineQueue(time);
  let count = 0;
  queue.add(new Entry(() => (count += 1)), 10);
  queue.add(new Entry(() => (count += 1)), 20);
  queue.close();
  expect(time.armedCount).toBe(0);
  time.pass(100);
  expect(count).toBe(0);
});

test('any mix of adding, renewing and taking out wakes exactly who is due', () => {
  const action = fc.record({
    entry: fc.integer({ min: 0, max: 5 }),
    kind: fc.constantFrom('add', 'remove', 'pass'),
    ms: fc.constantFrom(0, 1, 10, 11, 50),
  });
  fc.assert(
    fc.property(fc.array(action, { maxLength: 60 }), (actions) => {
      const time = new ManualTime();
      const queue = new DeadlineQueue(time);
      const woken: [number, number][] = [];
      const expected: [number, number][] = [];
      const due = new Map<number, number>();
      const entries = Array.from(
        { length: 6 },
        (_, index) => new Entry(() => woken.push([index, time.clock.now()])),
      );
      for (const { entry, kind, ms } of actions) {
        const one = entries[entry];
        if (one === undefined) continue;
        if (kind === 'add') {
          queue.add(one, ms);
          due.set(entry, time.clock.now() + ms);
        } else if (kind === 'remove') {
          queue.remove(one);
          due.delete(entry);
        } else {
          const end = time.clock.now() + ms;
          time.pass(ms);
          for (const [index, at] of due)
            if (at <= end) {
              expected.push([index, at]);
              due.delete(index);
            }
        }
      }
      const order = (a: [number, number], b: [number, number]) => a[1] - b[1] || a[0] - b[0];
      // An entry added for 0 ms is woken when time is next looked at.
      expect(woken.sort(order)).toEqual(expected.sort(order));
    }),
  );
});
