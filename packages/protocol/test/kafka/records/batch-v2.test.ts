/**
 * Batches of magic 2 against bytes of Apache Kafka, both ways; every truncation and every flipped
 * bit is noticed; what is encoded decodes to itself.
 */
import { beforeAll, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { ProtocolError } from '../../../src/errors.ts';
import { zstdReady } from '../../../src/kafka/compression/index.ts';
import {
  attributes,
  type BatchInput,
  baseOffset,
  baseSequence,
  baseTimestamp,
  batchSize,
  checksumMatches,
  compressionOf,
  crc,
  decodeBatch,
  decodeBatchAsync,
  encodeBatch,
  encodeBatchAsync,
  hasProducerId,
  isControl,
  isTransactional,
  lastOffset,
  lastOffsetDelta,
  magic,
  maxTimestamp,
  openRecords,
  partitionLeaderEpoch,
  producerEpoch,
  producerId,
  type RecordInput,
  recordCount,
  setBaseOffset,
  setLogAppendTime,
  setPartitionLeaderEpoch,
  setProducer,
  timestampType,
} from '../../../src/kafka/records/index.ts';
import { APACHE, hex, T } from './golden.ts';

const TWO_RECORDS = [
  { key: Buffer.from('k1'), value: Buffer.from('v1'), timestamp: T },
  {
    key: null,
    value: Buffer.from('v2'),
    timestamp: T + 5,
    headers: [
      { key: 'h', value: Buffer.from('x') },
      { key: 'n', value: null },
    ],
  },
] satisfies RecordInput[];

const GOLDEN: { name: string; bytes: string; input: BatchInput }[] = [
  { name: 'two records', bytes: APACHE.twoRecords, input: { records: TWO_RECORDS } },
  {
    name: 'two records of a producer',
    bytes: APACHE.twoRecordsOfProducer,
    input: {
      records: TWO_RECORDS,
      baseOffset: 42,
      partitionLeaderEpoch: 7,
      producerId: 1001n,
      producerEpoch: 3,
      baseSequence: 17,
    },
  },
  {
    name: 'a transactional tombstone',
    bytes: APACHE.transactionalTombstone,
    input: {
      records: [{ key: Buffer.from('a'), value: null, timestamp: T }],
      baseOffset: 5,
      partitionLeaderEpoch: 7,
      producerId: 1001n,
      producerEpoch: 3,
      baseSequence: 0,
      transactional: true,
    },
  },
  {
    name: 'LogAppendTime',
    bytes: APACHE.logAppendTime,
    input: {
      records: [{ key: Buffer.from('k'), value: Buffer.from('v'), timestamp: T }],
      partitionLeaderEpoch: 0,
      timestampType: 'LogAppendTime',
      maxTimestamp: T + 1000,
    },
  },
];

beforeAll(() => zstdReady);

describe('against Apache Kafka', () => {
  test.each(GOLDEN)('encodes $name', ({ bytes, input }) => {
    expect(encodeBatch(input).toString('hex')).toBe(bytes);
  });

  test.each(Object.entries(APACHE))('%s: size and checksum are right anywhere', (_, bytes) => {
    const batch = hex(bytes);
    expect(batchSize(batch, 0)).toBe(batch.length);
    expect(checksumMatches(batch, 0)).toBe(true);
    const inside = Buffer.concat([Buffer.alloc(3), batch, Buffer.alloc(5)]);
    expect(batchSize(inside, 3)).toBe(batch.length);
    expect(checksumMatches(inside, 3)).toBe(true);
  });

  test('decodes header and records', () => {
    expect(decodeBatch(hex(APACHE.twoRecordsOfProducer))).toEqual({
      sizeBytes: 88,
      magic: 2,
      baseOffset: 42,
      lastOffset: 43,
      partitionLeaderEpoch: 7,
      compression: 'none',
      timestampType: 'CreateTime',
      maxTimestamp: T + 5,
      transactional: false,
      control: false,
      deleteHorizonMs: null,
      producerId: 1001n,
      producerEpoch: 3,
      baseSequence: 17,
      records: [
        { offset: 42, timestamp: T, key: Buffer.from('k1'), value: Buffer.from('v1'), headers: [] },
        {
          offset: 43,
          timestamp: T + 5,
          key: null,
          value: Buffer.from('v2'),
          headers: TWO_RECORDS[1]?.headers,
        },
      ],
    });
  });

  test('every record of a LogAppendTime batch has the time of the append', () => {
    const batch = decodeBatch(hex(APACHE.logAppendTime));
    expect(batch.timestampType).toBe('LogAppendTime');
    expect(batch.records.map((record) => record.timestamp)).toEqual([T + 1000]);
  });

  test('decompresses', async () => {
    const batch = decodeBatch(hex(APACHE.gzipTwoRecords));
    expect(batch).toMatchObject({ compression: 'gzip', baseOffset: 10, lastOffset: 11 });
    expect(batch.records.map(({ key, value }) => `${key}=${value}`)).toEqual(['k1=v1', 'k2=v2']);
    expect(await decodeBatchAsync(hex(APACHE.gzipTwoRecords))).toEqual(batch);
  });
});

describe('the header', () => {
  const batch = hex(APACHE.transactionalTombstone);

  test('is read in place', () => {
    expect([magic(batch, 0), crc(batch, 0), attributes(batch, 0)]).toEqual([2, 0x56a0a546, 0x10]);
    expect([baseOffset(batch, 0), lastOffset(batch, 0), lastOffsetDelta(batch, 0)]).toEqual([
      5, 5, 0,
    ]);
    expect([baseTimestamp(batch, 0), maxTimestamp(batch, 0)]).toEqual([T, T]);
    expect([producerId(batch, 0), producerEpoch(batch, 0), baseSequence(batch, 0)]).toEqual([
      1001n,
      3,
      0,
    ]);
    expect([partitionLeaderEpoch(batch, 0), recordCount(batch, 0)]).toEqual([7, 1]);
    expect([isTransactional(batch, 0), isControl(batch, 0), hasProducerId(batch, 0)]).toEqual([
      true,
      false,
      true,
    ]);
    expect([compressionOf(batch, 0), timestampType(batch, 0)]).toEqual(['none', 'CreateTime']);
    expect(isControl(hex(APACHE.commit), 0)).toBe(true);
    expect(hasProducerId(hex(APACHE.twoRecords), 0)).toBe(false);
    expect(compressionOf(hex(APACHE.gzipTwoRecords), 0)).toBe('gzip');
  });

  test('takes offset and leader epoch without a new checksum', () => {
    const patched = hex(APACHE.twoRecords);
    setBaseOffset(patched, 0, 2 ** 40 + 3);
    setPartitionLeaderEpoch(patched, 0, 9);
    expect(checksumMatches(patched, 0)).toBe(true);
    expect(decodeBatch(patched)).toMatchObject({
      baseOffset: 2 ** 40 + 3,
      partitionLeaderEpoch: 9,
    });
  });

  test('takes the time of the append, as Apache Kafka writes it', () => {
    const patched = encodeBatch({
      records: [{ key: Buffer.from('k'), value: Buffer.from('v'), timestamp: T }],
      partitionLeaderEpoch: 0,
    });
    setLogAppendTime(patched, 0, T + 1000);
    expect(patched.toString('hex')).toBe(APACHE.logAppendTime);
  });

  test('takes a producer', () => {
    const patched = hex(APACHE.twoRecords);
    setProducer(patched, 0, { producerId: 1001n, producerEpoch: 3, baseSequence: 17 });
    setBaseOffset(patched, 0, 42);
    setPartitionLeaderEpoch(patched, 0, 7);
    expect(patched.toString('hex')).toBe(APACHE.twoRecordsOfProducer);
  });

  test('patches where it lies, in the middle of others', () => {
    const one = hex(APACHE.logAppendTime);
    const three = Buffer.concat([one, one, one]);
    setBaseOffset(three, one.length, 77);
    setLogAppendTime(three, one.length, T + 2000);
    expect(three.subarray(0, one.length)).toEqual(one);
    expect(three.subarray(2 * one.length)).toEqual(one);
    expect(decodeBatch(three, one.length)).toMatchObject({
      baseOffset: 77,
      maxTimestamp: T + 2000,
    });
  });
});

describe('bad bytes', () => {
  const batch = hex(APACHE.twoRecords);

  test('every truncation is noticed', () => {
    for (let size = 0; size < batch.length; size++) {
      const part = batch.subarray(0, size);
      expect(batchSize(part, 0)).toBe(-1);
      expect(() => decodeBatch(part)).toThrow(ProtocolError);
    }
  });

  test('every flipped bit that the checksum covers is noticed', () => {
    for (let bit = 17 * 8; bit < batch.length * 8; bit++) {
      const flipped = Buffer.from(batch);
      flipped.writeUInt8(flipped.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
      expect(checksumMatches(flipped, 0)).toBe(false);
      expect(() => decodeBatch(flipped)).toThrow('CORRUPT_MESSAGE');
    }
  });

  test.each([
    ['a length below the smallest', 8, '00000030'],
    ['a negative length', 8, 'ffffffff'],
    ['a length of zero, as in a preallocated file', 8, '00000000'],
    ['an unknown magic', 16, '03'],
    ['a negative magic', 16, 'ff'],
  ])('%s', (_, at, bytes) => {
    const bad = Buffer.from(batch);
    hex(bytes).copy(bad, at);
    expect(() => batchSize(bad, 0)).toThrow(ProtocolError);
  });

  test.each([
    ['more records than there are', 57, '00000003'],
    ['fewer records than there are', 57, '00000001'],
    ['a negative number of records', 57, 'ffffffff'],
    ['more records than could be', 57, '7fffffff'],
    ['an offset beyond 2^53', 0, '0020000000000000'],
    ['a timestamp beyond 2^53', 27, '7fffffffffffffff'],
    ['a codec that does not exist', 21, '0007'],
    ['a record length that overruns', 61, '16'],
    ['a record length that stops short', 61, '12'],
    ['a negative record length', 61, '01'],
    ['a record length beyond 32 bits', 61, 'ffffffff7f'],
    ['a key length that overruns', 65, '7e'],
    ['a key length below -1', 65, '03'],
    ['a negative header count', 71, '01'],
  ])('%s, with a right checksum', (_, at, bytes) => {
    const bad = Buffer.from(batch);
    hex(bytes).copy(bad, at);
    expect(() => decodeBatch(bad, 0, { verifyChecksum: false })).toThrow(ProtocolError);
  });

  test('random damage gives a typed error or records, never anything else', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(batch.length - 1), fc.nat(255)), { minLength: 1, maxLength: 8 }),
        (damage) => {
          const bad = Buffer.from(batch);
          for (const [at, byte] of damage) bad.writeUInt8(byte, at);
          try {
            decodeBatch(bad, 0, { verifyChecksum: false });
          } catch (error) {
            expect(error).toBeInstanceOf(ProtocolError);
          }
        },
      ),
      { numRuns: 2000 },
    );
  });
});

