/**
 * The header of a record batch of magic 2: read and patched where it lies.
 *
 * A broker moves batches without looking inside, so everything here works on (buffer, position)
 * and makes no garbage. Base offset and leader epoch are outside the checksum: the leader assigns
 * both by overwriting them. Unless said otherwise the functions expect a whole header at `at`,
 * which `batchSize` has confirmed. The records behind the header are in encode-batch.ts and
 * decode-batch.ts, older formats in message-set.ts.
 *
 * ```
 *  0 baseOffset:int64   8 batchLength:int32  12 partitionLeaderEpoch:int32  16 magic:int8
 * 17 crc:uint32        21 attributes:int16   23 lastOffsetDelta:int32       27 baseTimestamp:int64
 * 35 maxTimestamp:int64  43 producerId:int64  51 producerEpoch:int16  53 baseSequence:int32
 * 57 recordCount:int32   61 records
 * ```
 */
import { MalformedMessage } from '../../errors.ts';
import { CODEC_MASK, type Codec, codecOf } from '../compression/codec.ts';
import { crc32c, crc32cOfTail } from './crc32c.ts';
import { readInt64, writeInt64 } from './int64.ts';

/** Offset and length field: what an entry of any magic has before the bytes that its length counts. */
export const LOG_OVERHEAD = 12;
/** Size in bytes of the header of a batch of magic 2. */
export const RECORD_BATCH_OVERHEAD = 61;

export const NO_PRODUCER_ID = -1n;
export const NO_PRODUCER_EPOCH = -1;
export const NO_SEQUENCE = -1;
export const NO_PARTITION_LEADER_EPOCH = -1;
export const NO_TIMESTAMP = -1;

export type TimestampType = 'CreateTime' | 'LogAppendTime';

/** Where each field of the header lies, for those who write one. */
export const BATCH_FIELD = {
  baseOffset: 0,
  batchLength: 8,
  partitionLeaderEpoch: 12,
  magic: 16,
  crc: 17,
  attributes: 21,
  lastOffsetDelta: 23,
  baseTimestamp: 27,
  maxTimestamp: 35,
  producerId: 43,
  producerEpoch: 51,
  baseSequence: 53,
  recordCount: 57,
} as const;

/** Attribute bits above those of the codec. */
export const BATCH_ATTRIBUTE = {
  logAppendTime: 0x08,
  transactional: 0x10,
  control: 0x20,
  deleteHorizon: 0x40,
} as const;

/** Smallest length fields: a v0 message without key and value, a v1 one, a batch without records. */
const SMALLEST_LENGTH_BY_MAGIC = [14, 22, RECORD_BATCH_OVERHEAD - LOG_OVERHEAD] as const;
const SMALLEST_LENGTH = SMALLEST_LENGTH_BY_MAGIC[0];

/**
 * The size of the whole entry at `at`, of any magic, its first 12 bytes included.
 * @returns -1 when the buffer ends before the entry does, as it may at the end of a fetched slice
 * @throws MalformedMessage when the length cannot be right or the magic is none of 0, 1 and 2
 */
export function batchSize(buffer: Buffer, at: number): number {
  const thereBytes = buffer.length - at;
  if (thereBytes < LOG_OVERHEAD) return -1;
  const length = buffer.readInt32BE(at + BATCH_FIELD.batchLength);
  if (length < SMALLEST_LENGTH) throw new MalformedMessage(`a record batch of length ${length}`);
  if (thereBytes > BATCH_FIELD.magic) {
    const format = magic(buffer, at);
    const smallest = SMALLEST_LENGTH_BY_MAGIC[format];
    if (smallest === undefined) throw new MalformedMessage(`a record batch of magic ${format}`);
    if (length < smallest) {
      throw new MalformedMessage(`a record batch of magic ${format} and length ${length}`);
    }
  }
  return length + LOG_OVERHEAD > thereBytes ? -1 : length + LOG_OVERHEAD;
}

/** 0, 1 or 2: it lies at the same place in every format. */
export function magic(buffer: Buffer, at: number): number {
  return buffer.readInt8(at + BATCH_FIELD.magic);
}

export function baseOffset(buffer: Buffer, at: number): number {
  return readInt64(buffer, at + BATCH_FIELD.baseOffset);
}

/** The offset of the last record, also of one that compaction has removed. */
export function lastOffset(buffer: Buffer, at: number): number {
  return baseOffset(buffer, at) + lastOffsetDelta(buffer, at);
}

export function lastOffsetDelta(buffer: Buffer, at: number): number {
  return buffer.readInt32BE(at + BATCH_FIELD.lastOffsetDelta);
}

export function partitionLeaderEpoch(buffer: Buffer, at: number): number {
  return buffer.readInt32BE(at + BATCH_FIELD.partitionLeaderEpoch);
}

/** The checksum that the header claims. */
export function crc(buffer: Buffer, at: number): number {
  return buffer.readUInt32BE(at + BATCH_FIELD.crc);
}

export function attributes(buffer: Buffer, at: number): number {
  return buffer.readInt16BE(at + BATCH_FIELD.attributes);
}

/** @throws MalformedMessage when the attributes name a codec that does not exist */
export function compressionOf(buffer: Buffer, at: number): Codec {
  return codecOf(attributes(buffer, at) & CODEC_MASK);
}

export function isTransactional(buffer: Buffer, at: number): boolean {
  return (attributes(buffer, at) & BATCH_ATTRIBUTE.transactional) !== 0;
}

