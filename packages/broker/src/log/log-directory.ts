/**
 * One data directory: whose it is, how it was left, and the checkpoint files that cover all of its
 * partitions. A directory is online until a file operation in it fails; then it stays offline until
 * the process is started again.
 */
import path from 'node:path';
import type { Disk, DiskError, Environment } from '@odradek/runtime';
import {
  encodeOffsetCheckpoint,
  type OffsetEntry,
  readOffsetCheckpoint,
} from './checkpoint-file.ts';
import {
  CLEAN_SHUTDOWN_FILE,
  CLEANER_OFFSET_FILE,
  HIGH_WATERMARK_FILE,
  LOCK_FILE,
  LOG_START_FILE,
  type PartitionFolder,
  parsePartitionFolder,
  RECOVERY_POINT_FILE,
} from './file-names.ts';
import { GroupCommit } from './flush/group-commit.ts';
import type { JournalLimits } from './flush/journal.ts';
import { LeftJournal, type RestoredLog } from './flush/journal-recovery.ts';
import { LogDamaged } from './log-types.ts';
import { claimDirectory } from './meta-properties.ts';

/** Kafka 3.9's content of the marker; its presence is what counts. */
const CLEAN_SHUTDOWN_CONTENT = '{"version":0,"brokerEpoch":-1}';

/** What Kafka's tiered storage keeps in a data directory: nothing that is not elsewhere. */
const REMOTE_INDEX_CACHE = 'remote-log-index-cache';

export interface FoundFolder extends PartitionFolder {
  readonly path: string;
}

export class LogDirectory {
  readonly path: string;
  /** How the directory was left; false unless an orderly stop said otherwise. */
  readonly cleanShutdown: boolean;
  readonly recoveryPoints: ReadonlyMap<string, number>;
  readonly logStarts: ReadonlyMap<string, number>;
  readonly highWatermarks: ReadonlyMap<string, number>;
  /** Up to where logs were compacted. */
  readonly cleanerOffsets: ReadonlyMap<string, number>;
  readonly folders: readonly FoundFolder[];
  /** What the logs here have to be on the medium before they acknowledge it. */
  readonly flushes: GroupCommit;
  /** From before an unclean stop, until all logs are loaded. */
  leftJournal: LeftJournal | null;
  /** Told of file operations that fail and are nobody else's. */
  onFailure: ((error: DiskError) => void) | null = null;
  online = true;
  /** Logs that live here, those being made included: new ones go where there are fewest. */
  logCount = 0;
  readonly #disk: Disk;
  readonly #release: () => Promise<void>;
  /** What the checkpoints hold that were written since the start, by name. */
  readonly #written = new Map<string, string>();

  private constructor(fields: {
    path: string;
    cleanShutdown: boolean;
    recoveryPoints: ReadonlyMap<string, number>;
    logStarts: ReadonlyMap<string, number>;
    highWatermarks: ReadonlyMap<string, number>;
    cleanerOffsets: ReadonlyMap<string, number>;
    folders: readonly FoundFolder[];
    leftJournal: LeftJournal | null;
    limits: JournalLimits | undefined;
    environment: Environment;
    release: () => Promise<void>;
  }) {
    this.path = fields.path;
    this.cleanShutdown = fields.cleanShutdown;
    this.recoveryPoints = fields.recoveryPoints;
    this.logStarts = fields.logStarts;
    this.highWatermarks = fields.highWatermarks;
    this.cleanerOffsets = fields.cleanerOffsets;
    this.folders = fields.folders;
    this.leftJournal = fields.leftJournal;
    this.flushes = new GroupCommit({
      directory: fields.path,
      environment: fields.environment,
      limits: fields.limits,
      failed: (error) => this.onFailure?.(error),
    });
    this.#disk = fields.environment.disk;
    this.#release = fields.release;
  }

