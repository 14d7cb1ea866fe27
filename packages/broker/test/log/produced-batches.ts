/**
 * Some eighty produce requests, good ones and bad ones of every kind, and what came of each: shared by the
 * test that holds this broker to what Apache Kafka 3.9.1 answered and stored, and the one that asks both.
 */
import { createHash } from 'node:crypto';
import {
  BATCH_ATTRIBUTE,
  type BodyOf,
  batchPositions,
  batchSize,
  type Codec,
  checksumMatches,
  codecs,
  compressionOf,
  compressSync,
  crc32c,
  decompressSync,
  encodeMessageSet,
  kafkaErrorOf,
  lastOffset,
  maxTimestamp,
  type produceResponse,
  setBaseOffset,
  setPartitionLeaderEpoch,
  timestampType,
  zstdReady,
} from '@odradek/protocol';

await zstdReady;

/** A topic of one partition, by its settings as Kafka names them. */
export const topics = {
  plain: {},
  compacted: { 'cleanup.policy': 'compact' },
  stamped: { 'message.timestamp.type': 'LogAppendTime' },
  bounded: { 'message.timestamp.after.max.ms': '3600000' },
  recent: { 'message.timestamp.before.max.ms': '3600000' },
  different: { 'message.timestamp.difference.max.ms': '3600000' },
  'compacted-bounded': {
    'cleanup.policy': 'compact',
    'message.timestamp.after.max.ms': '3600000',
  },
  small: { 'max.message.bytes': '1000' },
  segmented: { 'segment.bytes': '2000' },
  uncompressed: { 'compression.type': 'uncompressed' },
  gzip: { 'compression.type': 'gzip', 'compression.gzip.level': '9' },
  snappy: { 'compression.type': 'snappy' },
  lz4: { 'compression.type': 'lz4', 'compression.lz4.level': '12' },
  zstd: { 'compression.type': 'zstd', 'compression.zstd.level': '1' },
  'stamped-gzip': { 'message.timestamp.type': 'LogAppendTime', 'compression.type': 'gzip' },
  'small-uncompressed': { 'compression.type': 'uncompressed', 'max.message.bytes': '1000' },
} as const satisfies Record<string, Readonly<Record<string, string>>>;
export type TopicName = keyof typeof topics;

export interface ProducedCase {
  readonly name: string;
  readonly topic: TopicName;
  /** Of Produce. */
  readonly version: number;
  readonly records: Buffer | null;
}

/** The only time in the batches; long ago for whoever runs this. */
const T = 1_700_000_000_000;
const FUTURE = 4_000_000_000_000;

// Batches of magic 2, with whatever is wrong with them.

interface RecordSpec {
  readonly timestampDelta?: number;
  readonly offsetDelta?: number;
  readonly key?: string | null;
  readonly value?: string | null;
  readonly headers?: readonly (readonly [string | null, string | null])[];
  readonly attributes?: number;
  /** In place of what is right. */
  readonly length?: number;
  readonly keyLength?: number;
  readonly valueLength?: number;
  readonly headerCount?: number;
  /** Behind the last header, counted in the length. */
  readonly extra?: Buffer;
}

interface BatchSpec {
  readonly records?: readonly RecordSpec[];
  /** In place of the encoded records. */
  readonly section?: Buffer;
  /** In place of the compressed section. */
  readonly payload?: Buffer;
  readonly codec?: number;
  readonly baseOffset?: bigint;
  readonly lengthMore?: number;
  readonly magic?: number;
  readonly crcXor?: number;
  readonly attributes?: number;
  readonly lastOffsetDelta?: number;
  readonly baseTimestamp?: bigint;
  readonly maxTimestamp?: bigint;
  readonly producerId?: bigint;
  readonly producerEpoch?: number;
  readonly baseSequence?: number;
  readonly recordCount?: number;
  /** Behind the batch. */
  readonly trailing?: Buffer;
}

/** Zig-zag, seven bits to a byte, the lowest first. */
function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value < 0 ? -2n * BigInt(value) - 1n : 2n * BigInt(value);
  for (; rest > 0x7fn; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80);
  return Buffer.from([...bytes, Number(rest)]);
}

