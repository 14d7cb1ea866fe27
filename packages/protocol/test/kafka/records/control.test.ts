/** Control batches against bytes of Apache Kafka, and keys and values that are not theirs. */
import { describe, expect, test } from '@jest/globals';
import { ProtocolError } from '../../../src/errors.ts';
import {
  controlMarkerOf,
  decodeBatch,
  decodeControlRecord,
  encodeBatch,
  encodeTransactionMarker,
  readControlMarker,
} from '../../../src/kafka/records/index.ts';
import { APACHE, hex, T } from './golden.ts';

describe.each(['commit', 'abort'] as const)('the marker %s', (kind) => {
  test('is the bytes of Apache Kafka', () => {
    const marker = encodeTransactionMarker({
      kind,
      producerId: 1001n,
      producerEpoch: 3,
      coordinatorEpoch: 12,
      timestamp: T,
      baseOffset: 99,
      partitionLeaderEpoch: 7,
    });
    expect(marker.toString('hex')).toBe(APACHE[kind]);
  });

  test('is read', () => {
    const batch = decodeBatch(hex(APACHE[kind]));
    expect(batch).toMatchObject({ control: true, transactional: true, producerId: 1001n });
    expect(batch.records.map(decodeControlRecord)).toEqual([{ kind, coordinatorEpoch: 12 }]);
    const end = { outcome: kind, coordinatorEpoch: 12 };
    expect(controlMarkerOf(batch)).toEqual(end);
    const inside = Buffer.concat([Buffer.alloc(9), hex(APACHE[kind]), Buffer.alloc(9)]);
    expect(readControlMarker(inside, 9)).toEqual(end);
  });
});

const value = hex('0001 0000000c ff');

test.each([
  ['0000 0002', { kind: 'leader-change', value }],
  ['0000 0003', { kind: 'snapshot-header', value }],
  ['0000 0006', { kind: 'kraft-voters', value }],
  ['0000 0007', { kind: 'unknown', type: 7, value }],
  ['0000 ffff', { kind: 'unknown', type: -1, value }],
  ['0001 0001 aa', { kind: 'commit', coordinatorEpoch: 12 }],
])('the key %s', (key, expected) => {
  expect(decodeControlRecord({ key: hex(key), value })).toEqual(expected);
});

test('neither data nor another control record ends a transaction', () => {
  const key = hex('0000 0002');
  const records = [{ key, value, timestamp: T }];
  for (const batch of [
    hex(APACHE.transactionalTombstone),
    encodeBatch({ records, control: true }),
    encodeBatch({ records: [{ ...records[0], key: hex('0000 0001'), value, timestamp: T }] }),
    encodeBatch({ records: [], lastOffsetDelta: 0, control: true }),
  ]) {
    expect(readControlMarker(batch, 0)).toBeNull();
    expect(controlMarkerOf(decodeBatch(batch))).toBeNull();
  }
});

test.each([
  ['no key', null, value],
  ['a short key', hex('000000'), value],
  ['a key of a negative version', hex('ffff 0001'), value],
  ['no value', hex('0000 0001'), null],
  ['a short value', hex('0000 0000'), hex('0000 000000')],
  ['a value of a negative version', hex('0000 0000'), hex('ffff 00000000')],
])('refuses %s', (_, key, bytes) => {
  expect(() => decodeControlRecord({ key, value: bytes })).toThrow(ProtocolError);
});
