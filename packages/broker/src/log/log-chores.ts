/**
 * What is done for all logs of a broker from time to time: old segments let go, data forced to the
 * medium, checkpoint files written, silent producers forgotten. Which logs there are is
 * log-manager.ts's.
 *
 * A log that was closed, cut or taken offline meanwhile is no reason to stop with the others.
 */
import { KafkaError } from '@odradek/protocol';
import type { Environment } from '@odradek/runtime';
import type { OffsetEntry } from './checkpoint-file.ts';
import { Chores } from './chores.ts';
import { Coalesced } from './coalesced.ts';
import type { LogDirectories } from './directories.ts';
import type { PartitionLog } from './partition-log.ts';

/** How often what is done; each has Kafka's default. */
export interface LogChoresSettings {
  /** log.initial.task.delay.ms */
  readonly initialTaskDelayMs?: number;
  /** log.retention.check.interval.ms */
  readonly retentionCheckIntervalMs?: number;
  /** log.flush.scheduler.interval.ms */
  readonly flushCheckIntervalMs?: number;
  /** log.flush.offset.checkpoint.interval.ms */
  readonly recoveryPointCheckpointIntervalMs?: number;
  /** log.flush.start.offset.checkpoint.interval.ms */
  readonly logStartCheckpointIntervalMs?: number;
  /** producer.id.expiration.ms */
  readonly producerIdExpirationMs?: number;
  /** producer.id.expiration.check.interval.ms */
  readonly producerIdExpirationCheckIntervalMs?: number;
}

export interface LogChoresParts {
  readonly environment: Environment;
  readonly directories: LogDirectories;
  /** All that are there now, future logs among them. */
  logs(): Iterable<PartitionLog>;
}

/** Default of producer.id.expiration.ms. */
const PRODUCER_ID_EXPIRATION_MS = 86_400_000;

export class LogChores {
  readonly #parts: LogChoresParts;
  readonly #settings: LogChoresSettings;
  readonly #chores: Chores;
  /**
   * The starts first: what a log has dropped without having compacted it counts as clean from here on. Were it
   * back after a loss of power, keys would stand there twice, and outlive the tombstones behind them.
   */
  readonly #checkpointCleaner = new Coalesced(async () => {
    await this.#checkpointLogStarts();
    await this.#checkpoint('writeCleanerOffsets', (log) => log.compaction.cleanedUpTo);
  });
  readonly #checkpointAll = new Coalesced(() => this.#writeCheckpoints());

  constructor(parts: LogChoresParts, settings: LogChoresSettings) {
    this.#parts = parts;
    this.#settings = settings;
    this.#chores = new Chores(parts.environment);
  }

  start(): void {
    const settings = this.#settings;
    const first = settings.initialTaskDelayMs ?? 30_000;
    const every = (intervalMs: number, run: () => Promise<void>): void =>
      this.#chores.every(intervalMs, first, run);
    every(settings.retentionCheckIntervalMs ?? 300_000, () => this.applyRetention());
    every(settings.flushCheckIntervalMs ?? Number.POSITIVE_INFINITY, () =>
      this.#eachLog((log) => log.flushIfDue()),
    );
    every(settings.recoveryPointCheckpointIntervalMs ?? 60_000, () =>
      this.#checkpoint('writeRecoveryPoints', (log) => log.recoveryPoint),
    );
    every(settings.logStartCheckpointIntervalMs ?? 60_000, () => this.#checkpointLogStarts());
    every(settings.producerIdExpirationCheckIntervalMs ?? 600_000, () => {
      for (const log of this.#parts.logs()) this.expireProducers(log);
      return Promise.resolve();
    });
  }

  /** Resolves when nothing is done any more. */
  stop(): Promise<void> {
    return this.#chores.stop();
  }

  /** Forgets the producers that have been silent for too long. */
  expireProducers(log: PartitionLog): void {
    const { producerIdExpirationMs = PRODUCER_ID_EXPIRATION_MS } = this.#settings;
    log.expireProducers(this.#parts.environment.clock.wallTime(), producerIdExpirationMs);
  }

  /** Applies retention to every log that is not compacted. */
  async applyRetention(): Promise<void> {
    await this.#eachLog(async (log) => {
      if (log.isFuture) return; // It begins where the log does that it is a copy of.
      // Compacted logs are the cleaner's: it does not compact what is just being removed.
      if (!log.config.cleanupPolicy.includes('compact')) await this.retain(log);
    });
  }

  /** Applies retention to one log. */
  async retain(log: PartitionLog): Promise<void> {
    const { count, reason } = await log.deleteOldSegments();
    if (count === 0) return;
    this.#parts.environment.log.info('segments left the log', {
      partition: log.name,
      count,
      reason,
      logStartOffset: log.logStartOffset,
    });
  }

  /** Writes down up to where logs are compacted. */
  checkpointCleaner(): Promise<void> {
    return this.#checkpointCleaner.run();
  }

  /** Writes all checkpoint files. Of calls that come while it runs, one more run is made. */
  checkpoint(): Promise<void> {
    return this.#checkpointAll.run();
  }

  /**
   * Writes the high watermarks down and tells them to the logs.
   * @param of null leaves a log at the one that it was last told
   */
  async checkpointHighWatermarks(of: (log: PartitionLog) => number | null): Promise<void> {
    for (const log of this.#parts.logs()) {
      const highWatermark = of(log);
      if (highWatermark !== null) log.updateHighWatermark(highWatermark);
    }
    await this.#checkpoint('writeHighWatermarks', (log) => log.highWatermark);
  }

  async #writeCheckpoints(): Promise<void> {
    await this.#checkpoint('writeRecoveryPoints', (log) => log.recoveryPoint);
    await this.#checkpoint('writeHighWatermarks', (log) => log.highWatermark);
    await this.#checkpointCleaner.run();
  }

  /** Of compacted logs always: the files of what retention took may still have their names. */
  #checkpointLogStarts(): Promise<void> {
    return this.#checkpoint(
      'writeLogStarts',
      ({ logStartOffset, firstSegmentOffset, compaction }) =>
        logStartOffset > (compaction.cleanedUpTo === null ? firstSegmentOffset : 0)
          ? logStartOffset
          : null,
    );
  }

  async #checkpoint(
    write: 'writeRecoveryPoints' | 'writeLogStarts' | 'writeHighWatermarks' | 'writeCleanerOffsets',
    offsetOf: (log: PartitionLog) => number | null,
  ): Promise<void> {
    const { directories } = this.#parts;
    for (const directory of directories.online) {
      const entries: OffsetEntry[] = [];
      for (const log of this.#parts.logs()) {
        if (log.directory !== directory.path) continue;
        const offset = offsetOf(log);
        if (offset !== null) entries.push({ topic: log.topic, partition: log.partition, offset });
      }
      await tolerant(() => directories.guarded(directory, () => directory[write](entries)));
    }
  }

  async #eachLog(run: (log: PartitionLog) => Promise<void>): Promise<void> {
    for (const log of [...this.#parts.logs()]) await tolerant(() => run(log));
  }
}

/** Runs something for one of several logs or directories, whose failure is not the others'. */
export async function tolerant(run: () => Promise<void>): Promise<void> {
  try {
    await run();
  } catch (error) {
    if (!(error instanceof KafkaError)) throw error;
  }
}