function lengthAndBytes(text: string | null, length?: number): Buffer {
  const bytes = text === null ? Buffer.alloc(0) : Buffer.from(text);
  return Buffer.concat([varint(length ?? (text === null ? -1 : bytes.length)), bytes]);
}

function recordOf(spec: RecordSpec, index: number): Buffer {
  const { key = `k${index}`, value = `v${index}`, headers = [] } = spec;
  const body = Buffer.concat([
    Buffer.from([spec.attributes ?? 0]),
    varint(spec.timestampDelta ?? index),
    varint(spec.offsetDelta ?? index),
    lengthAndBytes(key, spec.keyLength),
    lengthAndBytes(value, spec.valueLength),
    varint(spec.headerCount ?? headers.length),
    ...headers.flatMap(([name, text]) => [lengthAndBytes(name), lengthAndBytes(text)]),
    spec.extra ?? Buffer.alloc(0),
  ]);
  return Buffer.concat([varint(spec.length ?? body.length), body]);
}

/** Two good records where nothing else is said. */
export function batchOf(spec: BatchSpec = {}): Buffer {
  const { records = [{}, {}], codec = 0 } = spec;
  const section = spec.section ?? Buffer.concat(records.map(recordOf));
  const payload = spec.payload ?? compressSync(codecs[codec] ?? 'none', section);
  const header = Buffer.alloc(61);
  header.writeBigInt64BE(spec.baseOffset ?? 0n, 0);
  header.writeInt32BE(49 + payload.length + (spec.lengthMore ?? 0), 8);
  header.writeInt32BE(-1, 12);
  header.writeInt8(spec.magic ?? 2, 16);
  header.writeInt16BE((spec.attributes ?? 0) | codec, 21);
  header.writeInt32BE(spec.lastOffsetDelta ?? records.length - 1, 23);
  header.writeBigInt64BE(spec.baseTimestamp ?? BigInt(T), 27);
  const largest = Math.max(
    ...records.map(({ timestampDelta }, index) => timestampDelta ?? index),
    0,
  );
  header.writeBigInt64BE(spec.maxTimestamp ?? BigInt(T + largest), 35);
  header.writeBigInt64BE(spec.producerId ?? -1n, 43);
  header.writeInt16BE(spec.producerEpoch ?? -1, 51);
  header.writeInt32BE(spec.baseSequence ?? -1, 53);
  header.writeInt32BE(spec.recordCount ?? records.length, 57);
  const batch = Buffer.concat([header, payload]);
  batch.writeUInt32BE((crc32c(batch.subarray(21)) ^ (spec.crcXor ?? 0)) >>> 0, 17);
  return Buffer.concat([batch, spec.trailing ?? Buffer.alloc(0)]);
}

const GZIP = 1;
const SNAPPY = 2;
const LZ4 = 3;
const ZSTD = 4;
const { transactional, control, logAppendTime, deleteHorizon } = BATCH_ATTRIBUTE;
const good = batchOf();
const producer = { producerId: 77n, producerEpoch: 0, baseSequence: 0 };
/** Repeats itself, so that it is small when compressed. */
const long = 'abcdefghij'.repeat(150);

/** A batch of magic 2, sent as a producer of today sends it. */
const today = (
  name: string,
  spec: BatchSpec | Buffer,
  topic: TopicName = 'plain',
  version = 9,
): ProducedCase => ({
  name: `${name} -> ${topic}`,
  topic,
  version,
  records: Buffer.isBuffer(spec) ? spec : batchOf(spec),
});

