/**
 * A batch of magic 2 with some of its records taken out, as compaction does it: offsets, producer,
 * epoch and codec stay; what depends on the first record and on the largest timestamp is told anew.
 * Keys, values and headers are copied as they lie, only the fields before them are written again.
 */
import { sizeOfVarint, sizeOfVarlong, writeVarint, writeVarlong } from '../../wire/varint.ts';
import { CODEC_MASK } from '../compression/codec.ts';
import { compressSync } from '../compression/compression.ts';
import {
  attributes,
  BATCH_ATTRIBUTE,
  BATCH_FIELD,
  compressionOf,
  LOG_OVERHEAD,
  NO_TIMESTAMP,
  RECORD_BATCH_OVERHEAD,
  renewChecksum,
  timestampType,
} from './batch-v2.ts';
import { writeInt64 } from './int64.ts';
import type { RecordCursor } from './record.ts';

/** Attribute bits that mean something; the others are not copied. */
const KNOWN_ATTRIBUTES =
  CODEC_MASK |
  BATCH_ATTRIBUTE.logAppendTime |
  BATCH_ATTRIBUTE.transactional |
  BATCH_ATTRIBUTE.control |
  BATCH_ATTRIBUTE.deleteHorizon;

const ATTRIBUTES_BYTES = 1;

/** Which records of a batch stay, noted while a cursor walks over them. One is enough for many batches in turn. */
export class KeptRecords {
  /** Records that the cursor has passed. */
  readCount = 0;
  /** One of those that stay has no value. */
  hasTombstone = false;
  #bytes: Buffer = Buffer.alloc(0);
  readonly #starts: number[] = [];
  readonly #ends: number[] = [];
  readonly #offsetDeltas: number[] = [];
  readonly #timestamps: number[] = [];

  /** Begins with the batch that `cursor` is about to walk over. */
  begin(cursor: RecordCursor): this {
    this.readCount = 0;
    this.hasTombstone = false;
    this.#bytes = cursor.bytes;
    this.#starts.length = 0;
    this.#ends.length = 0;
    this.#offsetDeltas.length = 0;
    this.#timestamps.length = 0;
    return this;
  }

  get count(): number {
    return this.#starts.length;
  }

  get firstTimestamp(): number {
    return this.#timestamps[0] ?? NO_TIMESTAMP;
  }

  get maxTimestamp(): number {
    let largest = NO_TIMESTAMP;
    for (const timestamp of this.#timestamps) if (timestamp > largest) largest = timestamp;
    return largest;
  }

  /** The record that the cursor is at stays. */
  keep(cursor: RecordCursor): void {
    this.readCount += 1;
    if (cursor.valueLength < 0) this.hasTombstone = true;
    this.#starts.push(cursor.bodyAt);
    this.#ends.push(cursor.endAt);
    this.#offsetDeltas.push(cursor.offsetDelta);
    this.#timestamps.push(cursor.timestamp);
  }

  /** The record that the cursor is at goes. */
  drop(): void {
    this.readCount += 1;
  }

  /** The records that stay, behind `reservedBytes`, with timestamps counted from `baseTimestampMs`. */
  encode(reservedBytes: number, baseTimestampMs: number): Buffer {
    let sizeBytes = reservedBytes;
    for (let index = 0; index < this.count; index++) {
      const length = this.#lengthOf(index, baseTimestampMs);
      sizeBytes += sizeOfVarint(length) + length;
    }
    const target = Buffer.allocUnsafe(sizeBytes);
    let position = reservedBytes;
    for (let index = 0; index < this.count; index++) {
      position = writeVarint(target, position, this.#lengthOf(index, baseTimestampMs));
      target[position] = 0; // Attributes: none are defined.
      position += ATTRIBUTES_BYTES;
      position = writeVarlong(target, position, this.#timestampAt(index) - baseTimestampMs);
      position = writeVarint(target, position, this.#offsetDeltas[index] ?? 0);
      const start = this.#starts[index] ?? 0;
      position += this.#bytes.copy(target, position, start, this.#ends[index]);
    }
    return target;
  }

  #lengthOf(index: number, baseTimestampMs: number): number {
    return (
      ATTRIBUTES_BYTES +
      sizeOfVarlong(this.#timestampAt(index) - baseTimestampMs) +
      sizeOfVarint(this.#offsetDeltas[index] ?? 0) +
      (this.#ends[index] ?? 0) -
      (this.#starts[index] ?? 0)
    );
  }

  #timestampAt(index: number): number {
    return this.#timestamps[index] ?? NO_TIMESTAMP;
  }
}

/**
 * The batch at `at` with only the records that stay; at least one does.
 * @param deleteHorizonMs from when on its tombstones or its marker may go; null for none
 */
export function thinnedBatch(
  buffer: Buffer,
  at: number,
  kept: KeptRecords,
  deleteHorizonMs: number | null,
): Buffer {
  const codec = compressionOf(buffer, at);
  const baseTimestampMs = deleteHorizonMs ?? kept.firstTimestamp;
  const batch =
    codec === 'none'
      ? kept.encode(RECORD_BATCH_OVERHEAD, baseTimestampMs)
      : compressedBehindHeader(compressSync(codec, kept.encode(0, baseTimestampMs)));
  buffer.copy(batch, 0, at, at + RECORD_BATCH_OVERHEAD);
  const horizon = deleteHorizonMs === null ? 0 : BATCH_ATTRIBUTE.deleteHorizon;
  const flags = attributes(buffer, at) & KNOWN_ATTRIBUTES & ~BATCH_ATTRIBUTE.deleteHorizon;
  batch.writeInt16BE(flags | horizon, BATCH_FIELD.attributes);
  writeInt64(batch, baseTimestampMs, BATCH_FIELD.baseTimestamp);
  // With LogAppendTime it is the time of the append, which the records have as well.
  if (timestampType(buffer, at) === 'CreateTime') {
    writeInt64(batch, kept.maxTimestamp, BATCH_FIELD.maxTimestamp);
  }
  return finished(batch, kept.count);
}

/** The batch at `at` without records: its offsets, its producer with epoch and sequence, its largest timestamp. */
export function emptiedBatch(buffer: Buffer, at: number): Buffer {
  const batch = Buffer.from(buffer.subarray(at, at + RECORD_BATCH_OVERHEAD));
  const gone = CODEC_MASK | BATCH_ATTRIBUTE.deleteHorizon;
  const flags = attributes(buffer, at) & KNOWN_ATTRIBUTES & ~gone;
  batch.writeInt16BE(flags, BATCH_FIELD.attributes);
  writeInt64(batch, NO_TIMESTAMP, BATCH_FIELD.baseTimestamp);
  return finished(batch, 0);
}

function compressedBehindHeader(section: Buffer): Buffer {
  const batch = Buffer.allocUnsafe(RECORD_BATCH_OVERHEAD + section.length);
  section.copy(batch, RECORD_BATCH_OVERHEAD);
  return batch;
}

function finished(batch: Buffer, recordCount: number): Buffer {
  batch.writeInt32BE(batch.length - LOG_OVERHEAD, BATCH_FIELD.batchLength);
  batch.writeInt32BE(recordCount, BATCH_FIELD.recordCount);
  renewChecksum(batch, 0);
  return batch;
}
