/**
 * Deleting records by request: each partition's log start is raised at once, and the request waits
 * until every live replica has followed, or its time is up. A replica that is down is not waited
 * for; it learns where the log begins when it fetches again.
 *
 * What may be deleted is partition.ts's to say; the bytes go with their segments (../log/retention.ts).
 */
import { KafkaError, type KafkaErrorName } from '@odradek/protocol';
import { OdradekError } from '@odradek/runtime';
import { NO_TOPIC_ID } from '../core/controller/state.ts';
import type { MetadataView } from '../metadata/metadata-cache.ts';
import { type DeadlineQueue, Expiring } from '../time/deadline-queue.ts';
import type { ReplicaLookup } from './fetch-read.ts';
import type { OffsetWaiter } from './offset-waiters.ts';
import type { Partition } from './partition.ts';

/** What became of one partition of a request. */
export interface Deletion {
  readonly error: KafkaErrorName;
  /** Below it no live replica has records any more; -1 with most errors. */
  readonly lowWatermark: number;
}

export interface DeletionWish {
  readonly topic: string;
  readonly partition: number;
  /** Delete what is below it; -1: what is below the high watermark. */
  readonly offset: number;
}

export interface RecordDeletionsOptions {
  readonly replicas: ReplicaLookup;
  readonly deadlines: DeadlineQueue;
  readonly metadata: Pick<MetadataView, 'onChange'>;
  isInternal(topic: string): boolean;
}

export class RecordDeletions {
  readonly #options: RecordDeletionsOptions;
  readonly #waiting = new Set<DelayedDeletion>();

  constructor(options: RecordDeletionsOptions) {
    this.#options = options;
    options.metadata.onChange(({ brokers }) => {
      // Whoever has left is not waited for any more.
      if (brokers) for (const waiting of [...this.#waiting]) waiting.lookAgain();
    });
  }

  /** One outcome for each wish, in their order, when all are settled or the time is up. */
  async delete(wishes: readonly DeletionWish[], timeoutMs: number): Promise<readonly Deletion[]> {
    const raised = await Promise.all(wishes.map((wish) => this.#raise(wish)));
    return new Promise((resolve) => {
      const delayed = new DelayedDeletion(raised, (deletions) => {
        this.#waiting.delete(delayed);
        resolve(deletions);
      });
      this.#waiting.add(delayed);
      delayed.begin(this.#options.deadlines, Math.max(0, timeoutMs));
    });
  }

  async #raise({ topic, partition, offset }: DeletionWish): Promise<Raised> {
    try {
      if (this.#options.isInternal(topic))
        throw new KafkaError('INVALID_TOPIC_EXCEPTION', `${topic} is internal`);
      const replica = this.#options.replicas.replicaFor(topic, NO_TOPIC_ID, partition);
      if (typeof replica === 'string') throw new KafkaError(replica);
      return { partition: replica, offset: await replica.deleteRecords(offset) };
    } catch (failure) {
      if (failure instanceof KafkaError) return { error: failure.code };
      if (failure instanceof OdradekError) return { error: 'KAFKA_STORAGE_ERROR' };
      throw failure;
    }
  }
}

type Raised =
  | { readonly error: KafkaErrorName }
  | { readonly partition: Partition; readonly offset: number };

const NO_LOW_WATERMARK = -1;

/** One partition of a request that waits for its followers. */
class PartitionWait implements OffsetWaiter {
  readonly offset: number;
  readonly partition: Partition;
  readonly #done: (deletion: Deletion) => void;
  settled = false;

  constructor(partition: Partition, offset: number, done: (deletion: Deletion) => void) {
    this.partition = partition;
    this.offset = offset;
    this.#done = done;
  }

  reached(): void {
    this.#settle({ error: 'NONE', lowWatermark: this.partition.lowWatermark });
  }

  failed(error: KafkaErrorName): void {
    this.#settle({ error, lowWatermark: NO_LOW_WATERMARK });
  }

  timedOut(): void {
    this.partition.lookAtLowWatermark();
    if (this.settled) return;
    this.#settle({ error: 'REQUEST_TIMED_OUT', lowWatermark: this.partition.lowWatermark });
    this.partition.deletionAbandoned();
  }

  #settle(deletion: Deletion): void {
    this.settled = true;
    this.#done(deletion);
  }
}

class DelayedDeletion extends Expiring {
  readonly #waits: PartitionWait[] = [];
  readonly #deletions: Deletion[];
  readonly #done: (deletions: readonly Deletion[]) => void;
  /** Partitions that wait, and one for the making of the request itself. */
  #openCount = 1;
  #queue: DeadlineQueue | null = null;

  constructor(raised: readonly Raised[], done: (deletions: readonly Deletion[]) => void) {
    super();
    this.#done = done;
    this.#deletions = raised.map((one) => ({
      error: 'error' in one ? one.error : 'NONE',
      lowWatermark: NO_LOW_WATERMARK,
    }));
    for (const [index, one] of raised.entries()) {
      if ('error' in one) continue;
      this.#openCount += 1;
      const wait = new PartitionWait(one.partition, one.offset, (deletion) => {
        this.#deletions[index] = deletion;
        this.#oneSettled();
      });
      this.#waits.push(wait);
    }
  }

  begin(queue: DeadlineQueue, timeoutMs: number): void {
    for (const wait of this.#waits) wait.partition.whenDeleted(wait);
    if (this.#openCount > 1) {
      this.#queue = queue;
      queue.add(this, timeoutMs);
    }
    this.#oneSettled();
  }

  lookAgain(): void {
    for (const { partition, settled } of this.#waits) if (!settled) partition.lookAtLowWatermark();
  }

  override expire(): void {
    for (const wait of this.#waits) wait.timedOut();
  }

  #oneSettled(): void {
    this.#openCount -= 1;
    if (this.#openCount > 0) return;
    this.#queue?.remove(this);
    this.#done(this.#deletions);
  }
}
