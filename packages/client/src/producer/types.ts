/** What a user of the producer gives and gets. The producer itself is producer-host.ts. */
import type { Codec } from '@odradek/protocol';
import type { Partitioner } from './partitioner.ts';

export interface ProducerOptions {
  /** Who must have a record before it counts as sent: nobody, the leader, all in-sync replicas. Default 'all'. */
  readonly acks?: 0 | 1 | 'all';
  /** No duplicates and no reordering through retries. Default true with acks 'all'; needs that. */
  readonly idempotent?: boolean;
  /** Default 'none'. */
  readonly compression?: Codec;
  /** How long a batch may wait for more records, ms. Default 5. */
  readonly lingerMs?: number;
  /** A batch is sent when it has this many bytes, before compression. Default 64 KiB. */
  readonly batchBytes?: number;
  /** Records that are buffered and not yet answered, in bytes. Default 32 MiB. */
  readonly bufferBytes?: number;
  /** The largest request, and so the largest record. Default 1 MiB. */
  readonly maxRequestBytes?: number;
  /** Produce requests on their way to one broker; at most 5 when idempotent. Default 5. */
  readonly maxInFlightRequests?: number;
  /** How long the broker may take to gather the acknowledgements, ms. Default 30 000. */
  readonly requestTimeoutMs?: number;
  /** From `send` to the final answer, with all retries, ms. Default 120 000. */
  readonly deliveryTimeoutMs?: number;
  /** Attempts after the first; unlimited within the delivery time-out unless given. */
  readonly retries?: number;
  /** First pause before a retry, ms; doubles up to 1 s. Default 100. */
  readonly retryBackoffMs?: number;
  readonly partitioner?: Partitioner;
}

export interface OutgoingRecord {
  readonly topic: string;
  /** Chosen by the partitioner unless given. */
  readonly partition?: number;
  readonly key?: Buffer | string | null;
  /** null is a tombstone. */
  readonly value: Buffer | string | null;
  readonly headers?: readonly { readonly key: string; readonly value: Buffer | string | null }[];
  /** ms since 1970; now unless given. */
  readonly timestamp?: number;
}

export interface Delivery {
  readonly topic: string;
  readonly partition: number;
  /** -1 with acks 0. */
  readonly offset: number;
  /** The record's own, or the broker's where the topic stamps on append. */
  readonly timestamp: number;
}

/** Called once for a record: with what failed, or where it went. */
export type DeliveryCallback = (error: Error | null, delivery: Delivery | null) => void;

export interface Producer {
  /** Resolves when the record is acknowledged; rejects when it is given up. Waits while the buffer is full. */
  send(record: OutgoingRecord): Promise<Delivery>;
  /**
   * The cheap form: no promise per record. The callback may be shared by all records.
   * @returns false when the buffer is full: the record is taken, but wait for `drained` before the next
   */
  post(record: OutgoingRecord, done?: DeliveryCallback): boolean;
  /** Resolves when the buffer has room. */
  drained(): Promise<void>;
  /** Sends all at once and resolves when everything posted before is answered. Never rejects. */
  flush(): Promise<void>;
  /** How many partitions the topic has, creating it where the cluster does so by itself. */
  partitionCount(topic: string): Promise<number>;
  /** Flushes, then refuses further records. */
  close(): Promise<void>;
}