  /**
   * Takes a directory for this process, making it when it is not there, and reads how it was left.
   * The clean-shutdown marker is gone afterwards: from here on only an orderly stop puts it back.
   * @throws ConfigError, DirectoryLocked; DiskError and LogDamaged make the directory unusable
   */
  static async open(
    directory: string,
    owner: {
      readonly clusterId: string;
      readonly brokerId: number;
      readonly flushJournal?: JournalLimits | undefined;
    },
    environment: Environment,
  ): Promise<LogDirectory> {
    const { disk, clock } = environment;
    await disk.makeDirectory(directory);
    const lock = await disk.lock(path.join(directory, LOCK_FILE));
    try {
      await claimDirectory(disk, directory, owner, clock.wallTime());
      const folders = await findFolders(disk, directory);
      const checkpoint = (name: string): Promise<Map<string, number>> =>
        readOffsetCheckpoint(disk, path.join(directory, name));
      const recoveryPoints = await checkpoint(RECOVERY_POINT_FILE);
      const logStarts = await checkpoint(LOG_START_FILE);
      const highWatermarks = await checkpoint(HIGH_WATERMARK_FILE);
      const cleanerOffsets = await checkpoint(CLEANER_OFFSET_FILE);
      const marker = path.join(directory, CLEAN_SHUTDOWN_FILE);
      const cleanShutdown = (await disk.status(marker)) !== null;
      const leftJournal = await LeftJournal.read(environment, directory, cleanShutdown);
      if (cleanShutdown) {
        await disk.remove(marker);
        await disk.syncDirectory(directory);
      }
      return new LogDirectory({
        path: directory,
        cleanShutdown,
        recoveryPoints,
        logStarts,
        highWatermarks,
        cleanerOffsets,
        folders,
        leftJournal,
        limits: owner.flushJournal,
        environment,
        release: () => lock.release(),
      });
    } catch (error) {
      await lock.release();
      throw error;
    }
  }

  writeRecoveryPoints(entries: readonly OffsetEntry[]): Promise<void> {
    return this.#write(RECOVERY_POINT_FILE, entries);
  }

  writeLogStarts(entries: readonly OffsetEntry[]): Promise<void> {
    return this.#write(LOG_START_FILE, entries);
  }

  writeHighWatermarks(entries: readonly OffsetEntry[]): Promise<void> {
    return this.#write(HIGH_WATERMARK_FILE, entries);
  }

  writeCleanerOffsets(entries: readonly OffsetEntry[]): Promise<void> {
    return this.#write(CLEANER_OFFSET_FILE, entries);
  }

  /** Leaves a checkpoint alone that says all this already: thousands of idle partitions keep no disk busy. */
  async #write(name: string, entries: readonly OffsetEntry[]): Promise<void> {
    const text = encodeOffsetCheckpoint(entries);
    if (this.#written.get(name) === text) return;
    this.#written.delete(name); // What is there when writing fails is not known.
    await this.#disk.replaceFile(path.join(this.path, name), text);
    this.#written.set(name, text);
  }

  /** All logs are loaded: what a journal had of them is in their segments. */
  async dropLeftJournal(logs: readonly RestoredLog[]): Promise<void> {
    this.leftJournal?.tellOfLosses(logs);
    await this.leftJournal?.remove();
    this.leftJournal = null;
  }

  /** Says that everything here was closed in order. */
  markClean(): Promise<void> {
    return this.#disk.replaceFile(
      path.join(this.path, CLEAN_SHUTDOWN_FILE),
      CLEAN_SHUTDOWN_CONTENT,
    );
  }

  /** Lets other processes have the directory. */
  release(): Promise<void> {
    return this.#release();
  }
}

async function findFolders(disk: Disk, directory: string): Promise<FoundFolder[]> {
  const found: FoundFolder[] = [];
  for (const { name, kind } of await disk.list(directory)) {
    if (kind !== 'directory' || name === REMOTE_INDEX_CACHE) continue;
    const folder = parsePartitionFolder(name);
    if (folder === null) {
      throw new LogDamaged(
        `${path.join(directory, name)} is no partition's folder (topic-number): a log directory holds nothing else`,
      );
    }
    found.push({ ...folder, path: path.join(directory, name) });
  }
  return found;
}