const frames: readonly ProducedCase[] = [
  today('a good batch', good),
  today('an empty records field', Buffer.alloc(0)),
  today('a few bytes', good.subarray(0, 10)),
  today('a header that is cut', good.subarray(0, 40)),
  today('records that are cut', good.subarray(0, good.length - 3)),
  today('a few bytes behind the batch', { trailing: Buffer.from([1, 2, 3]) }),
  today('the start of another batch behind the batch', { trailing: good.subarray(0, 30) }),
  today('two batches', { trailing: good }),
  today('garbage of some length behind the batch', { trailing: Buffer.alloc(100) }),
  today('magic 3', { magic: 3 }),
  today('magic 1 in the header', { magic: 1 }),
  today('a length of nothing', { lengthMore: -49 - 26 }),
  today('a length that is too short', { lengthMore: -1 }),
  today('a length that ends in the header', { lengthMore: -30 }),
  today('a base offset', { baseOffset: 5n }),
  today('a wrong checksum', { crcXor: 1 }),
  today('a version before magic 2 with a batch', good, 'plain', 2),
  today('version 3', good, 'plain', 3),
  today('too many bytes', { records: [{ value: long }] }, 'small'),
  today('too many bytes and a wrong checksum', { records: [{ value: long }], crcXor: 1 }, 'small'),
  today('few bytes that unfold to many', { records: [{ value: long }], codec: GZIP }, 'small'),
  today('more than a segment', { records: [{ value: long }, { value: long }] }, 'segmented'),
  today('zstd in version 6', { codec: ZSTD }, 'plain', 6),
  today('zstd in version 7', { codec: ZSTD }, 'plain', 7),
];

const headers: readonly ProducedCase[] = [
  today('no records', { records: [], recordCount: 0, lastOffsetDelta: -1 }),
  today('no records, and a last offset delta', { records: [], recordCount: 0, lastOffsetDelta: 0 }),
  today('a record count of -1', { recordCount: -1, lastOffsetDelta: -2 }),
  today('a last offset delta that is too large', { lastOffsetDelta: 5 }),
  today('a last offset delta that is too small', { lastOffsetDelta: 0 }),
  today('a negative last offset delta', { lastOffsetDelta: -7 }),
  today('a control batch', { attributes: control }),
  today('a delete horizon', { attributes: deleteHorizon }),
  today('unknown attributes', { attributes: 0x4000 }),
  today('a codec that does not exist', { attributes: 6 }),
  today('LogAppendTime on a topic with CreateTime', { attributes: logAppendTime }),
  today('LogAppendTime on a topic with LogAppendTime', { attributes: logAppendTime }, 'stamped'),
  today('LogAppendTime without a time', { attributes: logAppendTime, maxTimestamp: -1n }),
  today('a producer', producer),
  today('the same once more', producer),
  today('the next sequence', { ...producer, baseSequence: 2 }),
  today('a sequence that leaves a gap', { ...producer, baseSequence: 40 }),
  today('an older sequence', { ...producer, baseSequence: 1 }),
  today('a newer epoch that begins in the middle', {
    ...producer,
    producerEpoch: 1,
    baseSequence: 9,
  }),
  today('a newer epoch', { ...producer, producerEpoch: 2 }),
  today('an older epoch', { ...producer, baseSequence: 2 }),
  today('a producer without a sequence', { ...producer, baseSequence: -1 }),
  today('a producer without an epoch', { ...producer, producerId: 78n, producerEpoch: -1 }),
  today('an epoch without a producer', { producerEpoch: 3 }),
  today('a sequence without a producer', { baseSequence: 3 }),
  today('a negative producer id', { ...producer, producerId: -2n }),
];

