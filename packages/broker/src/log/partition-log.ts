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
import { KafkaError, setBaseOffset, setPartitionLeaderEpoch } from '@odradek/protocol';
import { DiskError, type Millis } from '@odradek/runtime';
import type { ProducerBatch, ProducerEntry } from '../core/producer-state/producer-entry.ts';
import { AppendQueue, type QueuedAppend, writeIndexes } from './append-queue.ts';
import { type BatchFacts, factsOf, producerBatchOf } from './batches.ts';
import { LeaderEpochFile } from './leader-epoch-file.ts';
import type { LogConfig } from './log-config.ts';
import { createSegmentFiles, jitterOf, type LoadedLog } from './log-loader.ts';
import { emptySlice, LogReader } from './log-reader.ts';
import type { LogResources } from './log-resources.ts';
import type { LogState } from './log-state.ts';
import {
  type AppendOrigin,
  type AppendResult,
  type EpochEnd,
  type LogSlice,
  type TimestampedOffset,
  UnexpectedAppendOffset,
} from './log-types.ts';
import { writeTopicId } from './meta-properties.ts';
import { ProducerSnapshots } from './producer-snapshots.ts';
import { expiredSegments, type RetentionDecision } from './retention.ts';
import { retireSegments } from './retire.ts';
import { soundBatch } from './scan.ts';
import { Segment } from './segment.ts';
import { SegmentList } from './segment-list.ts';
import { Tail } from './tail-cache.ts';
import { TimeLookup } from './time-lookup.ts';
import { restartLog, type TruncationTools, truncateLog } from './truncation.ts';
import { validateClientBatch } from './validate.ts';

export interface PartitionLogOptions {
  readonly topic: string;
  readonly partition: number;
  /** The data directory. */
  readonly directory: string;
  /** The partition's own folder in it. */
  readonly path: string;
  readonly config: LogConfig;
  readonly resources: LogResources;
  readonly loaded: LoadedLog;
  /** A file operation failed: the whole data directory is to be taken offline. */
  readonly failed: (log: PartitionLog, error: DiskError) => void;
}

/** A set of batches on its way into the log. */
interface AcceptedSet {
  readonly bytes: Buffer;
  readonly batches: readonly BatchFacts[];
  readonly producers: readonly ProducerBatch[];
  readonly logAppendTimeMs: number;
}

type Condition = 'open' | 'cutting' | 'closed' | 'offline';

export class PartitionLog {
  readonly topic: string;
  readonly partition: number;
  readonly directory: string;
  readonly path: string;
  /** `logEndOffset` has moved. */
  onAdvance: ((log: PartitionLog) => void) | null = null;
  /** The data directory has failed; nothing will be appended or read any more. */
  onFailure: ((log: PartitionLog, error: Error) => void) | null = null;
  readonly #resources: LogResources;
  readonly #state: LogState;
  readonly #queue: AppendQueue;
  readonly #reader: LogReader;
  readonly #times: TimeLookup;
  readonly #epochFile: LeaderEpochFile;
  readonly #failed: PartitionLogOptions['failed'];
  #config: LogConfig;
  #topicId: string | null;
  #condition: Condition = 'open';
  /** The last of the operations that run one at a time. */
  #serial: Promise<unknown> = Promise.resolve();
  #unflushedRecordCount = 0;
  #flushedAt: Millis;