const bytesOrNull = fc.option(
  fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
  { nil: null },
);
const record = fc.record({
  key: bytesOrNull,
  value: bytesOrNull,
  timestamp: fc.oneof(
    fc.integer({ min: -1, max: 2 ** 42 }),
    fc.maxSafeInteger().map((value) => Math.trunc(value / 4) + 0), // No -0.
  ),
  headers: fc.array(fc.record({ key: fc.string({ unit: 'grapheme' }), value: bytesOrNull }), {
    maxLength: 4,
  }),
});

describe('what is encoded', () => {
  test.each(['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const)(
    'decodes to itself, with %s',
    async (compression) => {
      await fc.assert(
        fc.asyncProperty(
          fc.array(record, { minLength: 1, maxLength: 20 }),
          fc.maxSafeInteger().map((value) => Math.abs(Math.trunc(value / 2))),
          fc.bigInt({ min: -1n, max: 2n ** 63n - 1n }),
          async (records, offset, producer) => {
            const input = { records, compression, baseOffset: offset, producerId: producer };
            const batch = await encodeBatchAsync(input);
            const decoded = await decodeBatchAsync(batch);
            expect(decoded).toMatchObject({
              compression,
              baseOffset: offset,
              producerId: producer,
            });
            expect(decoded.lastOffset).toBe(offset + records.length - 1);
            expect(decoded.maxTimestamp).toBe(Math.max(-1, ...records.map((r) => r.timestamp)));
            const expected = records.map((r, index) => ({ ...r, offset: offset + index }));
            expect(decoded.records).toEqual(expected);
            expect(decodeBatch(encodeBatch(input)).records).toEqual(expected);
            expect(decodeBatch(batch)).toEqual(decoded);
          },
        ),
        { numRuns: 60 },
      );
    },
  );

  test('keeps gaps that compaction left', () => {
    const records = [
      { key: null, value: Buffer.from('a'), timestamp: T, offsetDelta: 2 },
      { key: null, value: Buffer.from('b'), timestamp: T, offsetDelta: 5 },
    ];
    const batch = encodeBatch({ records, baseOffset: 100, lastOffsetDelta: 9 });
    expect(decodeBatch(batch).lastOffset).toBe(109);
    expect(decodeBatch(batch).records.map(({ offset }) => offset)).toEqual([102, 105]);
  });

  test('may be empty after compaction, and then is a header only', () => {
    const batch = encodeBatch({
      records: [],
      compression: 'gzip',
      baseOffset: 10,
      lastOffsetDelta: 4,
      maxTimestamp: T,
      producerId: 7n,
      producerEpoch: 1,
      baseSequence: 3,
    });
    expect(batch).toHaveLength(61);
    expect(decodeBatch(batch)).toMatchObject({
      compression: 'none',
      baseOffset: 10,
      lastOffset: 14,
      maxTimestamp: T,
      producerId: 7n,
      records: [],
    });
  });

  test('keeps timestamps under a delete horizon', () => {
    const records = [{ key: Buffer.from('k'), value: null, timestamp: T - 50 }];
    const batch = decodeBatch(encodeBatch({ records, deleteHorizonMs: T + 1 }));
    expect(batch.deleteHorizonMs).toBe(T + 1);
    expect(batch.records[0]?.timestamp).toBe(T - 50);
  });

  test('must have a last offset delta that fits', () => {
    expect(() => encodeBatch({ records: [] })).toThrow(ProtocolError);
    expect(() => encodeBatch({ records: TWO_RECORDS, lastOffsetDelta: 2 ** 31 })).toThrow(
      ProtocolError,
    );
  });

  test('can be gone through without building records', () => {
    const cursor = openRecords(hex(APACHE.twoRecordsOfProducer));
    expect(cursor.next()).toBe(true);
    expect([cursor.offset, cursor.keyLength, cursor.valueLength, cursor.headerCount]).toEqual([
      42, 2, 2, 0,
    ]);
    expect(cursor.next()).toBe(true);
    expect([cursor.offsetDelta, cursor.timestamp, cursor.keyLength]).toEqual([1, T + 5, -1]);
    expect([cursor.headerCount, cursor.sizeBytes]).toEqual([2, 16]);
    expect(cursor.next()).toBe(false);
  });

  test('may be large: 100,000 records', () => {
    const value = Buffer.alloc(100, 'v');
    const records = Array.from({ length: 100_000 }, (_, index) => ({
      key: null,
      value,
      timestamp: T + index,
    }));
    const decoded = decodeBatch(encodeBatch({ records, compression: 'snappy' }));
    expect(decoded.records).toHaveLength(100_000);
    expect(decoded.records[99_999]).toMatchObject({ offset: 99_999, timestamp: T + 99_999 });
  });
});