const uncompressed: readonly ProducedCase[] = [
  today('headers', {
    records: [
      {
        headers: [
          ['a', 'b'],
          ['', null],
          ['a', ''],
        ],
      },
    ],
  }),
  today('nulls', {
    records: [
      { key: null, value: null },
      { key: '', value: '' },
    ],
  }),
  today('more records counted than there are', { recordCount: 3, lastOffsetDelta: 2 }),
  today('fewer records counted than there are', { recordCount: 1, lastOffsetDelta: 0 }),
  today('bytes behind the last record', {
    section: Buffer.concat([recordOf({}, 0), recordOf({}, 1), Buffer.from([0, 0])]),
  }),
  today('a record length that overruns', { records: [{}, { length: 40 }] }),
  today('a record length that is too short', { records: [{ length: 5 }, {}] }),
  today('a negative record length', { records: [{ length: -1 }, {}] }),
  today('a record of no bytes', { records: [{ length: 0 }, {}] }),
  today('a key length that overruns', { records: [{}, { keyLength: 90 }] }),
  today('a value length that overruns', { records: [{}, { valueLength: 90 }] }),
  today('a key length of -2', { records: [{ keyLength: -2, key: null }, {}] }),
  today('a header count that is negative', { records: [{ headerCount: -1 }, {}] }),
  today('a header count that is too large', { records: [{ headerCount: 5 }, {}] }),
  today('a header without a key', { records: [{ headers: [[null, 'x']] }, {}] }),
  today('a byte behind the headers', { records: [{ extra: Buffer.of(0) }, {}] }),
  today('a varint without an end', { section: Buffer.alloc(30, 0xff) }),
  today('attributes of a record', { records: [{ attributes: 1 }, {}] }),
  today('offset deltas that begin at 1', { records: [{ offsetDelta: 1 }, { offsetDelta: 2 }] }),
  today('offset deltas out of order', { records: [{ offsetDelta: 1 }, { offsetDelta: 0 }] }),
  today('an offset delta twice', { records: [{ offsetDelta: 0 }, { offsetDelta: 0 }] }),
  today('negative offset deltas', { records: [{ offsetDelta: -1 }, { offsetDelta: 1 }] }),
  today('a largest timestamp that is too small', { maxTimestamp: BigInt(T - 5) }),
  today('a largest timestamp that is too large', { maxTimestamp: BigInt(FUTURE) }),
  today('a largest timestamp that is none', { maxTimestamp: -1n }),
  today('timestamps out of order', { records: [{ timestampDelta: 9 }, { timestampDelta: -4 }] }),
  today('no timestamps', {
    baseTimestamp: -1n,
    records: [{ timestampDelta: 0 }, { timestampDelta: 0 }],
    maxTimestamp: -1n,
  }),
  today('negative timestamps', { baseTimestamp: -1000n, maxTimestamp: -999n }),
];

const compressed: readonly ProducedCase[] = [
  ...[GZIP, SNAPPY, LZ4, ZSTD].map((codec) => today(`${codecs[codec]}`, { codec })),
  today('gzip of a record', { codec: GZIP, records: [{ headers: [['a', null]] }] }),
  today('gzip that is no gzip', { codec: GZIP, payload: Buffer.from('this is not compressed') }),
  today('snappy that is no snappy', { codec: SNAPPY, payload: Buffer.from([200, 1, 2]) }),
  today('lz4 that is no lz4', { codec: LZ4, payload: Buffer.from('this is not compressed') }),
  today('zstd that is no zstd', { codec: ZSTD, payload: Buffer.from('this is not compressed') }),
  today('gzip that is cut', {
    codec: GZIP,
    payload: compressSync('gzip', Buffer.concat([recordOf({}, 0), recordOf({}, 1)])).subarray(
      0,
      30,
    ),
  }),
  today('gzip of nothing', { codec: GZIP, section: Buffer.alloc(0) }),
  today('gzip, more records counted', { codec: GZIP, recordCount: 3, lastOffsetDelta: 2 }),
  today('gzip, fewer records counted', { codec: GZIP, recordCount: 1, lastOffsetDelta: 0 }),
  today('gzip, a record length that overruns', { codec: GZIP, records: [{}, { length: 40 }] }),
  today('gzip, a record length that is too short', { codec: GZIP, records: [{ length: 5 }, {}] }),
  today('gzip, a key length that overruns', { codec: GZIP, records: [{}, { keyLength: 90 }] }),
  today('gzip, a negative header count', { codec: GZIP, records: [{ headerCount: -1 }, {}] }),
  today('gzip, offset deltas that begin at 1', {
    codec: GZIP,
    records: [{ offsetDelta: 1 }, { offsetDelta: 2 }],
  }),
  today('zstd, offset deltas out of order, of a producer', {
    codec: ZSTD,
    ...producer,
    producerId: 79n,
    records: [{ offsetDelta: 1 }, { offsetDelta: 0, headers: [['h', 'x']] }],
  }),
  today('gzip, a largest timestamp that is wrong', { codec: GZIP, maxTimestamp: BigInt(FUTURE) }),
  today('gzip, LogAppendTime', { codec: GZIP, attributes: logAppendTime }),
  today('gzip', { codec: GZIP }, 'stamped'),
];

