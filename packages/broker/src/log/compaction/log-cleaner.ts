/**
 * The log cleaner: keeps looking for the dirtiest log with 'compact' in its policy and compacts it;
 * rests for log.cleaner.backoff.ms when there is none. As many at once as log.cleaner.threads says,
 * each in a worker thread. For these logs it also does what retention does for the others.
 *
 * A log in which something is wrong is left alone until the process is started again, and everything
 * else goes on. A failing disk is not that log's fault: it takes the data directory offline.
 */
import { KafkaError } from '@odradek/protocol';
import { type Environment, InvariantViolation, millis, WorkersBusy } from '@odradek/runtime';
import { type Dirt, dirtOf, dirtyRatio, worthCleaning } from '../../core/compaction/cleanable.ts';
import type { PartitionLog } from '../partition-log.ts';
import { type CleanerStats, NO_CLEANER } from './cleaner-stats.ts';
import { CleaningEnded } from './cleaning-lease.ts';
import { compactLog, type PassResult } from './compaction-pass.ts';

/** The settings that may change while the broker runs; asked for again each time. */
export interface CleanerSettings {
  /** log.cleaner.threads: logs that are compacted at once. */
  readonly threads: number;
  /** log.cleaner.dedupe.buffer.size: memory for keys, all threads together. */
  readonly dedupeBufferBytes: number;
  /** log.cleaner.io.buffer.load.factor */
  readonly loadFactor: number;
  /** log.cleaner.io.buffer.size: memory for reading and writing, all threads together. */
  readonly ioBufferBytes: number;
  /** log.cleaner.io.max.bytes.per.second, read and written, all threads together. */
  readonly bytesPerSecond: number;
  /** log.cleaner.backoff.ms */
  readonly backoffMs: number;
}

export const defaultCleanerSettings: CleanerSettings = {
  threads: 1,
  dedupeBufferBytes: 134_217_728,
  loadFactor: 0.9,
  ioBufferBytes: 524_288,
  bytesPerSecond: Number.MAX_VALUE,
  backoffMs: 15_000,
};

export interface LogCleanerOptions {
  readonly environment: Environment;
  readonly logs: () => Iterable<PartitionLog>;
  readonly settings: () => CleanerSettings;
  /** Applies retention to a log with 'compact' in its policy. */
  readonly applyRetention: (log: PartitionLog) => Promise<void>;
}

/** As much memory for keys as one thread ever gets: what Kafka's table can address. */
const TABLE_BYTES_MAX = 2 ** 31 - 1;
const SEED_LIMIT = 2 ** 31;

interface Candidate {
  readonly log: PartitionLog;
  readonly dirt: Dirt;
}

export class LogCleaner {
  readonly #options: LogCleanerOptions;
  readonly #stopping = new AbortController();
  readonly #lanes = new Map<number, Promise<void>>();
  readonly #uncleanable = new Map<PartitionLog, number>();
  #stats: CleanerStats = NO_CLEANER;

  constructor(options: LogCleanerOptions) {
    this.#options = options;
  }

