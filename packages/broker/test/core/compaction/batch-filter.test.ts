/**
 * What stays of single batches: markers and horizons step by step, messages of the formats before magic 2 in and out of
 * wrappers, and batches that lose records, equal to what an encoder makes of the rest.
 */
import { describe, expect, test } from '@jest/globals';
import {
  type Codec,
  type DecodedBatch,
  decodeAnyBatch,
  decodeRecordSet,
  encodeBatch,
  encodeMessageSet,
  encodeTransactionMarker,
} from '@odradek/protocol';
import fc from 'fast-check';
import { BatchFilter } from '../../../src/core/compaction/batch-filter.ts';
import { KeyOffsets } from '../../../src/core/compaction/key-offsets.ts';
import {
  type AbortedData,
  TransactionTrace,
} from '../../../src/core/compaction/transaction-trace.ts';

const NOW = 5_000_000;
const RETENTION_MS = 1000;
const PRODUCER = 7n;

interface Setting {
  readonly newest?: Readonly<Record<string, number>>;
  readonly aborted?: readonly AbortedData[];
  readonly keptMarkers?: AbortedData[];
  readonly last?: { readonly lastOffset: number; readonly epoch: number };
  readonly wallTimeMs?: number;
  readonly endOffset?: number;
}

function filterOf(setting: Setting): BatchFilter {
  const keys = KeyOffsets.sized(1 << 16, 0.9, 100, 1);
  for (const [key, offset] of Object.entries(setting.newest ?? {}))
    keys.put(Buffer.from(key), 0, key.length, offset);
  keys.latestOffset = 1000;
  return new BatchFilter({
    keys,
    trace: new TransactionTrace(setting.aborted ?? [], undefined, (kept) =>
      setting.keptMarkers?.push(kept),
    ),
    lastRecords: new Map(setting.last === undefined ? [] : [[PRODUCER, setting.last]]),
    wallTimeMs: setting.wallTimeMs ?? NOW,
    deleteRetentionMs: RETENTION_MS,
    endOffset: setting.endOffset ?? 1001,
  });
}

const data = (baseOffset: number, ...keys: string[]): Buffer =>
  encodeBatch({
    records: keys.map((key) => ({ key: Buffer.from(key), value: Buffer.from('v'), timestamp: 1 })),
    baseOffset,
    producerId: PRODUCER,
    producerEpoch: 0,
    baseSequence: 0,
    transactional: true,
  });
const marker = (kind: 'commit' | 'abort', baseOffset: number): Buffer =>
  encodeTransactionMarker({
    kind,
    baseOffset,
    producerId: PRODUCER,
    producerEpoch: 0,
    coordinatorEpoch: 0,
    timestamp: 1,
  });
const aborted = (firstOffset: number, lastOffset: number): AbortedData => ({
  producerId: PRODUCER,
  firstOffset,
  lastOffset,
  lastStableOffset: lastOffset + 1,
});

describe('markers', () => {
  test('a commit stays while its data is there, then gets a horizon, then goes', () => {
    const filter = filterOf({ newest: { a: 3 } });
    expect(filter.judge(data(3, 'a'), 0, true)).toBe('whole');
    expect(filter.judge(marker('commit', 4), 0, true)).toBe('whole');
    const bare = filterOf({}).judge(marker('commit', 4), 0, true) as Buffer;
    expect(decodeAnyBatch(bare, 0)).toMatchObject({
      deleteHorizonMs: NOW + RETENTION_MS,
      control: true,
      baseOffset: 4,
    });
    const before = filterOf({ wallTimeMs: NOW + RETENTION_MS - 1 });
    expect(before.judge(bare, 0, true)).toBe('whole');
    const after = filterOf({ wallTimeMs: NOW + RETENTION_MS });
    expect(after.judge(bare, 0, true)).toBe('nothing');
  });

  test('an abort stays, and its entry in the index, as long as a batch of it is met', () => {
    const keptMarkers: AbortedData[] = [];
    const transactions = [aborted(3, 6), aborted(8, 9)];
    const filter = filterOf({ newest: { a: 3 }, aborted: transactions, keptMarkers });
    expect(filter.judge(data(3, 'a'), 0, true)).toBe('nothing');
    expect(filter.judge(marker('abort', 6), 0, true)).toBe('whole');
    expect(keptMarkers).toEqual([transactions[0]]);
    // Of the second one nothing is left.
    const bare = filter.judge(marker('abort', 9), 0, true) as Buffer;
    expect(decodeAnyBatch(bare, 0).deleteHorizonMs).toBe(NOW + RETENTION_MS);
    expect(keptMarkers).toHaveLength(1);
  });

  test('what a transaction wrote after an aborted one of the same producer is not aborted', () => {
    const filter = filterOf({ newest: { a: 8 }, aborted: [aborted(3, 6)] });
    expect(filter.judge(data(3, 'a'), 0, true)).toBe('nothing');
    expect(filter.judge(marker('abort', 6), 0, true)).toBe('whole');
    expect(filter.judge(data(8, 'a'), 0, true)).toBe('whole');
  });

  test('the last marker of a producer of which no data is known is kept, emptied', () => {
    const old = filterOf({}).judge(marker('commit', 4), 0, true) as Buffer;
    const filter = filterOf({ wallTimeMs: NOW * 2, last: { lastOffset: -1, epoch: 0 } });
    const emptied = filter.judge(old, 0, true) as Buffer;
    expect(emptied).toHaveLength(61);
    expect(decodeAnyBatch(emptied, 0)).toMatchObject({ control: true, deleteHorizonMs: null });
    expect(filter.judge(emptied, 0, true)).toHaveLength(61);
    expect(filterOf({}).judge(emptied, 0, true)).toBe('nothing');
  });
});

