/**
 * One log as its compaction sees it: how dirty it is, what a pass works on, and the swap of segments.
 * partition-log.ts owns it; the passes are run by log-cleaner.ts.
 */

import { RECORD_BATCH_OVERHEAD } from '@odradek/protocol';
import { DiskError } from '@odradek/runtime';
import type { LogFacts, SegmentFacts } from '../../core/compaction/cleanable.ts';
import { lastRecordColumns } from '../../core/compaction/last-records.ts';
import { abortedTransactions } from '../aborted-transactions.ts';
import { factsOf } from '../batches.ts';
import type { LogCondition } from '../log-condition.ts';
import type { LogConfig } from '../log-config.ts';
import type { LogParts } from '../log-state.ts';
import type { Segment } from '../segment.ts';
import { encodeAborted } from '../transaction-index.ts';
import { type CleanedState, cleanedSegment, removeFiles } from './cleaned-segment.ts';
import { CleaningEnded, CleaningLease } from './cleaning-lease.ts';
import { replaceSegments } from './replace-segments.ts';

/** Forces everything below an offset to the medium; `generation` is the log's when the offset was taken from it. */
type ForceBelow = (offset: number, generation: number) => Promise<void>;

export class LogCompaction {
  readonly lease = new CleaningLease();
  /** Called when {@link cleanedUpTo} has moved and should be written down. */
  onMoved: (() => Promise<void>) | null = null;
  /** Everything below was compacted, as far as is known; null when nothing was. */
  cleanedUpTo: number | null = null;
  readonly #parts: LogParts;
  readonly #condition: LogCondition;
  readonly #forceBelow: ForceBelow;

  constructor(parts: LogParts, condition: LogCondition, forceBelow: ForceBelow) {
    this.#parts = parts;
    this.#condition = condition;
    this.#forceBelow = forceBelow;
  }

  /**
   * Cuts the log to end at `offset` while nobody compacts it; what comes in place of what went is dirty. A crash in the midst of it may
   * leave any part of the log, which must not count as clean.
   */
  async paused(offset: number, cut: () => Promise<void>): Promise<void> {
    await this.lease.pause();
    try {
      await this.#isDirtyFrom(offset);
      await cut();
      await this.#isDirtyFrom(this.#parts.state.segments.active.baseOffset);
    } finally {
      this.lease.resume();
    }
  }