const keyless: readonly RecordSpec[] = [{}, { key: null }, {}, { key: null }];
const late = (codec = 0): BatchSpec => ({
  codec,
  records: [{}, { timestampDelta: FUTURE - T }, {}, { key: null, timestampDelta: FUTURE - T }],
});
const byTopic: readonly ProducedCase[] = [
  today('keys', {}, 'compacted'),
  today('records without keys', { records: keyless }, 'compacted'),
  today('records without keys, gzip', { records: keyless, codec: GZIP }, 'compacted'),
  today('empty keys', { records: [{ key: '' }] }, 'compacted'),
  today('records without keys, version 7', { records: keyless }, 'compacted', 7),
  today('good timestamps', {}, 'bounded'),
  today('timestamps in the future', late(), 'bounded'),
  today('timestamps in the future, gzip', late(GZIP), 'bounded'),
  today('timestamps of long ago', {}, 'recent'),
  today('timestamps of long ago', {}, 'different'),
  today('timestamps in the future', late(), 'different'),
  today('no timestamps', { baseTimestamp: -1n, records: [{}], maxTimestamp: -1n }, 'recent'),
  today('timestamps in the future and no keys', late(), 'compacted-bounded'),
  today('no keys alone', { records: keyless }, 'compacted-bounded'),
  today('a batch', {}, 'stamped'),
  today('timestamps in the future', late(), 'stamped'),
];

const recompressed: readonly ProducedCase[] = (
  ['uncompressed', 'gzip', 'snappy', 'lz4', 'zstd'] as const
).flatMap((topic) => [
  ...[0, GZIP, SNAPPY, LZ4, ZSTD].map((codec) => today(`${codecs[codec]}`, { codec }, topic)),
  today(
    'of a producer, timestamps out of order, deltas too',
    {
      ...producer,
      records: [
        { timestampDelta: 5, offsetDelta: 3, headers: [['a', null]] },
        { timestampDelta: -5, offsetDelta: 2, key: null, value: null, attributes: 1 },
      ],
      maxTimestamp: 0n,
    },
    topic,
  ),
]);

const recompressedElse: readonly ProducedCase[] = [
  today('no compression', {}, 'stamped-gzip'),
  today('snappy', { codec: SNAPPY }, 'stamped-gzip'),
  today(
    'too large when unfolded',
    { codec: GZIP, records: [{ value: long }] },
    'small-uncompressed',
  ),
  today('a record length that overruns', { records: [{}, { length: 40 }] }, 'gzip'),
  today('fewer records counted than there are', { recordCount: 1, lastOffsetDelta: 0 }, 'gzip'),
  today(
    'no timestamps',
    { baseTimestamp: -1n, records: [{ timestampDelta: 0 }], maxTimestamp: -1n },
    'gzip',
  ),
  today('a transaction of nobody', { attributes: transactional }, 'zstd'),
];

// Message sets.

const messages = (
  magic: 0 | 1,
  more: Partial<Parameters<typeof encodeMessageSet>[0]> = {},
  keys: readonly (string | null)[] = ['a', 'b', 'c'],
): Buffer =>
  encodeMessageSet({
    magic,
    records: keys.map((key, index) => ({
      key: key === null ? null : Buffer.from(key),
      value: Buffer.from(`v${index}`),
      timestamp: T + index * 2,
    })),
    ...more,
  });
const old = (
  name: string,
  version: 0 | 1 | 2,
  records: Buffer,
  topic: TopicName = 'plain',
): ProducedCase => ({ name: `${name}, Produce ${version} -> ${topic}`, topic, version, records });
const touched = (bytes: Buffer, at: number): Buffer => {
  const copy = Buffer.from(bytes);
  copy[at] = (copy[at] ?? 0) ^ 1;
  return copy;
};

