/**
 * All logs of a broker: its data directories, which partition lives where, and the chores that are
 * done for all logs from time to time.
 *
 * A directory in which a file operation fails goes offline with all of its logs; the others go on.
 * Opening takes the directories, loads every partition found there (recovering what was not closed
 * in order) and only then returns. Closing leaves them so that the next start has nothing to repair.
 */
import path from 'node:path';
import { KafkaError } from '@odradek/protocol';
import { ConfigError, StartInterrupted } from '@odradek/runtime';
import { AtMost } from './at-most.ts';
import { type OffsetEntry, partitionKey } from './checkpoint-file.ts';
import { Chores } from './chores.ts';
import { Coalesced } from './coalesced.ts';
import { isOfTheDisk, LogDirectories, type LogDirectoriesOptions } from './directories.ts';
import { deleteFolderName, partitionFolderName } from './file-names.ts';
import { forEachConcurrently } from './for-each-concurrently.ts';
import { type DirectoryProgress, LoadProgress } from './load-progress.ts';
import type { LogConfig } from './log-config.ts';
import type { FoundFolder, LogDirectory } from './log-directory.ts';
import { type LoadOptions, loadLog } from './log-loader.ts';
import { type LogLimits, type LogResources, logResources } from './log-resources.ts';
import { LogDamaged } from './log-types.ts';
import { PartitionLog } from './partition-log.ts';
import { removeLater } from './retire.ts';

export interface LogManagerOptions extends LogLimits, LogDirectoriesOptions {
  readonly logConfigOf: (topic: string) => LogConfig;
  /** num.recovery.threads.per.data.dir: logs recovered at once in a directory. */
  readonly recoveryThreads?: number;
  /** Told how far the loading is. */
  readonly progress?: LoadProgress;
  /** Calls the loading off. */
  readonly interrupted?: AbortSignal | undefined;
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

type DirectoryFailureListener = (directory: string, logs: readonly PartitionLog[]) => void;

/** Logs that are loaded, closed or checked at once: disks like some company, memory does not. */
const CONCURRENT_LOGS_MAX = 8;

export class LogManager {
  readonly #options: LogManagerOptions;
  readonly #resources: LogResources;
  readonly #directories: LogDirectories;
  readonly #logs = new Map<string, PartitionLog>();
  readonly #creating = new Map<string, Promise<PartitionLog>>();
  readonly #deleting = new Map<string, Promise<void>>();
  readonly #failureListeners: DirectoryFailureListener[] = [];
  readonly #chores: Chores;
  readonly #checkpointAll = new Coalesced(() => this.#writeCheckpoints());

  private constructor(
    options: LogManagerOptions,
    resources: LogResources,
    directories: LogDirectories,
  ) {
    this.#options = options;
    this.#resources = resources;
    this.#directories = directories;
    directories.onFailure = (directory, error) => this.#directoryFailed(directory, error);
    this.#chores = new Chores(options.environment);
  }

  /**
   * Takes the data directories and loads their logs.
   * @throws ConfigError when a directory is another cluster's or broker's, or when none can be used
   * @throws DirectoryLocked when another process has one
   * @throws StartInterrupted when it was called off
   */
  static async open(options: LogManagerOptions): Promise<LogManager> {
    const resources = logResources(options.environment, options);
    const directories = await LogDirectories.open(options);
    const manager = new LogManager(options, resources, directories);
    const progress = options.progress ?? new LoadProgress();
    const endReport = progress.report(options.environment);
    try {
      await Promise.all(
        directories.opened.map((directory) =>
          manager.#loadDirectory(directory, progress.of(directory.path)),
        ),
      );
    } catch (error) {
      await directories.release();
      throw error;
    } finally {
      endReport();
    }
    if (manager.onlineDirectories.length === 0) {
      throw new ConfigError(`none of log.dirs can be used: ${options.directories.join(', ')}`);
    }
    manager.#startChores();
    return manager;
  }

  get(topic: string, partition: number): PartitionLog | undefined {
    return this.#logs.get(partitionKey(topic, partition));
  }

  all(): IterableIterator<PartitionLog> {
    return this.#logs.values();
  }

  /** Directories in which logs can be made and written. When there are none, the broker is of no use. */
  get onlineDirectories(): readonly string[] {
    return this.#directories.online.map((directory) => directory.path);
  }

