/**
 * The transaction index of a segment (`.txnindex`): which transactions were aborted by markers that
 * lie in it. A fetch of committed records is told of them, so that the consumer drops their batches.
 *
 * Entries have 34 bytes: version 0, producer id, first offset of the transaction, offset of the
 * marker, and the last stable offset right after it; in the order of the markers. There is a file
 * only when there is an entry, and an entry is written right behind the batches that it is about
 * (append-queue.ts), so it needs no place in memory: all that is kept here is how many there are
 * and where the last marker lies. Lookups read the file, a piece at a time.
 */
import { MalformedMessage } from '@odradek/protocol';
import type { DiskFile } from '@odradek/runtime';
import type { ProducerBatch } from '../core/producer-state/producer-entry.ts';
import type { ProducerStates } from '../core/producer-state/producer-states.ts';
import type { OpenFiles } from './open-files.ts';

/** A transaction of which this log has records, and that was aborted. */
export interface AbortedTransaction {
  readonly producerId: bigint;
  readonly firstOffset: number;
  /** Offset of the marker. */
  readonly lastOffset: number;
  /** Where the earliest transaction began that was open right after the marker, else the offset after it. */
  readonly lastStableOffset: number;
}

export const TRANSACTION_ENTRY_BYTES = 34;

/** The most that a lookup reads at once: 1,927 entries. */
export const TRANSACTION_INDEX_READ_BYTES = 1927 * TRANSACTION_ENTRY_BYTES;

const VERSION = 0;

/**
 * Tells `producers` of a batch that is appended.
 * @returns the transaction that the batch aborts, if it does and the transaction has records here
 */
export function noteBatch(
  producers: ProducerStates,
  batch: ProducerBatch,
): AbortedTransaction | null {
  const ended = producers.update(batch);
  if (ended === null || !ended.aborted) return null;
  const { producerId, firstOffset, lastOffset } = ended;
  const lastStableOffset = producers.firstOpenOffset ?? lastOffset + 1;
  return { producerId, firstOffset, lastOffset, lastStableOffset };
}

export function encodeAborted(transactions: readonly AbortedTransaction[]): Buffer {
  const bytes = Buffer.alloc(transactions.length * TRANSACTION_ENTRY_BYTES);
  let at = 0;
  for (const { producerId, firstOffset, lastOffset, lastStableOffset } of transactions) {
    bytes.writeInt16BE(VERSION, at);
    bytes.writeBigInt64BE(producerId, at + 2);
    bytes.writeBigInt64BE(BigInt(firstOffset), at + 10);
    bytes.writeBigInt64BE(BigInt(lastOffset), at + 18);
    bytes.writeBigInt64BE(BigInt(lastStableOffset), at + 26);
    at += TRANSACTION_ENTRY_BYTES;
  }
  return bytes;
}

/** @throws MalformedMessage when the entry is of a later version: its fields may mean anything */
export function decodeAborted(bytes: Buffer, at: number): AbortedTransaction {
  const version = bytes.readInt16BE(at);
  if (version !== VERSION) {
    throw new MalformedMessage(`aborted transaction of version ${version}, expected ${VERSION}`);
  }
  return {
    producerId: bytes.readBigInt64BE(at + 2),
    firstOffset: Number(bytes.readBigInt64BE(at + 10)),
    lastOffset: Number(bytes.readBigInt64BE(at + 18)),
    lastStableOffset: Number(bytes.readBigInt64BE(at + 26)),
  };
}

/** One segment's index: its file, and what is known of the entries. */
export class TransactionIndex {
  readonly path: string;
  /** Entries were written since the file was last forced to the medium: nobody could tell that they are missing. */
  isLoose = false;
  #count: number;
  #lastOffset: number;

  constructor(path: string, count = 0, lastOffset = -1) {
    this.path = path;
    this.#count = count;
    this.#lastOffset = lastOffset;
  }

  get count(): number {
    return this.#count;
  }

  /** Offset of the last abort marker; -1 when there is none. */
  get lastOffset(): number {
    return this.#lastOffset;
  }

