/**
 * Message sets of magic 0 and 1 against Apache Kafka and kafka-python, both ways, with wrappers;
 * mixed with magic 2; and everything that can be wrong with them.
 */

import { crc32 } from 'node:zlib';
import { beforeAll, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { ProtocolError } from '../../../src/errors.ts';
import {
  compressSync,
  DecompressionLimitExceeded,
  zstdReady,
} from '../../../src/kafka/compression/index.ts';
import {
  batchPositions,
  type DecodedBatch,
  decodeMessage,
  decodeMessageAsync,
  decodeRecordSet,
  decodeRecordSetAsync,
  encodeBatch,
  encodeMessageSet,
  encodeMessageSetAsync,
  messageChecksumMatches,
  type RecordInput,
} from '../../../src/kafka/records/index.ts';
import { APACHE, hex, KAFKA_PYTHON, LIBRDKAFKA, T, TEXT } from './golden.ts';

const V1_UNCOMPRESSED = hex(
  '000000000000000a 0000001a a5da6a62 01 00 0000018bcfe56800 00000002 6b31 00000002 7631' +
    '000000000000000b 0000001a 10149256 01 00 0000018bcfe56805 00000002 6b32 00000002 7632',
);
const V0_UNCOMPRESSED = hex(
  '000000000000000a0000001257e7496e0000000000026b31000000027631' +
    '000000000000000b00000010d5960a780000ffffffff000000027632',
);
const TWO = [
  { key: Buffer.from('k1'), value: Buffer.from('v1'), timestamp: T },
  { key: Buffer.from('k2'), value: Buffer.from('v2'), timestamp: T + 5 },
] satisfies RecordInput[];

const recordsOf = (batches: Iterable<DecodedBatch>) => [...batches].flatMap((b) => b.records);

/** A message around `value`, for sets that no encoder would write. */
function wrapper(magic: 0 | 1, attributes: number, value: Buffer | null, offset = 0): Buffer {
  const head = Buffer.alloc(magic === 1 ? 26 : 18);
  head.writeBigInt64BE(BigInt(offset), 0);
  head.writeInt8(magic, 16);
  head.writeInt8(attributes, 17);
  if (magic === 1) head.writeBigInt64BE(BigInt(T), 18);
  const lengths = Buffer.alloc(8);
  lengths.writeInt32BE(-1, 0);
  lengths.writeInt32BE(value === null ? -1 : value.length, 4);
  const message = Buffer.concat([head, lengths, value ?? Buffer.alloc(0)]);
  message.writeInt32BE(message.length - 12, 8);
  message.writeUInt32BE(crc32(message.subarray(16)), 12);
  return message;
}

beforeAll(() => zstdReady);

describe('against Apache Kafka', () => {
  test('magic 1, both ways', () => {
    expect(encodeMessageSet({ magic: 1, records: TWO, baseOffset: 10 })).toEqual(V1_UNCOMPRESSED);
    expect(recordsOf(decodeRecordSet(V1_UNCOMPRESSED))).toEqual([
      { offset: 10, headers: [], ...TWO[0] },
      { offset: 11, headers: [], ...TWO[1] },
    ]);
  });

  test('magic 0, both ways', () => {
    const records = [
      { key: Buffer.from('k1'), value: Buffer.from('v1'), timestamp: T },
      { key: null, value: Buffer.from('v2'), timestamp: T },
    ];
    expect(encodeMessageSet({ magic: 0, records, baseOffset: 10 })).toEqual(V0_UNCOMPRESSED);
    expect(recordsOf(decodeRecordSet(V0_UNCOMPRESSED))).toEqual(
      records.map((record, index) => ({
        ...record,
        offset: 10 + index,
        timestamp: -1,
        headers: [],
      })),
    );
  });

  test('the wrapper of magic 1 bears the last offset and the largest timestamp', () => {
    const set = encodeMessageSet({ magic: 1, records: TWO, baseOffset: 10, compression: 'gzip' });
    expect(set.readBigInt64BE(0)).toBe(11n);
    expect(set.subarray(16, 18)).toEqual(hex('0101'));
    expect(set.readBigInt64BE(18)).toBe(BigInt(T + 5));
    expect(
      recordsOf(decodeRecordSet(set)).map(({ offset, timestamp }) => [offset, timestamp]),
    ).toEqual([
      [10, T],
      [11, T + 5],
    ]);
  });
});

describe('against kafka-python', () => {
  test.each(Object.entries(KAFKA_PYTHON))('%s', async (name, bytes) => {
    const set = hex(bytes);
    const records = recordsOf(decodeRecordSet(set));
    const timestamps = name.startsWith('v0') ? [-1, -1, -1] : [T, T + 1, T + 2];
    expect(records.map(({ timestamp }) => timestamp)).toEqual(timestamps);
    expect(records.map(({ key, value }) => [key, value])).toEqual([
      [null, Buffer.from('v0')],
      [Buffer.from('k1'), TEXT],
      [Buffer.from('k2'), Buffer.from('v2')],
    ]);
    const later: DecodedBatch[] = [];
    for await (const batch of decodeRecordSetAsync(set)) later.push(batch);
    expect(recordsOf(later)).toEqual(records);
  });

  test('uncompressed sets are the same bytes', () => {
    const records = recordsOf(decodeRecordSet(hex(KAFKA_PYTHON.v1None)));
    expect(encodeMessageSet({ magic: 1, records })).toEqual(hex(KAFKA_PYTHON.v1None));
    expect(encodeMessageSet({ magic: 0, records })).toEqual(hex(KAFKA_PYTHON.v0None));
  });
});

describe('against librdkafka, magic 2', () => {
  test.each(Object.entries(LIBRDKAFKA))('%s', (compression, bytes) => {
    const [batch, ...others] = decodeRecordSet(hex(bytes));
    expect(others).toEqual([]);
    expect(batch).toMatchObject({ magic: 2, compression, lastOffset: 2, maxTimestamp: T + 2 });
    const records = [
      {
        offset: 0,
        timestamp: T,
        key: Buffer.from('k0'),
        value: Buffer.from('v0'),
        headers: [
          { key: 'h', value: Buffer.from('x') },
          { key: 'n', value: null },
        ],
      },
      { offset: 1, timestamp: T + 1, key: Buffer.from('k1'), value: TEXT, headers: [] },
      {
        offset: 2,
        timestamp: T + 2,
        key: Buffer.from('k2'),
        value: Buffer.from('v2'),
        headers: [],
      },
    ];
    expect(batch?.records).toEqual(records);
    if (compression !== 'none') return;
    expect(encodeBatch({ records, partitionLeaderEpoch: 0 })).toEqual(hex(bytes));
  });
});

describe('what is encoded', () => {
  const bytesOrNull = fc.option(
    fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
    { nil: null },
  );
  const record = fc.record({ key: bytesOrNull, value: bytesOrNull, timestamp: fc.nat() });

  test.each(
    ([0, 1] as const).flatMap((magic) =>
      (['none', 'gzip', 'snappy', 'lz4'] as const).map((compression) => ({ magic, compression })),
    ),
  )('decodes to itself: magic $magic with $compression', async ({ magic, compression }) => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(record, { minLength: 1, maxLength: 10 }),
        fc.nat(),
        async (records, baseOffset) => {
          const input = { magic, compression, records, baseOffset };
          const set = await encodeMessageSetAsync(input);
          expect(encodeMessageSet(input)).toEqual(set);
          for (const at of batchPositions(set)) expect(messageChecksumMatches(set, at)).toBe(true);
          expect(recordsOf(decodeRecordSet(set))).toEqual(
            records.map(({ timestamp, ...rest }, index) => ({
              ...rest,
              offset: baseOffset + index,
              timestamp: magic === 0 ? -1 : timestamp,
              headers: [],
            })),
          );
        },
      ),
      { numRuns: 30 },
    );
  });

  test('keeps gaps in the offsets', () => {
    const records = [
      { key: null, value: Buffer.from('a'), timestamp: T, offsetDelta: 2 },
      { key: null, value: Buffer.from('b'), timestamp: T, offsetDelta: 7 },
    ];
    for (const magic of [0, 1] as const) {
      for (const compression of ['none', 'lz4'] as const) {
        const set = encodeMessageSet({ magic, compression, records, baseOffset: 100 });
        expect(recordsOf(decodeRecordSet(set)).map(({ offset }) => offset)).toEqual([102, 107]);
      }
    }
  });

  test.each(['none', 'gzip'] as const)('has one time with LogAppendTime and %s', (compression) => {
    const set = encodeMessageSet({
      magic: 1,
      records: TWO,
      compression,
      timestampType: 'LogAppendTime',
      appendTimestamp: T + 99,
    });
    for (const batch of decodeRecordSet(set)) {
      expect(batch).toMatchObject({ timestampType: 'LogAppendTime', maxTimestamp: T + 99 });
      for (const { timestamp } of batch.records) expect(timestamp).toBe(T + 99);
    }
  });

  test('is never zstd, and nothing is nothing', () => {
    expect(() => encodeMessageSet({ magic: 1, records: TWO, compression: 'zstd' })).toThrow(
      ProtocolError,
    );
    expect(encodeMessageSet({ magic: 1, records: [], compression: 'gzip' })).toHaveLength(0);
    expect([...decodeRecordSet(Buffer.alloc(0))]).toEqual([]);
  });
});