const messageSets: readonly ProducedCase[] = [
  old('magic 0', 0, messages(0)),
  old('magic 0', 2, messages(0)),
  old('magic 1', 2, messages(1)),
  old('magic 1', 3 as 2, messages(1)),
  old('magic 0 in gzip', 1, messages(0, { compression: 'gzip' })),
  old('magic 1 in snappy', 2, messages(1, { compression: 'snappy' })),
  old('magic 1 in lz4', 2, messages(1, { compression: 'lz4' })),
  old('magic 0 in lz4', 1, messages(0, { compression: 'lz4' })),
  old('magic 1', 2, messages(1), 'gzip'),
  old('magic 1 in gzip', 2, messages(1, { compression: 'gzip' }), 'uncompressed'),
  old('magic 1', 2, messages(1), 'stamped'),
  old(
    'magic 1 with LogAppendTime',
    2,
    messages(1, { timestampType: 'LogAppendTime', appendTimestamp: T }),
  ),
  old('magic 0', 1, messages(0), 'compacted'),
  old('magic 0 without keys', 1, messages(0, {}, ['a', null, null]), 'compacted'),
  old(
    'magic 1 in the future',
    2,
    messages(1, { records: [{ key: null, value: null, timestamp: FUTURE }] }),
    'bounded',
  ),
  old('a wrong checksum', 2, touched(messages(1), 40)),
  old('a message that is cut', 2, messages(1).subarray(0, 70)),
  old('an empty set', 2, Buffer.alloc(0)),
  old(
    'two wrappers',
    2,
    Buffer.concat([messages(1, { compression: 'gzip' }), messages(1, { compression: 'gzip' })]),
  ),
  old('magic 1 behind magic 0', 2, Buffer.concat([messages(0), messages(1)])),
];

/** In the order in which they have to be sent. */
export const cases: readonly ProducedCase[] = [
  ...frames,
  ...headers,
  ...uncompressed,
  ...compressed,
  ...byTopic,
  ...recompressed,
  ...recompressedElse,
  ...messageSets,
];

// What comes of one.

/** In JSON, so that it can be kept; whatever differs from run to run is left out. */
export interface Outcome {
  readonly error: string;
  /** Counted from the end of the log; null: nothing was appended. */
  readonly baseOffset: number | null;
  readonly stamped: boolean;
  readonly logStartOffset: number;
  /** `record_errors` by index. */
  readonly refused: readonly number[];
  /** What the log has of it; null: nothing. */
  readonly stored: string | null;
}

type PartitionResponse = BodyOf<
  typeof produceResponse
>['responses'][number]['partitionResponses'][number];

/** Sends a request for one partition; resolves with its part of the answer. */
export type Produce = (each: ProducedCase) => Promise<PartitionResponse>;
/** The whole batches from an offset on, raw. */
export type ReadFrom = (topic: TopicName, offset: number) => Promise<Buffer>;

/** Sends all cases one after the other. @returns what came of each, by name */
export async function outcomesOf(
  some: readonly ProducedCase[],
  produce: Produce,
  readFrom: ReadFrom,
): Promise<Record<string, Outcome>> {
  const ends = new Map<TopicName, number>();
  const found: Record<string, Outcome> = {};
  for (const each of some) {
    const response = await produce(each);
    const offset = Number(response.baseOffset);
    const stored = offset < 0 ? Buffer.alloc(0) : await readFrom(each.topic, offset);
    const end = ends.get(each.topic) ?? 0;
    for (const at of batchPositions(stored)) ends.set(each.topic, lastOffset(stored, at) + 1);
    found[each.name] = {
      error: kafkaErrorOf(response.errorCode),
      baseOffset: offset < 0 ? null : offset - end,
      stamped: Number(response.logAppendTimeMs) > T,
      logStartOffset: Number(response.logStartOffset),
      refused: (response.recordErrors ?? []).map(({ batchIndex }) => batchIndex),
      stored: offset < 0 ? null : storedAs(stored.subarray(0, batchSize(stored, 0)), each.records),
    };
  }
  return found;
}

