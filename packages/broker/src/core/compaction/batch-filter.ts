/**
 * The second half of a compaction: what stays of a batch.
 *
 * A record stays when no later one has its key, and when it was appended after the keys were looked
 * at. A tombstone stays until its batch's delete horizon, which the first compaction that meets it
 * writes into the batch (KIP-534). Aborted data goes; a marker goes when nothing is left of its
 * transaction, and then not before a horizon either, for consumers may be just behind the data.
 * Emptied batches go, but for two: the one with a producer's last sequence, and the last one of
 * what was compacted, so that neither sequences nor offsets fall back. Offsets never change.
 *
 * Pure. Markers and their transactions are transaction-trace.ts's; what a changed batch looks like is
 * the protocol package's to say (thinned-batch.ts there).
 */
import {
  baseTimestamp,
  batchSize,
  type DecodedBatch,
  decodeMessage,
  emptiedBatch,
  encodeMessageSet,
  hasDeleteHorizon,
  hasProducerId,
  isControl,
  isTransactional,
  KeptRecords,
  lastOffset,
  magic,
  openRecords,
  producerEpoch,
  producerId,
  type Record,
  thinnedBatch,
} from '@odradek/protocol';
import { UNFOLDING } from './index-keys.ts';
import type { KeyOffsets } from './key-offsets.ts';
import type { LastRecord } from './last-records.ts';
import type { TransactionTrace } from './transaction-trace.ts';

export interface BatchFilterOptions {
  readonly keys: KeyOffsets;
  readonly trace: TransactionTrace;
  readonly lastRecords: ReadonlyMap<bigint, LastRecord>;
  readonly wallTimeMs: number;
  /** delete.retention.ms */
  readonly deleteRetentionMs: number;
  /** Where the compaction ends: the batch that ends there is kept, be it empty. */
  readonly endOffset: number;
}

/** What stays: the batch as it is, nothing, or other bytes in its place. */
export type Remains = 'whole' | 'nothing' | Buffer;

export class BatchFilter {
  readonly #options: BatchFilterOptions;
  /** Reused from batch to batch. */
  readonly #kept = new KeptRecords();
  recordsRead = 0;
  recordsKept = 0;
  /** Records without a key, which have no business in such a log and go. */
  keylessRecords = 0;

  constructor(options: BatchFilterOptions) {
    this.#options = options;
  }

  /**
   * Judges the whole entry at `at`, whose checksum is right; entries come in the order of the log.
   * @param keepOldTombstones for messages of magic 0 and 1, which have no place for a horizon
   * @throws MalformedMessage, DecompressionLimitExceeded
   */
  judge(buffer: Buffer, at: number, keepOldTombstones: boolean): Remains {
    if (magic(buffer, at) < 2) return this.#judgeMessage(buffer, at, keepOldTombstones);
    const last = lastOffset(buffer, at);
    const control = isControl(buffer, at);
    const { trace, wallTimeMs } = this.#options;
    const discardable = control
      ? trace.control(buffer, at, last)
      : trace.data(buffer, at, last, isTransactional(buffer, at));
    const horizonMs = hasDeleteHorizon(buffer, at) ? baseTimestamp(buffer, at) : null;
    const expired = horizonMs !== null && horizonMs <= wallTimeMs;
    const discarded = discardable && (!control || expired);
    const keepsHeader = this.#keepsHeader(buffer, at, last, control);
    if (discarded) return keepsHeader ? emptiedBatch(buffer, at) : 'nothing';
    const chosen = control ? this.#takeAll(buffer, at) : this.#choose(buffer, at, horizonMs);
    this.recordsRead += chosen.readCount;
    this.recordsKept += chosen.count;
    if (chosen.count === 0) return keepsHeader ? emptiedBatch(buffer, at) : 'nothing';
    const needsHorizon = horizonMs === null && (chosen.hasTombstone || (control && discardable));
    if (chosen.count === chosen.readCount && !needsHorizon) return 'whole';
    return thinnedBatch(buffer, at, chosen, needsHorizon ? this.#newHorizonMs : horizonMs);
  }

  get #newHorizonMs(): number {
    return this.#options.wallTimeMs + this.#options.deleteRetentionMs;
  }

  #keepsHeader(buffer: Buffer, at: number, last: number, control: boolean): boolean {
    if (last + 1 === this.#options.endOffset) return true;
    if (!hasProducerId(buffer, at)) return false;
    const newest = this.#options.lastRecords.get(producerId(buffer, at));
    if (newest === undefined) return false;
    if (newest.lastOffset >= 0) return newest.lastOffset === last;
    // Only a marker is known of it: that bears the epoch that fences older ones.
    return control && newest.epoch === producerEpoch(buffer, at);
  }

  #takeAll(buffer: Buffer, at: number): KeptRecords {
    const cursor = openRecords(buffer, at, UNFOLDING);
    const kept = this.#kept.begin(cursor);
    while (cursor.next()) kept.keep(cursor);
    return kept;
  }

  #choose(buffer: Buffer, at: number, horizonMs: number | null): KeptRecords {
    const { keys, wallTimeMs } = this.#options;
    const keepTombstones = horizonMs === null || wallTimeMs < horizonMs;
    const cursor = openRecords(buffer, at, UNFOLDING);
    const kept = this.#kept.begin(cursor);
    while (cursor.next()) {
      if (cursor.offset > keys.latestOffset) kept.keep(cursor);
      else if (cursor.keyLength < 0) {
        kept.drop();
        this.keylessRecords += 1;
      } else if (
        (keepTombstones || cursor.valueLength >= 0) &&
        cursor.offset >= keys.get(cursor.bytes, cursor.keyAt, cursor.keyLength)
      ) {
        kept.keep(cursor);
      } else kept.drop();
    }
    return kept;
  }

  #judgeMessage(buffer: Buffer, at: number, keepTombstones: boolean): Remains {
    const sizeBytes = batchSize(buffer, at);
    const batch: DecodedBatch = decodeMessage(buffer.subarray(at, at + sizeBytes), 0, UNFOLDING);
    const kept = batch.records.filter((record) => this.#staysInMessage(record, keepTombstones));
    this.recordsRead += batch.records.length;
    this.recordsKept += kept.length;
    // There is no header to keep of an empty message: its offset becomes a gap.
    if (kept.length === 0) return 'nothing';
    return kept.length === batch.records.length ? 'whole' : rewrittenMessages(batch, kept);
  }

  #staysInMessage({ offset, key, value }: Record, keepTombstones: boolean): boolean {
    const { keys } = this.#options;
    if (offset > keys.latestOffset) return true;
    if (key === null) {
      this.keylessRecords += 1;
      return false;
    }
    return (keepTombstones || value !== null) && offset >= keys.get(key, 0, key.length);
  }
}

/** A message set of magic 0 or 1 with some of its messages taken out. */
function rewrittenMessages(batch: DecodedBatch, kept: readonly Record[]): Buffer {
  const base = kept[0]?.offset ?? batch.baseOffset;
  return encodeMessageSet({
    magic: batch.magic === 0 ? 0 : 1,
    records: kept.map((record) => ({ ...record, offsetDelta: record.offset - base })),
    baseOffset: base,
    compression: batch.compression,
    timestampType: batch.timestampType,
    appendTimestamp: batch.maxTimestamp,
  });
}
