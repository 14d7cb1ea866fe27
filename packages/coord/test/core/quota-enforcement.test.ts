/**
 * Goal: nothing goes beyond a hard quota, however many writes are on their way at once, and what is
 * near or beyond one is told.
 */
import { expect, test } from '@jest/globals';
import type { QuotaExcess } from '../../src/core/transaction/quota-ledger.ts';
import type { WriteRequest } from '../../src/core/transaction/request.ts';
import { create, remove, State, set } from '../support/state.ts';

const QUOTA_EXCEEDED = -125;
const LIMITS = '/zookeeper/quota/q/zookeeper_limits';

interface Told extends QuotaExcess {
  readonly isRefused: boolean;
}

function limited(limits: string, enforceQuota = true): { state: State; told: Told[] } {
  const told: Told[] = [];
  const state = new State({
    enforceQuota,
    notices: {
      quotaExceeded: (excess, isRefused) => told.push({ ...excess, isRefused }),
      sequenceReached() {},
    },
  });
  state.write(create('/q', 0, '12345'));
  state.write(create('/zookeeper/quota/q'));
  state.write(create(LIMITS, 0, limits));
  state.write(create('/zookeeper/quota/q/zookeeper_stats'));
  return { state, told };
}

const outcome = (state: State, request: WriteRequest): number | string => {
  const change = state.write(request);
  return change.kind === 'error' ? change.wire : change.kind;
};

test('a hard limit of nodes', () => {
  const { state } = limited('count=-1,bytes=-1=;byteHardLimit=-1;countHardLimit=3');
  expect(outcome(state, create('/q/a'))).toBe('create');
  expect(outcome(state, create('/q/a/b'))).toBe('create');
  expect(outcome(state, create('/q/c'))).toBe(QUOTA_EXCEEDED);
  expect(outcome(state, create('/other'))).toBe('create');
  expect(outcome(state, remove('/q/a/b'))).toBe('delete');
  expect(outcome(state, create('/q/c'))).toBe('create');
});

test('a hard limit of bytes holds for creations and changes; less is always allowed', () => {
  const { state } = limited('byteHardLimit=10');
  expect(outcome(state, create('/q/a', 0, '12345'))).toBe('create');
  expect(outcome(state, create('/q/b', 0, '1'))).toBe(QUOTA_EXCEEDED);
  expect(outcome(state, create('/q/b', 0, ''))).toBe('create');
  expect(outcome(state, set('/q/b', -1, '1'))).toBe(QUOTA_EXCEEDED);
  expect(outcome(state, set('/q/a', 7, '123456'))).toBe(QUOTA_EXCEEDED); // Before the version is looked at.
  expect(outcome(state, set(LIMITS, -1, 'byteHardLimit=2'))).toBe('setData');
  expect(outcome(state, set('/q/a', -1, '1234'))).toBe('setData');
  expect(outcome(state, set(LIMITS, -1, 'byteHardLimit=100'))).toBe('setData');
  expect(outcome(state, set('/q/b', -1, '1'))).toBe('setData');
});

test('writes that are on their way count', () => {
  const { state } = limited('countHardLimit=3;byteHardLimit=10');
  const prepared = ['/q/a', '/q/b', '/q/c'].map((path) => state.prepare(create(path)));
  expect(prepared.map(({ change }) => change.kind)).toEqual(['create', 'create', 'error']);
  const freed = state.prepare(remove('/q/a'));
  const again = state.prepare(create('/q/d'));
  expect(again.change.kind).toBe('create');
  for (const record of [...prepared, freed, again]) state.apply(record);
  expect(String(state.tree.get('/zookeeper/quota/q/zookeeper_stats')?.data)).toBe(
    'count=3,bytes=5',
  );
  expect(outcome(state, create('/q/e'))).toBe(QUOTA_EXCEEDED);
});

test('a multi fails as a whole, and leaves no trace in what is counted', () => {
  const { state } = limited('countHardLimit=3');
  const change = state.write({
    kind: 'multi',
    operations: [create('/q/a'), create('/q/b'), create('/q/c'), create('/x')],
  });
  expect(change).toEqual({ kind: 'error', wire: QUOTA_EXCEEDED, failedIndex: 2 });
  expect(outcome(state, { kind: 'multi', operations: [create('/q/a'), create('/q/b')] })).toBe(
    'multi',
  );
});

test('the end of a session gives its part back', () => {
  const { state } = limited('countHardLimit=2');
  state.openSession(0x200n);
  state.write(create('/q/e', 1), 0x200n);
  state.prepare({ kind: 'closeSession' }, 0x200n);
  expect(state.prepare(create('/q/f')).change.kind).toBe('create');
});

test('a soft limit, and a hard one that is not enforced, are told', () => {
  const { state, told } = limited('count=1,bytes=6=;byteHardLimit=-1;countHardLimit=1', false);
  expect(outcome(state, create('/q/a', 0, 'xy'))).toBe('create');
  expect(told).toEqual([
    { path: '/q', what: 'count', isHard: true, limit: 1, usage: 2, isRefused: false },
    { path: '/q', what: 'count', isHard: false, limit: 1, usage: 2, isRefused: false },
    { path: '/q', what: 'bytes', isHard: false, limit: 6, usage: 7, isRefused: false },
  ]);
});

test('the nearest quota above counts, and none above its own folder', () => {
  const { state } = limited('countHardLimit=1');
  state.write(create('/zookeeper/quota/q/deep'));
  expect(outcome(state, create('/q/deep'))).toBe(QUOTA_EXCEEDED);
  expect(state.tree.quotas.pathAbove('/q/deep/x')).toBe('/q');
  expect(state.tree.quotas.pathAbove('/zookeeper/quota/q/x')).toBeNull();
});