  constructor(options: PartitionLogOptions) {
    const { resources, loaded } = options;
    const logEndOffset = loaded.segments.at(-1)?.nextOffset ?? loaded.logStartOffset;
    this.topic = options.topic;
    this.partition = options.partition;
    this.directory = options.directory;
    this.path = options.path;
    this.#resources = resources;
    this.#config = options.config;
    this.#failed = options.failed;
    this.#topicId = loaded.topicId;
    this.#flushedAt = resources.environment.clock.now();
    this.#state = {
      segments: new SegmentList(loaded.segments),
      epochs: loaded.epochs,
      snapshots: loaded.snapshots,
      producers: loaded.producers,
      tail: new Tail(),
      logStartOffset: loaded.logStartOffset,
      logEndOffset,
      nextOffset: logEndOffset,
      recoveryPoint: loaded.recoveryPoint,
      highWatermark: loaded.logStartOffset,
      generation: 0,
    };
    this.#reader = new LogReader(resources, this.#state);
    this.#times = new TimeLookup(resources, this.#state, this.#reader);
    this.#epochFile = new LeaderEpochFile(resources.environment.disk, this.path, loaded.epochs);
    this.#queue = new AppendQueue(resources, {
      beforeWritten: (appends) => this.#flushByCount(appends),
      written: (appends) => this.#written(appends),
      failed: (error) => this.#fail(error),
    });
  }

  /** `topic-partition`, for messages. */
  get name(): string {
    return `${this.topic}-${this.partition}`;
  }

  get topicId(): string | null {
    return this.#topicId;
  }

  get config(): LogConfig {
    return this.#config;
  }

  /** Takes new settings; segments and batches that exist stay as they are. */
  set config(config: LogConfig) {
    this.#config = config;
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
    return this.#condition === 'offline';
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

  /** Where read_committed readers stop: the first offset of an undecided transaction, or the high watermark. */
  get lastStableOffset(): number {
    const { highWatermark, producers } = this.#state;
    return Math.min(highWatermark, producers.firstUnstableOffset ?? highWatermark);
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

  /**
   * Appends as the partition's leader: checks, assigns offsets by patching `records` in place, and
   * queues them. The buffer belongs to the log from here on.
   * @throws KafkaError as validateClientBatch, and OUT_OF_ORDER_SEQUENCE_NUMBER,
   * INVALID_PRODUCER_EPOCH, INVALID_TXN_STATE, TRANSACTION_COORDINATOR_FENCED,
   * RECORD_LIST_TOO_LARGE, KAFKA_STORAGE_ERROR, NOT_LEADER_OR_FOLLOWER (being cut or closed)
   */
  appendAsLeader(
    records: Buffer,
    { leaderEpoch, origin }: { readonly leaderEpoch: number; readonly origin: AppendOrigin },
  ): AppendResult {
    this.#requireOpen();
    const { bytes, logAppendTimeMs } =
      origin === 'client'
        ? validateClientBatch(records, this.#config, this.#resources.environment.clock.wallTime())
        : { bytes: records, logAppendTimeMs: -1 };
    if (bytes.length > this.#config.segmentBytes) {
      throw new KafkaError(
        'RECORD_LIST_TOO_LARGE',
        `${bytes.length} bytes, segment.bytes is ${this.#config.segmentBytes}`,
      );
    }
    const batches: BatchFacts[] = [];
    const producers: ProducerBatch[] = [];
    let offset = this.#state.nextOffset;
    for (let at = 0; at < bytes.length; ) {
      setBaseOffset(bytes, at, offset);
      setPartitionLeaderEpoch(bytes, at, leaderEpoch);
      const facts = factsOf(bytes, at);
      const producer = producerBatchOf(bytes, at);
      if (producer !== null) producers.push(producer);
      batches.push(facts);
      offset = facts.lastOffset + 1;
      at += facts.sizeBytes;
    }
    const verdict = this.#state.producers.checkAll(producers);
    if (verdict.kind === 'refuse') throw new KafkaError(verdict.code, verdict.detail);
    if (verdict.kind === 'append')
      return this.#accept({ bytes, batches, producers, logAppendTimeMs });
    const { firstOffset, lastOffset, timestamp } = verdict.of;
    return {
      firstOffset,
      lastOffset,
      logAppendTimeMs: timestamp,
      logStartOffset: this.#state.logStartOffset,
      maxTimestamp: timestamp,
      offsetOfMaxTimestamp: lastOffset,
      duplicate: true,
      sizeBytes: 0,
      recordCount: lastOffset - firstOffset + 1,
    };
  }

  /**
   * Appends what the leader sent, as it is. A last batch that is cut short is left out.
   * @param maxLeaderEpoch batches of a later epoch, and all behind them, are left out
   * @throws UnexpectedAppendOffset when the first batch lies below the log's end
   * @throws KafkaError CORRUPT_MESSAGE, KAFKA_STORAGE_ERROR, NOT_LEADER_OR_FOLLOWER (being cut or closed)
   */
  appendAsFollower(records: Buffer, maxLeaderEpoch = Number.POSITIVE_INFINITY): AppendResult {
    this.#requireOpen();
    const batches: BatchFacts[] = [];
    const producers: ProducerBatch[] = [];
    let at = 0;
    let expected = this.#state.nextOffset;
    while (at < records.length) {
      const facts = soundBatch(records, at, true);
      if (facts === 'cut') break;
      if (facts === 'unsound') {
        throw new KafkaError(
          'CORRUPT_MESSAGE',
          `${this.name}: fetched a damaged batch behind ${expected}`,
        );
      }
      if (facts.leaderEpoch > maxLeaderEpoch) break;
      if (facts.firstOffset < expected) {
        if (at === 0) {
          const { firstOffset, lastOffset } = facts;
          throw new UnexpectedAppendOffset(this.name, firstOffset, lastOffset, expected);
        }
        throw new KafkaError('CORRUPT_MESSAGE', `${this.name}: fetched offsets out of order`);
      }
      batches.push(facts);
      const producer = producerBatchOf(records, at);
      if (producer !== null) producers.push(producer);
      expected = facts.lastOffset + 1;
      at += facts.sizeBytes;
    }
    const bytes = at === records.length ? records : records.subarray(0, at);
    return this.#accept({ bytes, batches, producers, logAppendTimeMs: -1 });
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
    this.#requireReadable();
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
    return this.#reader.readTail(request) ?? this.#reading(this.#reader.readFiles(request));
  }

  /** The first record at or behind the log start with this timestamp or a later one, below `maxOffset`. */
  offsetForTimestamp(timestamp: number, maxOffset: number): Promise<TimestampedOffset | null> {
    this.#requireReadable();
    const limit = Math.min(maxOffset, this.#state.logEndOffset);
    return this.#reading(this.#times.first(timestamp, limit));
  }

  /** The first record with the largest timestamp of all; null without any. */
  async offsetOfMaxTimestamp(): Promise<TimestampedOffset | null> {
    this.#requireReadable();
    await this.#queue.task(() => Promise.resolve()); // It may be among what is being written.
    return this.#reading(this.#times.youngest());
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
    return this.#alone(async (tools) => {
      if (offset < this.#state.nextOffset) await truncateLog(tools, Math.max(0, offset));
    });
  }

  /** Drops everything and goes on at `offset`. */
  truncateFullyAndStartAt(offset: number): Promise<void> {
    return this.#alone((tools) => restartLog(tools, offset));
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

  /** Applies retention.ms, retention.bytes and the log start. @returns how many segments went */
  async deleteOldSegments(): Promise<RetentionDecision> {
    this.#requireOpen();
    const { clock } = this.#resources.environment;
    const decision = expiredSegments({
      segments: await this.#segmentAges(),
      logStartOffset: this.#state.logStartOffset,
      highWatermark: this.#state.highWatermark,
      config: this.#config,
      wallTimeMs: clock.wallTime(),
    });
    if (decision.count > 0 && this.#condition === 'open') await this.#removeOldest(decision.count);
    return decision;
  }

  /** Forces everything that is appended to the medium. */
  async flush(): Promise<void> {
    const { nextOffset } = this.#state;
    if (nextOffset <= this.#state.recoveryPoint || this.#condition === 'closed') return;
    this.#flushedAt = this.#resources.environment.clock.now();
    const active = this.#state.segments.active;
    await this.#queue.task(() => writeIndexes(this.#resources, active));
    this.#requireReadable();
    await this.#guarded(() => this.#syncBelow(nextOffset));
  }

  /** Flushes if flush.ms has passed since the last time. */
  flushIfDue(): Promise<void> {
    const waitedMs = this.#resources.environment.clock.now() - this.#flushedAt;
    return waitedMs < this.#config.flushIntervalMs ? Promise.resolve() : this.flush();
  }

  /** Gives a log without a topic id its id. */
  async setTopicId(topicId: string): Promise<void> {
    await this.#guarded(() => writeTopicId(this.#resources.environment.disk, this.path, topicId));
    this.#topicId = topicId;
  }

  /** An orderly end: everything is on the medium, with a snapshot of the producers at the log's end. */
  async close(): Promise<void> {
    if (this.#condition === 'closed' || this.#condition === 'offline') return;
    await this.#alone(async () => {
      const { segments, snapshots, producers, nextOffset } = this.#state;
      const { files } = this.#resources;
      const { active } = segments;
      if (active.sizeBytes > 0) active.finish();
      await writeIndexes(this.#resources, active);
      if (this.#config.preallocate) {
        await files.use(active.logPath, (file) => file.truncate(active.writtenBytes));
      }
      const wanted = producers.size > 0 || snapshots.offsets.length > 0;
      if (wanted) await snapshots.write(nextOffset, ProducerSnapshots.encode(producers));
      await this.#syncBelow(nextOffset);
      await this.#epochFile.save();
    });
    this.#end('closed');
  }

  /** An end without a farewell: the folder is about to be removed. Writes that run are waited for. */
  async abandon(): Promise<void> {
    await this.#alone(() => Promise.resolve()).catch(() => undefined);
    this.#end('closed');
  }

  /** The data directory has failed. */
  markOffline(error: Error): void {
    if (this.#condition === 'offline' || this.#condition === 'closed') return;
    this.#end('offline');
    this.onFailure?.(this, error);
  }

  #end(condition: 'closed' | 'offline'): void {
    this.#condition = condition;
    this.#queue.stop();
    this.#resources.tails.clear(this.#state.tail);
    for (const segment of this.#state.segments.all) {
      for (const { entries } of [segment.offsetIndex, segment.timeIndex]) {
        this.#resources.indexes.drop(entries);
        this.#resources.files.drop(entries.path);
      }
      this.#resources.files.drop(segment.logPath);
    }
  }

  /** Takes a checked set into memory and the queue. */
  #accept({ bytes, batches, producers, logAppendTimeMs }: AcceptedSet): AppendResult {
    const first = batches[0];
    const last = batches.at(-1);
    if (first === undefined || last === undefined) return this.#nothingAppended();
    let recordCount = 0;
    let maxTimestamp = -1;
    let offsetOfMaxTimestamp = -1;
    for (const batch of batches) {
      recordCount += batch.recordCount;
      if (batch.maxTimestamp <= maxTimestamp) continue;
      maxTimestamp = batch.maxTimestamp;
      offsetOfMaxTimestamp = batch.lastOffset;
    }
    const segment = this.#segmentFor(first, last, bytes.length, maxTimestamp);
    const { epochs } = this.#state;
    const epochsBefore = epochs.version;
    for (const batch of batches) {
      if (batch.leaderEpoch < 0) epochs.clear();
      else epochs.assign(batch.leaderEpoch, batch.firstOffset);
      if (!segment.append(batch, this.#config.indexIntervalBytes)) continue;
      this.#resources.indexes.grew(segment.offsetIndex.entries);
      this.#resources.indexes.grew(segment.timeIndex.entries);
    }
    if (epochs.version !== epochsBefore) this.#saveEpochs();
    for (const batch of producers) this.#state.producers.update(batch);
    this.#state.nextOffset = last.lastOffset + 1;
    this.#queue.append({
      segment,
      bytes,
      firstOffset: first.firstOffset,
      nextOffset: last.lastOffset + 1,
      recordCount,
    });
    return {
      firstOffset: first.firstOffset,
      lastOffset: last.lastOffset,
      logAppendTimeMs,
      logStartOffset: this.#state.logStartOffset,
      maxTimestamp,
      offsetOfMaxTimestamp,
      duplicate: false,
      sizeBytes: bytes.length,
      recordCount,
    };
  }

  #nothingAppended(): AppendResult {
    return {
      firstOffset: -1,
      lastOffset: this.#state.nextOffset - 1,
      logAppendTimeMs: -1,
      logStartOffset: this.#state.logStartOffset,
      maxTimestamp: -1,
      offsetOfMaxTimestamp: -1,
      duplicate: false,
      sizeBytes: 0,
      recordCount: 0,
    };
  }

  #segmentFor(
    first: BatchFacts,
    last: BatchFacts,
    sizeBytes: number,
    maxTimestamp: number,
  ): Segment {
    const { active } = this.#state.segments;
    const set = { sizeBytes, lastOffset: last.lastOffset, maxTimestamp };
    const wallTimeMs = this.#resources.environment.clock.wallTime();
    if (!active.mustRoll(set, this.#config, wallTimeMs)) return active;
    return this.#roll(Math.max(this.#state.nextOffset, first.firstOffset));
  }

  /** Starts a new segment. Its files, and the end of the old one's, follow in the queue. */
  #roll(baseOffset: number): Segment {
    const { segments, snapshots, producers } = this.#state;
    const resources = this.#resources;
    const config = this.#config;
    const old = segments.active;
    old.finish();
    const snapshot = ProducerSnapshots.encode(producers);
    const createdAtMs = resources.environment.clock.wallTime();
    const jitterMs = jitterOf(resources, config);
    const segment = new Segment({ folder: this.path, baseOffset, createdAtMs, jitterMs });
    segments.add(segment);
    void this.#queue.task(async () => {
      await writeIndexes(resources, old);
      if (config.preallocate) {
        await resources.files.use(old.logPath, (file) => file.truncate(old.writtenBytes));
      }
      await snapshots.write(baseOffset, snapshot);
      await createSegmentFiles(resources, segment, config);
      // Beside the writes that follow, not before them.
      void this.#guarded(() => this.#syncBelow(baseOffset)).catch(() => undefined);
    });
    return segment;
  }

  #written(appends: readonly QueuedAppend[]): void {
    const { tails } = this.#resources;
    for (const { bytes, firstOffset, nextOffset } of appends) {
      tails.add(this.#state.tail, bytes, firstOffset, nextOffset);
      this.#state.logEndOffset = nextOffset;
    }
    this.onAdvance?.(this);
  }

  /** With flush.messages a batch counts as written when the medium has it. */
  #flushByCount(appends: readonly QueuedAppend[]): Promise<void> | null {
    if (this.#config.flushIntervalMessages >= Number.MAX_SAFE_INTEGER) return null;
    for (const { recordCount } of appends) this.#unflushedRecordCount += recordCount;
    const segment = appends[0]?.segment;
    if (this.#unflushedRecordCount < this.#config.flushIntervalMessages || segment === undefined) {
      return null;
    }
    this.#unflushedRecordCount = 0;
    return this.#resources.files.use(segment.logPath, (file) => file.sync());
  }

  /** Forces the files of all segments that hold offsets in [recoveryPoint, offset). */
  async #syncBelow(offset: number): Promise<void> {
    const { segments } = this.#state;
    const { files, environment } = this.#resources;
    if (offset <= this.#state.recoveryPoint) return;
    for (const segment of segments.all) {
      if (segment.nextOffset <= this.#state.recoveryPoint || segment.baseOffset >= offset) continue;
      for (const path of [
        segment.logPath,
        segment.offsetIndex.entries.path,
        segment.timeIndex.entries.path,
      ]) {
        if (!segment.removed) await files.read(path, (file) => file.sync());
      }
    }
    await environment.disk.syncDirectory(this.path);
    // Truncation may have come in between; what it left is on the medium all the same.
    const reached = Math.min(offset, this.#state.logEndOffset);
    this.#state.recoveryPoint = Math.max(this.#state.recoveryPoint, reached);
  }

  #saveEpochs(): void {
    void this.#guarded(() => this.#epochFile.save()).catch(() => undefined);
  }

  async #segmentAges(): Promise<{ endOffset: number; sizeBytes: number; youngestMs: number }[]> {
    const { segments } = this.#state;
    const { disk } = this.#resources.environment;
    const ages: { endOffset: number; sizeBytes: number; youngestMs: number }[] = [];
    for (const [index, segment] of segments.all.entries()) {
      const timed = segment.maxTimestamp >= 0;
      const status = timed ? null : await this.#guarded(() => disk.status(segment.logPath));
      ages.push({
        endOffset: segments.at(index + 1)?.baseOffset ?? segment.nextOffset,
        sizeBytes: segment.sizeBytes,
        youngestMs: timed ? segment.maxTimestamp : (status?.modifiedAtMs ?? segment.createdAtMs),
      });
    }
    return ages;
  }

  async #removeOldest(count: number): Promise<void> {
    const { segments, epochs, snapshots } = this.#state;
    if (count >= segments.all.length) this.#roll(this.#state.nextOffset);
    const removed = segments.removeFirst(count);
    this.#reader.forgetPlaces();
    const firstBase = segments.first.baseOffset;
    this.#state.logStartOffset = Math.max(this.#state.logStartOffset, firstBase);
    epochs.truncateStart(this.#state.logStartOffset);
    this.#saveEpochs();
    // In the queue, behind what a roll has still to write to these files.
    await this.#queue.task(async () => {
      await retireSegments(this.#resources, removed, this.#config.fileDeleteDelayMs);
      await snapshots.removeWhere((offset) => offset < firstBase);
    });
  }

  /** Runs an operation that cuts the log: after those before it, without appends and writes beside it. */
  #alone(run: (tools: TruncationTools) => Promise<void>): Promise<void> {
    const running = this.#serial.then(async () => {
      this.#requireOpen();
      this.#condition = 'cutting';
      await this.#queue.whenIdle();
      await this.#guarded(() => run(this.#tools()));
      this.#saveEpochs();
      if (this.#condition === 'cutting') this.#condition = 'open';
    });
    this.#serial = running.catch(() => undefined);
    return running;
  }

  #tools(): TruncationTools {
    return {
      resources: this.#resources,
      state: this.#state,
      reader: this.#reader,
      config: this.#config,
      folder: this.path,
    };
  }

  /** Turns a failing disk into KAFKA_STORAGE_ERROR, and tells whoever takes the directory offline. */
  async #guarded<T>(run: () => Promise<T>): Promise<T> {
    try {
      return await run();
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
      this.#fail(error);
      throw new KafkaError('KAFKA_STORAGE_ERROR', this.name, { cause: error });
    }
  }

  async #reading<T>(running: Promise<T>): Promise<T> {
    try {
      return await running;
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
      this.#requireReadable(); // Closed meanwhile: the file had every right to be gone.
      if (error.code === 'ENOENT') {
        throw new KafkaError('OFFSET_OUT_OF_RANGE', `${this.name}: the segment was deleted`);
      }
      this.#fail(error);
      throw new KafkaError('KAFKA_STORAGE_ERROR', this.name, { cause: error });
    }
  }

  #fail(error: DiskError): void {
    if (this.#condition === 'closed' || this.#condition === 'offline') return;
    this.#failed(this, error);
  }

  #requireOpen(): void {
    if (this.#condition === 'open') return;
    this.#requireReadable();
    throw new KafkaError('NOT_LEADER_OR_FOLLOWER', `${this.name} is being truncated`);
  }

  #requireReadable(): void {
    if (this.#condition === 'offline') throw new KafkaError('KAFKA_STORAGE_ERROR', this.name);
    if (this.#condition === 'closed') {
      throw new KafkaError('NOT_LEADER_OR_FOLLOWER', `${this.name} is closed`);
    }
  }
}