  /** Adds to the end of the file, which is made when it is missing. */
  async append(files: OpenFiles, transactions: readonly AbortedTransaction[]): Promise<void> {
    const last = transactions.at(-1);
    if (last === undefined) return;
    const position = this.#count * TRANSACTION_ENTRY_BYTES;
    const bytes = encodeAborted(transactions);
    this.isLoose = true;
    await files.use(this.path, (file) => file.write([bytes], position));
    this.#count += transactions.length;
    this.#lastOffset = last.lastOffset;
  }

  /**
   * Adds to `found` what was aborted between two offsets.
   * @returns true when no later entry, in this segment or a later one, can be about them
   */
  collect(
    files: OpenFiles,
    { from, to }: OffsetRange,
    found: AbortedTransaction[],
  ): Promise<boolean> {
    return files.read(this.path, async (file) => {
      const first = await this.#firstEndingAt(file, from);
      for await (const transaction of entriesOf(file, first, this.#count)) {
        if (transaction.firstOffset < to) found.push(transaction);
        // Transactions that were open after this one begin no earlier; the same holds for all later ones.
        if (transaction.lastStableOffset >= to) return true;
      }
      return false;
    });
  }

  /** Drops the entries whose marker is at `offset` or behind it. */
  truncate(files: OpenFiles, offset: number): Promise<void> {
    return files.use(this.path, async (file) => {
      const kept = await this.#firstEndingAt(file, offset);
      const last = kept === 0 ? null : await entryAt(file, kept - 1);
      await file.truncate(kept * TRANSACTION_ENTRY_BYTES);
      this.#count = kept;
      this.#lastOffset = last?.lastOffset ?? -1;
    });
  }

  /** How many entries have their marker below `offset`: it ascends from entry to entry. */
  async #firstEndingAt(file: DiskFile, offset: number): Promise<number> {
    let low = 0;
    let high = this.#count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((await entryAt(file, middle)).lastOffset < offset) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** `from` to `to`, without `to`. */
export interface OffsetRange {
  readonly from: number;
  readonly to: number;
}

/**
 * Opens an index that lies in a folder.
 * @param range the offsets of its segment
 * @returns null when it cannot be that segment's: half an entry, another version, markers that lie
 * elsewhere or do not ascend
 */
export async function openTransactionIndex(
  files: OpenFiles,
  path: string,
  { from, to }: OffsetRange,
): Promise<TransactionIndex | null> {
  return files.read(path, async (file) => {
    const sizeBytes = await file.sizeBytes();
    if (sizeBytes % TRANSACTION_ENTRY_BYTES !== 0) return null;
    const count = sizeBytes / TRANSACTION_ENTRY_BYTES;
    let lastOffset = from - 1;
    try {
      for await (const entry of entriesOf(file, 0, count)) {
        if (entry.lastOffset <= lastOffset || entry.firstOffset > entry.lastOffset) return null;
        lastOffset = entry.lastOffset;
      }
    } catch (error) {
      if (error instanceof MalformedMessage) return null;
      throw error;
    }
    if (lastOffset >= to) return null;
    return new TransactionIndex(path, count, count === 0 ? -1 : lastOffset);
  });
}

async function* entriesOf(
  file: DiskFile,
  first: number,
  end: number,
): AsyncGenerator<AbortedTransaction> {
  const endBytes = end * TRANSACTION_ENTRY_BYTES;
  let position = first * TRANSACTION_ENTRY_BYTES;
  while (position < endBytes) {
    const chunk = Buffer.allocUnsafe(Math.min(TRANSACTION_INDEX_READ_BYTES, endBytes - position));
    const bytes = chunk.subarray(0, await file.read(chunk, position));
    if (bytes.length < TRANSACTION_ENTRY_BYTES) return; // Cut meanwhile.
    let at = 0;
    for (; bytes.length - at >= TRANSACTION_ENTRY_BYTES; at += TRANSACTION_ENTRY_BYTES) {
      yield decodeAborted(bytes, at);
    }
    position += at;
  }
}

async function entryAt(file: DiskFile, index: number): Promise<AbortedTransaction> {
  for await (const entry of entriesOf(file, index, index + 1)) return entry;
  throw new MalformedMessage(`${file.path} ends before entry ${index}`);
}
