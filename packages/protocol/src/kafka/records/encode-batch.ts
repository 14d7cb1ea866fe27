/**
 * Writing batches of magic 2: records into one buffer, ready for a produce request or a log.
 *
 * The records section is written in one pass into exactly as many bytes as it needs, compressed
 * as a whole if a codec is given, and put behind the header. Control batches are in control.ts.
 */
import { UnencodableValue } from '../../errors.ts';
import { type Codec, codecId } from '../compression/codec.ts';
import { compress, compressSync } from '../compression/compression.ts';
import {
  BATCH_ATTRIBUTE,
  BATCH_FIELD,
  LOG_OVERHEAD,
  NO_PARTITION_LEADER_EPOCH,
  NO_PRODUCER_EPOCH,
  NO_PRODUCER_ID,
  NO_SEQUENCE,
  NO_TIMESTAMP,
  RECORD_BATCH_OVERHEAD,
  renewChecksum,
  type TimestampType,
} from './batch-v2.ts';
import { writeInt64 } from './int64.ts';
import { type RecordInput, recordSize, writeRecord } from './record.ts';

export interface BatchInput {
  readonly records: readonly RecordInput[];
  readonly baseOffset?: number;
  readonly partitionLeaderEpoch?: number;
  readonly compression?: Codec;
  /** The codec's own scale; its usual level when left out. */
  readonly compressionLevel?: number;
  readonly producerId?: bigint;
  readonly producerEpoch?: number;
  readonly baseSequence?: number;
  readonly transactional?: boolean;
  readonly control?: boolean;
  /** LogAppendTime makes `maxTimestamp` the timestamp of all records. */
  readonly timestampType?: TimestampType;
  /** The largest timestamp of the records when left out; -1 without records. */
  readonly maxTimestamp?: number;
  /** What compaction keeps from the original batch; the last record's delta when left out. */
  readonly lastOffsetDelta?: number;
  /** From when on compaction may drop the batch's tombstones and markers (KIP-534). */
  readonly deleteHorizonMs?: number;
}

/**
 * Encodes a batch on the calling thread.
 * @throws UnencodableValue for offset or timestamp distances that the format cannot hold
 */
export function encodeBatch(input: BatchInput): Buffer {
  if (!isCompressed(input)) return encodeUncompressed(input);
  const section = encodeRecords(input, 0);
  return withHeader(input, compressSync(codecOfInput(input), section, levelOf(input)));
}

/** As `encodeBatch`, but a codec's work is done in libuv's pool, off the event loop. */
export async function encodeBatchAsync(input: BatchInput): Promise<Buffer> {
  if (!isCompressed(input)) return encodeUncompressed(input);
  const section = encodeRecords(input, 0);
  return withHeader(input, await compress(codecOfInput(input), section, levelOf(input)));
}

/**
 * A batch like the one at the start of `batch`, with its records in another codec. Header fields stay
 * but for those that say so: the bits of codec, timestamp type and delete horizon.
 * @param section the records as they unfold
 * @param maxTimestamp the largest timestamp of the records
 */
export function repackBatch(
  batch: Buffer,
  section: Buffer,
  {
    codec,
    level,
    maxTimestamp,
  }: { readonly codec: Codec; readonly level?: number; readonly maxTimestamp: number },
): Buffer {
  const packed = compressSync(codec, section, level === undefined ? {} : { level });
  const target = Buffer.allocUnsafe(RECORD_BATCH_OVERHEAD + packed.length);
  batch.copy(target, 0, 0, RECORD_BATCH_OVERHEAD);
  target.set(packed, RECORD_BATCH_OVERHEAD);
  target.writeInt32BE(target.length - LOG_OVERHEAD, BATCH_FIELD.batchLength);
  const kept =
    batch.readInt16BE(BATCH_FIELD.attributes) &
    (BATCH_ATTRIBUTE.transactional | BATCH_ATTRIBUTE.control);
  target.writeInt16BE(kept | codecId(codec), BATCH_FIELD.attributes);
  writeInt64(target, maxTimestamp, BATCH_FIELD.maxTimestamp);
  renewChecksum(target, 0);
  return target;
}

/** Size of the encoded records without compression, header not included. */
export function encodedRecordsSize(
  records: readonly RecordInput[],
  baseTimestampMs: number,
): number {
  let size = 0;
  for (const [index, record] of records.entries()) {
    size += recordSize(record, record.timestamp - baseTimestampMs, record.offsetDelta ?? index);
  }
  return size;
}

