/**
 * Which replica is to lie in which data directory, as an operator says (AlterReplicaLogDirs): what is
 * refused, what is noted for a replica that is not here yet, which move begins and which one ends.
 * The moving itself is log-dir-mover.ts's.
 */
import { KafkaError, type KafkaErrorName } from '@odradek/protocol';
import { type Log, OdradekError } from '@odradek/runtime';
import { isTooLongToMove } from '../log/file-names.ts';
import type { LogManager } from '../log/log-manager.ts';
import type { PartitionLog } from '../log/partition-log.ts';
import type { Moves, PartitionSet } from './control-requests.ts';
import { isOfTheWorld, type LogDirMover } from './log-dir-mover.ts';
import type { Partition } from './partition.ts';

export interface DirectoryWish {
  readonly topic: string;
  readonly index: number;
  /** One of log.dirs, as an absolute path. */
  readonly directory: string;
}

export interface LogDirChangesOptions {
  readonly logs: LogManager;
  readonly partitions: Pick<PartitionSet, 'get' | 'isLost'>;
  readonly mover: LogDirMover;
  /** The cluster has this partition, whoever holds it. */
  isKnown(topic: string, index: number): boolean;
  readonly log: Log;
}

export class LogDirChanges implements Moves {
  readonly #options: LogDirChangesOptions;

  constructor(options: LogDirChangesOptions) {
    this.#options = options;
  }

  /**
   * Has one replica moved, or a move that is under way ended by naming the directory it is in.
   * @returns REPLICA_NOT_AVAILABLE, or UNKNOWN_TOPIC_OR_PARTITION if nobody knows it, for one that is
   *   not here: it will be made in that directory
   */
  async place(wish: DirectoryWish): Promise<KafkaErrorName> {
    try {
      return await this.#place(wish);
    } catch (error) {
      if (error instanceof KafkaError) return error.code;
      if (!(error instanceof OdradekError)) throw error;
      return 'KAFKA_STORAGE_ERROR';
    }
  }

  async #place({ topic, index, directory }: DirectoryWish): Promise<KafkaErrorName> {
    const { logs, partitions, mover } = this.#options;
    if (isTooLongToMove(topic, index)) return 'INVALID_TOPIC_EXCEPTION';
    const known = logs.directories.find(({ path }) => path === directory);
    if (known === undefined) return 'LOG_DIR_NOT_FOUND';
    if (!known.online || partitions.isLost(topic, index)) return 'KAFKA_STORAGE_ERROR';
    const partition = partitions.get(topic, index);
    if (partition === undefined) {
      logs.prefer(topic, index, directory);
      const { isKnown } = this.#options;
      return isKnown(topic, index) ? 'REPLICA_NOT_AVAILABLE' : 'UNKNOWN_TOPIC_OR_PARTITION';
    }
    if (partition.isOffline) return 'KAFKA_STORAGE_ERROR';
    const copy = logs.futures.get(topic, index);
    if (copy !== undefined && copy.directory !== directory) await this.#cancel(partition);
    else if (copy !== undefined) this.resume(partition);
    if (copy?.directory === directory || partition.log.directory === directory) return 'NONE';
    // Else there could be a copy in each of two directories once the failed one is back.
    if (logs.anyDirectoryOffline) return 'KAFKA_STORAGE_ERROR';
    mover.begin(partition, await logs.futures.create(partition.log, directory));
    return 'NONE';
  }

  resume(partition: Partition): void {
    const { logs, mover } = this.#options;
    const copy = logs.futures.get(partition.topic, partition.index);
    if (copy === undefined || mover.isMoving(partition)) return;
    if (copy.directory === partition.log.directory) this.#dropLater(partition);
    else mover.begin(partition, copy);
  }

  stop(partition: Partition): Promise<void> {
    return this.#options.mover.stop(partition);
  }

  /** The log of this replica is gone with its directory. */
  logFailed(partition: Partition): void {
    const copy = this.#options.logs.futures.get(partition.topic, partition.index);
    // One that has its final name already would be taken for the log by the next start.
    if (copy !== undefined && !copy.isFuture) this.#dropLater(partition);
    else this.#tolerate(partition, this.stop(partition));
  }

  /** The copy of this replica is gone with its directory. */
  copyFailed(partition: Partition): void {
    this.#tolerate(partition, this.stop(partition));
  }

  #dropLater(partition: Partition): void {
    this.#tolerate(partition, this.#cancel(partition));
  }

  async #cancel(partition: Partition): Promise<void> {
    const { logs, mover } = this.#options;
    await mover.stop(partition);
    // It may have arrived in the last moment.
    const copy: PartitionLog | undefined = logs.futures.get(partition.topic, partition.index);
    if (copy === undefined) return;
    await logs.futures.remove(partition.topic, partition.index);
    this.#options.log.info('the copy of a replica is given up', {
      partition: `${partition.topic}-${partition.index}`,
      directory: copy.directory,
    });
  }

  #tolerate(partition: Partition, running: Promise<void>): void {
    running.catch((error: unknown) => {
      if (!isOfTheWorld(error)) throw error;
      this.#options.log.warn('the copy of a replica could not be removed', {
        partition: `${partition.topic}-${partition.index}`,
        error,
      });
    });
  }
}
