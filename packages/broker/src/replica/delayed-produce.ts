/**
 * A produce request between its appends and its answer.
 *
 * Every append happens at once, in the order of the request; what is waited for is the disk
 * (acks=1) or the replicas (acks=all). There is one object per request and one per partition in it,
 * and one promise in all. The outcome of a partition that fails while it waits is put into its slot.
 */
import type { KafkaErrorName } from '@odradek/protocol';
import { type DeadlineQueue, Expiring } from '../time/deadline-queue.ts';
import type { OffsetWaiter } from './offset-waiters.ts';
import type { Partition } from './partition.ts';

/** Hears of the failure of one partition after its append. */
export interface ProduceSlot {
  failed(error: KafkaErrorName): void;
}

class PartitionWait implements OffsetWaiter {
  readonly offset: number;
  readonly partition: Partition;
  readonly #request: DelayedProduce;
  readonly #slot: ProduceSlot;
  settled = false;

  constructor(request: DelayedProduce, partition: Partition, offset: number, slot: ProduceSlot) {
    this.#request = request;
    this.partition = partition;
    this.offset = offset;
    this.#slot = slot;
  }

  reached(): void {
    // The ISR may have shrunk below what acks=all promises since the append.
    const { leader } = this.partition;
    const tooFew =
      this.#request.requiredAcks === -1 && leader !== null && leader.isUnderMinIsr(this.partition);
    if (tooFew) this.failed('NOT_ENOUGH_REPLICAS_AFTER_APPEND');
    else this.#settle();
  }

  failed(error: KafkaErrorName): void {
    this.#slot.failed(error);
    this.#settle();
  }

  timedOut(): void {
    if (this.settled) return;
    this.settled = true;
    this.partition.abandoned(this.#request.requiredAcks);
    this.#slot.failed('REQUEST_TIMED_OUT');
  }

  #settle(): void {
    this.settled = true;
    this.#request.oneSettled();
  }
}

export class DelayedProduce extends Expiring {
  readonly requiredAcks: -1 | 1;
  readonly #waits: PartitionWait[] = [];
  readonly #done: () => void;
  #openCount = 1;
  #queue: DeadlineQueue | null = null;

  /** @param done called once: all partitions have settled, or time is up */
  constructor(requiredAcks: -1 | 1, done: () => void) {
    super();
    this.requiredAcks = requiredAcks;
    this.#done = done;
  }

  /** Waits for what was appended below `offset` of `partition`. */
  expect(partition: Partition, offset: number, slot: ProduceSlot): void {
    this.#openCount += 1;
    const wait = new PartitionWait(this, partition, offset, slot);
    this.#waits.push(wait);
    if (this.requiredAcks === 1) partition.whenWritten(wait);
    else partition.whenReplicated(wait);
  }

  /**
   * All partitions have been named. `done` may be called within this call.
   * @param timeoutMs how long to wait; the writing alone is always waited for
   */
  begin(queue: DeadlineQueue, timeoutMs: number): void {
    if (this.#openCount > 1 && this.requiredAcks === -1) {
      this.#queue = queue;
      queue.add(this, Math.max(0, timeoutMs));
    }
    this.oneSettled();
  }

  /** @internal */
  oneSettled(): void {
    this.#openCount -= 1;
    if (this.#openCount > 0) return;
    this.#queue?.remove(this);
    this.#done();
  }

  override expire(): void {
    for (const wait of this.#waits) wait.timedOut();
    this.#done();
  }
}
