/** What a leader refuses, and with which of the protocol's errors; and what it leaves alone. */
import { createHash } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { leaderSet } from '../../src/log/append-sets.ts';
import type { LogConfig } from '../../src/log/log-config.ts';
import { RECORD_ERRORS_MAX, RecordsRefused } from '../../src/log/record-rules.ts';
import { validateClientBatch } from '../../src/log/validate.ts';
import {
  attributes,
  checksumMatches,
  decodeBatch,
  encodeBatch,
  encodeMessageSet,
  encodeTransactionMarker,
  KafkaError,
  maxTimestamp,
  renewChecksum,
  zstdReady,
} from './batch-tools.ts';
import { batchOf, config } from './support.ts';

await zstdReady;
const NOW = 1_700_000_000_000;

const validated = (records: Buffer, settings: LogConfig, wallTimeMs: number): Buffer =>
  validateClientBatch(records, settings, wallTimeMs, 'patient');

/** A batch whose header was changed, with the checksum of the changed bytes. */
function changed(change: (batch: Buffer) => void, from = batchOf({ count: 2 })): Buffer {
  const batch = Buffer.from(from);
  change(batch);
  renewChecksum(batch);
  return batch;
}

function codeOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof KafkaError) return error.code;
    throw error;
  }
  return 'NONE';
}

const flipped = (at: number): Buffer => {
  const batch = batchOf({ count: 2 });
  batch[at] = (batch[at] ?? 0) ^ 1;
  return batch;
};

const legacy = encodeMessageSet({
  magic: 1,
  records: [{ key: null, value: Buffer.from('v'), timestamp: NOW }],
});

const marker = encodeTransactionMarker({
  kind: 'commit',
  coordinatorEpoch: 1,
  producerId: 1n,
  producerEpoch: 0,
  timestamp: NOW,
});

describe('refused', () => {
  const table: [string, string, Buffer][] = [
    ['no batch at all', 'INVALID_RECORD', Buffer.alloc(0)],
    ['less than a header', 'INVALID_RECORD', batchOf().subarray(0, 9)],
    ['a cut batch', 'INVALID_RECORD', batchOf().subarray(0, -1)],
    ['an impossible length', 'CORRUPT_MESSAGE', changedLength(7)],
    ['two batches', 'INVALID_RECORD', Buffer.concat([batchOf(), batchOf()])],
    ['a batch and no batch', 'CORRUPT_MESSAGE', Buffer.concat([batchOf(), Buffer.alloc(30)])],
    ['a message of magic 1', 'INVALID_RECORD', legacy],
    ['a base offset', 'INVALID_RECORD', batchOf({ baseOffset: 1 })],
    [
      'what is no offset',
      'INVALID_RECORD',
      changed((batch) => batch.writeBigInt64BE(0x7fffffff_ffffffffn, 0)),
    ],
    ['a flipped bit in the header', 'CORRUPT_MESSAGE', flipped(30)],
    ['a flipped bit in a record', 'CORRUPT_MESSAGE', flipped(70)],
    ['a flipped bit in the checksum', 'CORRUPT_MESSAGE', flipped(18)],
    ['too large', 'MESSAGE_TOO_LARGE', batchOf({ valueBytes: 2000 })],
    ['fewer records than offsets', 'INVALID_RECORD', changed((batch) => batch.writeInt32BE(1, 57))],
    [
      'no records',
      'INVALID_RECORD',
      changed((batch) => {
        batch.writeInt32BE(0, 57);
        batch.writeInt32BE(-1, 23);
      }),
    ],
    [
      'a negative count',
      'INVALID_RECORD',
      changed((batch) => {
        batch.writeInt32BE(-5, 57);
        batch.writeInt32BE(-6, 23);
      }),
    ],
    ['a control batch', 'INVALID_RECORD', marker],
    ['an unknown codec', 'INVALID_RECORD', changed((batch) => batch.writeInt16BE(5, 21))],
    [
      'a producer without a sequence',
      'INVALID_RECORD',
      batchOf({ producerId: 1n, baseSequence: -1 }),
    ],
    [
      'a transaction without a producer',
      'INVALID_RECORD',
      changed((batch) => batch.writeInt16BE(16, 21)),
    ],
    ['a time beyond all numbers', 'INVALID_RECORD', changed((batch) => batch.fill(0x7f, 35, 43))],
  ];
  test.each(table)('%s: %s', (_, code, records) => {
    const settings = config({ maxMessageBytes: 1000 });
    expect(codeOf(() => validated(records, settings, NOW))).toBe(code);
  });

  function changedLength(length: number): Buffer {
    const batch = batchOf();
    batch.writeInt32BE(length, 8);
    return batch;
  }

  test('the size limit is inclusive', () => {
    const batch = batchOf({ count: 3 });
    const limit = (maxMessageBytes: number) => () =>
      validated(Buffer.from(batch), config({ maxMessageBytes }), NOW);
    expect(codeOf(limit(batch.length))).toBe('NONE');
    expect(codeOf(limit(batch.length - 1))).toBe('MESSAGE_TOO_LARGE');
  });
});

