/**
 * Producer state of one partition: which batches of idempotent producers may be appended, which
 * were appended before, and where the earliest open transaction begins.
 *
 * Leaders ask `check` before an append; leaders, followers and recovery alike tell `update` what
 * was appended, so all three arrive at the same state. Followers and recovery do not check: what
 * the leader took is the truth. Pure: the time is an argument, snapshot files are written by ../../log/.
 *
 * A producer id that is not known is accepted with any sequence: its records may have been removed
 * by retention. Hence UNKNOWN_PRODUCER_ID is never answered (as in Kafka since 2.5), and a stale
 * epoch is INVALID_PRODUCER_EPOCH; PRODUCER_FENCED is the transaction coordinator's word.
 */
import {
  type CompletedTransaction,
  newEntry,
  type ProducerBatch,
  type ProducerEntry,
  REMEMBERED_BATCHES_MAX,
  type RememberedBatch,
} from './producer-entry.ts';
import { follows } from './sequence.ts';

export type Verdict = Readonly<
  | { kind: 'append' }
  | { kind: 'duplicate'; of: RememberedBatch }
  | {
      kind: 'refuse';
      code:
        | 'OUT_OF_ORDER_SEQUENCE_NUMBER'
        | 'INVALID_PRODUCER_EPOCH'
        | 'INVALID_TXN_STATE'
        | 'TRANSACTION_COORDINATOR_FENCED';
      detail: string;
    }
>;

/** Who made the batch: a client, or a coordinator of this broker. */
export type BatchSender = 'client' | 'coordinator';

/** What `check` needs of a batch: everything but its offsets, which it has not got yet. */
export type IncomingBatch = Omit<ProducerBatch, 'firstOffset' | 'lastOffset' | 'timestamp'>;

/**
 * Producers remembered per partition. Beyond it the longest idle ones without an open transaction
 * are forgotten, which costs them the detection of duplicates and nothing else.
 */
export const PRODUCERS_PER_PARTITION_MAX = 65_536;

const APPEND: Verdict = { kind: 'append' };

export class ProducerStates {
  readonly #entries = new Map<bigint, ProducerEntry>();
  /** Open transactions by producer id; in the order of their first offsets, as a Map keeps it. */
  readonly #open = new Map<bigint, number>();
  /** Ended transactions whose marker the high watermark has not passed, oldest marker first. */
  #unreplicated: CompletedTransaction[] = [];

  /** @param entries as read from a snapshot; taken over */
  constructor(entries: Iterable<ProducerEntry> = []) {
    const open: ProducerEntry[] = [];
    for (const entry of entries) {
      this.#entries.set(entry.producerId, entry);
      if (entry.transactionFirstOffset >= 0) open.push(entry);
    }
    open.sort((a, b) => a.transactionFirstOffset - b.transactionFirstOffset);
    for (const entry of open) this.#open.set(entry.producerId, entry.transactionFirstOffset);
  }

  get size(): number {
    return this.#entries.size;
  }

  entries(): IterableIterator<ProducerEntry> {
    return this.#entries.values();
  }

  /**
   * Judges one batch that a leader is about to append.
   * @param sender a coordinator's batches have no sequence numbers, even for a client's producer id
   */
  check(batch: IncomingBatch, sender: BatchSender = 'client'): Verdict {
    const entry = this.#entries.get(batch.producerId);
    if (entry === undefined) return APPEND;
    if (batch.marker !== null) return checkMarker(entry, batch, batch.marker.coordinatorEpoch);
    if (sender === 'client') {
      const duplicate = duplicateOf(entry, batch);
      if (duplicate !== undefined) return { kind: 'duplicate', of: duplicate };
    }
    if (batch.producerEpoch < entry.epoch) return staleEpoch(entry, batch);
    if (sender === 'client' && entry.epoch >= 0) {
      const last =
        batch.producerEpoch === entry.epoch ? (entry.batches.at(-1)?.lastSequence ?? -1) : -1;
      if (!follows(last, batch.firstSequence)) return outOfOrder(batch, last);
    }
    if (batch.transactional || entry.transactionFirstOffset < 0) return APPEND;
    return {
      kind: 'refuse',
      code: 'INVALID_TXN_STATE',
      detail: `producer ${batch.producerId} sent a batch outside of its open transaction`,
    };
  }

