/**
 * Goal: what producers from before Kafka 0.11 send becomes one batch by Kafka's rules, or is refused
 * with Kafka's codes. Method: tables of sets and topics, and a property over any messages.
 */
import { crc32, gzipSync } from 'node:zlib';
import { describe, expect, test } from '@jest/globals';
import { type DecodedBatch, decodeBatch, encodeBatch, encodeMessageSet } from '@odradek/protocol';
import fc from 'fast-check';
import type { LogConfig } from '../../src/log/log-config.ts';
import { RecordsRefused } from '../../src/log/record-rules.ts';
import { validateMessageSet } from '../../src/log/validate-message-set.ts';
import { KafkaError } from './batch-tools.ts';
import { batchOf, config } from './support.ts';

const NOW = 1_700_000_000_000;
type SetInput = Parameters<typeof encodeMessageSet>[0];

const message = (key: string | null, value: string | null, timestamp = NOW) => ({
  key: key === null ? null : Buffer.from(key),
  value: value === null ? null : Buffer.from(value),
  timestamp,
});
const set = (input: Partial<SetInput> = {}): Buffer =>
  encodeMessageSet({
    magic: 1,
    records: [message('k1', 'v1'), message('k2', 'v2', NOW + 5)],
    ...input,
  });

function taken(records: Buffer, changes: Partial<LogConfig> = {}): DecodedBatch {
  return decodeBatch(validateMessageSet(records, config(changes), NOW + 1000, 'patient'));
}

function refusal(records: Buffer, changes: Partial<LogConfig> = {}): KafkaError {
  try {
    validateMessageSet(records, config(changes), NOW + 1000, 'patient');
  } catch (error) {
    if (error instanceof KafkaError) return error;
    throw error;
  }
  throw new Error('it was taken');
}

describe('taken as one batch', () => {
  test.each([
    [0, 'none'],
    [0, 'gzip'],
    [0, 'snappy'],
    [0, 'lz4'],
    [1, 'none'],
    [1, 'gzip'],
    [1, 'snappy'],
    [1, 'lz4'],
  ] as const)('magic %i with %s', (magic, compression) => {
    const batch = taken(set({ magic, compression, baseOffset: 77 }));
    expect(batch).toMatchObject({
      magic: 2,
      compression,
      baseOffset: 0,
      lastOffset: 1,
      producerId: -1n,
      baseSequence: -1,
      timestampType: 'CreateTime',
      maxTimestamp: magic === 0 ? -1 : NOW + 5,
    });
    expect(batch.records).toEqual([
      { offset: 0, ...message('k1', 'v1', magic === 0 ? -1 : NOW), headers: [] },
      { offset: 1, ...message('k2', 'v2', magic === 0 ? -1 : NOW + 5), headers: [] },
    ]);
  });

  test('with the time of an append, where a broker gave it', () => {
    for (const compression of ['none', 'gzip'] as const) {
      const records = set({ compression, timestampType: 'LogAppendTime', appendTimestamp: NOW });
      const batch = taken(records);
      expect(batch).toMatchObject({ timestampType: 'CreateTime', maxTimestamp: NOW });
      expect(batch.records.map(({ timestamp }) => timestamp)).toEqual([NOW, NOW]);
    }
  });

  test.each(['gzip', 'lz4'] as const)('in the codec of the topic: %s', (compressionType) => {
    expect(taken(set({ compression: 'snappy' }), { compressionType }).compression).toBe(
      compressionType,
    );
  });

  test('without the last message, if it is cut short', () => {
    expect(taken(set().subarray(0, -1)).records).toHaveLength(1);
    expect(taken(Buffer.concat([set(), Buffer.alloc(5)])).records).toHaveLength(2);
  });

  test('nothing of nothing', () => {
    expect(validateMessageSet(Buffer.alloc(0), config(), NOW, 'patient')).toHaveLength(0);
    const cut = set().subarray(0, 20);
    expect(validateMessageSet(cut, config(), NOW, 'patient')).toHaveLength(0);
  });

  test('a batch of magic 2, by its own rules', () => {
    expect(taken(batchOf({ count: 3 })).records).toHaveLength(3);
    expect(refusal(batchOf({ baseOffset: 1 })).code).toBe('INVALID_RECORD');
    expect(refusal(Buffer.concat([batchOf(), batchOf()])).code).toBe('INVALID_RECORD');
  });

  test('any messages', () => {
    const text = fc.option(fc.string({ maxLength: 50 }), { nil: null });
    const stamp = fc.integer({ min: -1, max: 2 ** 43 });
    fc.assert(
      fc.property(
        fc.array(fc.tuple(text, text, stamp), { minLength: 1, maxLength: 40 }),
        fc.constantFrom(0 as const, 1 as const),
        fc.constantFrom('none', 'gzip', 'snappy', 'lz4'),
        (specs, magic, compression) => {
          const records = specs.map(([key, value, timestamp]) => message(key, value, timestamp));
          const batch = taken(encodeMessageSet({ magic, compression, records, baseOffset: 5 }));
          expect(batch.records).toEqual(
            records.map((record, offset) => ({
              ...record,
              offset,
              timestamp: magic === 0 ? -1 : record.timestamp,
              headers: [],
            })),
          );
        },
      ),
    );
  });
});

