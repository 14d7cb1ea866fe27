/**
 * Batches and records as lines: what kafka-dump-log prints of a `.log` file or a `.checkpoint` of
 * a Raft log. A batch whose checksum is wrong is shown like any other, with `isvalid: false`.
 * What is in keys and values is decoders.ts's.
 */
import {
  baseOffset,
  baseSequence,
  baseTimestamp,
  type Codec,
  checksumMatches,
  codecOf,
  compressionOf,
  crc,
  decodeMessageAsync,
  decompress,
  hasDeleteHorizon,
  isControl,
  isTransactional,
  lastOffset,
  lastOffsetDelta,
  maxTimestamp,
  messageChecksumMatches,
  NO_SEQUENCE,
  NO_TIMESTAMP,
  openRecordsAsync,
  partitionLeaderEpoch,
  producerEpoch,
  producerId,
  type RecordCursor,
  recordCount,
  timestampType,
} from '@odradek/protocol';
import { controlText } from './control-text.ts';
import type { BatchAt } from './log-file.ts';

/** A record as far as lines and findings need it. */
export interface ShownRecord {
  readonly offset: number;
  readonly timestamp: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  /** What stands between the timestamp and the contents. */
  readonly details: string;
}

/** The most bytes that one batch may decompress to. */
const DECOMPRESSED_BYTES_MAX = 2_147_483_647;
const READ_AS_IT_IS = { verifyChecksum: false, limitBytes: DECOMPRESSED_BYTES_MAX } as const;
/** Sequence numbers go back to 0 after 2^31 - 1. */
const SEQUENCES = 2_147_483_648;

/** Where a message of magic 0 or 1 has what is shown of it. */
const LEGACY = { crcAt: 12, attributesAt: 17, timestampAt: 18, keyAt: [18, 26] } as const;
const LEGACY_CODEC_MASK = 0x07;
const LEGACY_LOG_APPEND_TIME = 0x08;

/** The offset of the last record, as indexes mean it. */
export function lastOffsetOf({ bytes, magic }: BatchAt): number {
  return magic < 2 ? baseOffset(bytes, 0) : lastOffset(bytes, 0);
}

/** The line of a batch. */
export function batchLine(batch: BatchAt): string {
  return batch.magic < 2 ? legacyLine(batch) : currentLine(batch);
}

/**
 * The records of a batch one after the other.
 * @throws MalformedMessage where they cannot be read any further
 */
export async function* recordsOf(batch: BatchAt): AsyncGenerator<ShownRecord, void, undefined> {
  if (batch.magic < 2) {
    yield* legacyRecords(batch);
    return;
  }
  const { bytes } = batch;
  const control = isControl(bytes, 0);
  const cursor = await openRecordsAsync(bytes, 0, READ_AS_IT_IS);
  while (cursor.next()) {
    const { offset, timestamp } = cursor;
    const key = cursor.key();
    const value = cursor.value();
    const marker = control ? controlText(key, value) : '';
    const details = ` sequence: ${sequenceAt(bytes, cursor)} headerKeys: [${headerKeys(cursor)}]${marker}`;
    yield { offset, timestamp, key, value, details };
  }
}

/** As it stands before a time in a line. */
export function timestampTypeOf({ bytes, magic }: BatchAt): string {
  if (magic >= 2) return timestampType(bytes, 0);
  if (magic < 1) return 'NoTimestampType';
  return (bytes.readInt8(LEGACY.attributesAt) & LEGACY_LOG_APPEND_TIME) === 0
    ? 'CreateTime'
    : 'LogAppendTime';
}

