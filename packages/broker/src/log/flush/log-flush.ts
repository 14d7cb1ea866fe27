/**
 * When one log forces its records to the medium, by Kafka's rules, and what it knows to be there.
 *
 * flush.messages: once the log's end is that many offsets past what is known to be on the medium,
 * an append is acknowledged only after everything is. flush.ms: see `isDue`. Who carries it out,
 * alone or with other partitions, is group-commit.ts's.
 *
 * Of a log that flushes, only the active segment may lack anything on the medium that was
 * acknowledged: the first commit in a segment forces all older ones, and the folder, which makes
 * the segment's name last. So recovery finds each acknowledged batch in a segment, or behind the
 * end of the last one in the journal.
 */
import { DiskError, type Millis } from '@odradek/runtime';
import type { QueuedAppend } from '../append-queue.ts';
import type { LogResources } from '../log-resources.ts';
import type { LogState } from '../log-state.ts';
import type { Segment } from '../segment.ts';
import type { Commit, GroupCommit } from './group-commit.ts';
import type { JournaledLog } from './journal.ts';
import type { FrameHead } from './journal-format.ts';

export interface LogFlushOptions {
  readonly topic: string;
  readonly partition: number;
  readonly state: LogState;
  readonly resources: LogResources;
  readonly groups: GroupCommit;
}

export class LogFlush implements JournaledLog {
  readonly #topic: string;
  readonly #partition: number;
  readonly #state: LogState;
  readonly #resources: LogResources;
  readonly #groups: GroupCommit;
  /** All below is in segments that are on the medium. */
  #settled: number;
  /** All below is on the medium, in segments or in the journal. */
  #committed: number;
  /** Its name is on the medium, and so is all of the segments before it. */
  #segment: Segment | null = null;
  /** 0: nothing of this log has gone to the journal. */
  #incarnation = 0;
  #cutCount = 0;
  #flushedAt: Millis;
  #hasEnded = false;

  constructor({ topic, partition, state, resources, groups }: LogFlushOptions) {
    this.#topic = topic;
    this.#partition = partition;
    this.#state = state;
    this.#resources = resources;
    this.#groups = groups;
    this.#settled = state.recoveryPoint;
    this.#committed = state.recoveryPoint;
    this.#flushedAt = resources.environment.clock.now();
  }