describe('refused', () => {
  const flipped = (at: number, compression: 'none' | 'gzip' = 'none'): Buffer => {
    const bytes = Buffer.from(set({ compression }));
    bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at);
    return bytes;
  };
  const length = (value: number): Buffer => {
    const bytes = Buffer.from(set());
    bytes.writeInt32BE(value, 8);
    return bytes;
  };
  /** A wrapper around a set in which a byte was changed before it was compressed. */
  const damagedInside = (): Buffer => {
    const inner = Buffer.from(set({ records: [message(null, 'inside')] }));
    inner.writeUInt8(inner.readUInt8(30) ^ 1, 30);
    return wrapped(inner);
  };
  const wrapped = (inner: Buffer): Buffer => {
    const outer = encodeMessageSet({
      magic: 1,
      records: [{ key: null, value: gzipSync(inner), timestamp: NOW }],
    });
    outer.writeInt8(1, 17);
    return withChecksum(outer);
  };
  const zstd = (): Buffer => {
    const bytes = Buffer.from(set({ records: [message(null, 'v')] }));
    bytes.writeInt8(4, 17);
    return withChecksum(bytes);
  };
  const timed = set({ timestampType: 'LogAppendTime', appendTimestamp: NOW });

  test.each<[string, string, Buffer, Partial<LogConfig>?]>([
    ['a flipped bit', 'CORRUPT_MESSAGE', flipped(30)],
    ['a flipped bit in a wrapper', 'CORRUPT_MESSAGE', flipped(40, 'gzip')],
    ['a flipped bit inside of a wrapper', 'CORRUPT_MESSAGE', damagedInside()],
    ['an impossible length', 'CORRUPT_MESSAGE', length(7)],
    ['a magic that does not exist', 'CORRUPT_MESSAGE', withMagic(set(), 3)],
    ['a message that is too large', 'MESSAGE_TOO_LARGE', set(), { maxMessageBytes: 30 }],
    [
      'messages that are too large together',
      'MESSAGE_TOO_LARGE',
      set({ records: Array.from({ length: 9 }, () => message('key', 'value')) }),
      { maxMessageBytes: 100 },
    ],
    ['two magics', 'INVALID_RECORD', Buffer.concat([set(), set({ magic: 0 })])],
    [
      'a wrapper among others',
      'INVALID_RECORD',
      Buffer.concat([set({ compression: 'gzip' }), set()]),
    ],
    ['wrappers in wrappers', 'INVALID_RECORD', wrapped(set({ compression: 'gzip' }))],
    ['an empty wrapper', 'INVALID_RECORD', wrapped(Buffer.alloc(0))],
    ['magic 0 inside of magic 1', 'INVALID_RECORD', wrapped(set({ magic: 0 }))],
    ['zstd', 'INVALID_RECORD', zstd()],
    [
      'the time of an append, where the log sets it',
      'INVALID_TIMESTAMP',
      timed,
      { messageTimestampType: 'LogAppendTime' },
    ],
    ['too old', 'INVALID_TIMESTAMP', set(), { messageTimestampBeforeMaxMs: 998 }],
    [
      'too young',
      'INVALID_TIMESTAMP',
      set({ records: [message(null, 'v', NOW + 5000)] }),
      { messageTimestampAfterMaxMs: 3999 },
    ],
    [
      'without a key where keys are needed',
      'INVALID_RECORD',
      set({ records: [message(null, 'v')] }),
      { cleanupPolicy: ['compact'] },
    ],
  ])('%s: %s', (_, code, records, changes = {}) => {
    expect(refusal(records, changes).code).toBe(code);
  });

  test('each record by its place', () => {
    for (const compression of ['none', 'gzip'] as const) {
      const records = [message('k', 'v'), message(null, 'v'), message(null, 'v')];
      const error = refusal(set({ records, compression }), { cleanupPolicy: ['compact'] });
      expect(error).toBeInstanceOf(RecordsRefused);
      expect((error as RecordsRefused).recordErrors.map(({ batchIndex }) => batchIndex)).toEqual([
        1, 2,
      ]);
    }
  });

  test('transactional batches of today, as ever', () => {
    const records = encodeBatch({ records: [message('k', 'v')], transactional: true });
    expect(refusal(records).code).toBe('INVALID_RECORD');
  });
});

function withChecksum(bytes: Buffer): Buffer {
  bytes.writeUInt32BE(crc32(bytes.subarray(16)), 12);
  return bytes;
}

function withMagic(bytes: Buffer, magic: number): Buffer {
  bytes.writeInt8(magic, 16);
  return bytes;
}