function currentLine(batch: BatchAt): string {
  const { bytes, position, magic } = batch;
  const horizon = hasDeleteHorizon(bytes, 0)
    ? `OptionalLong[${baseTimestamp(bytes, 0)}]`
    : 'OptionalLong.empty';
  const firstSequence = baseSequence(bytes, 0);
  return [
    `baseOffset: ${baseOffset(bytes, 0)} lastOffset: ${lastOffset(bytes, 0)} count: ${recordCount(bytes, 0)}`,
    `baseSequence: ${firstSequence} lastSequence: ${sequenceAfter(firstSequence, lastOffsetDelta(bytes, 0), true)}`,
    `producerId: ${producerId(bytes, 0)} producerEpoch: ${producerEpoch(bytes, 0)}`,
    `partitionLeaderEpoch: ${partitionLeaderEpoch(bytes, 0)} isTransactional: ${isTransactional(bytes, 0)} isControl: ${isControl(bytes, 0)}`,
    `deleteHorizonMs: ${horizon} position: ${position} ${timestampTypeOf(batch)}: ${maxTimestamp(bytes, 0)}`,
    `size: ${bytes.length} magic: ${magic} compresscodec: ${compressionOf(bytes, 0)}`,
    `crc: ${crc(bytes, 0)} isvalid: ${checksumMatches(bytes, 0)}`,
  ].join(' ');
}

function sequenceAt(bytes: Buffer, { offsetDelta }: RecordCursor): number {
  return sequenceAfter(baseSequence(bytes, 0), offsetDelta, false);
}

/** A batch has none only when it says -1; a record has none below 0. */
function sequenceAfter(first: number, delta: number, ofBatch: boolean): number {
  if (first === NO_SEQUENCE || (!ofBatch && first < 0)) return NO_SEQUENCE;
  return (first + delta) % SEQUENCES;
}

function headerKeys(cursor: RecordCursor): string {
  return cursor
    .headers()
    .map(({ key }) => key)
    .join(',');
}

function legacyLine(batch: BatchAt): string {
  const { bytes, position, magic } = batch;
  return [
    `offset: ${baseOffset(bytes, 0)} position: ${position}`,
    `${timestampTypeOf(batch)}: ${legacyTimestamp(bytes, magic)}`,
    `size: ${bytes.length} magic: ${magic} compresscodec: ${legacyCodec(bytes)}`,
    `crc: ${bytes.readUInt32BE(LEGACY.crcAt)} isvalid: ${messageChecksumMatches(bytes, 0)}`,
  ].join(' ');
}

async function* legacyRecords({
  bytes,
  magic,
}: BatchAt): AsyncGenerator<ShownRecord, void, undefined> {
  const { records, compression } = await decodeMessageAsync(bytes, 0, READ_AS_IT_IS);
  const set = compression === 'none' ? bytes : await unwrapped(bytes, magic, compression);
  let at = 0;
  for (const { offset, timestamp, key, value } of records) {
    // The stray brace is in Kafka's output since there is such a line.
    const details = ` isValid: ${messageChecksumMatches(set, at)} crc: ${set.readUInt32BE(at + LEGACY.crcAt)}}`;
    yield { offset, timestamp, key, value, details };
    at += LEGACY.crcAt + set.readInt32BE(at + 8);
  }
}

/** The messages inside of a wrapper, whose own checksums are shown. */
function unwrapped(bytes: Buffer, magic: number, codec: Codec): Promise<Buffer> {
  const keyAt = magic < 1 ? LEGACY.keyAt[0] : LEGACY.keyAt[1];
  const valueAt = keyAt + 4 + Math.max(0, bytes.readInt32BE(keyAt)) + 4;
  return decompress(codec, bytes.subarray(valueAt), {
    limitBytes: DECOMPRESSED_BYTES_MAX,
    magic: magic < 1 ? 0 : 1,
  });
}

function legacyCodec(bytes: Buffer): Codec {
  return codecOf(bytes.readInt8(LEGACY.attributesAt) & LEGACY_CODEC_MASK);
}

function legacyTimestamp(bytes: Buffer, magic: number): bigint | number {
  return magic < 1 ? NO_TIMESTAMP : bytes.readBigInt64BE(LEGACY.timestampAt);
}
