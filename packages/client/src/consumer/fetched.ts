/**
 * The records of one partition out of one fetch answer, read batch by batch when they are wanted.
 *
 * Batches are decoded late, so what is prefetched waits as compact as it came. Left out: records before
 * the wanted offset (a fetch returns whole batches), control batches, and for read_committed those of
 * aborted transactions, which the answer lists by producer and first offset and an abort marker ends.
 * Offsets count for the reader also where compaction or a marker left nothing to see.
 */
import {
  baseOffset,
  batchPositions,
  type DecodedBatch,
  decodeAnyBatchAsync,
  decodeControlRecord,
  lastOffset,
  magic,
} from '@odradek/protocol';
import type { ConsumedRecord } from './types.ts';

export interface AbortedTransaction {
  readonly producerId: bigint;
  readonly firstOffset: number;
}

export interface FetchedOptions {
  readonly topic: string;
  readonly partition: number;
  readonly records: Buffer;
  /** Records before this are not wanted. */
  readonly fromOffset: number;
  /** null for read_uncommitted. */
  readonly aborted: readonly AbortedTransaction[] | null;
}

export class FetchedRecords {
  readonly #options: FetchedOptions;
  readonly #batches: Generator<number, void, undefined>;
  /** Of transactions to leave out that have not begun yet, by first offset. */
  readonly #abortedAhead: AbortedTransaction[];
  readonly #abortedNow = new Set<bigint>();
  #rest: readonly ConsumedRecord[] = [];
  #restAt = 0;
  #nextOffset: number;
  #isExhausted = false;

  constructor(options: FetchedOptions) {
    this.#options = options;
    this.#batches = batchPositions(options.records);
    this.#nextOffset = options.fromOffset;
    this.#abortedAhead = [...(options.aborted ?? [])].sort((a, b) => a.firstOffset - b.firstOffset);
  }

  get sizeBytes(): number {
    return this.#options.records.length;
  }

  /** Where reading goes on after what was taken. */
  get nextOffset(): number {
    const next = this.#rest[this.#restAt];
    return next === undefined ? this.#nextOffset : next.offset;
  }

  /** The first offset behind all of it: where the next fetch goes on. null when no batch is whole. */
  get endOffset(): number | null {
    const { records } = this.#options;
    let last: number | null = null;
    for (const at of batchPositions(records)) last = at;
    if (last === null) return null;
    // Before magic 2 an entry's offset is that of its last message.
    return (magic(records, last) === 2 ? lastOffset(records, last) : baseOffset(records, last)) + 1;
  }

  /**
   * Up to so many records; fewer only at the end.
   * @throws KafkaError CORRUPT_MESSAGE, MalformedMessage
   */
  async take(maxRecords: number): Promise<readonly ConsumedRecord[]> {
    const taken: ConsumedRecord[] = [];
    while (taken.length < maxRecords) {
      if (this.#restAt >= this.#rest.length && !(await this.#nextBatch())) break;
      const wanted = maxRecords - taken.length;
      const slice = this.#rest.slice(this.#restAt, this.#restAt + wanted);
      for (const record of slice) taken.push(record);
      this.#restAt += slice.length;
    }
    return taken;
  }

  /** Nothing more will come. */
  get isExhausted(): boolean {
    return this.#isExhausted && this.#restAt >= this.#rest.length;
  }

  async #nextBatch(): Promise<boolean> {
    const { value: at, done } = this.#batches.next();
    if (done === true || at === undefined) {
      this.#isExhausted = true;
      return false;
    }
    const batch = await decodeAnyBatchAsync(this.#options.records, at);
    this.#rest = this.#isHidden(batch) ? [] : this.#visible(batch);
    this.#restAt = 0;
    this.#nextOffset = Math.max(this.#nextOffset, batch.lastOffset + 1);
    return true;
  }

  #isHidden(batch: DecodedBatch): boolean {
    if (this.#options.aborted !== null) {
      while ((this.#abortedAhead[0]?.firstOffset ?? Number.POSITIVE_INFINITY) <= batch.lastOffset) {
        const begun = this.#abortedAhead.shift();
        if (begun !== undefined) this.#abortedNow.add(begun.producerId);
      }
      if (batch.control && isAbort(batch)) this.#abortedNow.delete(batch.producerId);
      else if (batch.transactional && this.#abortedNow.has(batch.producerId)) return true;
    }
    return batch.control;
  }

  #visible(batch: DecodedBatch): readonly ConsumedRecord[] {
    const { topic, partition, fromOffset } = this.#options;
    const { timestampType } = batch;
    const records: ConsumedRecord[] = [];
    for (const { offset, timestamp, key, value, headers } of batch.records)
      if (offset >= fromOffset)
        records.push({ topic, partition, offset, timestamp, timestampType, key, value, headers });
    return records;
  }
}

function isAbort(batch: DecodedBatch): boolean {
  const [marker] = batch.records;
  return marker !== undefined && decodeControlRecord(marker).kind === 'abort';
}