  /** All of log.dirs, in their order and as absolute paths; the failed ones too. */
  get directories(): readonly { readonly path: string; readonly online: boolean }[] {
    return this.#directories.all;
  }

  /** Bytes that logs have accepted and the operating system has not. */
  get pendingBytes(): number {
    return this.#resources.budget.pendingBytes;
  }

  /** True from above the limit until half of it: do not read from clients. */
  get overLimit(): boolean {
    return this.#resources.budget.overLimit;
  }

  /** Called each time `overLimit` turns false. */
  onBelowLimit(listener: () => void): void {
    this.#resources.budget.onBelowLimit(listener);
  }

  /** Called when a directory has failed, with the logs that went offline with it. */
  onDirectoryFailure(listener: DirectoryFailureListener): void {
    this.#failureListeners.push(listener);
  }

  /**
   * The partition's log; made in the online directory with the fewest partitions if there is none.
   * @param topicId written down when the log has none yet
   * @throws KafkaError INCONSISTENT_TOPIC_ID when the log is of another topic of the same name
   * @throws KafkaError KAFKA_STORAGE_ERROR when no directory is online, or making it failed
   */
  async getOrCreate(
    topic: string,
    partition: number,
    topicId: string | null,
  ): Promise<PartitionLog> {
    const key = partitionKey(topic, partition);
    await this.#deleting.get(key); // Its folder has the name that the new one will have.
    const known = this.#logs.get(key) ?? this.#creating.get(key);
    const log = await (known ?? this.#createOnce(key, topic, partition, topicId));
    if (topicId === null || log.topicId === topicId) return log;
    if (log.topicId !== null) {
      throw new KafkaError(
        'INCONSISTENT_TOPIC_ID',
        `${key} on disk has topic id ${log.topicId}, not ${topicId}`,
      );
    }
    await log.setTopicId(topicId);
    return log;
  }

  /**
   * Takes a log out; its folder is renamed at once and removed after file.delete.delay.ms.
   * @throws KafkaError KAFKA_STORAGE_ERROR when the directory fails over it
   */
  async delete(topic: string, partition: number): Promise<void> {
    const key = partitionKey(topic, partition);
    const log = this.#logs.get(key) ?? (await this.#creating.get(key));
    if (log === undefined || this.#deleting.has(key)) return this.#deleting.get(key);
    this.#logs.delete(key);
    const deleting = this.#remove(log).finally(() => this.#deleting.delete(key));
    this.#deleting.set(key, deleting);
    return deleting;
  }

  /** High watermarks as the directories' checkpoints told at the start, by `topic-partition`. */
  readHighWatermarks(): ReadonlyMap<string, number> {
    const all = new Map<string, number>();
    for (const { highWatermarks } of this.#directories.opened) {
      for (const [key, offset] of highWatermarks) all.set(key, offset);
    }
    return all;
  }

  /**
   * Writes the high watermarks down and tells them to the logs.
   * @param of null leaves a log at the one that it was last told
   */
  async checkpointHighWatermarks(of: (log: PartitionLog) => number | null): Promise<void> {
    for (const log of this.#logs.values()) {
      const highWatermark = of(log);
      if (highWatermark !== null) log.updateHighWatermark(highWatermark);
    }
    await this.#checkpoint('writeHighWatermarks', (log) => log.highWatermark);
  }

  /** Gives the logs of a topic new settings. */
  reconfigure(topic: string, config: LogConfig): void {
    for (const log of this.#logs.values()) if (log.topic === topic) log.config = config;
  }

  /** Applies retention to every log; done from time to time by itself. */
  async applyRetention(): Promise<void> {
    await this.#eachLog(async (log) => {
      const { count, reason } = await log.deleteOldSegments();
      if (count > 0) {
        this.#options.environment.log.info('segments left the log', {
          partition: log.name,
          count,
          reason,
          logStartOffset: log.logStartOffset,
        });
      }
    });
  }