describe('a wrapper of magic 1', () => {
  test('that brokers stamped on the outside only gives its time to all inside', () => {
    const inner = encodeMessageSet({ magic: 1, records: TWO });
    const stamped = wrapper(1, 0x08 | 1, compressSync('gzip', inner), 11);
    expect(decodeMessage(stamped, 0).records.map(({ timestamp }) => timestamp)).toEqual([T, T]);
    const created = wrapper(1, 1, compressSync('gzip', inner), 11);
    expect(decodeMessage(created, 0).records.map(({ timestamp }) => timestamp)).toEqual([T, T + 5]);
  });

  test('may hold absolute offsets', () => {
    const inner = encodeMessageSet({ magic: 1, records: TWO, baseOffset: 10 });
    const { records } = decodeMessage(wrapper(1, 1, compressSync('gzip', inner), 11), 0);
    expect(records.map(({ offset }) => offset)).toEqual([10, 11]);
  });
});

describe('bad bytes', () => {
  const inner = encodeMessageSet({ magic: 1, records: TWO });
  const flipped = Buffer.from(inner);
  flipped.writeUInt8(flipped.readUInt8(33) ^ 1, 33);

  test.each([
    ['without a value', wrapper(1, 1, null)],
    ['of nothing', wrapper(1, 1, compressSync('gzip', Buffer.alloc(0)))],
    ['of zstd', wrapper(1, 4, compressSync('gzip', inner))],
    ['of a codec that does not exist', wrapper(1, 7, inner)],
    ['of another magic', wrapper(0, 1, compressSync('gzip', inner))],
    ['of magic 2', wrapper(1, 1, compressSync('gzip', hex(APACHE.twoRecords)))],
    [
      'of a wrapper',
      wrapper(1, 1, compressSync('gzip', wrapper(1, 1, compressSync('gzip', inner)))),
    ],
    ['of a set that is cut short', wrapper(1, 1, compressSync('gzip', inner.subarray(0, -1)))],
    ['of a message with a wrong checksum', wrapper(1, 1, compressSync('gzip', flipped))],
    ['of bytes that are not compressed', wrapper(1, 2, inner)],
  ])('a wrapper %s', async (_, message) => {
    expect(() => decodeMessage(message, 0)).toThrow(ProtocolError);
    await expect(decodeMessageAsync(message, 0)).rejects.toThrow(ProtocolError);
  });

  test('a bomb', () => {
    const bomb = wrapper(1, 1, compressSync('gzip', Buffer.alloc(10_000_000)));
    expect(() => decodeMessage(bomb, 0, { limitBytes: 1_000_000 })).toThrow(
      DecompressionLimitExceeded,
    );
  });

  test.each([
    ['v0', V0_UNCOMPRESSED],
    ['v1', V1_UNCOMPRESSED],
  ])('every flipped bit from the checksum on is noticed: %s', (_, set) => {
    const size = 12 + set.readInt32BE(8);
    for (let bit = 12 * 8; bit < size * 8; bit++) {
      const bad = Buffer.from(set);
      bad.writeUInt8(bad.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
      expect(() => decodeMessage(bad, 0)).toThrow(ProtocolError);
    }
  });

  test.each([
    ['v0', V0_UNCOMPRESSED],
    ['v1', V1_UNCOMPRESSED],
    ['v2', Buffer.concat([hex(APACHE.twoRecords), hex(APACHE.commit)])],
    ['mixed', Buffer.concat([V0_UNCOMPRESSED, hex(APACHE.commit), V1_UNCOMPRESSED])],
  ])('a set that is cut short ends before the entry that is not whole: %s', (_, set) => {
    const positions = [...batchPositions(set)];
    const ends = [...positions.slice(1), set.length];
    for (let size = 0; size <= set.length; size++) {
      const part = set.subarray(0, size);
      const whole = ends.filter((end) => end <= size).length;
      expect([...decodeRecordSet(part)]).toHaveLength(whole);
    }
  });

  test('random damage gives a typed error or records', () => {
    const set = Buffer.concat([V0_UNCOMPRESSED, hex(KAFKA_PYTHON.v1Gzip)]);
    const damage = fc.array(fc.tuple(fc.nat(set.length - 1), fc.nat(255)), { minLength: 1 });
    fc.assert(
      fc.property(damage, (changes) => {
        const bad = Buffer.from(set);
        for (const [at, byte] of changes) bad.writeUInt8(byte, at);
        try {
          recordsOf(decodeRecordSet(bad, { verifyChecksum: false, limitBytes: 1 << 20 }));
        } catch (error) {
          expect(error).toBeInstanceOf(ProtocolError);
        }
      }),
      { numRuns: 1000 },
    );
  });
});
