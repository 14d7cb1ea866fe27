/**
 * Goal: consumers from before Kafka 0.11 get what batches hold, no more than they have room for, and
 * always go on. Method: golden bytes of Apache Kafka's, properties over any batches, and scenes for
 * what cannot be converted.
 */
import { beforeAll, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { zstdReady } from '../../../src/kafka/compression/index.ts';
import {
  type DownConversion,
  decodeRecordSet,
  downConvert,
  encodeBatch,
  encodeMessageSet,
  encodeTransactionMarker,
  type RecordInput,
} from '../../../src/kafka/records/index.ts';
import { hex, T } from './golden.ts';

const V1 = hex(
  '000000000000000a 0000001a a5da6a62 01 00 0000018bcfe56800 00000002 6b31 00000002 7631' +
    '000000000000000b 0000001a 10149256 01 00 0000018bcfe56805 00000002 6b32 00000002 7632',
);
const V0 = hex(
  '000000000000000a0000001257e7496e0000000000026b31000000027631' +
    '000000000000000b00000010d5960a780000ffffffff000000027632',
);
const MAGICS = [0, 1] as const;
const CODECS = ['none', 'gzip', 'snappy', 'lz4'] as const;

beforeAll(() => zstdReady);

const record = (
  key: string | null,
  value: string,
  timestamp = T,
  headers: RecordInput['headers'] = [],
): RecordInput => ({
  key: key === null ? null : Buffer.from(key),
  value: Buffer.from(value),
  timestamp,
  headers,
});

function terms(changes: Partial<DownConversion> = {}): DownConversion {
  return {
    magic: 1,
    fromOffset: 0,
    limitBytes: 1_000_000,
    wholeFirst: true,
    unfoldedBytesMax: 1 << 24,
    pause: () => Promise.resolve(),
    ...changes,
  };
}

const convert = async (
  batches: readonly Buffer[],
  changes: Partial<DownConversion> = {},
): Promise<Buffer> => Buffer.concat(await downConvert(batches, terms(changes)));

const contents = (set: Buffer) =>
  [...decodeRecordSet(set)].flatMap(({ records }) =>
    records.map(({ offset, timestamp, key, value }) => ({
      offset,
      timestamp,
      key: key?.toString() ?? null,
      value: value?.toString() ?? null,
    })),
  );

describe('the bytes that Apache Kafka writes', () => {
  test('magic 1; headers, producer and epoch are gone', async () => {
    const batch = encodeBatch({
      records: [
        record('k1', 'v1', T, [{ key: 'h', value: Buffer.from('x') }]),
        record('k2', 'v2', T + 5),
      ],
      baseOffset: 10,
      partitionLeaderEpoch: 7,
      producerId: 1001n,
      producerEpoch: 3,
      baseSequence: 17,
    });
    expect(await convert([batch])).toEqual(V1);
  });

  test('magic 0; timestamps are gone too', async () => {
    const batch = encodeBatch({
      records: [record('k1', 'v1'), record(null, 'v2')],
      baseOffset: 10,
    });
    expect(await convert([batch], { magic: 0 })).toEqual(V0);
  });

  test('the time of the append, which the message says', async () => {
    const batch = encodeBatch({
      records: [record('k', 'v', T)],
      timestampType: 'LogAppendTime',
      maxTimestamp: T + 1000,
    });
    const [message] = decodeRecordSet(await convert([batch]));
    expect(message).toMatchObject({ timestampType: 'LogAppendTime', maxTimestamp: T + 1000 });
    expect(message?.records[0]?.timestamp).toBe(T + 1000);
  });

  test('what is old enough is left as it is; magic 1 for magic 0 is not', async () => {
    expect(await convert([V0, V1])).toEqual(Buffer.concat([V0, V1]));
    const older = contents(await convert([V0, V1], { magic: 0 }));
    expect(older.map(({ timestamp, value }) => [timestamp, value])).toEqual([
      [-1, 'v1'],
      [-1, 'v2'],
      [-1, 'v1'],
      [-1, 'v2'],
    ]);
    const wrapped = encodeMessageSet({ magic: 1, records: [record('k', 'v')], compression: 'lz4' });
    const [message] = decodeRecordSet(await convert([wrapped], { magic: 0 }));
    expect(message).toMatchObject({ magic: 0, compression: 'lz4' });
  });
});

const bytes = fc.option(fc.string({ maxLength: 60 }), { nil: null });
const anyBatch = fc.record({
  codec: fc.constantFrom(...CODECS),
  contents: fc.array(
    fc.record({ key: bytes, value: bytes, timestamp: fc.integer({ min: -1, max: 2 ** 42 }) }),
    { minLength: 1, maxLength: 30 },
  ),
});

/** Batches one after the other, and what they hold. */
function laidOut(
  specs: readonly {
    codec: (typeof CODECS)[number];
    contents: readonly { key: string | null; value: string | null; timestamp: number }[];
  }[],
) {
  let offset = 100;
  const chunks: Buffer[] = [];
  const all: { offset: number; timestamp: number; key: string | null; value: string | null }[] = [];
  for (const { codec, contents: inside } of specs) {
    chunks.push(
      encodeBatch({
        records: inside.map(({ key, value, timestamp }) => ({
          key: key === null ? null : Buffer.from(key),
          value: value === null ? null : Buffer.from(value),
          timestamp,
        })),
        baseOffset: offset,
        compression: codec,
      }),
    );
    for (const each of inside) all.push({ offset: offset++, ...each });
  }
  return { chunks, all };
}

describe('any batches', () => {
  test.each(MAGICS)('come out of magic %i as they went in', async (magic) => {
    await fc.assert(
      fc.asyncProperty(fc.array(anyBatch, { minLength: 1, maxLength: 5 }), async (specs) => {
        const { chunks, all } = laidOut(specs);
        const untimed = all.map((each) => (magic === 0 ? { ...each, timestamp: -1 } : each));
        const set = await convert([Buffer.concat(chunks)], { magic });
        expect(contents(set)).toEqual(untimed);
        // And the way back.
        const again = encodeBatch({
          records: [...decodeRecordSet(set)].flatMap(({ records }) => records),
          baseOffset: 100,
        });
        expect(contents(again)).toEqual(untimed);
      }),
      { numRuns: 150 },
    );
  });

  test('a consumer with little room reads all of them, one answer after the other', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(anyBatch, { minLength: 1, maxLength: 5 }),
        fc.constantFrom(...MAGICS),
        fc.integer({ min: 0, max: 3000 }),
        async (specs, magic, limitBytes) => {
          const { chunks, all } = laidOut(specs);
          const read: string[] = [];
          for (let fromOffset = 100; fromOffset < 100 + all.length; ) {
            // As the log gives them: from the batch that holds the offset on.
            const from = chunks.findIndex(
              (chunk) => chunk.readBigInt64BE(0) + BigInt(chunk.readInt32BE(23)) >= fromOffset,
            );
            const set = await convert(chunks.slice(from), { magic, fromOffset, limitBytes });
            const some = contents(set);
            const sizes = [...decodeRecordSet(set)].map(({ sizeBytes }) => sizeBytes);
            expect(sizes.length === 1 || set.length <= limitBytes).toBe(true);
            expect(some[0]?.offset).toBe(fromOffset);
            read.push(...some.map(({ offset, value }) => `${offset} ${value}`));
            fromOffset = (some.at(-1)?.offset ?? Number.NaN) + 1;
          }
          expect(read).toEqual(all.map(({ offset, value }) => `${offset} ${value}`));
        },
      ),
      { numRuns: 100 },
    );
  });
});

