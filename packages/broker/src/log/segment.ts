/**
 * One segment of a log: a run of batches in a file, its indexes, and what is known of it.
 *
 * A segment knows two sizes. `sizeBytes` is where the next batch will lie, counted when it is
 * appended; `writtenBytes` is what the operating system has. Index entries are added with the
 * append, by Kafka's rule: at most one per batch, after more than index.interval.bytes of log.
 * Nothing here touches the disk: appends are carried out by append-queue.ts, reads by log-reader.ts.
 */
import path from 'node:path';
import type { BatchFacts } from './batches.ts';
import { SUFFIX, segmentFileName } from './file-names.ts';
import type { IndexEntries } from './index-entries.ts';
import { type LogConfig, longestSegmentMs } from './log-config.ts';
import { OffsetIndex } from './offset-index.ts';
import { TimeIndex, type TimeIndexEntry } from './time-index.ts';
import { TransactionIndex } from './transaction-index.ts';

/** Offsets in indexes are 32-bit distances from the base. */
const OFFSET_SPAN_MAX = 0x7fff_ffff;

/** What a segment found on the disk is known to hold. */
export interface SegmentState {
  readonly sizeBytes: number;
  readonly nextOffset: number;
  readonly offsetIndexCount: number;
  readonly timeIndexCount: number;
  readonly lastTimeEntry: TimeIndexEntry | null;
  /** Largest timestamp of the first batch; -1 for none. */
  readonly firstTimestamp: number;
}

export interface SegmentOptions {
  readonly folder: string;
  readonly baseOffset: number;
  readonly createdAtMs: number;
  /** Taken off segment.ms for this segment. */
  readonly jitterMs: number;
  /** Behind the names of all its files, while a compaction has them in the making; nothing else as a rule. */
  readonly fileSuffix?: string;
}

const EMPTY: Omit<SegmentState, 'nextOffset'> = {
  sizeBytes: 0,
  offsetIndexCount: 0,
  timeIndexCount: 0,
  lastTimeEntry: null,
  firstTimestamp: -1,
};

export class Segment {
  readonly folder: string;
  readonly baseOffset: number;
  /** Wall time at which it was made, opened or emptied. */
  createdAtMs: number;
  readonly jitterMs: number;
  readonly offsetIndex: OffsetIndex;
  readonly timeIndex: TimeIndex;
  /** null as long as no transaction was aborted in this segment. */
  transactionIndex: TransactionIndex | null = null;
  /** Size with all that was appended, written or not. */
  sizeBytes: number;
  /** Size that the operating system has. */
  writtenBytes: number;
  /** The offset after the last appended batch. */
  nextOffset: number;
  firstTimestamp: number;
  /** Largest timestamp so far, and the last offset of its batch; -1 when there is none. */
  maxTimestamp: number;
  offsetOfMaxTimestamp: number;
  /** Entries were written to its index files or cut off, or spare room off its log, since these were last forced to the medium. */
  hasLooseIndexes = false;
  /** Its files are on their way to the medium: what is not loose any more may not be there yet. */
  isSyncing = false;
  /** True once it left the log: its files have other names, or none. */
  removed = false;
  readonly #fileSuffix: string;
  /** Kept from its first use on: every write asks for it. */
  #logPath: string | null = null;
  #bytesSinceEntry = 0;

  constructor(options: SegmentOptions, state?: SegmentState) {
    const { offsetIndexCount, timeIndexCount, lastTimeEntry, ...found } = state ?? {
      ...EMPTY,
      nextOffset: options.baseOffset,
    };
    this.folder = options.folder;
    this.baseOffset = options.baseOffset;
    this.#fileSuffix = options.fileSuffix ?? '';
    this.createdAtMs = options.createdAtMs;
    this.jitterMs = options.jitterMs;
    this.sizeBytes = found.sizeBytes;
    this.writtenBytes = found.sizeBytes;
    this.nextOffset = found.nextOffset;
    this.firstTimestamp = found.firstTimestamp;
    this.maxTimestamp = lastTimeEntry?.timestamp ?? -1;
    this.offsetOfMaxTimestamp = lastTimeEntry?.offset ?? -1;
    this.offsetIndex = new OffsetIndex(this, options.baseOffset, offsetIndexCount);
    this.timeIndex = new TimeIndex(this, options.baseOffset, timeIndexCount, lastTimeEntry);
  }

