/**
 * All logs of a broker: its data directories, which partition lives where, and the chores that are
 * done for all logs from time to time.
 *
 * A directory in which a file operation fails goes offline with all of its logs; the others go on.
 * Opening takes the directories, loads every partition found there (recovering what was not closed
 * in order) and only then returns. Closing leaves them so that the next start has nothing to repair.
 */
import { KafkaError } from '@odradek/protocol';
import { ConfigError, StartInterrupted } from '@odradek/runtime';
import { AtMost } from './at-most.ts';
import { partitionKey } from './checkpoint-file.ts';
import { type CleanerStats, NO_CLEANER } from './compaction/cleaner-stats.ts';
import { type CleanerSettings, LogCleaner } from './compaction/log-cleaner.ts';
import { isOfTheDisk, LogDirectories, type LogDirectoriesOptions } from './directories.ts';
import { discardLog } from './discard-log.ts';
import type { FlushCounts } from './flush/group-commit.ts';
import { forEachConcurrently } from './for-each-concurrently.ts';
import { FutureLogs, type OpenOptions } from './future-logs.ts';
import { type DirectoryProgress, LoadProgress } from './load-progress.ts';
import { LogChores, type LogChoresSettings, tolerant } from './log-chores.ts';
import type { LogConfig } from './log-config.ts';
import type { FoundFolder, LogDirectory } from './log-directory.ts';
import { type LoadOptions, loadLog } from './log-loader.ts';
import { LogPlacement, type WantedLog } from './log-placement.ts';
import { type LogLimits, type LogResources, logResources } from './log-resources.ts';
import { PartitionLog } from './partition-log.ts';
import { removeLater } from './retire.ts';
import { settleTwins } from './twin-logs.ts';

export interface LogManagerOptions extends LogLimits, LogDirectoriesOptions, LogChoresSettings {
  readonly logConfigOf: (topic: string) => LogConfig;
  /** num.recovery.threads.per.data.dir: logs recovered at once in a directory. */
  readonly recoveryThreads?: number;
  /** Told how far the loading is. */
  readonly progress?: LoadProgress;
  /** Calls the loading off. */
  readonly interrupted?: AbortSignal | undefined;
  /** Settings of the log cleaner, asked for again each time; left out with log.cleaner.enable=false. */
  readonly cleaner?: (() => CleanerSettings) | undefined;
}

type DirectoryFailureListener = (
  directory: string,
  logs: readonly PartitionLog[],
  futures: readonly PartitionLog[],
) => void;

/** Logs that are loaded, closed or checked at once: disks like some company, memory does not. */
const CONCURRENT_LOGS_MAX = 8;

export class LogManager {
  readonly #options: LogManagerOptions;
  readonly #resources: LogResources;
  readonly #directories: LogDirectories;
  readonly #logs = new Map<string, PartitionLog>();
  /** Copies that are on their way to another directory. */
  readonly futures: FutureLogs;
  readonly #placement: LogPlacement;
  /** Found by the start: logs of partitions that have one in another directory. */
  readonly #twins: PartitionLog[] = [];
  readonly #creating = new Map<string, Promise<PartitionLog>>();
  readonly #deleting = new Map<string, Promise<void>>();
  readonly #failureListeners: DirectoryFailureListener[] = [];
  readonly #chores: LogChores;
  readonly #cleaner: LogCleaner | null;