  get settledThrough(): number {
    return Math.max(this.#settled, this.#state.recoveryPoint);
  }

  get #committedThrough(): number {
    return Math.max(this.#committed, this.settledThrough);
  }

  /** flush.ms has passed since anything of this log was forced to the medium. */
  get isDue(): boolean {
    const waitedMs = this.#resources.environment.clock.now() - this.#flushedAt;
    return waitedMs >= this.#state.config.flushIntervalMs;
  }

  /** Takes note of a flush that goes another way. */
  noteFlush(): void {
    this.#flushedAt = this.#resources.environment.clock.now();
  }

  /**
   * Writes what follows the log's end and forces it to the medium, if flush.messages wants it.
   * @returns null when it does not: the batches are to be written as usual
   */
  commit(run: readonly QueuedAppend[], buffers: readonly Buffer[]): Promise<void> | null {
    const { flushIntervalMessages } = this.#state.config;
    if (flushIntervalMessages >= Number.MAX_SAFE_INTEGER) return null;
    const last = run.at(-1);
    if (last === undefined) return null;
    const endOffset = last.nextOffset;
    if (endOffset - this.#committedThrough < flushIntervalMessages) return null;
    this.noteFlush();
    return this.#commit(last.segment, buffers, endOffset);
  }

  /** The appends that were committed are part of the log now: its recovery point may follow. */
  written(): void {
    const { recoveryPoint, logEndOffset, segments } = this.#state;
    if (this.#settled <= recoveryPoint || this.#segment === null) return;
    // Indexes of older segments are believed below the recovery point; `syncBelow` forces them.
    const { baseOffset } = this.#segment;
    if (recoveryPoint < baseOffset) return;
    // Also the entry that the roll added to the one before, whose batches were settled long ago.
    if (recoveryPoint === baseOffset) {
      const before = segments.at(segments.indexOf(baseOffset) - 1);
      if (before?.hasLastingIndexes === false) return;
    }
    // What was aborted is nowhere else once the segment is believed; a flush takes it along.
    if (this.#segment.transactionIndex?.isLoose) return;
    this.#state.recoveryPoint = Math.max(recoveryPoint, Math.min(this.#settled, logEndOffset));
  }

  /**
   * A segment is all written, and the next one's files are about to be made: their names must not
   * outlive its batches, or the log would have a hole.
   */
  async seal(segment: Segment): Promise<void> {
    const isFlushed = this.#state.config.flushIntervalMessages < Number.MAX_SAFE_INTEGER;
    if (!isFlushed && !this.#isInJournal) return; // It was once, when there are frames of it.
    await this.#resources.files.use(segment.logPath, (file) => file.sync());
  }

  async settle(): Promise<void> {
    if (this.#hasEnded) return;
    const cutCount = this.#cutCount;
    const endOffset = this.#committedThrough;
    await this.#syncSegments(endOffset);
    // A cut forces what it leaves by itself, and what came after it is not what was forced here.
    if (cutCount === this.#cutCount) this.#settled = Math.max(this.#settled, endOffset);
  }

  /**
   * Cuts the log, or begins it anew, while nothing is appended. First the journal forgets it, so that
   * nothing that is cut off comes back from there, however the cut ends. Then what is left goes to the
   * medium, so that nothing comes back from the segments either.
   */
  async cut(run: () => Promise<void>): Promise<void> {
    await this.#leaveJournal();
    await run();
    const { config, logEndOffset, folder } = this.#state;
    this.#cutCount += 1;
    this.#settled = Math.min(this.#settled, logEndOffset);
    this.#committed = Math.min(this.#committed, logEndOffset);
    this.#segment = null;
    if (config.flushIntervalMessages >= Number.MAX_SAFE_INTEGER) return;
    await this.#syncSegments(Number.POSITIVE_INFINITY);
    await this.#resources.environment.disk.syncDirectory(folder);
    this.#settled = logEndOffset;
    this.#committed = logEndOffset;
    this.#segment = this.#state.segments.active;
  }

  /** The log is closed or about to be removed; nothing is appended any more. */
  async end(): Promise<void> {
    await this.#leaveJournal();
    this.#hasEnded = true;
  }

  get #isInJournal(): boolean {
    return this.#groups.journal.holds(`${this.#topic}-${this.#partition}`);
  }

  #commit(segment: Segment, buffers: readonly Buffer[], endOffset: number): Promise<void> {
    const { files } = this.#resources;
    const previousEnd = this.#state.logEndOffset;
    const isKnown = segment === this.#segment;
    const isCovered = isKnown && previousEnd <= this.#committedThrough;
    const isSettled = isCovered && previousEnd <= this.settledThrough;
    let sizeBytes = 0;
    for (const buffer of buffers) sizeBytes += buffer.length;
    const write = (): Promise<void> =>
      files.use(segment.logPath, (file) => file.write(buffers, segment.writtenBytes));
    const commit: Commit = {
      entry: { head: this.#head('append', previousEnd, endOffset), batches: buffers, log: this },
      sizeBytes,
      isCovered,
      isSettled,
      write,
      writeThrough: async () => {
        if (isSettled) {
          await files.durable(segment.logPath, (file) => file.write(buffers, segment.writtenBytes));
        } else {
          await write();
          await this.#syncSegments(endOffset);
          if (!isKnown) await this.#resources.environment.disk.syncDirectory(segment.folder);
        }
        this.#settled = endOffset;
        this.#segment = segment;
      },
      done: () => {
        this.#committed = endOffset;
      },
    };
    return this.#groups.commit(commit);
  }

  #head(kind: FrameHead['kind'], previousEnd: number, endOffset: number): FrameHead {
    if (this.#incarnation === 0) this.#incarnation = this.#groups.journal.nextIncarnation();
    return {
      kind,
      topic: this.#topic,
      partition: this.#partition,
      incarnation: this.#incarnation,
      previousEnd,
      endOffset,
      leaderEpoch: this.#state.epochs.latest ?? -1,
    };
  }

  /** What the journal has of this log goes to the medium in its segments, and is void from then on. */
  async #leaveJournal(): Promise<void> {
    if (!this.#isInJournal) return;
    await this.#syncSegments(Number.POSITIVE_INFINITY);
    this.#incarnation = this.#groups.journal.nextIncarnation();
    const { logEndOffset } = this.#state;
    const head = this.#head('cut', logEndOffset, logEndOffset);
    await this.#groups.voidFrames({ head, batches: [], log: null });
  }

  /** Forces the log files of all segments with offsets in [settled, endOffset) to the medium. */
  async #syncSegments(endOffset: number): Promise<void> {
    const from = this.settledThrough;
    const { files } = this.#resources;
    for (const segment of this.#state.segments.all) {
      const isActive = segment === this.#state.segments.active;
      if (segment.nextOffset <= from && !isActive) continue;
      if (segment.baseOffset >= endOffset) continue;
      try {
        await files.read(segment.logPath, (file) => file.sync());
      } catch (error) {
        // What left the log meanwhile needs no flush.
        const isGone = segment.removed || this.#hasEnded;
        if (!(error instanceof DiskError && isGone)) throw error;
      }
    }
  }
}
