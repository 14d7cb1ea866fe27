/**
 * Future replicas: copies of logs that are on their way to another data directory.
 *
 *   t-0 in /a                          t-0.<32 hex>-future in /b            created
 *   t-0 in /a                          the same, longer and longer          filled by ../replica/log-dir-mover.ts
 *   t-0 in /a                          t-0 in /b                            arrived: nearly all is there
 *   t-0.<32 hex>-delete in /a          t-0 in /b, the partition's log       replaced
 *
 * A future log is written like a follower's, read by nobody, and at its arrival closed, renamed and
 * opened again under the name that it will keep. From then until the replacement the partition has
 * a folder in each directory; what a start makes of such a pair is told in twin-logs.ts.
 */
import path from 'node:path';
import { KafkaError } from '@odradek/protocol';
import { partitionKey } from './checkpoint-file.ts';
import { type DiscardParts, discardLog } from './discard-log.ts';
import { futureFolderName, partitionFolderName } from './file-names.ts';
import type { LogDirectory } from './log-directory.ts';
import type { LoadOptions } from './log-loader.ts';
import type { PartitionLog } from './partition-log.ts';

/** Where a log is opened, and what is known of how it was left. */
export interface OpenOptions extends Omit<LoadOptions, 'config'> {
  readonly topic: string;
  readonly partition: number;
  readonly isFuture: boolean;
}

export interface FutureLogsParts extends DiscardParts {
  open(directory: LogDirectory, options: OpenOptions): Promise<PartitionLog>;
  /** Writes the checkpoints of all directories. */
  checkpoint(): Promise<void>;
}

export class FutureLogs {
  readonly #parts: FutureLogsParts;
  readonly #logs = new Map<string, PartitionLog>();

  constructor(parts: FutureLogsParts) {
    this.#parts = parts;
  }

  get(topic: string, partition: number): PartitionLog | undefined {
    return this.#logs.get(partitionKey(topic, partition));
  }

  all(): IterableIterator<PartitionLog> {
    return this.#logs.values();
  }

  /** One that a start found. */
  add(log: PartitionLog): void {
    this.#logs.set(partitionKey(log.topic, log.partition), log);
  }

  /**
   * Makes an empty future log of `current`, beginning where that begins.
   * @throws KafkaError KAFKA_STORAGE_ERROR
   */
  async create(current: PartitionLog, directoryPath: string): Promise<PartitionLog> {
    const { directories, resources } = this.#parts;
    const { topic, partition, topicId, logStartOffset } = current;
    const directory = directories.at(directoryPath);
    if (!directory.online) throw new KafkaError('KAFKA_STORAGE_ERROR', directoryPath);
    const { disk } = resources.environment;
    const folder = path.join(directoryPath, futureFolderName(topic, partition, this.#unique()));
    directory.logCount += 1;
    try {
      return await directories.guarded(directory, async () => {
        await disk.makeDirectory(folder);
        await disk.syncDirectory(directoryPath);
        const empty = { cleanShutdown: true, recoveryPoint: 0, logStartOffset };
        const names = { topic, partition, folder, isFuture: true };
        const log = await this.#parts.open(directory, { ...names, ...empty });
        if (topicId !== null) await log.setTopicId(topicId);
        this.#logs.set(partitionKey(topic, partition), log);
        return log;
      });
    } catch (error) {
      directory.logCount -= 1;
      throw error;
    }
  }

  /**
   * Gives a future log the name that it will keep. All of it is on the medium afterwards, and so is
   * what checkpoints say of it.
   * @returns the same log, opened anew
   * @throws KafkaError KAFKA_STORAGE_ERROR when its directory fails over it
   */
  async arrive(future: PartitionLog, topicId: string | null): Promise<PartitionLog> {
    const { directories, resources, checkpoint, open } = this.#parts;
    const { topic, partition, logStartOffset } = future;
    const directory = directories.at(future.directory);
    const { disk } = resources.environment;
    if (topicId !== null && future.topicId === null) await future.setTopicId(topicId);
    await future.close();
    await checkpoint();
    return directories.guarded(directory, async () => {
      const folder = path.join(directory.path, partitionFolderName(topic, partition));
      await disk.rename(future.path, folder);
      await disk.syncDirectory(directory.path);
      const left = { cleanShutdown: true, recoveryPoint: future.logEndOffset, logStartOffset };
      const log = await open(directory, { topic, partition, folder, isFuture: false, ...left });
      log.updateHighWatermark(future.highWatermark);
      this.#logs.set(partitionKey(topic, partition), log);
      return log;
    });
  }

  /** Takes a log out without touching it: it is the partition's log now, or its directory failed. */
  take(log: PartitionLog): void {
    const key = partitionKey(log.topic, log.partition);
    if (this.#logs.get(key) === log) this.#logs.delete(key);
  }

  /**
   * Takes a future log out and removes its folder, after file.delete.delay.ms.
   * @throws KafkaError KAFKA_STORAGE_ERROR when its directory fails over it
   */
  async remove(topic: string, partition: number): Promise<void> {
    const log = this.get(topic, partition);
    if (log === undefined) return;
    this.take(log);
    await discardLog(this.#parts, log);
    // What checkpoints say of this log must not be taken for a later one of the same name.
    await this.#parts.checkpoint();
  }

  /** A directory has failed. @returns its future logs, which are out from now on */
  directoryFailed(directoryPath: string, error: Error): readonly PartitionLog[] {
    const lost = [...this.#logs.values()].filter(({ directory }) => directory === directoryPath);
    for (const log of lost) {
      this.take(log);
      log.markOffline(error);
    }
    return lost;
  }

  #unique(): string {
    return this.#parts.resources.environment.random.bytes(16).toString('hex');
  }
}
