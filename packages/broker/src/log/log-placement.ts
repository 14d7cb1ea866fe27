/**
 * Where new logs are made: in the directory that somebody chose, else in the online one with the
 * fewest logs, and in the next one when that fails over it.
 */
import path from 'node:path';
import { KafkaError } from '@odradek/protocol';
import type { LogDirectories } from './directories.ts';
import { partitionFolderName } from './file-names.ts';
import type { OpenOptions } from './future-logs.ts';
import type { LogDirectory } from './log-directory.ts';
import type { LogResources } from './log-resources.ts';
import type { PartitionLog } from './partition-log.ts';

/**
 * Choices that are remembered for logs which are not there yet: anybody may choose for partitions that will never be.
 * Beyond that the oldest one is forgotten.
 */
export const CHOICES_MAX = 100_000;

export interface LogPlacementParts {
  readonly resources: LogResources;
  readonly directories: LogDirectories;
  open(directory: LogDirectory, options: OpenOptions): Promise<PartitionLog>;
}

/** The log that is to be made. */
export interface WantedLog {
  readonly topic: string;
  readonly partition: number;
  readonly topicId: string | null;
}

export class LogPlacement {
  readonly #parts: LogPlacementParts;
  /** Directories that were chosen for logs which are not there yet, by partition; the oldest choice first. */
  readonly #chosen = new Map<string, string>();

  constructor(parts: LogPlacementParts) {
    this.#parts = parts;
  }

  /** The log of this partition is to be made there. */
  choose(key: string, directory: string): void {
    this.#chosen.delete(key);
    this.#chosen.set(key, directory);
    if (this.#chosen.size <= CHOICES_MAX) return;
    for (const oldest of this.#chosen.keys()) {
      this.#chosen.delete(oldest);
      return;
    }
  }

  forget(key: string): void {
    this.#chosen.delete(key);
  }

  /** @throws KafkaError KAFKA_STORAGE_ERROR when no directory takes it */
  async create(key: string, wanted: WantedLog): Promise<PartitionLog> {
    const { directories } = this.#parts;
    const chosen = this.#chosen.get(key);
    const candidates = chosen === undefined ? directories.byRoom() : [directories.at(chosen)];
    let failure = new KafkaError('KAFKA_STORAGE_ERROR', 'no log directory is online');
    for (const directory of candidates) {
      if (!directory.online) continue;
      directory.logCount += 1;
      try {
        const log = await this.#createIn(directory, wanted);
        this.forget(key);
        return log;
      } catch (error) {
        directory.logCount -= 1;
        if (!(error instanceof KafkaError)) throw error;
        failure = error;
      }
    }
    throw failure;
  }

  #createIn(
    directory: LogDirectory,
    { topic, partition, topicId }: WantedLog,
  ): Promise<PartitionLog> {
    const { resources, directories, open } = this.#parts;
    const { disk } = resources.environment;
    const folder = path.join(directory.path, partitionFolderName(topic, partition));
    return directories.guarded(directory, async () => {
      await disk.makeDirectory(folder);
      await disk.syncDirectory(directory.path);
      // There is nothing in it: whatever checkpoints say is of an earlier log of that name.
      const empty = { cleanShutdown: true, recoveryPoint: 0, logStartOffset: 0 };
      const log = await open(directory, { topic, partition, folder, isFuture: false, ...empty });
      if (topicId !== null) await log.setTopicId(topicId);
      return log;
    });
  }
}