  /** Path of one of the segment's files. */
  pathOf(suffix: string): string {
    const name = segmentFileName(this.baseOffset, suffix);
    return this.folder + path.sep + name + this.#fileSuffix;
  }

  get logPath(): string {
    this.#logPath ??= this.pathOf(SUFFIX.log);
    return this.#logPath;
  }

  get indexEntries(): readonly IndexEntries[] {
    return [this.offsetIndex.entries, this.timeIndex.entries];
  }

  /** Index files that there are. */
  get indexPaths(): readonly string[] {
    const paths = [this.offsetIndex.entries.path, this.timeIndex.entries.path];
    if (this.transactionIndex !== null) paths.push(this.transactionIndex.path);
    return paths;
  }

  /** All that its indexes say is on the medium. */
  get hasLastingIndexes(): boolean {
    return !this.hasLooseIndexes && !this.isSyncing && !this.transactionIndex?.isLoose;
  }

  /** The transaction index, begun if there is none. */
  needTransactionIndex(): TransactionIndex {
    this.transactionIndex ??= new TransactionIndex(this.pathOf(SUFFIX.transactionIndex));
    return this.transactionIndex;
  }

  /** Tells whether an offset can be in this segment: not before its base, nor too far behind it. */
  covers(offset: number): boolean {
    return offset >= this.baseOffset && offset - this.baseOffset <= OFFSET_SPAN_MAX;
  }

  /** Takes note of a batch that follows the last one. @returns true when an index entry was added */
  append(batch: BatchFacts, indexIntervalBytes: number): boolean {
    if (this.sizeBytes === 0) this.firstTimestamp = batch.maxTimestamp;
    if (batch.maxTimestamp > this.maxTimestamp) {
      this.maxTimestamp = batch.maxTimestamp;
      this.offsetOfMaxTimestamp = batch.lastOffset;
    }
    const indexed = this.#bytesSinceEntry > indexIntervalBytes;
    if (indexed) {
      this.offsetIndex.append(batch.lastOffset, this.sizeBytes);
      this.timeIndex.append(this.maxTimestamp, this.offsetOfMaxTimestamp);
      this.#bytesSinceEntry = 0;
    }
    this.#bytesSinceEntry += batch.sizeBytes;
    this.sizeBytes += batch.sizeBytes;
    this.nextOffset = batch.lastOffset + 1;
    return indexed;
  }

  /** Ends the time index with the largest timestamp: on roll and on close, also when it is full. */
  finish(): void {
    this.timeIndex.append(this.maxTimestamp, this.offsetOfMaxTimestamp);
  }

  /**
   * Tells whether a set of batches must go into a new segment.
   * @param set its total size, its last offset, and its largest timestamp or -1
   */
  mustRoll(
    set: { readonly sizeBytes: number; readonly lastOffset: number; readonly maxTimestamp: number },
    config: LogConfig,
    wallTimeMs: number,
  ): boolean {
    if (!this.covers(set.lastOffset)) return true;
    if (this.sizeBytes === 0) return false; // A new segment would be just as empty.
    if (this.sizeBytes > config.segmentBytes - set.sizeBytes) return true;
    if (this.offsetIndex.isFull(config.segmentIndexBytes)) return true;
    if (this.timeIndex.isFull(config.segmentIndexBytes)) return true;
    const waitedMs =
      this.firstTimestamp >= 0
        ? set.maxTimestamp - this.firstTimestamp // Without a timestamp a set is never too late.
        : wallTimeMs - this.createdAtMs;
    return waitedMs > longestSegmentMs(config) - this.jitterMs;
  }

  /** The log file now ends at `sizeBytes`; the indexes are cut by the caller. */
  truncated(sizeBytes: number, nextOffset: number): void {
    this.sizeBytes = sizeBytes;
    this.writtenBytes = sizeBytes;
    this.nextOffset = nextOffset;
    this.#bytesSinceEntry = 0;
    if (sizeBytes === 0) this.firstTimestamp = -1;
  }
}