/** A batch without records is never compressed: there is nothing that a reader could decompress. */
function isCompressed(input: BatchInput): boolean {
  return input.records.length > 0 && codecOfInput(input) !== 'none';
}

function codecOfInput(input: BatchInput): Codec {
  return input.compression ?? 'none';
}

function levelOf(input: BatchInput): { level?: number } {
  return input.compressionLevel === undefined ? {} : { level: input.compressionLevel };
}

function encodeUncompressed(input: BatchInput): Buffer {
  const batch = encodeRecords(input, RECORD_BATCH_OVERHEAD);
  writeHeader(batch, input, 'none');
  return batch;
}

function withHeader(input: BatchInput, compressed: Buffer): Buffer {
  const batch = Buffer.allocUnsafe(RECORD_BATCH_OVERHEAD + compressed.length);
  batch.set(compressed, RECORD_BATCH_OVERHEAD);
  writeHeader(batch, input, codecOfInput(input));
  return batch;
}

/** The records, behind `reservedBytes` that are left for a header. */
function encodeRecords(input: BatchInput, reservedBytes: number): Buffer {
  const { records } = input;
  const base = baseTimestampOf(input);
  const target = Buffer.allocUnsafe(reservedBytes + encodedRecordsSize(records, base));
  let position = reservedBytes;
  for (const [index, record] of records.entries()) {
    const offsetDelta = record.offsetDelta ?? index;
    position = writeRecord(target, position, record, record.timestamp - base, offsetDelta);
  }
  return target;
}

/** The deltas of the records count from here, also where the field bears a delete horizon. */
function baseTimestampOf(input: BatchInput): number {
  return input.deleteHorizonMs ?? input.records[0]?.timestamp ?? NO_TIMESTAMP;
}

function maxTimestampOf(input: BatchInput): number {
  if (input.maxTimestamp !== undefined) return input.maxTimestamp;
  let largest = NO_TIMESTAMP;
  for (const { timestamp } of input.records) if (timestamp > largest) largest = timestamp;
  return largest;
}

function lastOffsetDeltaOf({ records, lastOffsetDelta }: BatchInput): number {
  const delta = lastOffsetDelta ?? records.at(-1)?.offsetDelta ?? records.length - 1;
  if (!Number.isInteger(delta) || delta < 0 || delta > 0x7fffffff) {
    throw new UnencodableValue(`a record batch whose last offset is ${delta} after its first`);
  }
  return delta;
}

function attributesOf(input: BatchInput, codec: Codec): number {
  return (
    codecId(codec) |
    (input.timestampType === 'LogAppendTime' ? BATCH_ATTRIBUTE.logAppendTime : 0) |
    (input.transactional ? BATCH_ATTRIBUTE.transactional : 0) |
    (input.control ? BATCH_ATTRIBUTE.control : 0) |
    (input.deleteHorizonMs === undefined ? 0 : BATCH_ATTRIBUTE.deleteHorizon)
  );
}

function writeHeader(batch: Buffer, input: BatchInput, codec: Codec): void {
  const field = BATCH_FIELD;
  writeInt64(batch, input.baseOffset ?? 0, field.baseOffset);
  batch.writeInt32BE(batch.length - LOG_OVERHEAD, field.batchLength);
  const epoch = input.partitionLeaderEpoch ?? NO_PARTITION_LEADER_EPOCH;
  batch.writeInt32BE(epoch, field.partitionLeaderEpoch);
  batch.writeInt8(2, field.magic);
  batch.writeInt16BE(attributesOf(input, codec), field.attributes);
  batch.writeInt32BE(lastOffsetDeltaOf(input), field.lastOffsetDelta);
  writeInt64(batch, baseTimestampOf(input), field.baseTimestamp);
  writeInt64(batch, maxTimestampOf(input), field.maxTimestamp);
  batch.writeBigInt64BE(input.producerId ?? NO_PRODUCER_ID, field.producerId);
  batch.writeInt16BE(input.producerEpoch ?? NO_PRODUCER_EPOCH, field.producerEpoch);
  batch.writeInt32BE(input.baseSequence ?? NO_SEQUENCE, field.baseSequence);
  batch.writeInt32BE(input.records.length, field.recordCount);
  renewChecksum(batch, 0);
}
