/**
 * The log of one partition: appends with offsets, reads, and its two moving ends.
 *
 * An append is accepted in memory at once: validated, given offsets, noted in indexes, epochs and
 * producer state, and queued. It becomes part of the log for everybody else when the operating
 * system has its bytes: then `logEndOffset` moves and `onAdvance` runs. So `nextOffset` runs ahead
 * of `logEndOffset` by what is being written, and no reader ever sees what a failing disk may lose.
 *
 * Everything that cuts the log (truncation, a new start, closing) is done one at a time, with
 * appends refused and writes finished. What a replica makes of all this (high watermark, who leads)
 * is core/partition/ and replica/; which logs there are is log-manager.ts.
 */
import { KafkaError } from '@odradek/protocol';
import type { DiskError } from '@odradek/runtime';
import type { ProducerEntry } from '../core/producer-state/producer-entry.ts';
import { abortedTransactions } from './aborted-transactions.ts';
import { AppendQueue, type QueuedAppend, writeIndexes } from './append-queue.ts';
import { LogCompaction } from './compaction/log-compaction.ts';
import type { GroupCommit } from './flush/group-commit.ts';
import { LogFlush } from './flush/log-flush.ts';
import { LeaderEpochFile } from './leader-epoch-file.ts';
import { type LeaderOfAppend, LogAppender } from './log-appender.ts';
import { LogCondition } from './log-condition.ts';
import type { LogConfig } from './log-config.ts';
import type { LoadedLog } from './log-loader.ts';
import { emptySlice, LogReader } from './log-reader.ts';
import type { LogResources } from './log-resources.ts';
import { type LogParts, type LogState, stateOf } from './log-state.ts';
import type { AppendResult, EpochEnd, LogSlice, TimestampedOffset } from './log-types.ts';
import { writeTopicId } from './meta-properties.ts';
import type { RetentionDecision } from './retention.ts';
import { segmentOffsetsBefore } from './segment-offsets.ts';
import { TimeLookup } from './time-lookup.ts';
import type { AbortedTransaction } from './transaction-index.ts';
import { restartLog, truncateLog } from './truncation.ts';
import { finishLog, retireOldSegments, syncBelow } from './upkeep.ts';

export interface PartitionLogOptions {
  readonly topic: string;
  readonly partition: number;
  /** The data directory. */
  readonly directory: string;
  /** The partition's own folder in it. */
  readonly path: string;
  readonly config: LogConfig;
  readonly resources: LogResources;
  /** Of the data directory. */
  readonly flushes: GroupCommit;
  readonly loaded: LoadedLog;
  /** A copy that nobody reads yet (future-logs.ts): its batches stay out of the tail cache. */
  readonly isFuture?: boolean;
  /** A file operation failed: the whole data directory is to be taken offline. */
  readonly failed: (log: PartitionLog, error: DiskError) => void;
  /** Has the offsets that this log tells now written to its directory's checkpoints. */
  readonly checkpoint: () => Promise<void>;
}

export class PartitionLog {
  readonly topic: string;
  readonly partition: number;
  readonly directory: string;
  readonly path: string;
  readonly isFuture: boolean;
  /** `logEndOffset` has moved. */
  onAdvance: ((log: PartitionLog) => void) | null = null;
  /** The data directory has failed; nothing will be appended or read any more. */
  onFailure: ((log: PartitionLog, error: Error) => void) | null = null;
  /** What the log's leader and followers append with. */
  readonly appender: LogAppender;
  /** What the log cleaner works with. */
  readonly compaction: LogCompaction;
  readonly #resources: LogResources;
  readonly #state: LogState;
  readonly #queue: AppendQueue;
  readonly #reader: LogReader;
  readonly #parts: LogParts;
  readonly #times: TimeLookup;
  readonly #epochFile: LeaderEpochFile;
  readonly #condition: LogCondition;
  readonly #flush: LogFlush;
  #topicId: string | null;

