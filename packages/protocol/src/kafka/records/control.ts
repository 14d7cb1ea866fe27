/**
 * Control batches: records that brokers write for consumers and for each other, not for
 * applications. The markers that end a transaction are built and read here; the other kinds, which
 * only Kafka's metadata log has, are told apart and their values passed on as bytes.
 *
 * A control record's key is `version:int16 type:int16`; the value of an end-of-transaction marker
 * is `version:int16 coordinatorEpoch:int32`.
 */
import { MalformedMessage } from '../../errors.ts';
import { isControl } from './batch-v2.ts';
import { type DecodedBatch, openRecords } from './decode-batch.ts';
import { encodeBatch } from './encode-batch.ts';
import type { Record } from './record.ts';

/** By the number that stands for them in the key. */
const controlTypes = [
  'abort',
  'commit',
  'leader-change',
  'snapshot-header',
  'snapshot-footer',
  'kraft-version',
  'kraft-voters',
] as const;

export type ControlRecord = Readonly<
  | { kind: 'abort' | 'commit'; coordinatorEpoch: number }
  | { kind: Exclude<(typeof controlTypes)[number], 'abort' | 'commit'>; value: Buffer | null }
  /** Of a later version than this one: to be ignored. */
  | { kind: 'unknown'; type: number; value: Buffer | null }
>;

/** How a transaction ended in one partition. */
export interface TransactionEnd {
  readonly outcome: 'abort' | 'commit';
  readonly coordinatorEpoch: number;
}

export interface TransactionMarker {
  readonly kind: 'abort' | 'commit';
  readonly producerId: bigint;
  readonly producerEpoch: number;
  /** Of the transaction coordinator: a marker of an older epoch comes from a deposed one. */
  readonly coordinatorEpoch: number;
  readonly timestamp: number;
  readonly baseOffset?: number;
  readonly partitionLeaderEpoch?: number;
}

const KEY_BYTES = 4;
const MARKER_BYTES = 6;
const KEY_VERSION = 0;
const MARKER_VERSION = 0;

/** A batch of one marker, as the coordinator has it written into each partition of a transaction. */
export function encodeTransactionMarker(marker: TransactionMarker): Buffer {
  const { kind, coordinatorEpoch, timestamp, ...producerAndPlace } = marker;
  const key = Buffer.allocUnsafe(KEY_BYTES);
  key.writeInt16BE(KEY_VERSION, 0);
  key.writeInt16BE(controlTypes.indexOf(kind), 2);
  const value = Buffer.allocUnsafe(MARKER_BYTES);
  value.writeInt16BE(MARKER_VERSION, 0);
  value.writeInt32BE(coordinatorEpoch, 2);
  return encodeBatch({
    ...producerAndPlace,
    records: [{ key, value, timestamp }],
    transactional: true,
    control: true,
  });
}

/**
 * Reads a record of a control batch. Later versions of key and value only append to them.
 * @throws MalformedMessage when key or marker are too short
 */
export function decodeControlRecord(record: Pick<Record, 'key' | 'value'>): ControlRecord {
  const { key, value } = record;
  if (key === null || key.length < KEY_BYTES || key.readInt16BE(0) < 0) {
    throw new MalformedMessage('a control record without a key of version and type');
  }
  const type = key.readInt16BE(2);
  const kind = controlTypes[type];
  if (kind === undefined) return { kind: 'unknown', type, value };
  if (kind !== 'abort' && kind !== 'commit') return { kind, value };
  if (value === null || value.length < MARKER_BYTES || value.readInt16BE(0) < 0) {
    throw new MalformedMessage(`a marker to ${kind} without its coordinator's epoch`);
  }
  return { kind, coordinatorEpoch: value.readInt32BE(2) };
}

/**
 * What the batch of magic 2 at `at` says about the end of a transaction; its checksum is taken to be
 * right. Of a control batch only the first record counts.
 * @returns null for data, and for control batches of other kinds
 * @throws MalformedMessage when the record is not well-formed
 */
export function readControlMarker(buffer: Buffer, at: number): TransactionEnd | null {
  if (!isControl(buffer, at)) return null;
  const cursor = openRecords(buffer, at, { verifyChecksum: false });
  return cursor.next() ? asEnd(decodeControlRecord(cursor.record())) : null;
}

/** As `readControlMarker`, of a batch that has been decoded. */
export function controlMarkerOf(batch: DecodedBatch): TransactionEnd | null {
  const record = batch.records[0];
  return batch.control && record !== undefined ? asEnd(decodeControlRecord(record)) : null;
}

function asEnd(control: ControlRecord): TransactionEnd | null {
  if (control.kind !== 'abort' && control.kind !== 'commit') return null;
  return { outcome: control.kind, coordinatorEpoch: control.coordinatorEpoch };
}