export function isControl(buffer: Buffer, at: number): boolean {
  return (attributes(buffer, at) & BATCH_ATTRIBUTE.control) !== 0;
}

/** True when `baseTimestamp` is the time from which compaction may drop the batch's tombstones (KIP-534). */
export function hasDeleteHorizon(buffer: Buffer, at: number): boolean {
  return (attributes(buffer, at) & BATCH_ATTRIBUTE.deleteHorizon) !== 0;
}

export function timestampType(buffer: Buffer, at: number): TimestampType {
  return (attributes(buffer, at) & BATCH_ATTRIBUTE.logAppendTime) === 0
    ? 'CreateTime'
    : 'LogAppendTime';
}

export function baseTimestamp(buffer: Buffer, at: number): number {
  return readInt64(buffer, at + BATCH_FIELD.baseTimestamp);
}

/** The largest timestamp of the records; with LogAppendTime the time of the append. */
export function maxTimestamp(buffer: Buffer, at: number): number {
  return readInt64(buffer, at + BATCH_FIELD.maxTimestamp);
}

/** -1n without a producer. Compare with `hasProducerId` where only that matters: it makes no bigint. */
export function producerId(buffer: Buffer, at: number): bigint {
  return buffer.readBigInt64BE(at + BATCH_FIELD.producerId);
}

export function hasProducerId(buffer: Buffer, at: number): boolean {
  return buffer.readInt32BE(at + BATCH_FIELD.producerId) >= 0;
}

export function producerEpoch(buffer: Buffer, at: number): number {
  return buffer.readInt16BE(at + BATCH_FIELD.producerEpoch);
}

export function baseSequence(buffer: Buffer, at: number): number {
  return buffer.readInt32BE(at + BATCH_FIELD.baseSequence);
}

/** The number of records in the batch; 0 only when compaction has removed them all. */
export function recordCount(buffer: Buffer, at: number): number {
  return buffer.readInt32BE(at + BATCH_FIELD.recordCount);
}

/**
 * Tells whether the batch's bytes are those that were written. Needs the whole batch at `at`.
 * Where the batch is all that the buffer holds, which a produce request's slice is, nothing is allocated.
 */
export function checksumMatches(buffer: Buffer, at: number): boolean {
  return checksum(buffer, at) === crc(buffer, at);
}

/** Sets the offset of the first record, and so of all; the checksum does not cover it. */
export function setBaseOffset(buffer: Buffer, at: number, offset: number): void {
  writeInt64(buffer, offset, at + BATCH_FIELD.baseOffset);
}

/** The checksum does not cover it. */
export function setPartitionLeaderEpoch(buffer: Buffer, at: number, epoch: number): void {
  buffer.writeInt32BE(epoch, at + BATCH_FIELD.partitionLeaderEpoch);
}

/** Gives every record the time of the append, and the batch its new checksum. */
export function setLogAppendTime(buffer: Buffer, at: number, timestampMs: number): void {
  const timed = attributes(buffer, at) | BATCH_ATTRIBUTE.logAppendTime;
  buffer.writeInt16BE(timed, at + BATCH_FIELD.attributes);
  setMaxTimestamp(buffer, at, timestampMs);
}

/** Attribute bits that mean something. */
const KNOWN_ATTRIBUTES = 0x7f;

/** Makes records keep the times that their producer gave them, of which this is the largest; renews the checksum. */
export function setCreateTime(buffer: Buffer, at: number, maxTimestampMs: number): void {
  const kept = attributes(buffer, at) & KNOWN_ATTRIBUTES & ~BATCH_ATTRIBUTE.logAppendTime;
  buffer.writeInt16BE(kept, at + BATCH_FIELD.attributes);
  setMaxTimestamp(buffer, at, maxTimestampMs);
}

/** Corrects the largest timestamp that a producer claimed, and renews the checksum. */
export function setMaxTimestamp(buffer: Buffer, at: number, timestampMs: number): void {
  writeInt64(buffer, timestampMs, at + BATCH_FIELD.maxTimestamp);
  renewChecksum(buffer, at);
}

/** Stamps a finished batch for an idempotent or transactional producer, and renews the checksum. */
export function setProducer(
  buffer: Buffer,
  at: number,
  producer: { producerId: bigint; producerEpoch: number; baseSequence: number },
): void {
  buffer.writeBigInt64BE(producer.producerId, at + BATCH_FIELD.producerId);
  buffer.writeInt16BE(producer.producerEpoch, at + BATCH_FIELD.producerEpoch);
  buffer.writeInt32BE(producer.baseSequence, at + BATCH_FIELD.baseSequence);
  renewChecksum(buffer, at);
}

/** Computes the checksum of the batch's bytes and writes it into the header. */
export function renewChecksum(buffer: Buffer, at: number): void {
  buffer.writeUInt32BE(checksum(buffer, at), at + BATCH_FIELD.crc);
}

/** Over everything from the attributes to the end of the batch. */
function checksum(buffer: Buffer, at: number): number {
  const end = at + LOG_OVERHEAD + buffer.readInt32BE(at + BATCH_FIELD.batchLength);
  if (at === 0 && end === buffer.length) return crc32cOfTail(buffer, BATCH_FIELD.attributes);
  return crc32c(buffer.subarray(at + BATCH_FIELD.attributes, end));
}