describe('accepted as it came', () => {
  test.each(['none', 'gzip', 'snappy', 'lz4'] as const)('%s', (compression) => {
    const batch = batchOf({ count: 4, compression, producerId: 3n, transactional: true });
    const before = Buffer.from(batch);
    const bytes = validated(batch, config(), NOW);
    expect(bytes).toBe(batch);
    expect(bytes).toEqual(before);
  });

  test('but for what begins behind it', () => {
    const batch = batchOf();
    const trailing = batchOf().subarray(0, 40);
    expect(validated(Buffer.concat([batch, trailing]), config(), NOW)).toEqual(batch);
  });
});

describe('log append time', () => {
  test('is put into the header, with a new checksum', () => {
    const settings = config({
      messageTimestampType: 'LogAppendTime',
      messageTimestampAfterMaxMs: 1,
    });
    const { bytes, logAppendTimeMs } = leaderSet(
      validated(batchOf({ count: 2, timestamp: 5 }), settings, NOW - 1),
      { config: settings, wallTimeMs: NOW, origin: 'client', nextOffset: 0, leaderEpoch: 0 },
    );
    expect(logAppendTimeMs).toBe(NOW);
    expect([maxTimestamp(bytes, 0), attributes(bytes, 0) & 8]).toEqual([NOW, 8]);
    expect(checksumMatches(bytes, 0)).toBe(true);
    expect(decodeBatch(bytes).records.map(({ timestamp }) => timestamp)).toEqual([NOW, NOW]);
  });
});

describe('records are looked at', () => {
  const compacted = config({ cleanupPolicy: ['compact'] });
  const bounded = config({ messageTimestampBeforeMaxMs: 1000, messageTimestampAfterMaxMs: 10 });

  test.each(['none', 'gzip'] as const)('compacted topics want keys (%s)', (compression) => {
    expect(codeOf(() => validated(batchOf({ key: 'k', compression }), compacted, NOW))).toBe(
      'NONE',
    );
    const keyless = batchOf({ count: 2, compression });
    expect(() => validated(keyless, compacted, NOW)).toThrow(RecordsRefused);
    expect(codeOf(() => validated(keyless, compacted, NOW))).toBe('INVALID_RECORD');
  });

  test.each([
    { timestamp: NOW, code: 'NONE' },
    { timestamp: NOW - 1000, code: 'NONE' },
    { timestamp: NOW - 1001, code: 'INVALID_TIMESTAMP' },
    { timestamp: NOW + 10, code: 'NONE' },
    { timestamp: NOW + 11, code: 'INVALID_TIMESTAMP' },
    { timestamp: -1, code: 'NONE' },
  ])('a record of $timestamp: $code', ({ timestamp, code }) => {
    const records = [{ key: null, value: null, timestamp }];
    for (const compression of ['none', 'gzip'] as const) {
      const batch = encodeBatch({ records, compression });
      expect(codeOf(() => validated(batch, bounded, NOW))).toBe(code);
    }
  });

  test('every refused record is named, up to a bound', () => {
    const records = Array.from({ length: 300 }, (_, index) => ({
      key: index % 2 === 0 ? Buffer.from('k') : null,
      value: null,
      timestamp: NOW,
    }));
    try {
      validated(encodeBatch({ records }), compacted, NOW);
      throw new Error('was accepted');
    } catch (error) {
      if (!(error instanceof RecordsRefused)) throw error;
      expect(error.recordErrors).toHaveLength(RECORD_ERRORS_MAX);
      expect(error.recordErrors[1]?.batchIndex).toBe(3);
    }
  });

  test.each([1, 2, 3, 4])('a block that codec %i cannot unfold is refused', (codec) => {
    const batch = changed((bytes) => bytes.writeInt16BE(codec, 21));
    expect(codeOf(() => validated(batch, config(), NOW))).toBe('INVALID_RECORD');
  });
});

