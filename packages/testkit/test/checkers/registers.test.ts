/** The checker of registers: cases that tell its rules apart, and every small history against a search over all orders. */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { checkRegisters, type RegisterOperation } from '../../src/checkers/registers.ts';

const INITIAL = '0';

/** `write x 1 4`, `read x 2 -`: a dash for no answer. */
function operation(text: string, index: number): RegisterOperation {
  const [kind = '', value = '', calledAt = '', returnedAt = ''] = text.split(' ');
  return {
    client: `c${index}`,
    key: 'k',
    kind: kind === 'write' ? 'write' : 'read',
    value,
    calledAt: Number(calledAt),
    returnedAt: returnedAt === '-' ? null : Number(returnedAt),
  };
}

const findings = (...texts: string[]): readonly string[] =>
  checkRegisters(texts.map(operation), INITIAL);

describe('linearizable', () => {
  test.each([
    ['nothing at all', []],
    ['one after the other', ['write x 1 2', 'read x 3 4', 'write y 5 6', 'read y 7 8']],
    ['the first value before any write', ['read 0 1 2', 'write x 3 4']],
    ['a read beside a write sees the old value', ['write x 1 5', 'read 0 2 3']],
    ['a read beside a write sees the new value', ['write x 1 5', 'read x 2 3']],
    ['writes beside each other, in either order', ['write x 1 9', 'write y 1 9', 'read x 10 11']],
    ['a write without an answer that happened late', ['write x 1 -', 'read 0 5 6', 'read x 9 10']],
    ['a write without an answer that never happened', ['write x 1 -', 'read 0 50 60']],
    ['an unseen write inside a period of another', ['write x 1 2', 'write y 3 -', 'read x 8 9']],
  ])('%s', (_what, texts) => {
    expect(findings(...texts)).toEqual([]);
  });
});

describe('not linearizable', () => {
  test.each([
    ['a value that nobody wrote', ['read z 1 2'], /nobody wrote/],
    ['a read of the future', ['read x 1 2', 'write x 3 4'], /before c1 wrote x/],
    ['a lost write', ['write x 1 2', 'read 0 3 4'], /no order/],
    ['a read that goes back', ['write x 1 9', 'read x 2 3', 'read 0 4 5'], /no order/],
    [
      'two readers that disagree',
      ['write x 1 20', 'write y 1 20', 'read x 2 3', 'read y 4 5', 'read x 6 7'],
      /no order/,
    ],
    [
      'an acknowledged write that was overtaken unseen',
      ['write x 1 2', 'write y 3 4', 'read x 5 6'],
      /no order/,
    ],
    ['a ghost that comes, goes and comes', ['write x 1 -', 'read x 2 3', 'read 0 4 5'], /no order/],
  ])('%s', (_what, texts, why) => {
    expect(findings(...texts).join()).toMatch(why);
  });
});

test('registers are judged each for itself, and clients of one history share the clock', () => {
  const other = { ...operation('write x 1 2', 0), key: 'a' };
  expect(checkRegisters([other, operation('read 0 3 4', 1)], INITIAL)).toEqual([]);
});

test('a value that is written twice is refused: nothing could be concluded', () => {
  expect(() => findings('write x 1 2', 'write x 3 4')).toThrow(/twice/);
});

/** All orders, one by one. */
function isLinearizable(left: readonly RegisterOperation[], value: string): boolean {
  if (left.every(({ returnedAt }) => returnedAt === null)) return true;
  const bound = Math.min(...left.map(({ returnedAt }) => returnedAt ?? Number.POSITIVE_INFINITY));
  return left.some((next) => {
    if (next.calledAt > bound) return false; // Something had returned before it was called.
    if (next.kind === 'read' && next.value !== value) return false;
    const rest = left.filter((other) => other !== next);
    return isLinearizable(rest, next.kind === 'write' ? (next.value ?? '') : value);
  });
}

test('says of every small history what a search over all orders says', () => {
  const verdicts = { fine: 0, broken: 0 };
  const step = fc.record({
    isWrite: fc.boolean(),
    seen: fc.nat({ max: 4 }),
    calledAt: fc.nat({ max: 12 }),
    takes: fc.integer({ min: 1, max: 6 }),
    isAnswered: fc.integer({ min: 0, max: 4 }).map((n) => n > 0),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 7 }), (steps) => {
      let written = 0;
      const history = steps.map(({ isWrite, seen, calledAt, takes, isAnswered }, index) => {
        if (isWrite) written += 1;
        const value = String(isWrite ? written : seen);
        const kind = isWrite ? 'write' : 'read';
        const end = isAnswered || !isWrite ? calledAt + takes + 0.5 : '-';
        return operation(`${kind} ${value} ${calledAt} ${end}`, index);
      });
      const expected = isLinearizable(history, INITIAL);
      verdicts[expected ? 'fine' : 'broken'] += 1;
      expect(checkRegisters(history, INITIAL).length === 0).toBe(expected);
    }),
    { numRuns: 3_000 },
  );
  expect(Math.min(verdicts.fine, verdicts.broken)).toBeGreaterThan(100);
});
