/** The error table: its numbers, what may be retried, and its agreement with the written reference. */
import { existsSync, readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { ProtocolError } from '../../src/errors.ts';
import { errorCodes, KafkaError, kafkaErrorOf, kafkaErrors } from '../../src/kafka/errors.ts';

test.each([
  ['UNKNOWN_SERVER_ERROR', -1, false, false],
  ['NONE', 0, false, false],
  ['UNKNOWN_TOPIC_OR_PARTITION', 3, true, true],
  ['NOT_LEADER_OR_FOLLOWER', 6, true, true],
  ['REQUEST_TIMED_OUT', 7, true, false],
  ['ILLEGAL_GENERATION', 22, false, false],
  ['MEMBER_ID_REQUIRED', 79, false, false],
] as const)('%s is %d', (name, wire, retriable, staleMetadata) => {
  expect(errorCodes[name]).toBe(wire);
  expect(kafkaErrorOf(wire)).toBe(name);
  const error = new KafkaError(name, 'detail');
  expect(error).toBeInstanceOf(ProtocolError);
  expect(error).toMatchObject({
    code: name,
    wire,
    retriable,
    staleMetadata,
    message: `${name}: detail`,
  });
});

test('codes are consecutive, without doubles', () => {
  const codes = Object.values(errorCodes).sort((one, other) => one - other);
  expect(codes).toEqual(Array.from({ length: 138 }, (_, index) => index - 1));
});

test('a code from the future is an unknown error, and 0 is none', () => {
  expect(kafkaErrorOf(9999)).toBe('UNKNOWN_SERVER_ERROR');
  expect(KafkaError.ofCode(0)).toBeNull();
  expect(KafkaError.ofCode(36)?.code).toBe('TOPIC_ALREADY_EXISTS');
});

const page = new URL('../../../../../shared/reference/kafka-protocol.md', import.meta.url);
(existsSync(page) ? test : test.skip)('the table is that of the reference', () => {
  const rows = readFileSync(page, 'utf8').matchAll(
    /^\| (-?\d+) \| ([A-Z_]+) \| (yes|no) \|\s*(yes)?\s*\|/gm,
  );
  const expected = Object.fromEntries(
    [...rows].map(([, wire, name, retriable, stale]) => [
      name,
      {
        wire: Number(wire),
        retriable: retriable === 'yes',
        ...(stale === undefined ? {} : { staleMetadata: true }),
      },
    ]),
  );
  expect(kafkaErrors).toEqual(expected);
});
