/** When to try again: tables over errors and times. */
import { describe, expect, test } from '@jest/globals';
import { KafkaError } from '@odradek/protocol';
import { backoffMs, decideRetry, lastWord } from '../../src/cluster/retry.ts';
import { ClientMisuse, ConnectionClosed, RequestTimedOut } from '../../src/errors.ts';

const backoff = { firstMs: 100, largestMs: 1_000 };

test.each([
  { failures: 1, chance: 0.5, expected: 100 },
  { failures: 2, chance: 0.5, expected: 200 },
  { failures: 4, chance: 0.5, expected: 800 },
  { failures: 5, chance: 0.5, expected: 1_000 },
  { failures: 5_000, chance: 0.5, expected: 1_000 },
  { failures: 1, chance: 0, expected: 80 },
  { failures: 1, chance: 1, expected: 120 },
])('wait after $failures failures, chance $chance', ({ failures, chance, expected }) => {
  expect(backoffMs(backoff, failures, chance)).toBeCloseTo(expected);
});

describe('what to do', () => {
  const decide = (error: unknown, timeLeftMs = 10_000) =>
    decideRetry({ error, failures: 1, timeLeftMs, chance: 0.5 }, backoff);

  test('what cannot help is not repeated', () => {
    expect(decide(new KafkaError('TOPIC_AUTHORIZATION_FAILED'))).toEqual({ kind: 'fail' });
    expect(decide(new ClientMisuse('x'))).toEqual({ kind: 'fail' });
    expect(decide(new TypeError('bug'))).toEqual({ kind: 'fail' });
    expect(decide('text')).toEqual({ kind: 'fail' });
  });

  test('a retry that would come too late is none', () => {
    expect(decide(new ConnectionClosed('x'), 100)).toEqual({ kind: 'fail' });
    expect(decide(new ConnectionClosed('x'), 101)).toMatchObject({ kind: 'retry', afterMs: 100 });
  });

  test('metadata is refreshed where it may be old', () => {
    expect(decide(new ConnectionClosed('x'))).toMatchObject({ refreshMetadata: true });
    expect(decide(new KafkaError('NOT_LEADER_OR_FOLLOWER'))).toMatchObject({
      refreshMetadata: true,
    });
    expect(decide(new KafkaError('COORDINATOR_LOAD_IN_PROGRESS'))).toMatchObject({
      kind: 'retry',
      refreshMetadata: false,
    });
  });
});

describe('what the caller is told when the time is up', () => {
  const cutOff = new RequestTimedOut('no answer within 113 ms');
  const refused = new ConnectionClosed('cannot connect to h:1');

  test('an attempt that was cut off gives way to the failure before it', () => {
    const word = lastWord(cutOff, refused, 60_000);
    expect(word).toBeInstanceOf(RequestTimedOut);
    expect(word).toMatchObject({
      message: 'no answer within 60000 ms: cannot connect to h:1',
      cause: refused,
    });
  });

  test('without one, the whole time is told', () => {
    expect(lastWord(cutOff, null, 60_000)).toMatchObject({
      message: 'no answer within 60000 ms',
      cause: cutOff,
    });
  });

  test('any other failure speaks for itself', () => {
    expect(lastWord(refused, cutOff, 60_000)).toBe(refused);
  });
});
