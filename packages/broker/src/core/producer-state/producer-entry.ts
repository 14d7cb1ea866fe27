/**
 * What a partition remembers of one producer id: its epoch, its last five batches and its open
 * transaction. Pure.
 */

/** One appended batch of an idempotent producer. */
export interface RememberedBatch {
  readonly firstSequence: number;
  readonly lastSequence: number;
  readonly firstOffset: number;
  readonly lastOffset: number;
  readonly timestamp: number;
}

/** What a batch tells about its producer, once it has offsets. */
export interface ProducerBatch {
  readonly producerId: bigint;
  readonly producerEpoch: number;
  /** -1 in a control batch. */
  readonly firstSequence: number;
  readonly lastSequence: number;
  readonly firstOffset: number;
  readonly lastOffset: number;
  /** The batch's largest timestamp. */
  readonly timestamp: number;
  readonly transactional: boolean;
  /** Set for a batch that ends a transaction; such a batch holds nothing else. */
  readonly marker: TransactionMarker | null;
}

export interface TransactionMarker {
  readonly outcome: 'commit' | 'abort';
  readonly coordinatorEpoch: number;
}

/** The ends of a transaction in this partition. */
export interface CompletedTransaction {
  readonly producerId: bigint;
  readonly firstOffset: number;
  /** Offset of the marker. */
  readonly lastOffset: number;
  readonly aborted: boolean;
}

/**
 * Batches remembered per producer: a client has at most this many requests in flight, so a batch
 * sent again is always among them (KIP-98; max.in.flight.requests.per.connection).
 */
export const REMEMBERED_BATCHES_MAX = 5;

/** Mutable on purpose: there is one per producer and partition, touched by every batch. */
export interface ProducerEntry {
  readonly producerId: bigint;
  /** -1 when no batch has told it yet. */
  epoch: number;
  /** -1 before the first marker. */
  coordinatorEpoch: number;
  lastTimestamp: number;
  /** First offset of the open transaction, or -1. */
  transactionFirstOffset: number;
  /** Oldest first, at most {@link REMEMBERED_BATCHES_MAX}. */
  batches: RememberedBatch[];
}

export function newEntry(producerId: bigint): ProducerEntry {
  return {
    producerId,
    epoch: -1,
    coordinatorEpoch: -1,
    lastTimestamp: -1,
    transactionFirstOffset: -1,
    batches: [],
  };
}