  get stats(): CleanerStats {
    let uncleanableBytes = 0;
    for (const bytes of this.#uncleanable.values()) uncleanableBytes += bytes;
    const uncleanablePartitions = this.#uncleanable.size;
    return { ...this.#stats, uncleanablePartitions, uncleanableBytes };
  }

  start(): void {
    this.#staff();
  }

  /** Ends what is under way; resolves when nothing of it touches a file any more. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    for (const log of this.#options.logs()) log.compaction.lease.abort();
    await Promise.all(this.#lanes.values());
  }

  /**
   * Compacts the dirtiest log that is dirty enough, and applies retention to all compacted logs.
   * @returns false when no log was dirty enough
   */
  async cleanOnce(): Promise<boolean> {
    const cleaned = await this.#cleanDirtiest();
    await this.#retain();
    return cleaned;
  }

  async #cleanDirtiest(): Promise<boolean> {
    for (;;) {
      const candidate = await this.#dirtiest();
      if (candidate === null || this.#stopping.signal.aborted) return false;
      const signal = candidate.log.compaction.lease.take();
      if (signal !== null) return this.#clean(candidate, signal);
      // Another lane has come to the same one, or it is about to be cut: there may be others.
    }
  }

  /** As many lanes as there are threads. One that is too many ends by itself. */
  #staff(): void {
    const { threads } = this.#options.settings();
    // The first lane is always there, if only to notice that there may be some again.
    for (let index = 0; index < Math.max(1, threads); index += 1) {
      if (this.#lanes.has(index) || this.#stopping.signal.aborted) continue;
      const lane = Promise.resolve()
        .then(() => this.#work(index))
        .finally(() => this.#lanes.delete(index));
      this.#lanes.set(index, lane);
    }
  }

  async #work(index: number): Promise<void> {
    for (;;) {
      const { threads, backoffMs } = this.#options.settings();
      if (this.#stopping.signal.aborted || (index > 0 && index >= threads)) return;
      if (index === 0) this.#staff();
      const cleaned = index < threads && (await this.cleanOnce());
      if (!cleaned) await this.#rest(backoffMs);
    }
  }

  #rest(spanMs: number): Promise<void> {
    const { clock, timers } = this.#options.environment;
    const { signal } = this.#stopping;
    return new Promise((resolve) => {
      if (signal.aborted) return resolve();
      const disarm = timers.wakeAt(millis(clock.now() + Math.max(1, spanMs)), done);
      signal.addEventListener('abort', done, { once: true });
      function done(): void {
        disarm();
        signal.removeEventListener('abort', done);
        resolve();
      }
    });
  }

  async #dirtiest(): Promise<Candidate | null> {
    const wallTimeMs = this.#options.environment.clock.wallTime();
    this.#forgetGone();
    let best: Candidate | null = null;
    let maxRatio = 0;
    let maxOverdueMs = 0;
    for (const log of [...this.#options.logs()]) {
      if (!this.#concerns(log)) continue;
      const dirt = await this.#dirtIn(log, wallTimeMs);
      if (dirt === null) continue;
      maxRatio = Math.max(maxRatio, dirtyRatio(dirt));
      maxOverdueMs = Math.max(maxOverdueMs, dirt.overdueMs);
      if (!worthCleaning(dirt, log.config.minCleanableDirtyRatio)) continue;
      if (best === null || dirtyRatio(dirt) > dirtyRatio(best.dirt)) best = { log, dirt };
    }
    this.#stats = {
      ...this.#stats,
      maxDirtyPercent: maxRatio * 100,
      maxOverdueSeconds: maxOverdueMs / 1000,
    };
    return best;
  }

  #concerns(log: PartitionLog): boolean {
    return (
      !this.#stopping.signal.aborted &&
      log.config.cleanupPolicy.includes('compact') &&
      log.compaction.lease.free &&
      !this.#uncleanable.has(log)
    );
  }

  async #dirtIn(log: PartitionLog, wallTimeMs: number): Promise<Dirt | null> {
    try {
      const dirt = dirtOf(await log.compaction.facts(wallTimeMs, log.lastStableOffset));
      if (dirt.checkpointIsWrong) await log.compaction.moveTo(dirt.firstDirtyOffset);
      return dirt;
    } catch (error) {
      this.#settle(log, 0, error);
      return null;
    }
  }

  async #clean({ log, dirt }: Candidate, signal: AbortSignal): Promise<boolean> {
    const { compaction } = log;
    const { environment, settings } = this.#options;
    const { clock, random, workers } = environment;
    const { threads, dedupeBufferBytes, loadFactor, ioBufferBytes, bytesPerSecond } = settings();
    const share = Math.max(1, threads);
    const beganAt = clock.now();
    try {
      const result = await compactLog(compaction, dirt, {
        workers,
        limits: {
          // Kafka's figure is for reading and writing; what is written lies where it was read.
          bufferBytes: Math.floor(ioBufferBytes / share),
          bytesPerSecond: bytesPerSecond / share,
        },
        tableBytes: Math.min(TABLE_BYTES_MAX, Math.floor(dedupeBufferBytes / share)),
        loadFactor,
        seed: random.below(SEED_LIMIT),
        wallTimeMs: clock.wallTime(),
        signal,
      });
      await compaction.moveTo(result.endOffset);
      this.#count(log, result, (clock.now() - beganAt) / 1000);
      return true;
    } catch (error) {
      this.#settle(log, dirt.cleanableBytes, error);
      return false;
    } finally {
      compaction.lease.give();
    }
  }

  /** What becomes of a log whose compaction failed. */
  #settle(log: PartitionLog, cleanableBytes: number, error: unknown): void {
    if (error instanceof InvariantViolation) throw error;
    // Closed, cut, offline, moved: somebody else's affair, and told there.
    if (error instanceof CleaningEnded || this.#stopping.signal.aborted) return;
    if (error instanceof KafkaError && error.code !== 'CORRUPT_MESSAGE') return;
    if (error instanceof WorkersBusy) return;
    this.#uncleanable.set(log, cleanableBytes);
    this.#options.environment.log.error('a log cannot be compacted and is left as it is', {
      partition: log.name,
      folder: log.path,
      error: error instanceof Error ? error : new Error(String(error)),
    });
  }

  #count(log: PartitionLog, result: PassResult, seconds: number): void {
    const { bytesBefore, bytesAfter, bytesRead, keylessRecords } = result;
    const recopyPercent = bytesBefore === 0 ? 0 : (bytesAfter / bytesBefore) * 100;
    this.#stats = {
      ...this.#stats,
      passes: this.#stats.passes + 1,
      bytesRead: this.#stats.bytesRead + bytesRead,
      bytesWritten: this.#stats.bytesWritten + bytesAfter,
      recopyPercent,
      lastPassSeconds: seconds,
      tablePercent: result.tableUse * 100,
    };
    this.#options.environment.log.info('compacted a log', {
      partition: log.name,
      fromOffset: result.startOffset,
      toOffset: result.endOffset,
      bytesBefore,
      bytesAfter,
      recordsBefore: result.recordsBefore,
      recordsAfter: result.recordsAfter,
      ...(keylessRecords > 0 ? { recordsWithoutKey: keylessRecords } : {}),
      tookMs: Math.round(seconds * 1000),
    });
  }

  async #retain(): Promise<void> {
    for (const log of [...this.#options.logs()]) {
      const due =
        log.config.cleanupPolicy.includes('delete') || log.logStartOffset > log.firstSegmentOffset;
      if (!due || !this.#concerns(log) || log.compaction.lease.take() === null) continue;
      try {
        await this.#options.applyRetention(log);
      } finally {
        log.compaction.lease.give();
      }
    }
  }

  #forgetGone(): void {
    if (this.#uncleanable.size === 0) return;
    const known = new Set(this.#options.logs());
    for (const log of this.#uncleanable.keys()) if (!known.has(log)) this.#uncleanable.delete(log);
  }
}
