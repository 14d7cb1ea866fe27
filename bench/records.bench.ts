/**
 * Record batches: the work of a broker on a produced batch, the work of a client on its records,
 * and the codecs. The peer is kafkajs, if it is installed.
 */
import { createRequire } from 'node:module';
import {
  baseOffset,
  batchSize,
  checksumMatches,
  compressSync,
  crc32c,
  crc32cImplementation,
  decodeBatch,
  decompressSync,
  encodeBatch,
  encodeMessageSet,
  lastOffsetDelta,
  openRecords,
  recordCount,
  setBaseOffset,
  setPartitionLeaderEpoch,
  zstdReady,
} from '@odradek/protocol';
import { benchmark, notMeasured, repeat, repeatAsync } from './harness.ts';

await zstdReady;

const require = createRequire(import.meta.url);
const T = 1_700_000_000_000;
const RECORDS = 100;
const VALUE_BYTES = 100;

/** Lines of a log, which compress about as well as what people send. */
const lines = Buffer.from(
  Array.from(
    { length: 1000 },
    (_, line) =>
      `{"time":${T + line * 37},"level":"info","request":"/orders/${(line * 7919) % 1009}","ms":${(line * line) % 97}}\n`,
  ).join(''),
);
const records = Array.from({ length: RECORDS }, (_, index) => ({
  key: null,
  value: lines.subarray(index * VALUE_BYTES, (index + 1) * VALUE_BYTES),
  timestamp: T + index,
}));
const batch = encodeBatch({ records });

// What a broker does with a batch.

const large = encodeBatch({ records: Array.from({ length: 10 }, () => records).flat() });
benchmark(
  `broker: check a batch of ${large.length} bytes and assign its offset`,
  { unit: 'batch', smoke: 10, full: 20_000, bytes: large.length },
  (operations) => {
    let nextOffset = 0;
    return repeat(operations, () => {
      if (batchSize(large, 0) !== large.length || !checksumMatches(large, 0)) return Number.NaN;
      setBaseOffset(large, 0, nextOffset);
      setPartitionLeaderEpoch(large, 0, 3);
      nextOffset += lastOffsetDelta(large, 0) + 1;
      return (baseOffset(large, 0) % 997) + recordCount(large, 0);
    });
  },
);

const kilobyte = lines.subarray(0, 1024);
const javascript: unknown = require('fast-crc32c/impls/js_crc32c');
const byTable = Reflect.get(Object(javascript), 'calculate') as typeof crc32c;
benchmark(
  'CRC-32C of 1 KiB: JavaScript',
  { unit: 'checksum', smoke: 10, full: 30_000, bytes: 1024 },
  (operations) => repeat(operations, () => byTable(kilobyte)),
);
benchmark(
  `CRC-32C of 1 KiB: ours (${crc32cImplementation})`,
  {
    unit: 'checksum',
    smoke: 10,
    full: 30_000,
    bytes: 1024,
    baseline: 'CRC-32C of 1 KiB: JavaScript',
  },
  (operations) => repeat(operations, () => crc32c(kilobyte)),
);

// What a client does with records.

interface PeerBuffer {
  readonly buffer: Buffer;
}
interface Peer {
  encode(compression: number): Promise<PeerBuffer>;
  decode(batch: Buffer): Promise<{ records: readonly { offset: string; value: Buffer }[] }>;
}

/** kafkajs's own encoder and decoder, which it does not export. */
function kafkajs(): Peer | null {
  try {
    const inside = (path: string) => require(`kafkajs/src/protocol/${path}`);
    const encodeRecord = inside('recordBatch/record/v0');
    const { RecordBatch } = inside('recordBatch/v0');
    const decodeRecordBatch = inside('recordBatch/v0/decoder');
    const Decoder = inside('decoder');
    return {
      encode: (compression) =>
        RecordBatch({
          compression,
          firstTimestamp: T,
          maxTimestamp: T + RECORDS - 1,
          lastOffsetDelta: RECORDS - 1,
          records: records.map(({ value, timestamp }, offsetDelta) =>
            encodeRecord({ value, offsetDelta, timestampDelta: timestamp - T }),
          ),
        }),
      // The decoder begins behind offset, length, epoch and magic, and asks for the magic again.
      decode: (bytes) => decodeRecordBatch(new Decoder(bytes)),
    };
  } catch {
    return null;
  }
}

const peer = kafkajs();
if (peer === null) notMeasured('kafkajs on record batches', 'it is not installed');

const CODECS = [
  { codec: 'none', id: 0 },
  { codec: 'gzip', id: 1 },
] as const;
for (const { codec, id } of CODECS) {
  const encoded = encodeBatch({ records, compression: codec });
  const sizes = { unit: 'batch', smoke: 3, full: codec === 'gzip' ? 300 : 3000 };
  const encodeByPeer = `kafkajs: encode ${RECORDS} records, ${codec}`;
  const decodeByPeer = `kafkajs: decode ${RECORDS} records, ${codec}`;
  if (peer !== null) {
    benchmark(encodeByPeer, sizes, (operations) =>
      repeatAsync(operations, async () => (await peer.encode(id)).buffer.length),
    );
    benchmark(decodeByPeer, sizes, (operations) =>
      repeatAsync(operations, async () => (await peer.decode(encoded)).records.length),
    );
  }
  benchmark(
    `encode ${RECORDS} records, ${codec}`,
    peer === null ? sizes : { ...sizes, baseline: encodeByPeer },
    (operations) => repeat(operations, () => encodeBatch({ records, compression: codec }).length),
  );
  benchmark(
    `decode ${RECORDS} records, ${codec}`,
    peer === null ? sizes : { ...sizes, baseline: decodeByPeer },
    (operations) => repeat(operations, () => decodeBatch(encoded).records.length),
  );
}

benchmark(
  `go through ${RECORDS} records without building them`,
  { unit: 'batch', smoke: 10, full: 10_000 },
  (operations) =>
    repeat(operations, () => {
      const cursor = openRecords(batch);
      let sizeBytes = 0;
      while (cursor.next()) sizeBytes += cursor.sizeBytes;
      return sizeBytes;
    }),
);

benchmark(
  `convert ${RECORDS} records down to magic 1`,
  { unit: 'batch', smoke: 3, full: 2000 },
  (operations) =>
    repeat(
      operations,
      () => encodeMessageSet({ magic: 1, records: decodeBatch(batch).records }).length,
    ),
);

// The codecs, on one block of 64 KiB.

const block = lines.subarray(0, 64 * 1024);
for (const codec of ['gzip', 'snappy', 'lz4', 'zstd'] as const) {
  const compressed = compressSync(codec, block);
  const sizes = { unit: 'block', smoke: 2, full: codec === 'gzip' ? 50 : 300, bytes: block.length };
  const compare = (verb: string) => (codec === 'gzip' ? {} : { baseline: `gzip: ${verb} 64 KiB` });
  benchmark(`${codec}: compress 64 KiB`, { ...sizes, ...compare('compress') }, (operations) =>
    repeat(operations, () => compressSync(codec, block).length),
  );
  benchmark(`${codec}: decompress 64 KiB`, { ...sizes, ...compare('decompress') }, (operations) =>
    repeat(operations, () => decompressSync(codec, compressed).length),
  );
}
