/**
 * Reading batches of magic 2: all records at once, or one after the other without building them.
 *
 * Whoever only stores or forwards a batch needs batch-v2.ts and nothing of this. Buffers that may
 * hold older formats go through record-set.ts.
 */
import { MalformedMessage } from '../../errors.ts';
import type { Codec } from '../compression/codec.ts';
import { decompress, decompressSync } from '../compression/compression.ts';
import { DEFAULT_DECOMPRESSED_LIMIT_BYTES } from '../compression/limit.ts';
import { KafkaError } from '../errors.ts';
import {
  baseOffset,
  baseSequence,
  baseTimestamp,
  batchSize,
  checksumMatches,
  compressionOf,
  hasDeleteHorizon,
  isControl,
  isTransactional,
  lastOffset,
  magic,
  maxTimestamp,
  partitionLeaderEpoch,
  producerEpoch,
  producerId,
  RECORD_BATCH_OVERHEAD,
  recordCount,
  type TimestampType,
  timestampType,
} from './batch-v2.ts';
import { type Record, RecordCursor } from './record.ts';

export interface DecodeOptions {
  /** The most bytes that the records may take after decompression. */
  readonly limitBytes?: number;
  /** False trusts the bytes, as after a check that has been made already; true when left out. */
  readonly verifyChecksum?: boolean;
}

/** A batch of any magic; what older formats lack has the value that stands for "none". */
export interface DecodedBatch {
  /** Bytes of the encoded batch, so where the next one begins. */
  readonly sizeBytes: number;
  readonly magic: 0 | 1 | 2;
  readonly baseOffset: number;
  readonly lastOffset: number;
  /** -1 for none. */
  readonly partitionLeaderEpoch: number;
  readonly compression: Codec;
  readonly timestampType: TimestampType;
  readonly maxTimestamp: number;
  readonly transactional: boolean;
  /** The records are markers for consumers, not for applications: see control.ts. */
  readonly control: boolean;
  /** null when the batch has none. */
  readonly deleteHorizonMs: number | null;
  /** -1n for none, and then epoch and sequence are -1. */
  readonly producerId: bigint;
  readonly producerEpoch: number;
  readonly baseSequence: number;
  readonly records: readonly Record[];
}

/**
 * Decodes the batch at `at`, decompressing on the calling thread.
 * @throws MalformedMessage when the bytes cannot be a whole batch of magic 2
 * @throws KafkaError CORRUPT_MESSAGE when the checksum does not match
 * @throws DecompressionLimitExceeded when the records would take more than `limitBytes`
 */
export function decodeBatch(buffer: Buffer, at = 0, options: DecodeOptions = {}): DecodedBatch {
  const cursor = openRecords(buffer, at, options);
  return withRecords(buffer, at, cursor);
}

/** As `decodeBatch`, but a codec's work is done in libuv's pool, off the event loop. */
export async function decodeBatchAsync(
  buffer: Buffer,
  at = 0,
  options: DecodeOptions = {},
): Promise<DecodedBatch> {
  const cursor = await openRecordsAsync(buffer, at, options);
  return withRecords(buffer, at, cursor);
}

/** A cursor over the records of the batch at `at`; throws as `decodeBatch` does. */
export function openRecords(buffer: Buffer, at = 0, options: DecodeOptions = {}): RecordCursor {
  const end = checkedEnd(buffer, at, options);
  const codec = sectionCodec(buffer, at);
  if (codec === 'none') return cursorOver(buffer, at, buffer, at + RECORD_BATCH_OVERHEAD, end);
  const compressed = buffer.subarray(at + RECORD_BATCH_OVERHEAD, end);
  const section = decompressSync(codec, compressed, limitOf(options));
  return cursorOver(buffer, at, section, 0, section.length);
}

/** As `openRecords`, but a codec's work is done in libuv's pool, off the event loop. */
export async function openRecordsAsync(
  buffer: Buffer,
  at = 0,
  options: DecodeOptions = {},
): Promise<RecordCursor> {
  const end = checkedEnd(buffer, at, options);
  const codec = sectionCodec(buffer, at);
  if (codec === 'none') return cursorOver(buffer, at, buffer, at + RECORD_BATCH_OVERHEAD, end);
  const compressed = buffer.subarray(at + RECORD_BATCH_OVERHEAD, end);
  const section = await decompress(codec, compressed, limitOf(options));
  return cursorOver(buffer, at, section, 0, section.length);
}

/** Makes sure of a whole batch of magic 2 with the right checksum. @returns where it ends */
function checkedEnd(buffer: Buffer, at: number, { verifyChecksum = true }: DecodeOptions): number {
  const sizeBytes = batchSize(buffer, at);
  if (sizeBytes === -1) throw new MalformedMessage('a record batch is cut short');
  if (magic(buffer, at) !== 2) {
    throw new MalformedMessage(`a record batch of magic ${magic(buffer, at)} where 2 is expected`);
  }
  if (verifyChecksum && !checksumMatches(buffer, at)) {
    throw new KafkaError('CORRUPT_MESSAGE', 'the checksum of a record batch does not match');
  }
  return at + sizeBytes;
}

/** An empty batch has no compressed block, whatever its attributes still say. */
function sectionCodec(buffer: Buffer, at: number): Codec {
  const codec = compressionOf(buffer, at);
  return recordCount(buffer, at) === 0 ? 'none' : codec;
}

function limitOf({ limitBytes }: DecodeOptions): { limitBytes: number } {
  return { limitBytes: limitBytes ?? DEFAULT_DECOMPRESSED_LIMIT_BYTES };
}

function cursorOver(
  buffer: Buffer,
  at: number,
  section: Buffer,
  start: number,
  end: number,
): RecordCursor {
  return new RecordCursor(section, start, end, {
    baseOffset: baseOffset(buffer, at),
    baseTimestamp: baseTimestamp(buffer, at),
    appendTimestamp:
      timestampType(buffer, at) === 'LogAppendTime' ? maxTimestamp(buffer, at) : null,
    recordCount: recordCount(buffer, at),
  });
}

function withRecords(buffer: Buffer, at: number, cursor: RecordCursor): DecodedBatch {
  const records: Record[] = [];
  while (cursor.next()) records.push(cursor.record());
  return {
    sizeBytes: batchSize(buffer, at),
    magic: 2,
    baseOffset: baseOffset(buffer, at),
    lastOffset: lastOffset(buffer, at),
    partitionLeaderEpoch: partitionLeaderEpoch(buffer, at),
    compression: compressionOf(buffer, at),
    timestampType: timestampType(buffer, at),
    maxTimestamp: maxTimestamp(buffer, at),
    transactional: isTransactional(buffer, at),
    control: isControl(buffer, at),
    deleteHorizonMs: hasDeleteHorizon(buffer, at) ? baseTimestamp(buffer, at) : null,
    producerId: producerId(buffer, at),
    producerEpoch: producerEpoch(buffer, at),
    baseSequence: baseSequence(buffer, at),
    records,
  };
}