  /**
   * Judges several batches of one append, each in the light of those before it.
   * @returns the first verdict that is not 'append', else 'append'
   */
  checkAll(batches: readonly ProducerBatch[], sender: BatchSender = 'client'): Verdict {
    const [only] = batches;
    if (only === undefined) return APPEND;
    if (batches.length === 1) return this.check(only, sender);
    const trial = new ProducerStates(this.#copies(batches));
    for (const batch of batches) {
      const verdict = trial.check(batch, sender);
      if (verdict.kind !== 'append') return verdict;
      trial.update(batch);
    }
    return APPEND;
  }

  /**
   * Takes note of an appended batch.
   * @returns the transaction that it ended, if any
   */
  update(batch: ProducerBatch): CompletedTransaction | null {
    let entry = this.#entries.get(batch.producerId);
    if (entry === undefined) {
      if (this.#entries.size >= PRODUCERS_PER_PARTITION_MAX) this.#forgetIdlest();
      entry = newEntry(batch.producerId);
      this.#entries.set(batch.producerId, entry);
    }
    if (batch.producerEpoch !== entry.epoch) {
      entry.epoch = batch.producerEpoch;
      entry.batches = [];
    }
    entry.lastTimestamp = batch.timestamp;
    if (batch.marker !== null) return this.#end(entry, batch);
    entry.batches.push({
      firstSequence: batch.firstSequence,
      lastSequence: batch.lastSequence,
      firstOffset: batch.firstOffset,
      lastOffset: batch.lastOffset,
      timestamp: batch.timestamp,
    });
    if (entry.batches.length > REMEMBERED_BATCHES_MAX) entry.batches.shift();
    if (batch.transactional && entry.transactionFirstOffset < 0) {
      entry.transactionFirstOffset = batch.firstOffset;
      this.#open.set(batch.producerId, batch.firstOffset);
    }
    return null;
  }

  /** Tells that everything below `highWatermark` is replicated: ended transactions there are settled. */
  passHighWatermark(highWatermark: number): void {
    let settled = 0;
    for (const { lastOffset } of this.#unreplicated) {
      if (lastOffset >= highWatermark) break;
      settled += 1;
    }
    if (settled > 0) this.#unreplicated = this.#unreplicated.slice(settled);
  }

  /** Where the earliest transaction begins that is open or not settled; null when there is none. */
  get firstUnstableOffset(): number | null {
    let first = Number.POSITIVE_INFINITY;
    for (const offset of this.#open.values()) {
      first = offset;
      break;
    }
    for (const { firstOffset } of this.#unreplicated) first = Math.min(first, firstOffset);
    return first === Number.POSITIVE_INFINITY ? null : first;
  }

  /** Where the earliest open transaction begins, those just ended left aside; null when there is none. */
  get firstOpenOffset(): number | null {
    for (const offset of this.#open.values()) return offset;
    return null;
  }

  /** Forgets producers that wrote nothing for `expirationMs` and have no open transaction. */
  expire(wallTimeMs: number, expirationMs: number): void {
    for (const entry of this.#entries.values()) {
      if (entry.transactionFirstOffset >= 0) continue;
      if (wallTimeMs - entry.lastTimestamp >= expirationMs) this.#entries.delete(entry.producerId);
    }
  }

  #end(entry: ProducerEntry, batch: ProducerBatch): CompletedTransaction | null {
    if (batch.marker === null) return null;
    const { outcome, coordinatorEpoch } = batch.marker;
    const firstOffset = entry.transactionFirstOffset;
    entry.coordinatorEpoch = coordinatorEpoch;
    entry.transactionFirstOffset = -1;
    if (firstOffset < 0) return null;
    this.#open.delete(entry.producerId);
    const completed = {
      producerId: entry.producerId,
      firstOffset,
      lastOffset: batch.lastOffset,
      aborted: outcome === 'abort',
    };
    this.#unreplicated.push(completed);
    return completed;
  }

  #copies(batches: readonly ProducerBatch[]): ProducerEntry[] {
    const ids = new Set(batches.map(({ producerId }) => producerId));
    const copies: ProducerEntry[] = [];
    for (const id of ids) {
      const entry = this.#entries.get(id);
      if (entry !== undefined) copies.push({ ...entry, batches: [...entry.batches] });
    }
    return copies;
  }

  /** Makes room by an eighth at once, so that the search for the idlest is paid for rarely. */
  #forgetIdlest(): void {
    const idle = [...this.#entries.values()].filter((entry) => entry.transactionFirstOffset < 0);
    idle.sort((a, b) => a.lastTimestamp - b.lastTimestamp);
    for (const entry of idle.slice(0, PRODUCERS_PER_PARTITION_MAX >> 3)) {
      this.#entries.delete(entry.producerId);
    }
  }
}

function duplicateOf(entry: ProducerEntry, batch: IncomingBatch): RememberedBatch | undefined {
  if (batch.producerEpoch !== entry.epoch) return undefined;
  return entry.batches.find(
    (known) =>
      known.firstSequence === batch.firstSequence && known.lastSequence === batch.lastSequence,
  );
}

function checkMarker(
  entry: ProducerEntry,
  batch: IncomingBatch,
  coordinatorEpoch: number,
): Verdict {
  if (batch.producerEpoch < entry.epoch) return staleEpoch(entry, batch);
  if (coordinatorEpoch >= entry.coordinatorEpoch) return APPEND;
  return {
    kind: 'refuse',
    code: 'TRANSACTION_COORDINATOR_FENCED',
    detail: `a marker of coordinator epoch ${coordinatorEpoch} came after one of ${entry.coordinatorEpoch}`,
  };
}

function outOfOrder(batch: IncomingBatch, last: number): Verdict {
  const { producerId, producerEpoch, firstSequence } = batch;
  return {
    kind: 'refuse',
    code: 'OUT_OF_ORDER_SEQUENCE_NUMBER',
    detail: `producer ${producerId} epoch ${producerEpoch} sent sequence ${firstSequence} after ${last}`,
  };
}

function staleEpoch(entry: ProducerEntry, batch: IncomingBatch): Verdict {
  return {
    kind: 'refuse',
    code: 'INVALID_PRODUCER_EPOCH',
    detail: `producer ${batch.producerId} sent epoch ${batch.producerEpoch}, the partition knows ${entry.epoch}`,
  };
}