  async #isDirtyFrom(offset: number): Promise<void> {
    if (this.cleanedUpTo !== null && this.cleanedUpTo > offset) await this.moveTo(offset);
  }

  get config(): LogConfig {
    return this.#parts.state.config;
  }

  get folder(): string {
    return this.#parts.state.folder;
  }

  get segments(): readonly Segment[] {
    return this.#parts.state.segments.all;
  }

  /** What is to be known of the log to tell how dirty it is. */
  async facts(wallTimeMs: number, lastStableOffset: number): Promise<LogFacts> {
    const { state } = this.#parts;
    const { minCompactionLagMs: minLagMs, maxCompactionLagMs: maxLagMs } = state.config;
    const segments = state.segments.all;
    const facts: SegmentFacts[] = [];
    for (const [index, segment] of segments.entries()) {
      const active = index === segments.length - 1;
      const { baseOffset, sizeBytes } = segment;
      const youngestMs =
        minLagMs > 0 && !active ? await this.#youngest(segment) : segment.maxTimestamp;
      const firstBatchMs =
        maxLagMs < Number.MAX_SAFE_INTEGER && !active ? await this.#firstBatch(segment) : null;
      facts.push({ baseOffset, sizeBytes, youngestMs, firstBatchMs });
    }
    const { logStartOffset, logEndOffset } = state;
    const { cleanedUpTo } = this;
    const offsets = { logStartOffset, logEndOffset, lastStableOffset, cleanedUpTo };
    return { ...offsets, segments: facts, minLagMs, maxLagMs, wallTimeMs };
  }

  /**
   * Resolves when everything below `offset`, where a segment begins, is on the medium with its indexes. What was
   * flushed long ago must not go on account of a newer record that a loss of power may take; and the checkpoint says
   * so: a start that read it again would go by a snapshot from before, and miss the markers that were dropped since.
   */
  async settled(offset: number): Promise<void> {
    const { queue, state, checkpoint } = this.#parts;
    await queue.task(() => Promise.resolve());
    await this.#condition.guarded(() => this.#forceBelow(offset, state.generation));
    await checkpoint();
    this.#condition.requireOpen();
  }

  /** What transaction indexes tell of the records in a range, as bytes of an index. */
  async abortedIn(from: number, to: number): Promise<Uint8Array> {
    const { resources, state, reader } = this.#parts;
    const found = await this.#condition.guarded(async () =>
      abortedTransactions(resources, state, reader, { from, to }),
    );
    return encodeAborted(found);
  }

  lastRecords() {
    const { producers } = this.#parts.state;
    return lastRecordColumns(producers.entries(), producers.size);
  }

  /** When a segment's file was changed; now if it is gone. */
  changedAt(segment: Segment): Promise<number> {
    const { disk, clock } = this.#parts.resources.environment;
    return this.#condition.guarded(
      async () => (await disk.status(segment.logPath))?.modifiedAtMs ?? clock.wallTime(),
    );
  }

  /**
   * Runs what works on `sources` without having a hold on them.
   * @throws CleaningEnded when they left the log meanwhile: whatever failed then means nothing
   * @throws KafkaError KAFKA_STORAGE_ERROR, with the directory offline
   */
  onSources<T>(
    sources: readonly Segment[],
    signal: AbortSignal,
    run: () => Promise<T>,
  ): Promise<T> {
    return this.#condition.guarded(async () => {
      try {
        return await run();
      } catch (error) {
        signal.throwIfAborted();
        const { active } = this.#parts.state.segments;
        const changed = sources.some((source) => source.removed || source === active);
        if (changed) throw new CleaningEnded();
        throw error;
      }
    });
  }

  /**
   * Puts the compacted segment in the place of `sources`.
   * @throws CleaningEnded when these are not what they were; the new files are gone then
   */
  async replace(
    sources: readonly Segment[],
    cleaned: CleanedState,
    signal: AbortSignal,
  ): Promise<void> {
    const { state, resources } = this.#parts;
    await this.#condition.oneByOne(async () => {
      const first = state.segments.all.indexOf(sources[0] as Segment);
      const unchanged =
        first >= 0 &&
        sources.every((source, index) => state.segments.at(first + index) === source) &&
        sources.at(-1) !== state.segments.active;
      if (signal.aborted || !unchanged) {
        const { disk } = resources.environment;
        await removeFiles(disk, cleanedSegment(state.folder, cleaned.baseOffset));
        throw new CleaningEnded();
      }
      await replaceSegments(this.#parts, sources, cleaned);
    });
  }

  /** The log was compacted up to here, or what was said of it was wrong. */
  async moveTo(offset: number): Promise<void> {
    if (offset === this.cleanedUpTo) return;
    this.cleanedUpTo = offset;
    await this.onMoved?.();
  }

  async #youngest(segment: Segment): Promise<number> {
    return segment.maxTimestamp >= 0 ? segment.maxTimestamp : this.changedAt(segment);
  }

  async #firstBatch(segment: Segment): Promise<number | null> {
    if (segment.firstTimestamp >= 0) return segment.firstTimestamp;
    if (segment.sizeBytes === 0 || segment.writtenBytes === 0) return null;
    const { files } = this.#parts.resources;
    return this.#condition.guarded(async () => {
      try {
        const header = Buffer.alloc(RECORD_BATCH_OVERHEAD);
        await files.read(segment.logPath, (file) => file.read(header, 0));
        segment.firstTimestamp = factsOf(header, 0).maxTimestamp;
        return segment.firstTimestamp;
      } catch (error) {
        if (error instanceof DiskError && segment.removed) return null;
        throw error;
      }
    });
  }
}