  /** Stops in order: everything on the medium, checkpoints written, directories marked clean and released. */
  async close(): Promise<void> {
    await this.#chores.stop();
    await Promise.allSettled([...this.#creating.values(), ...this.#deleting.values()]);
    const logs = [...this.#logs.values()];
    await forEachConcurrently(logs, CONCURRENT_LOGS_MAX, (log) =>
      this.#tolerant(() => log.close()),
    );
    await this.#checkpointAll.run();
    await this.#resources.files.close();
    for (const directory of this.#directories.online)
      await this.#tolerant(() => this.#onDisk(directory, () => directory.markClean()));
    await this.#directories.release();
  }

  async #loadDirectory(directory: LogDirectory, progress: DirectoryProgress): Promise<void> {
    const { clock, log } = this.#options.environment;
    const began = clock.now();
    const doomed: string[] = [];
    const live: FoundFolder[] = [];
    for (const folder of directory.folders) {
      if (folder.kind === 'live') live.push(folder);
      else if (folder.kind === 'delete') doomed.push(folder.path);
      else log.warn('left a folder alone', { path: folder.path });
    }
    progress.logCount = live.length;
    progress.logsLeft = live.length;
    const recoveries = new AtMost(Math.max(1, this.#options.recoveryThreads ?? 1));
    try {
      await forEachConcurrently(live, CONCURRENT_LOGS_MAX, async (folder) => {
        await this.#loadFolder(directory, folder, { recoveries, progress });
        progress.logsLeft -= 1;
      });
    } catch (error) {
      if (!isOfTheDisk(error)) throw error;
      this.#directories.fail(directory.path, error);
      return;
    }
    log.info('logs loaded', {
      directory: directory.path,
      logs: live.length,
      cleanShutdown: directory.cleanShutdown,
      segmentsRecovered: progress.segmentsRecovered,
      tookMs: Math.round(clock.now() - began),
    });
    const delayMs = this.#options.logConfigOf('').fileDeleteDelayMs;
    if (doomed.length > 0) removeLater(this.#resources, doomed, delayMs);
  }

  async #loadFolder(
    directory: LogDirectory,
    { topic, partition, ...folder }: FoundFolder,
    start: NonNullable<LoadOptions['start']>,
  ) {
    if (this.#options.interrupted?.aborted)
      throw new StartInterrupted('stopped while loading logs');
    const key = partitionKey(topic, partition);
    directory.logCount += 1;
    const log = await this.#open(directory, topic, partition, {
      cleanShutdown: directory.cleanShutdown,
      recoveryPoint: directory.recoveryPoints.get(key) ?? 0,
      logStartOffset: directory.logStarts.get(key) ?? 0,
      start,
    });
    const twin = this.#logs.get(key);
    if (twin !== undefined) {
      throw new LogDamaged(`${folder.path} and ${twin.path} are both the log of ${key}`);
    }
    log.updateHighWatermark(directory.highWatermarks.get(key) ?? log.logStartOffset);
    this.#logs.set(key, log);
  }

  #createOnce(
    key: string,
    topic: string,
    partition: number,
    topicId: string | null,
  ): Promise<PartitionLog> {
    const creating = this.#create(topic, partition, topicId).finally(() =>
      this.#creating.delete(key),
    );
    this.#creating.set(key, creating);
    return creating;
  }

  async #create(topic: string, partition: number, topicId: string | null): Promise<PartitionLog> {
    const directory = this.#roomiest();
    const { disk } = this.#options.environment;
    directory.logCount += 1;
    try {
      return await this.#onDisk(directory, async () => {
        await disk.makeDirectory(path.join(directory.path, partitionFolderName(topic, partition)));
        await disk.syncDirectory(directory.path);
        // There is nothing in it: whatever checkpoints say is of an earlier log of that name.
        const empty = { cleanShutdown: true, recoveryPoint: 0, logStartOffset: 0 };
        const log = await this.#open(directory, topic, partition, empty);
        if (topicId !== null) await log.setTopicId(topicId);
        this.#logs.set(partitionKey(topic, partition), log);
        return log;
      });
    } catch (error) {
      directory.logCount -= 1;
      throw error;
    }
  }

  async #open(
    directory: LogDirectory,
    topic: string,
    partition: number,
    left: Omit<LoadOptions, 'folder' | 'config'>,
  ): Promise<PartitionLog> {
    const folder = path.join(directory.path, partitionFolderName(topic, partition));
    const config = this.#options.logConfigOf(topic);
    const loaded = await loadLog(this.#resources, { folder, config, ...left });
    return new PartitionLog({
      topic,
      partition,
      directory: directory.path,
      path: folder,
      config,
      resources: this.#resources,
      loaded,
      failed: (log, error) => this.#directories.fail(log.directory, error),
    });
  }

  async #remove(log: PartitionLog): Promise<void> {
    const directory = this.#directories.at(log.directory);
    directory.logCount -= 1;
    await log.abandon();
    if (!directory.online) return; // Not to be touched: the folder is found at the next start.
    const { disk, random } = this.#options.environment;
    const unique = random.bytes(16).toString('hex');
    const doomed = path.join(directory.path, deleteFolderName(log.topic, log.partition, unique));
    await this.#onDisk(directory, async () => {
      await disk.rename(log.path, doomed);
      await disk.syncDirectory(directory.path);
    });
    removeLater(this.#resources, [doomed], log.config.fileDeleteDelayMs);
    // What checkpoints say of this log must not be taken for a later one of the same name.
    await this.#checkpointAll.run();
  }

  #roomiest(): LogDirectory {
    const [best] = this.#directories.byRoom();
    if (best === undefined)
      throw new KafkaError('KAFKA_STORAGE_ERROR', 'no log directory is online');
    return best;
  }

  #startChores(): void {
    const options = this.#options;
    const first = options.initialTaskDelayMs ?? 30_000;
    const { clock } = options.environment;
    this.#chores.every(options.retentionCheckIntervalMs ?? 300_000, first, () =>
      this.applyRetention(),
    );
    this.#chores.every(options.flushCheckIntervalMs ?? Number.POSITIVE_INFINITY, first, () =>
      this.#eachLog((log) => log.flushIfDue()),
    );
    this.#chores.every(options.recoveryPointCheckpointIntervalMs ?? 60_000, first, () =>
      this.#checkpoint('writeRecoveryPoints', (log) => log.recoveryPoint),
    );
    this.#chores.every(options.logStartCheckpointIntervalMs ?? 60_000, first, () =>
      this.#checkpointLogStarts(),
    );
    const expirationMs = options.producerIdExpirationMs ?? 86_400_000;
    this.#chores.every(options.producerIdExpirationCheckIntervalMs ?? 600_000, first, () => {
      for (const log of this.#logs.values()) log.expireProducers(clock.wallTime(), expirationMs);
      return Promise.resolve();
    });
  }

  async #writeCheckpoints(): Promise<void> {
    await this.#checkpoint('writeRecoveryPoints', (log) => log.recoveryPoint);
    await this.#checkpointLogStarts();
    await this.#checkpoint('writeHighWatermarks', (log) => log.highWatermark);
  }

  #checkpointLogStarts(): Promise<void> {
    return this.#checkpoint('writeLogStarts', (log) =>
      log.logStartOffset > log.firstSegmentOffset ? log.logStartOffset : null,
    );
  }

  async #checkpoint(
    write: 'writeRecoveryPoints' | 'writeLogStarts' | 'writeHighWatermarks',
    offsetOf: (log: PartitionLog) => number | null,
  ): Promise<void> {
    for (const directory of this.#directories.online) {
      const entries: OffsetEntry[] = [];
      for (const log of this.#logs.values()) {
        if (log.directory !== directory.path) continue;
        const offset = offsetOf(log);
        if (offset !== null) entries.push({ topic: log.topic, partition: log.partition, offset });
      }
      await this.#tolerant(() => this.#onDisk(directory, () => directory[write](entries)));
    }
  }

  async #eachLog(run: (log: PartitionLog) => Promise<void>): Promise<void> {
    for (const log of [...this.#logs.values()]) await this.#tolerant(() => run(log));
  }

  /** A log that was closed, cut or taken offline meanwhile is no reason to stop with the others. */
  async #tolerant(run: () => Promise<void>): Promise<void> {
    try {
      await run();
    } catch (error) {
      if (!(error instanceof KafkaError)) throw error;
    }
  }

  #onDisk<T>(directory: LogDirectory, run: () => Promise<T>): Promise<T> {
    return this.#directories.guarded(directory, run);
  }

  #directoryFailed(directory: LogDirectory, error: Error): void {
    const logs = [...this.#logs.values()].filter((log) => log.directory === directory.path);
    for (const log of logs) log.markOffline(error);
    for (const listener of this.#failureListeners) listener(directory.path, logs);
  }
}
