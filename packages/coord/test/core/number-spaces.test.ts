/** Goal: numbers that run out go on where they can, and are announced before. */
import { expect, test } from '@jest/globals';
import {
  counterOf,
  epochOf,
  milestoneOf,
  nextVersion,
  nextZxid,
  ZxidWatch,
} from '../../src/core/transaction/number-spaces.ts';
import { create, SESSION, State } from '../support/state.ts';

const FULL = 2 ** 32;

test('a full zxid counter goes on in the next epoch', () => {
  const last = (7n << 32n) | 0xffffffffn;
  expect(nextZxid(last)).toBe(8n << 32n);
  expect([epochOf(last), counterOf(last)]).toEqual([7, FULL - 1]);
  expect([epochOf(nextZxid(last)), counterOf(nextZxid(last))]).toEqual([8, 0]);
  expect(() => nextZxid(2n ** 63n - 1n)).toThrow(/no zxids left/);
});

test('each share of the counter is announced once, and so is its end', () => {
  const watch = new ZxidWatch(5);
  const counters = [6, 0.75 * FULL, 0.76 * FULL, 0.9 * FULL, 0.995 * FULL, FULL - 1, 0, 1];
  const notices = counters.map((counter) => watch.applied(Math.ceil(counter)));
  expect(notices.map((notice) => notice?.kind ?? null)).toEqual([
    null,
    'filling',
    null,
    'filling',
    'filling',
    null,
    'rolled',
    null,
  ]);
  // Another leader's epoch begins: nothing has run out.
  const other = new ZxidWatch(17);
  expect([other.applied(18), other.applied(1), other.applied(2)]).toEqual([null, null, null]);
  expect(new ZxidWatch(0.8 * FULL).applied(0.81 * FULL)).toBeNull(); // Told before the restart.
});

test('a version is never -1', () => {
  expect([nextVersion(0), nextVersion(2 ** 31 - 1), nextVersion(-2)]).toEqual([1, -(2 ** 31), 0]);
});

test('sequential names go on beyond 2^31 and ten digits, and the way there is announced', () => {
  const told: string[] = [];
  const state = new State({
    notices: {
      quotaExceeded() {},
      sequenceReached: (path, milestone) => told.push(`${path} ${milestone}`),
    },
  });
  state.write(create('/p'));
  const parent = state.tree.get('/p');
  const nameAfter = (count: number): string => {
    if (parent !== undefined) parent.creationCount = count;
    const change = state.write(create('/p/n-', 2), SESSION);
    return change.kind === 'create' ? change.path : change.kind;
  };
  expect(nameAfter(2 ** 31 - 1)).toBe('/p/n-2147483647');
  expect(nameAfter(2 ** 31)).toBe('/p/n-2147483648');
  expect(nameAfter(10 ** 10 - 1)).toBe('/p/n-9999999999');
  expect(nameAfter(10 ** 10)).toBe('/p/n-10000000000');
  expect(told).toEqual(['/p signed32', '/p tenDigits']);
  expect(milestoneOf(Math.floor(0.9 * 2 ** 31))).toBe('nearSigned32');
  expect(milestoneOf(9 * 10 ** 9)).toBe('nearTenDigits');
  expect(milestoneOf(9 * 10 ** 9 + 1)).toBeNull();
});
