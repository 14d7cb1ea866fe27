/**
 * Records on their way to one partition: gathered until the batch is full or has lingered, encoded
 * once, kept until answered. Values only; order and retries are partition-queue.ts.
 */
import type { Millis } from '@odradek/runtime';
import type { DeliveryCallback } from './types.ts';

/** What a record takes at most beside its key, value and headers: eight varints of few bytes. */
const RECORD_OVERHEAD_BYTES = 21;
/** Of a batch: RECORD_BATCH_OVERHEAD, and what a produce request says about a partition. */
export const BATCH_OVERHEAD_BYTES = 96;

/** A record as the producer holds it: texts are bytes already. */
export interface BufferedRecord {
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers?: readonly { readonly key: string; readonly value: Buffer | null }[];
  readonly timestamp: number;
}

/** How many sequence numbers there are. */
export const SEQUENCE_COUNT = 0x8000_0000;

/** The producer's own numbering of a batch, by which a broker knows a repetition. */
export interface Sequence {
  readonly producerId: bigint;
  readonly producerEpoch: number;
  readonly baseSequence: number;
}

export class ProducerBatch {
  readonly topic: string;
  readonly partition: number;
  readonly createdAt: Millis;
  readonly records: BufferedRecord[];
  /** By record; undefined where nobody wants to know. */
  readonly callbacks: (DeliveryCallback | undefined)[];
  /** An upper bound of the encoded size without compression. */
  sizeBytes: number;
  /** Attempts that failed, also those that never left: for want of a connection. */
  failures = 0;
  /** Attempts that left and failed: these the user has limited. */
  sentFailures = 0;
  retryAt: Millis | null = null;
  sequence: Sequence | null = null;
  /** The encoded batch, kept for retries. */
  encoded: Buffer | null = null;
  /** Why the last attempt failed: told when the batch is given up. */
  lastError: Error | null = null;

  constructor(
    topic: string,
    partition: number,
    createdAt: Millis,
    records: BufferedRecord[] = [],
    callbacks: (DeliveryCallback | undefined)[] = [],
  ) {
    this.topic = topic;
    this.partition = partition;
    this.createdAt = createdAt;
    this.records = records;
    this.callbacks = callbacks;
    this.sizeBytes = records.reduce(
      (sum, record) => sum + recordBytes(record),
      BATCH_OVERHEAD_BYTES,
    );
  }

  add(record: BufferedRecord, sizeBytes: number, callback: DeliveryCallback | undefined): void {
    this.records.push(record);
    this.callbacks.push(callback);
    this.sizeBytes += sizeBytes;
  }

  /** Tells every record where it went. */
  succeed(baseOffset: number, logAppendTimeMs: number): void {
    const { topic, partition } = this;
    this.callbacks.forEach((callback, index) => {
      if (callback === undefined) return;
      const timestamp =
        logAppendTimeMs >= 0 ? logAppendTimeMs : (this.records[index]?.timestamp ?? -1);
      const offset = baseOffset < 0 ? -1 : baseOffset + index;
      callback(null, { topic, partition, offset, timestamp });
    });
  }

  fail(error: Error): void {
    for (const callback of this.callbacks) callback?.(error, null);
  }

  /** Two batches of half the records each, for a broker that refuses so many at once. */
  split(): readonly [ProducerBatch, ProducerBatch] {
    const middle = this.records.length >> 1;
    const half = (from: number, to: number): ProducerBatch => {
      const { topic, partition, createdAt, sequence } = this;
      const records = this.records.slice(from, to);
      const batch = new ProducerBatch(
        topic,
        partition,
        createdAt,
        records,
        this.callbacks.slice(from, to),
      );
      batch.failures = this.failures;
      batch.sentFailures = this.sentFailures;
      if (sequence !== null)
        batch.sequence = { ...sequence, baseSequence: addSequence(sequence.baseSequence, from) };
      return batch;
    };
    return [half(0, middle), half(middle, this.records.length)];
  }
}

/** An upper bound of what the record takes in a batch. */
export function recordBytes({ key, value, headers }: BufferedRecord): number {
  let size = RECORD_OVERHEAD_BYTES + (key?.length ?? 0) + (value?.length ?? 0);
  for (const header of headers ?? [])
    size += 10 + Buffer.byteLength(header.key) + (header.value?.length ?? 0);
  return size;
}

/** Sequence numbers are int32s that start over at 0 after the largest. */
export function addSequence(sequence: number, count: number): number {
  return (sequence + count) % SEQUENCE_COUNT;
}