describe('compression.type', () => {
  test.each([
    { wanted: 'gzip', sent: 'none' as const, codec: 1 },
    { wanted: 'uncompressed', sent: 'gzip' as const, codec: 0 },
    { wanted: 'lz4', sent: 'gzip' as const, codec: 3 },
  ])('$sent becomes $wanted, with everything else as it was', ({ wanted, sent, codec }) => {
    const batch = batchOf({
      count: 3,
      compression: sent,
      key: 'k',
      producerId: 4n,
      producerEpoch: 2,
      baseSequence: 7,
      transactional: true,
    });
    const bytes = validated(batch, config({ compressionType: wanted }), NOW);
    expect(attributes(bytes, 0) & 7).toBe(codec);
    const { compression: _, sizeBytes: __, ...before } = decodeBatch(batch);
    expect(decodeBatch(bytes)).toMatchObject(before);
  });

  test('the size is checked again', () => {
    const batch = batchOf({ count: 1, valueBytes: 5000, compression: 'gzip' });
    const settings = config({ compressionType: 'uncompressed', maxMessageBytes: 1000 });
    expect(codeOf(() => validated(batch, settings, NOW))).toBe('MESSAGE_TOO_LARGE');
  });
});

describe('at once', () => {
  const text = (n: number): string => createHash('sha256').update(`${n}`).digest('hex');
  const lines = Buffer.from(Array.from({ length: 2_000 }, (_, n) => text(n)).join('\n'));
  const batchWith = (bytes: number, compression: 'none' | 'gzip' | 'zstd'): Buffer =>
    encodeBatch({
      records: [{ key: null, value: lines.subarray(0, bytes), timestamp: NOW }],
      compression,
    });
  const zeros = encodeBatch({
    records: [{ key: null, value: Buffer.alloc(2_000_000), timestamp: NOW }],
    compression: 'gzip',
  });

  test.each([
    ['much, as it is', batchWith(100_000, 'none'), {}, true],
    ['a little gzip', batchWith(1_000, 'gzip'), {}, true],
    ['much gzip', batchWith(100_000, 'gzip'), {}, false],
    ['a little that unfolds to much', zeros, {}, false],
    ['a little to pack', batchWith(1_000, 'none'), { compressionType: 'gzip' }, true],
    ['much to pack', batchWith(100_000, 'none'), { compressionType: 'gzip' }, false],
    ['a little for zstd', batchWith(1_000, 'gzip'), { compressionType: 'zstd' }, true],
    [
      'a little for zstd that takes its time',
      batchWith(1_000, 'gzip'),
      { compressionType: 'zstd', compressionZstdLevel: 19 },
      false,
    ],
  ] as const)('%s', (_, batch, changes, isAtOnce) => {
    const settings = config({ maxMessageBytes: 10_000_000, ...changes });
    const atOnce = validateClientBatch(Buffer.from(batch), settings, NOW, 'at-once');
    expect(atOnce !== null).toBe(isAtOnce);
    if (atOnce !== null) expect(atOnce).toEqual(validated(Buffer.from(batch), settings, NOW));
  });

  test.each([
    ['gzip', 1, 9],
    ['zstd', -100, 9],
  ] as const)('the level of %s', (compressionType, fast, thorough) => {
    const sizeAt = (level: number): number => {
      const levels = { compressionGzipLevel: level, compressionZstdLevel: level };
      const settings = config({ compressionType, ...levels });
      return validated(batchWith(90_000, 'none'), settings, NOW).length;
    };
    expect(sizeAt(thorough)).toBeLessThan(sizeAt(fast));
  });
});