  private constructor(
    options: LogManagerOptions,
    resources: LogResources,
    directories: LogDirectories,
  ) {
    this.#options = options;
    this.#resources = resources;
    this.#directories = directories;
    directories.onFailure = (directory, error) => this.#directoryFailed(directory, error);
    const { environment, cleaner } = options;
    const parts = { environment, directories, logs: () => this.#everyLog() };
    this.#chores = new LogChores(parts, options);
    this.#cleaner =
      cleaner === undefined
        ? null
        : new LogCleaner({
            environment,
            logs: () => this.#logs.values(),
            settings: cleaner,
            applyRetention: (log) => tolerant(() => this.#chores.retain(log)),
          });
    const stores = {
      resources,
      directories,
      open: (directory: LogDirectory, opening: OpenOptions) => this.#open(directory, opening),
    };
    this.#placement = new LogPlacement(stores);
    this.futures = new FutureLogs({ ...stores, checkpoint: () => this.#chores.checkpoint() });
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
    await manager.#settleTwins();
    // Loading may have taken back what was promised of segments that it rewrote.
    if (directories.opened.some(({ cleanShutdown }) => !cleanShutdown))
      await manager.#chores.checkpoint();
    if (manager.onlineDirectories.length === 0) {
      throw new ConfigError(`none of log.dirs can be used: ${options.directories.join(', ')}`);
    }
    manager.#chores.start();
    manager.#cleaner?.start();
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

  /** What flush.messages has cost in each directory. */
  get flushCounts(): readonly Readonly<FlushCounts>[] {
    return this.#directories.opened.map(({ flushes }) => flushes.counts);
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

  /** Called when a directory has failed, with the logs and the future logs that went with it. */
  onDirectoryFailure(listener: DirectoryFailureListener): void {
    this.#failureListeners.push(listener);
  }

  /** Some of log.dirs has failed: what lies in it is not known. */
  get anyDirectoryOffline(): boolean {
    return this.#directories.anyOffline;
  }

  /** Where the partition's log is to be made when it is; nothing happens to one that is there. */
  prefer(topic: string, partition: number, directory: string): void {
    this.#placement.choose(partitionKey(topic, partition), directory);
  }

  /**
   * The partition's log; made in the directory that was chosen for it, else in the online one with
   * the fewest partitions, if there is none.
   * @param topicId written down when the log has none yet
   * @param isNew false for a replica that has been here before: it is not made anew while a failed
   *   directory may hold it
   * @throws KafkaError INCONSISTENT_TOPIC_ID when the log is of another topic of the same name
   * @throws KafkaError KAFKA_STORAGE_ERROR when no directory is online, or making it failed
   */
  async getOrCreate(
    topic: string,
    partition: number,
    topicId: string | null,
    isNew = true,
  ): Promise<PartitionLog> {
    const key = partitionKey(topic, partition);
    await this.#deleting.get(key); // Its folder has the name that the new one will have.
    const known = this.#logs.get(key) ?? this.#creating.get(key);
    if (known === undefined && !isNew && this.anyDirectoryOffline)
      throw new KafkaError('KAFKA_STORAGE_ERROR', `${key} may be in a directory that has failed`);
    const log = await (known ?? this.#createOnce(key, { topic, partition, topicId }));
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
   * Takes a log out, and its copy if it is being moved; folders are renamed at once and removed after
   * file.delete.delay.ms.
   * @throws KafkaError KAFKA_STORAGE_ERROR when a directory fails over it
   */
  async delete(topic: string, partition: number): Promise<void> {
    const key = partitionKey(topic, partition);
    this.#placement.forget(key);
    const log = this.#logs.get(key) ?? (await this.#creating.get(key));
    const isMoving = this.futures.get(topic, partition) !== undefined;
    if ((log === undefined && !isMoving) || this.#deleting.has(key)) return this.#deleting.get(key);
    this.#logs.delete(key);
    const deleting = this.#removeBoth(topic, partition, log).finally(() =>
      this.#deleting.delete(key),
    );
    this.#deleting.set(key, deleting);
    return deleting;
  }

  /**
   * Puts the future log of a partition in the place of its log. The old one is still open, and is to
   * be given to `retire`.
   * @returns the old one
   */
  replace(future: PartitionLog): PartitionLog | undefined {
    const key = partitionKey(future.topic, future.partition);
    const before = this.#logs.get(key);
    this.futures.take(future);
    this.#logs.set(key, future);
    return before;
  }

  /** Removes a log that another has taken the place of. @throws KafkaError KAFKA_STORAGE_ERROR */
  retire(log: PartitionLog): Promise<void> {
    return this.#remove(log);
  }

  /** High watermarks as the directories' checkpoints told at the start, by `topic-partition`. */
  readHighWatermarks(): ReadonlyMap<string, number> {
    const all = new Map<string, number>();
    // What a directory says of a log that has moved to another one is old.
    for (const { path: directory, highWatermarks } of this.#directories.opened)
      for (const [key, offset] of highWatermarks)
        if (this.#logs.get(key)?.directory === directory) all.set(key, offset);
    return all;
  }

  /** Writes the high watermarks down; see {@link LogChores.checkpointHighWatermarks}. */
  checkpointHighWatermarks(of: (log: PartitionLog) => number | null): Promise<void> {
    return this.#chores.checkpointHighWatermarks(of);
  }

  /** Gives the logs of a topic new settings. */
  reconfigure(topic: string, config: LogConfig): void {
    for (const log of this.#everyLog()) if (log.topic === topic) log.config = config;
  }

  /** Applies retention to every log that is not compacted; done from time to time by itself. */
  applyRetention(): Promise<void> {
    return this.#chores.applyRetention();
  }

  /** What the log cleaner has done so far. */
  get cleanerStats(): CleanerStats {
    return this.#cleaner?.stats ?? NO_CLEANER;
  }

  /** Stops in order: everything on the medium, checkpoints written, directories marked clean and released. */
  async close(): Promise<void> {
    await this.#chores.stop();
    await this.#cleaner?.stop();
    await Promise.allSettled([...this.#creating.values(), ...this.#deleting.values()]);
    const logs = [...this.#everyLog()];
    for (const { flushes } of this.#directories.online) flushes.closing();
    await forEachConcurrently(logs, CONCURRENT_LOGS_MAX, (log) => tolerant(() => log.close()));
    await this.#chores.checkpoint();
    await this.#resources.files.close();
    for (const directory of this.#directories.online)
      await tolerant(() =>
        this.#onDisk(directory, async () => {
          await directory.flushes.close();
          await directory.markClean();
        }),
      );
    await this.#directories.release();
  }

  async #loadDirectory(directory: LogDirectory, progress: DirectoryProgress): Promise<void> {
    const { clock, log } = this.#options.environment;
    const began = clock.now();
    const doomed: string[] = [];
    const live: FoundFolder[] = [];
    for (const folder of directory.folders) {
      if (folder.kind === 'live' || folder.kind === 'future') live.push(folder);
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
      const isHere = (log: PartitionLog): boolean => log.directory === directory.path;
      await directory.dropLeftJournal([...this.#everyLog(), ...this.#twins].filter(isHere));
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
    { topic, partition, ...found }: FoundFolder,
    start: NonNullable<LoadOptions['start']>,
  ) {
    if (this.#options.interrupted?.aborted)
      throw new StartInterrupted('stopped while loading logs');
    const key = partitionKey(topic, partition);
    directory.logCount += 1;
    const log = await this.#open(directory, {
      topic,
      partition,
      folder: found.path,
      isFuture: found.kind === 'future',
      cleanShutdown: directory.cleanShutdown,
      recoveryPoint: directory.recoveryPoints.get(key) ?? 0,
      logStartOffset: directory.logStarts.get(key) ?? 0,
      cleanedUpTo: directory.cleanerOffsets.get(key) ?? null,
      restore: directory.leftJournal?.restorerOf(topic, partition) ?? null,
      start,
    });
    log.updateHighWatermark(directory.highWatermarks.get(key) ?? log.logStartOffset);
    // What went silent before the stop need not wait for the first chore to be forgotten.
    this.#chores.expireProducers(log);
    if (!log.isFuture) log.compaction.cleanedUpTo = directory.cleanerOffsets.get(key) ?? null;
    if (this.#twinOf(log) === undefined) this.#add(log);
    else this.#twins.push(log);
  }

  #add(log: PartitionLog): void {
    if (log.isFuture) this.futures.add(log);
    else this.#logs.set(partitionKey(log.topic, log.partition), log);
  }

  #twinOf(log: PartitionLog): PartitionLog | undefined {
    return log.isFuture
      ? this.futures.get(log.topic, log.partition)
      : this.#logs.get(partitionKey(log.topic, log.partition));
  }

  /** Once all are loaded: of those that are there twice one stays. */
  async #settleTwins(): Promise<void> {
    const parts = { resources: this.#resources, directories: this.#directories };
    for (const log of this.#twins.splice(0)) {
      if (!this.#directories.at(log.directory).online) continue;
      const twin = this.#twinOf(log); // Gone when its directory has failed.
      if (twin === undefined) this.#add(log);
      else await tolerant(() => settleTwins(parts, [twin, log], (stays) => this.#add(stays)));
    }
  }

  #createOnce(key: string, wanted: WantedLog): Promise<PartitionLog> {
    const creating = this.#create(key, wanted).finally(() => this.#creating.delete(key));
    this.#creating.set(key, creating);
    return creating;
  }

  async #create(key: string, wanted: WantedLog): Promise<PartitionLog> {
    const log = await this.#placement.create(key, wanted);
    this.#logs.set(key, log);
    return log;
  }

  async #open(directory: LogDirectory, options: OpenOptions): Promise<PartitionLog> {
    const { topic, partition, folder, isFuture, ...left } = options;
    const config = this.#options.logConfigOf(topic);
    const loaded = await loadLog(this.#resources, { folder, config, ...left });
    const log = new PartitionLog({
      topic,
      partition,
      directory: directory.path,
      path: folder,
      config,
      resources: this.#resources,
      flushes: directory.flushes,
      loaded,
      isFuture,
      failed: (failed, error) => this.#directories.fail(failed.directory, error),
      checkpoint: () => this.#chores.checkpoint(),
    });
    log.compaction.onMoved = () => this.#chores.checkpointCleaner();
    return log;
  }

  /** The copy first: without its log it would be taken for something that is still to be moved. */
  async #removeBoth(topic: string, partition: number, log?: PartitionLog): Promise<void> {
    try {
      await this.futures.remove(topic, partition);
    } finally {
      if (log !== undefined) await this.#remove(log);
    }
  }

  async #remove(log: PartitionLog): Promise<void> {
    await discardLog({ resources: this.#resources, directories: this.#directories }, log);
    // What checkpoints say of this log must not be taken for a later one of the same name.
    await this.#chores.checkpoint();
  }

  *#everyLog(): Generator<PartitionLog> {
    yield* this.#logs.values();
    yield* this.futures.all();
  }

  #onDisk<T>(directory: LogDirectory, run: () => Promise<T>): Promise<T> {
    return this.#directories.guarded(directory, run);
  }

  #directoryFailed(directory: LogDirectory, error: Error): void {
    const logs = [...this.#logs.values()].filter((log) => log.directory === directory.path);
    for (const log of logs) {
      this.#logs.delete(partitionKey(log.topic, log.partition));
      log.markOffline(error);
    }
    const futures = this.futures.directoryFailed(directory.path, error);
    for (const listener of this.#failureListeners) listener(directory.path, logs, futures);
  }
}