test('the batch at the end of what is compacted stays, be it empty', () => {
  const filter = filterOf({ newest: { a: 50 }, endOffset: 4 });
  const emptied = filter.judge(data(2, 'a', 'a'), 0, true) as Buffer;
  expect(decodeAnyBatch(emptied, 0)).toMatchObject({ baseOffset: 2, lastOffset: 3, records: [] });
  expect(filter.judge(data(0, 'a', 'a'), 0, true)).toBe('nothing');
});

const record = fc.record({
  key: fc.option(fc.constantFrom('a', 'b', 'c', 'd'), { freq: 5 }),
  value: fc.option(fc.string({ maxLength: 20 }), { freq: 3 }),
  timestamp: fc.integer({ min: -5, max: 2 ** 45 }),
});
const records = fc.array(record, { minLength: 1, maxLength: 8 });
const newest = fc.dictionary(
  fc.constantFrom('a', 'b', 'c', 'd'),
  fc.integer({ min: 90, max: 110 }),
);

const inputs = (made: { key: string | null; value: string | null; timestamp: number }[]) =>
  made.map(({ key, value, timestamp }, index) => ({
    key: key === null ? null : Buffer.from(key),
    value: value === null ? null : Buffer.from(value),
    timestamp,
    headers:
      index % 3 === 0 ? [{ key: 'h', value: index % 2 === 0 ? null : Buffer.from('x') }] : [],
    offsetDelta: index * 2, // As after an earlier compaction.
  }));

test('a thinned batch is what an encoder makes of the records that stay', () => {
  fc.assert(
    fc.property(
      records,
      newest,
      fc.constantFrom<Codec>('none', 'gzip', 'snappy', 'lz4'),
      fc.constantFrom('CreateTime', 'LogAppendTime'),
      fc.boolean(),
      (made, known, compression, timestampType, transactional) => {
        const all = inputs(made);
        const header = {
          baseOffset: 95,
          compression,
          timestampType,
          transactional,
          producerId: PRODUCER,
          producerEpoch: 3,
          baseSequence: 17,
          partitionLeaderEpoch: 5,
          lastOffsetDelta: 20,
          ...(timestampType === 'LogAppendTime' ? { maxTimestamp: 123_456 } : {}),
        } as const;
        const batch = encodeBatch({ ...header, records: all });
        const padded = Buffer.concat([Buffer.alloc(5), batch]);
        const stays = all.filter(
          ({ key, offsetDelta }) =>
            key !== null && 95 + offsetDelta >= (known[key.toString()] ?? -1),
        );
        const tombstone = stays.some(({ value }) => value === null);
        const remains = filterOf({ newest: known }).judge(padded, 5, true);
        if (stays.length === 0) return expect(remains).toBe('nothing');
        if (stays.length === all.length && !tombstone) return expect(remains).toBe('whole');
        const timed = stays.map((each) =>
          timestampType === 'LogAppendTime' ? { ...each, timestamp: 123_456 } : each,
        );
        expect(remains).toEqual(
          encodeBatch({
            ...header,
            records: timed,
            ...(tombstone ? { deleteHorizonMs: NOW + RETENTION_MS } : {}),
          }),
        );
      },
    ),
  );
});

test('message sets of formats 0 and 1 lose messages, and keep offsets and times', () => {
  fc.assert(
    fc.property(
      records,
      newest,
      fc.constantFrom<0 | 1>(0, 1),
      fc.constantFrom<Codec>('none', 'gzip', 'snappy', 'lz4'),
      fc.boolean(),
      (made, known, magic, compression, keepTombstones) => {
        const all = inputs(made).map((each) => ({ ...each, timestamp: Math.abs(each.timestamp) }));
        const set = encodeMessageSet({ magic, records: all, baseOffset: 95, compression });
        const flat = (batches: Iterable<DecodedBatch>) =>
          [...batches].flatMap((batch) => batch.records.map((each) => ({ ...each, headers: [] })));
        const before = flat(decodeRecordSet(set));
        const filter = filterOf({ newest: known });
        const kept: Buffer[] = [];
        for (let at = 0; at < set.length; ) {
          const { sizeBytes } = decodeAnyBatch(set, at);
          const remains = filter.judge(set, at, keepTombstones);
          if (remains === 'whole') kept.push(set.subarray(at, at + sizeBytes));
          else if (remains !== 'nothing') kept.push(remains);
          at += sizeBytes;
        }
        const after = flat(decodeRecordSet(Buffer.concat(kept)));
        expect(after).toEqual(
          before.filter(
            ({ key, value, offset }) =>
              key !== null &&
              offset >= (known[key.toString()] ?? -1) &&
              (keepTombstones || value !== null),
          ),
        );
      },
    ),
  );
});
