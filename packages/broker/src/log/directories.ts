/**
 * The data directories of a broker (log.dirs): which of them can be used, where a new log goes, and
 * what happens when one fails.
 *
 * A directory in which a file operation fails is offline until the process is started again; the
 * others go on. Which logs lie where is log-manager.ts's.
 */
import path from 'node:path';
import { KafkaError } from '@odradek/protocol';
import { ConfigError, DiskError, type Environment, invariant } from '@odradek/runtime';
import type { JournalLimits } from './flush/journal.ts';
import { LogDirectory } from './log-directory.ts';
import { LogDamaged } from './log-types.ts';

export interface LogDirectoriesOptions {
  /** log.dirs; at least one. */
  readonly directories: readonly string[];
  readonly clusterId: string;
  readonly brokerId: number;
  readonly environment: Environment;
  /** Sizes of each directory's flush journal; tests have small ones. */
  readonly flushJournal?: JournalLimits | undefined;
}

export class LogDirectories {
  /** As absolute paths, each once, in the order of log.dirs. */
  readonly #paths: readonly string[];
  readonly #opened: readonly LogDirectory[];
  readonly #environment: Environment;
  /** Takes note of a directory's failure; called once for each. */
  onFailure: ((directory: LogDirectory, error: Error) => void) | null = null;

  private constructor(
    paths: readonly string[],
    opened: readonly LogDirectory[],
    environment: Environment,
  ) {
    this.#paths = paths;
    this.#opened = opened;
    this.#environment = environment;
    for (const directory of opened) {
      directory.onFailure = (error) => this.fail(directory.path, error);
    }
  }

  /**
   * Takes all directories that can be used; one that cannot be read or written is left out with a
   * line in the log.
   * @throws ConfigError when a directory is another cluster's or broker's, or when none can be used
   * @throws DirectoryLocked when another process has one
   */
  static async open(options: LogDirectoriesOptions): Promise<LogDirectories> {
    const { environment } = options;
    const paths = [...new Set(options.directories.map((directory) => path.resolve(directory)))];
    const opened: LogDirectory[] = [];
    let lastError: Error | null = null;
    for (const directory of paths) {
      try {
        opened.push(await LogDirectory.open(directory, options, environment));
      } catch (error) {
        if (!isOfTheDisk(error)) {
          await Promise.allSettled(opened.map((other) => other.release()));
          throw error;
        }
        lastError = error;
        environment.log.error('a log directory cannot be used', { directory, error });
      }
    }
    if (opened.length > 0) return new LogDirectories(paths, opened, environment);
    const reason = lastError === null ? 'log.dirs is empty' : lastError.message;
    throw new ConfigError(`no log directory can be used: ${reason}`, { cause: lastError });
  }

  /** Those that were taken at the start, the ones that failed since among them. */
  get opened(): readonly LogDirectory[] {
    return this.#opened;
  }

  get online(): readonly LogDirectory[] {
    return this.#opened.filter(({ online }) => online);
  }

  /** All of log.dirs, those that could not be taken at the start too. */
  get all(): readonly { readonly path: string; readonly online: boolean }[] {
    const online = new Set(this.online.map((directory) => directory.path));
    return this.#paths.map((directory) => ({ path: directory, online: online.has(directory) }));
  }

  /** Some directory is not there: what it holds is not known. */
  get anyOffline(): boolean {
    return this.online.length < this.#paths.length;
  }

  /** A directory that was taken at the start. */
  at(directoryPath: string): LogDirectory {
    const directory = this.#opened.find((known) => known.path === directoryPath);
    invariant(directory !== undefined, `${directoryPath} is one of log.dirs`);
    return directory;
  }

  /** Online directories, those with the fewest logs first. */
  byRoom(): readonly LogDirectory[] {
    return [...this.online].sort((one, other) => one.logCount - other.logCount);
  }

  /**
   * Runs something on the disk of a directory, which goes offline when that fails.
   * @throws KafkaError KAFKA_STORAGE_ERROR
   */
  async guarded<T>(directory: LogDirectory, run: () => Promise<T>): Promise<T> {
    try {
      return await run();
    } catch (error) {
      if (!isOfTheDisk(error)) throw error;
      this.fail(directory.path, error);
      throw new KafkaError('KAFKA_STORAGE_ERROR', directory.path, { cause: error });
    }
  }

  /** A file operation in this directory failed. */
  fail(directoryPath: string, error: Error): void {
    const directory = this.at(directoryPath);
    if (!directory.online) return;
    directory.online = false;
    directory.flushes.stop();
    this.#environment.log.error('a log directory has failed and is offline from now on', {
      directory: directoryPath,
      error,
    });
    this.onFailure?.(directory, error);
  }

  /** Lets other processes have the directories. */
  async release(): Promise<void> {
    await Promise.allSettled(this.#opened.map((directory) => directory.release()));
  }
}

/** What takes a directory out of service: the disk failed, or what is on it cannot be trusted. */
export function isOfTheDisk(error: unknown): error is DiskError | LogDamaged {
  return error instanceof DiskError || error instanceof LogDamaged;
}