describe('where room ends', () => {
  const large = encodeBatch({ records: [record(null, 'x'.repeat(5000))] });

  test('the first message is cut when it may be, so that its reader learns of it', async () => {
    const cut = await convert([large], { limitBytes: 1000, wholeFirst: false });
    expect(cut.length).toBe(1000);
    expect([...decodeRecordSet(cut)]).toEqual([]);
    expect(cut.readInt32BE(8)).toBeGreaterThan(cut.length);
    expect(await convert([large], { limitBytes: 0, wholeFirst: false })).toEqual(Buffer.alloc(0));
  });

  test('the first message is whole when it must be, and a second is left out', async () => {
    const set = await convert([large, large], { limitBytes: 1000 });
    expect(contents(set)).toHaveLength(1);
  });

  test('a compressed batch that was small enough is so when it is compressed anew', async () => {
    const batch = encodeBatch({
      records: Array.from({ length: 50 }, (_, n) => record(null, `${n}`)),
      compression: 'gzip',
    });
    const set = await convert([batch], { limitBytes: batch.length, wholeFirst: false });
    expect(contents(set)).toHaveLength(50);
  });

  test('a batch that unfolds to much becomes several messages, with turns in between', async () => {
    const value = 'y'.repeat(1000);
    const batch = encodeBatch({
      records: Array.from({ length: 3000 }, () => record(null, value)),
      compression: 'gzip',
    });
    let turns = 0;
    const pause = () => {
      turns += 1;
      return Promise.resolve();
    };
    const set = await convert([batch], { pause });
    expect([...decodeRecordSet(set)].map(({ records }) => records.length)).toEqual([
      1015, 1015, 970,
    ]);
    expect(turns).toBeGreaterThan(30);
    const later = await convert([batch], { pause, fromOffset: 2999 });
    expect(contents(later).map(({ offset }) => offset)).toEqual([2999]);
  });
});

describe('what older formats have no place for', () => {
  const plain = encodeBatch({ records: [record(null, 'v')] });
  const marker = encodeTransactionMarker({
    kind: 'commit',
    coordinatorEpoch: 1,
    producerId: 1n,
    producerEpoch: 0,
    timestamp: T,
  });

  test('control batches are passed over', async () => {
    expect(contents(await convert([marker, plain, marker])).map(({ value }) => value)).toEqual([
      'v',
    ]);
  });

  test('where nothing is left, there is a message that does not fit', async () => {
    const set = await convert([marker]);
    expect(set.length).toBeGreaterThanOrEqual(12);
    expect([...decodeRecordSet(set)]).toEqual([]);
    expect(await convert([])).toEqual(Buffer.alloc(0));
  });

  test('zstd is refused, or ends what came before it', async () => {
    const zstd = encodeBatch({ records: [record(null, 'v')], compression: 'zstd' });
    await expect(convert([zstd, plain])).rejects.toMatchObject({
      code: 'UNSUPPORTED_COMPRESSION_TYPE',
    });
    expect(contents(await convert([plain, zstd]))).toHaveLength(1);
  });

  test('damage is refused, not given a new checksum', async () => {
    const damaged = Buffer.from(plain);
    damaged.writeUInt8(damaged.readUInt8(67) ^ 1, 67);
    await expect(convert([damaged])).rejects.toMatchObject({ code: 'CORRUPT_MESSAGE' });
    const folded = encodeBatch({
      records: [record(null, 'z'.repeat(4000))],
      compression: 'gzip',
    });
    await expect(convert([folded], { unfoldedBytesMax: 1000 })).rejects.toMatchObject({
      code: 'CORRUPT_MESSAGE',
    });
  });
});