/** A batch in words: header without what the library of a codec decides, records as they unfold. */
function storedAs(batch: Buffer, sent: Buffer | null): string {
  const copy = Buffer.from(batch);
  const isSound = checksumMatches(copy, 0) ? '' : 'UNSOUND ';
  const isStamped = timestampType(copy, 0) === 'LogAppendTime' && maxTimestamp(copy, 0) !== T + 1;
  setPartitionLeaderEpoch(copy, 0, 0);
  setBaseOffset(copy, 0, 0);
  copy.writeUInt32BE(0, 17); // The checksum: it was looked at.
  if (isStamped) copy.writeBigInt64BE(0n, 35);
  const codec = compressionOf(copy, 0);
  const payload = copy.subarray(61);
  if (codec !== 'none') copy.writeInt32BE(0, 8);
  const header = copy.subarray(8, 61).toString('hex');
  const isOriginal = codec !== 'none' && sent?.subarray(61).equals(payload);
  const section = unfolded(codec, payload);
  const records =
    section.length < 100
      ? section.toString('hex')
      : createHash('sha256').update(section).digest('hex');
  return `${isSound}${header} ${codec}${isOriginal ? ' as sent' : ''} ${records}`;
}

/** What no codec can read is told as it lies. */
function unfolded(codec: Codec, payload: Buffer): Buffer {
  try {
    return decompressSync(codec, payload);
  } catch {
    return payload;
  }
}

/** Refused with an error that says why, where Apache's broker runs into an exception of its own. */
const SAID = { error: 'INVALID_RECORD' };
/** Refused here and taken there: readers could not make sense of it, or compaction. */
const REFUSED = { error: 'INVALID_RECORD', baseOffset: null, stored: null };
/** Built anew here with offsets that count up; taken as it came there, or not at all when compressed. */
const numbered = (stored: string): Partial<Outcome> => ({ error: 'NONE', baseOffset: 0, stored });
const NUMBERED = numbered(
  '000000470000000002000000000000000000010000018bcfe568000000018bcfe56801ffffffffffffffffffffffffffff00000002 none 14000000046b300476300014000202046b3104763100',
);

/** Where this broker does not do as Apache's does, on purpose; see docs/compatibility.md. */
export const differences: Readonly<Record<string, Partial<Outcome>>> = {
  'a codec that does not exist -> plain': SAID,
  'a varint without an end -> plain': SAID,
  'gzip that is no gzip -> plain': SAID,
  'snappy that is no snappy -> plain': SAID,
  'lz4 that is no lz4 -> plain': SAID,
  'zstd that is no zstd -> plain': SAID,
  'gzip that is cut -> plain': SAID,
  'a key length of -2 -> plain': REFUSED,
  'gzip, a record length that overruns -> plain': REFUSED,
  'gzip, a record length that is too short -> plain': REFUSED,
  'offset deltas that begin at 1 -> plain': NUMBERED,
  'offset deltas out of order -> plain': NUMBERED,
  'an offset delta twice -> plain': NUMBERED,
  'negative offset deltas -> plain': NUMBERED,
  'gzip, offset deltas that begin at 1 -> plain': numbered(
    '000000000000000002000000000001000000010000018bcfe568000000018bcfe56801ffffffffffffffffffffffffffff00000002 gzip 14000000046b300476300014000202046b3104763100',
  ),
  'zstd, offset deltas out of order, of a producer -> plain': numbered(
    '000000000000000002000000000004000000010000018bcfe568000000018bcfe56801000000000000004f00000000000000000002 zstd 14000000046b30047630001c000202046b310476310202680278',
  ),
  'of a producer, timestamps out of order, deltas too -> uncompressed': numbered(
    '000000460000000002000000000000000000010000018bcfe568050000018bcfe56805000000000000004d00000000000000000002 none 1a000000046b30047630020261010c001302010100',
  ),
};

/** What this broker makes of the cases, given what Apache's makes of them. */
export const expected = (theirs: Readonly<Record<string, Outcome>>): Record<string, Outcome> =>
  Object.fromEntries(
    Object.entries(theirs).map(([name, outcome]) => [name, { ...outcome, ...differences[name] }]),
  );