  constructor(options: PartitionLogOptions) {
    const { resources, loaded } = options;
    this.topic = options.topic;
    this.partition = options.partition;
    this.directory = options.directory;
    this.path = options.path;
    this.isFuture = options.isFuture ?? false;
    this.#resources = resources;
    this.#condition = new LogCondition(this.name, (error) => options.failed(this, error));
    this.#topicId = loaded.topicId;
    this.#state = stateOf(loaded, options.path, options.config);
    this.#reader = new LogReader(resources, this.#state);
    this.#times = new TimeLookup(resources, this.#state, this.#reader);
    this.#epochFile = new LeaderEpochFile(resources.environment.disk, this.path, loaded.epochs);
    const { topic, partition, flushes: groups } = options;
    this.#flush = new LogFlush({ topic, partition, groups, state: this.#state, resources });
    this.#queue = new AppendQueue(resources, {
      writeDurably: (appends, buffers) => this.#flush.commit(appends, buffers),
      written: (appends) => this.#written(appends),
      failed: (error) => options.failed(this, error),
    });
    this.#parts = {
      resources,
      state: this.#state,
      reader: this.#reader,
      queue: this.#queue,
      flush: this.#flush,
      checkpoint: options.checkpoint,
    };
    this.appender = new LogAppender({
      name: this.name,
      parts: this.#parts,
      condition: this.#condition,
      isFuture: this.isFuture,
      saveEpochs: () => this.#saveEpochs(),
      flushInBackground: () => this.#flushInBackground(),
    });
    this.compaction = new LogCompaction(this.#parts, this.#condition, (offset, generation) =>
      this.#syncBelow(offset, generation),
    );
  }

  /** `topic-partition`, for messages. */
  get name(): string {
    return `${this.topic}-${this.partition}`;
  }

  get topicId(): string | null {
    return this.#topicId;
  }

  get config(): LogConfig {
    return this.#state.config;
  }

  /** Takes new settings; segments and batches that exist stay as they are. */
  set config(config: LogConfig) {
    this.#state.config = config;
  }

  get logStartOffset(): number {
    return this.#state.logStartOffset;
  }

  /** The readable end: all below has been handed to the operating system. */
  get logEndOffset(): number {
    return this.#state.logEndOffset;
  }

  /** The next offset to be assigned; at least `logEndOffset`. */
  get nextOffset(): number {
    return this.#state.nextOffset;
  }

  /** Everything below is on the medium. */
  get recoveryPoint(): number {
    return this.#state.recoveryPoint;
  }

  get sizeBytes(): number {
    return this.#state.segments.sizeBytes;
  }

  /** Base offset of the first segment: the log start needs a checkpoint of its own only above it. */
  get firstSegmentOffset(): number {
    return this.#state.segments.first.baseOffset;
  }

  get offline(): boolean {
    return this.#condition.offline;
  }

  get highWatermark(): number {
    return this.#state.highWatermark;
  }

  /** Takes the replica's high watermark: retention and the last stable offset go by it. */
  updateHighWatermark(offset: number): void {
    const { logStartOffset, logEndOffset, producers } = this.#state;
    const highWatermark = Math.min(Math.max(offset, logStartOffset), logEndOffset);
    this.#state.highWatermark = highWatermark;
    producers.passHighWatermark(highWatermark);
  }

  /**
   * Where read_committed readers stop: the first offset of an undecided transaction, or the high
   * watermark. A transaction that began below the log's start counts from there on.
   */
  get lastStableOffset(): number {
    const { highWatermark, logStartOffset, producers } = this.#state;
    const unstable = producers.firstUnstableOffset;
    return unstable === null
      ? highWatermark
      : Math.min(highWatermark, Math.max(logStartOffset, unstable));
  }

  get latestEpoch(): number | null {
    return this.#state.epochs.latest;
  }

  /** Notes that a leader of `epoch` begins here. */
  startEpoch(epoch: number): void {
    this.#state.epochs.assign(epoch, this.#state.nextOffset);
    this.#saveEpochs();
  }

  /** Where `epoch` ends in this log; (-1, -1) when nothing can be said. */
  endOffsetForEpoch(epoch: number): EpochEnd {
    return this.#state.epochs.endOf(epoch, this.#state.logEndOffset);
  }

  /** The leader epoch in which `offset` was appended; -1 when it is not known. */
  epochOf(offset: number): number {
    return this.#state.epochs.epochOf(offset);
  }

  /** What is known of each producer that wrote here lately. */
  activeProducers(): Iterable<Readonly<ProducerEntry>> {
    return this.#state.producers.entries();
  }

  /** Forgets producers that have been silent for too long. */
  expireProducers(wallTimeMs: number, expirationMs: number): void {
    this.#state.producers.expire(wallTimeMs, expirationMs);
  }

  /** See {@link LogAppender.asLeader}. */
  appendAsLeader(records: Buffer, leader: LeaderOfAppend): AppendResult {
    return this.appender.asLeader(records, leader);
  }

  /** See {@link LogAppender.asFollower}. */
  appendAsFollower(records: Buffer, maxLeaderEpoch?: number): AppendResult {
    return this.appender.asFollower(records, maxLeaderEpoch);
  }

  /**
   * Whole batches from the one that holds `offset` on: synchronously when they are in the tail cache.
   * @param maxBytes the most to return; `minOneBatch` gives the first batch whatever its size
   * @param maxOffset only batches that end below it
   * @throws KafkaError OFFSET_OUT_OF_RANGE outside of [logStartOffset, logEndOffset],
   * KAFKA_STORAGE_ERROR, NOT_LEADER_OR_FOLLOWER (closed)
   */
  read(
    offset: number,
    maxBytes: number,
    maxOffset: number,
    minOneBatch: boolean,
  ): LogSlice | Promise<LogSlice> {
    this.#condition.requireReadable();
    const { logStartOffset, logEndOffset } = this.#state;
    if (offset < logStartOffset || offset > logEndOffset) {
      throw new KafkaError(
        'OFFSET_OUT_OF_RANGE',
        `${this.name}: ${offset} is not in [${logStartOffset}, ${logEndOffset}]`,
      );
    }
    const limit = Math.min(maxOffset, logEndOffset);
    if (offset >= limit) return emptySlice(offset);
    const request = { offset, maxBytes, maxOffset: limit, minOneBatch };
    return (
      this.#reader.readTail(request) ??
      this.#condition.guarded(() => this.#reader.readFiles(request))
    );
  }

  /** Counts how often compaction has replaced segments. */
  get rewrites(): number {
    return this.#state.rewrites;
  }

  /**
   * The aborted transactions that have records from `from` on and below `to`, in the order of their
   * markers; synchronously when no marker behind `from` aborts anything, which is the usual case.
   * @throws KafkaError CORRUPT_MESSAGE, KAFKA_STORAGE_ERROR, NOT_LEADER_OR_FOLLOWER (closed)
   */
  abortedTransactions(
    from: number,
    to: number,
  ): readonly AbortedTransaction[] | Promise<readonly AbortedTransaction[]> {
    this.#condition.requireReadable();
    const found = abortedTransactions(this.#resources, this.#state, this.#reader, { from, to });
    return found instanceof Promise ? this.#condition.guarded(() => found) : found;
  }

  /** The first record at or behind the log start with this timestamp or a later one, below `maxOffset`. */
  offsetForTimestamp(timestamp: number, maxOffset: number): Promise<TimestampedOffset | null> {
    this.#condition.requireReadable();
    const limit = Math.min(maxOffset, this.#state.logEndOffset);
    return this.#condition.guarded(() => this.#times.first(timestamp, limit));
  }

  /** The first record with the largest timestamp of all; null without any. */
  async offsetOfMaxTimestamp(): Promise<TimestampedOffset | null> {
    this.#condition.requireReadable();
    await this.#queue.task(() => Promise.resolve()); // It may be among what is being written.
    return this.#condition.guarded(() => this.#times.youngest());
  }

  /** See {@link segmentOffsetsBefore}: where segments begin that were written before a time. */
  segmentOffsetsBefore(timestamp: number, countMax: number): Promise<readonly number[]> {
    this.#condition.requireReadable();
    return this.#condition.guarded(() =>
      segmentOffsetsBefore(this.#resources, this.#state, timestamp, countMax),
    );
  }

  /** Base offset of the segment that holds `offset`. */
  segmentBaseOf(offset: number): number {
    const { segments } = this.#state;
    return (segments.at(segments.indexOf(offset)) ?? segments.first).baseOffset;
  }

  /**
   * Cuts the log so that it ends at `offset`, or below it at the start of the batch that holds it.
   * Offsets at or above the end change nothing.
   */
  truncateTo(offset: number): Promise<void> {
    const cut = async (): Promise<void> => {
      if (offset < this.#state.nextOffset) {
        await this.#flush.cut(() => truncateLog(this.#parts, Math.max(0, offset)));
      }
      // An epoch that begins at the end has no records and must go too, or a follower that once led
      // for a moment names it in every fetch and is told to truncate again, for ever.
      else this.#state.epochs.truncateEnd(offset);
    };
    const { segments } = this.#state;
    // Compaction has to do with the other segments only.
    if (offset >= segments.active.baseOffset) return this.#alone(cut);
    return this.compaction.paused(Math.max(0, offset), () => this.#alone(cut));
  }

  /** Drops everything and goes on at `offset`. */
  truncateFullyAndStartAt(offset: number): Promise<void> {
    const restart = () => this.#flush.cut(() => restartLog(this.#parts, offset));
    return this.compaction.paused(offset, () => this.#alone(restart));
  }

  /**
   * Raises the log start: what is below can no longer be read, and segments wholly below it go.
   * The caller minds the high watermark.
   * @throws KafkaError OFFSET_OUT_OF_RANGE above the log's end
   */
  async advanceLogStart(offset: number): Promise<void> {
    const { logStartOffset, logEndOffset, epochs } = this.#state;
    if (offset > logEndOffset) {
      throw new KafkaError(
        'OFFSET_OUT_OF_RANGE',
        `${this.name}: ${offset} is above ${logEndOffset}`,
      );
    }
    if (offset <= logStartOffset) return;
    this.#state.logStartOffset = offset;
    this.#state.highWatermark = Math.max(this.#state.highWatermark, offset);
    epochs.truncateStart(offset);
    this.#saveEpochs();
    await this.deleteOldSegments();
  }

  /** Applies retention.ms, retention.bytes and the log start. @returns how many segments went, and why */
  async deleteOldSegments(): Promise<RetentionDecision> {
    let decision: RetentionDecision = { count: 0, reason: null };
    await this.#condition.oneByOne(async () => {
      const { generation } = this.#state;
      decision = await retireOldSegments(this.#parts, {
        rolled: () => this.#flushInBackground(),
        syncBelow: (offset) => this.#syncBelow(offset, generation),
      });
    });
    this.#saveEpochs();
    return decision;
  }

  /** Counts truncations: what was read across one may be of another branch than what is there now. */
  get generation(): number {
    return this.#state.generation;
  }

  /** Resolves when all that is appended now is written, or never will be. */
  settled(): Promise<void> {
    return this.#queue.task(() => Promise.resolve());
  }

  /** Runs something while nothing can be appended and all that was is written. */
  withoutAppends(run: () => Promise<void>): Promise<void> {
    return this.#alone(run);
  }

  /** Forces everything that is appended to the medium. */
  async flush(): Promise<void> {
    const { nextOffset, generation } = this.#state;
    if (nextOffset <= this.#state.recoveryPoint || this.#condition.ended) return;
    this.#flush.noteFlush();
    const active = this.#state.segments.active;
    await this.#queue.task(() => writeIndexes(this.#resources, active));
    this.#condition.requireReadable();
    await this.#condition.guarded(() => this.#syncBelow(nextOffset, generation));
  }

  /** Flushes if flush.ms has passed since the last time. */
  flushIfDue(): Promise<void> {
    return this.#flush.isDue ? this.flush() : Promise.resolve();
  }

  /** Gives a log without a topic id its id. */
  async setTopicId(topicId: string): Promise<void> {
    await this.#condition.guarded(() =>
      writeTopicId(this.#resources.environment.disk, this.path, topicId),
    );
    this.#topicId = topicId;
  }

  /** An orderly end: everything is on the medium, with a snapshot of the producers at the log's end. */
  async close(): Promise<void> {
    if (this.#condition.ended) return;
    await this.compaction.lease.pause();
    await this.#alone(async () => {
      await finishLog(this.#parts);
      await this.#epochFile.save();
      await this.#flush.end();
      this.#end('closed');
    });
  }

  /** An end without a farewell: the folder is about to be removed. Writes that run are waited for. */
  async abandon(): Promise<void> {
    if (this.#condition.ended) return;
    await this.compaction.lease.pause();
    await this.#alone(async () => {
      await this.#flush.end();
      this.#end('closed');
    });
  }

  /** The data directory has failed. */
  markOffline(error: Error): void {
    if (this.#condition.ended) return;
    this.#end('offline');
    this.onFailure?.(this, error);
  }

  #end(condition: 'closed' | 'offline'): void {
    this.#condition.end(condition);
    this.compaction.lease.abort();
    this.#queue.stop();
    this.#resources.tails.clear(this.#state.tail);
    for (const segment of this.#state.segments.all) {
      for (const entries of segment.indexEntries) this.#resources.indexes.drop(entries);
      for (const file of segment.indexPaths) this.#resources.files.drop(file);
      this.#resources.files.drop(segment.logPath);
    }
  }

  /** Brings everything that is written to the medium, beside the writes that follow. */
  #flushInBackground(): void {
    this.#flush.noteFlush();
    const { logEndOffset, generation } = this.#state;
    this.#condition.inBackground(() => this.#syncBelow(logEndOffset, generation));
  }

  /** Epochs first: those of segments below the recovery point are found in their file alone. */
  async #syncBelow(offset: number, generation: number): Promise<void> {
    await this.#epochFile.save();
    await syncBelow(this.#parts, offset, generation);
  }

  #written(appends: readonly QueuedAppend[]): void {
    const { tails } = this.#resources;
    for (const { stored, firstOffset, nextOffset } of appends) {
      tails.add(this.#state.tail, stored, firstOffset, nextOffset);
      this.#state.logEndOffset = nextOffset;
    }
    this.#flush.written();
    this.onAdvance?.(this);
  }

  #saveEpochs(): void {
    this.#condition.inBackground(() => this.#epochFile.save());
  }

  /** Runs an operation that cuts the log: without appends and writes beside it. */
  async #alone(run: () => Promise<void>): Promise<void> {
    await this.#condition.alone(async () => {
      await this.#queue.whenIdle();
      this.#condition.requireReadable(); // Idle it is also when the directory has failed.
      await run();
    });
    if (!this.#condition.ended) this.#saveEpochs();
  }
}
