/**
 * Records out of fetch answers: wanted offsets only, no control batches, no aborted transactions, and the
 * next offset right also where nothing was to be seen. Batches are made with the protocol package.
 */
import { beforeAll, describe, expect, test } from '@jest/globals';
import {
  encodeBatch,
  encodeMessageSet,
  encodeTransactionMarker,
  zstdReady,
} from '@odradek/protocol';
import { type AbortedTransaction, FetchedRecords } from '../../src/consumer/fetched.ts';

beforeAll(async () => {
  await zstdReady; // Batches are made with the synchronous encoder.
});

function batch(baseOffset: number, count: number, options: object = {}): Buffer {
  const records = Array.from({ length: count }, (_, n) => ({
    key: null,
    value: Buffer.from(`${baseOffset + n}`),
    timestamp: 5,
  }));
  return encodeBatch({ records, baseOffset, ...options });
}
const transactional = (baseOffset: number, count: number, producerId: bigint): Buffer =>
  batch(baseOffset, count, { transactional: true, producerId, producerEpoch: 0, baseSequence: 0 });
const marker = (baseOffset: number, kind: 'abort' | 'commit', producerId: bigint): Buffer =>
  encodeTransactionMarker({
    kind,
    producerId,
    producerEpoch: 0,
    coordinatorEpoch: 0,
    timestamp: 5,
    baseOffset,
  });

function fetched(
  records: readonly Buffer[],
  fromOffset = 0,
  aborted: readonly AbortedTransaction[] | null = null,
): FetchedRecords {
  return new FetchedRecords({
    topic: 't',
    partition: 0,
    records: Buffer.concat(records),
    fromOffset,
    aborted,
  });
}

async function offsets(source: FetchedRecords, portion = 100): Promise<number[]> {
  const seen: number[] = [];
  for (;;) {
    const taken = await source.take(portion);
    if (taken.length === 0) return seen;
    seen.push(...taken.map(({ offset }) => offset));
    for (const { offset, value } of taken) expect(String(value)).toBe(String(offset));
  }
}

test('whole batches, from the wanted offset on, in portions', async () => {
  const source = fetched([batch(10, 5), batch(15, 5)], 12);
  expect(source.endOffset).toBe(20);
  expect((await source.take(2)).map(({ offset }) => offset)).toEqual([12, 13]);
  expect([source.nextOffset, source.isExhausted]).toEqual([14, false]);
  expect(await offsets(source, 3)).toEqual([14, 15, 16, 17, 18, 19]);
  expect([source.nextOffset, source.isExhausted]).toEqual([20, true]);
});

test.each(['gzip', 'snappy', 'lz4', 'zstd'] as const)('compressed with %s', async (compression) => {
  expect(await offsets(fetched([batch(0, 50, { compression })]))).toHaveLength(50);
});

test('a batch that was cut short is left out', async () => {
  const source = fetched([batch(0, 3), batch(3, 3).subarray(0, -1)]);
  expect(source.endOffset).toBe(3);
  expect(await offsets(source)).toEqual([0, 1, 2]);
  expect(fetched([batch(0, 3).subarray(0, 40)]).endOffset).toBeNull();
});

test('offsets that compaction left empty are passed over', async () => {
  const source = fetched([batch(0, 1, { lastOffsetDelta: 9 }), batch(10, 1)]);
  expect((await source.take(1)).map(({ offset }) => offset)).toEqual([0]);
  expect(source.nextOffset).toBe(10);
  expect(await offsets(source)).toEqual([10]);
});

test('message sets of old brokers', async () => {
  const records = [0, 1].map((n) => ({ key: null, value: Buffer.from(`${n}`), timestamp: 5 }));
  const source = fetched([encodeMessageSet({ magic: 1, records, baseOffset: 0 })]);
  expect(source.endOffset).toBe(2);
  expect(await offsets(source)).toEqual([0, 1]);
});

describe('transactions', () => {
  const log = [
    transactional(0, 2, 1n),
    batch(2, 1),
    transactional(3, 2, 2n),
    marker(5, 'abort', 1n),
    transactional(6, 1, 1n),
    marker(7, 'commit', 2n),
    marker(8, 'commit', 1n),
  ];
  const aborted = [{ producerId: 1n, firstOffset: 0 }];

  test('read_committed leaves out what was aborted, and only that', async () => {
    const source = fetched(log, 0, aborted);
    expect(await offsets(source)).toEqual([2, 3, 4, 6]);
    expect(source.nextOffset).toBe(9);
  });

  test('read_uncommitted sees everything but markers', async () => {
    expect(await offsets(fetched(log))).toEqual([0, 1, 2, 3, 4, 6]);
  });

  test('an answer that begins within an aborted transaction', async () => {
    expect(await offsets(fetched(log.slice(2), 3, [{ producerId: 2n, firstOffset: 1 }]))).toEqual([
      6,
    ]);
  });
});

test('a flipped bit is an error, not a record', async () => {
  const bytes = batch(0, 3);
  const at = bytes.length - 2;
  bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at);
  await expect(fetched([bytes]).take(1)).rejects.toMatchObject({ code: 'CORRUPT_MESSAGE' });
});
