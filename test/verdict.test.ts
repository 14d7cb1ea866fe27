/** The judgement over histories of real clients, on histories made by hand: each finding and each excuse once. */
import { expect, test } from '@jest/globals';
import { History, type Holding, type RollCall } from './support/history.ts';
import { leftEphemerals, lostCreations, missedEphemerals } from './support/verdict.ts';

function created(name: string, returnedAt: number | null): History {
  const history = new History();
  history.creations.push({ client: 'c', number: 0, name, calledAt: 1, returnedAt });
  return history;
}

test.each([
  ['acknowledged and there', created('a', 2), ['a'], ['a'], ''],
  ['acknowledged and gone', created('a', 2), [], [], 'server 1 has no a, which was acknowledged'],
  ['acknowledged and gone on one', created('a', 2), ['a'], [], 'server 2 has no a'],
  ['without an answer, and there', created('a', null), ['a'], ['a'], ''],
  ['without an answer, and not there', created('a', null), [], [], ''],
  ['without an answer, and there on one', created('a', null), [], ['a'], 'server 1 does not'],
  ['never asked for', new History(), ['a'], ['a'], 'which nobody asked for'],
])('a creation that was %s', (_what, history, one, two, finding) => {
  const findings = lostCreations(history, new Map(Object.entries({ 1: one, 2: two }))).join();
  expect(findings).toContain(finding);
  expect(findings === '').toBe(finding === '');
});

const holding: Holding = {
  client: 'c',
  name: 'e',
  sessionId: 'f',
  heldFrom: 10,
  aliveUntil: 20,
  endedAt: null,
};

function call(calledAt: number, returnedAt: number, ...names: string[]): RollCall {
  return { client: 'd', names: new Set(names), calledAt, returnedAt };
}

test.each([
  ['seen while it is held', call(12, 13, 'e'), false],
  ['missed while it is held', call(12, 13), true],
  ['missed before its creation was acknowledged', call(9, 13), false],
  ['missed when its session may have ended', call(19, 21), false],
])('an ephemeral that is %s', (_what, rollCall, isFinding) => {
  const history = new History();
  history.holdings.push(holding);
  history.rollCalls.push(rollCall);
  expect(missedEphemerals(history)).toHaveLength(isFinding ? 1 : 0);
});

test('what is left of sessions that are over is named, with whose it was', () => {
  const history = new History();
  history.holdings.push(holding);
  expect(leftEphemerals(history, [])).toEqual([]);
  expect(leftEphemerals(history, ['e', 'g'])).toEqual([
    'e is still there after its session f',
    'g is still there; its creation was never acknowledged',
  ]);
});

test('a history of another process is taken over line by line', () => {
  const history = new History();
  history.read(
    [
      'connected',
      '{"type":"register","client":"k","key":"0","kind":"read","value":"x","calledAt":1,"returnedAt":2}',
      '{"type":"creation","client":"k","number":0,"name":"a","calledAt":1,"returnedAt":2}',
      '{"type":"creation","client":"k","number":1,"name":"b","calledAt":1,"returnedAt":null}',
      '{"type":"roll","client":"k","names":["e"],"calledAt":1,"returnedAt":2}',
      '{"type":"surprise","text":"k: NoNodeError()"}',
      '',
    ].join('\n'),
  );
  expect(history.registers).toMatchObject([{ client: 'k', kind: 'read', value: 'x' }]);
  expect(history.rollCalls[0]?.names).toEqual(new Set(['e']));
  expect(history.surprises).toEqual(['k: NoNodeError()']);
  expect(history.acknowledged).toBe(1);
});
