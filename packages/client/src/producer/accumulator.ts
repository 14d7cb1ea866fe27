/**
 * What was given to the producer and is not yet answered: a queue of batches per partition, a bound on
 * the bytes of all of them, and which batches are due at which broker. Pure: told the time and the
 * leaders, it says what to send and when to be asked again.
 */
import { type Millis, millis } from '@odradek/runtime';
import type { TopicPartition } from '../topic-partition.ts';
import { BATCH_OVERHEAD_BYTES, type BufferedRecord, ProducerBatch, recordBytes } from './batch.ts';
import { type Identity, PartitionQueue } from './partition-queue.ts';
import type { DeliveryCallback } from './types.ts';

export interface AccumulatorOptions {
  readonly batchBytes: number;
  readonly bufferBytes: number;
  readonly lingerMs: number;
  readonly maxRequestBytes: number;
  readonly deliveryTimeoutMs: number;
}

export interface Drain {
  /** By broker: at most one batch of each partition. */
  readonly requests: ReadonlyMap<number, readonly ProducerBatch[]>;
  /** Topics with due batches whose partition has no leader now. */
  readonly leaderless: ReadonlySet<string>;
  /** When a batch becomes due without anything happening; null: never. */
  readonly wakeAt: Millis | null;
}

export class Accumulator {
  readonly #options: AccumulatorOptions;
  readonly #queues = new Map<string, PartitionQueue[]>();
  /** Queues that hold anything, so that a drain does not visit every partition ever written to. */
  readonly #busy = new Set<PartitionQueue>();
  readonly #unanswered = new Set<ProducerBatch>();
  #bufferedBytes = 0;
  /** Where the next drain begins, so that no partition is always the last. */
  #turn = 0;

  constructor(options: AccumulatorOptions) {
    this.#options = options;
  }

  get bufferedBytes(): number {
    return this.#bufferedBytes;
  }

  get isFull(): boolean {
    return this.#bufferedBytes >= this.#options.bufferBytes;
  }

  /** Batches that were not answered yet. */
  get unanswered(): ReadonlySet<ProducerBatch> {
    return this.#unanswered;
  }

  /** @returns true when a batch became full or was begun: worth a look at what is due */
  append(
    topic: string,
    partition: number,
    record: BufferedRecord,
    callback: DeliveryCallback | undefined,
    now: Millis,
  ): boolean {
    const queue = this.#queue(topic, partition);
    const sizeBytes = recordBytes(record);
    const { open } = queue;
    if (open !== undefined && open.sizeBytes + sizeBytes <= this.#options.batchBytes) {
      open.add(record, sizeBytes, callback);
      this.#bufferedBytes += sizeBytes;
      return open.sizeBytes >= this.#options.batchBytes;
    }
    const batch = new ProducerBatch(topic, partition, now);
    batch.add(record, sizeBytes, callback);
    queue.push(batch);
    this.#busy.add(queue);
    this.#unanswered.add(batch);
    this.#bufferedBytes += batch.sizeBytes;
    return true;
  }

  /**
   * Takes what is due. A batch is due when it is full, has lingered, was tried before, or `flushing`.
   * @param identity null without sequence numbers
   * @param leaderOf null while there is none
   * @param mayAsk whether this broker takes one more request now
   */
  drain(
    now: Millis,
    identity: Identity | null,
    flushing: boolean,
    leaderOf: (partition: TopicPartition) => number | null,
    mayAsk: (brokerId: number) => boolean,
  ): Drain {
    const requests = new Map<number, ProducerBatch[]>();
    const sizes = new Map<number, number>();
    const leaderless = new Set<string>();
    let wakeAt: Millis | null = null;
    for (const queue of this.#rotated()) {
      const head = queue.head;
      if (head === undefined) continue;
      const dueAt = this.#dueAt(queue, head, flushing);
      if (dueAt > now) {
        wakeAt = wakeAt === null || dueAt < wakeAt ? dueAt : wakeAt;
        continue;
      }
      if (!queue.mayTake(now, identity)) continue;
      const leader = leaderOf(queue);
      if (leader === null) {
        leaderless.add(queue.topic);
        continue;
      }
      const sizeBytes = (sizes.get(leader) ?? 0) + head.sizeBytes;
      const isFirst = !requests.has(leader);
      if (!mayAsk(leader) || (!isFirst && sizeBytes > this.#options.maxRequestBytes)) continue;
      const batch = queue.take(identity);
      if (batch === undefined) continue;
      sizes.set(leader, sizeBytes);
      const request = requests.get(leader);
      if (request === undefined) requests.set(leader, [batch]);
      else request.push(batch);
    }
    return { requests, leaderless, wakeAt };
  }

  /** Answered for good or given up: its room is free. */
  done(batch: ProducerBatch): void {
    const queue = this.#queue(batch.topic, batch.partition);
    queue.done(batch);
    this.#release(batch);
    if (queue.isEmpty) this.#busy.delete(queue);
  }

  putBack(batch: ProducerBatch): void {
    this.#queue(batch.topic, batch.partition).putBack(batch);
  }

  /** Sends the records in two batches instead. */
  splitAndPutBack(batch: ProducerBatch): void {
    const halves = batch.split();
    this.#queue(batch.topic, batch.partition).putBack(batch, halves);
    this.#release(batch);
    for (const half of halves) {
      this.#unanswered.add(half);
      this.#bufferedBytes += half.sizeBytes;
    }
  }

  /** The batch was given up although it has a number. */
  leaveGap(batch: ProducerBatch): void {
    this.#queue(batch.topic, batch.partition).leaveGap();
  }

  isOldestInFlight(batch: ProducerBatch): boolean {
    return this.#queue(batch.topic, batch.partition).isOldestInFlight(batch);
  }

  /** Removes and returns what waits for longer than the delivery time-out. */
  takeExpired(now: Millis): readonly ProducerBatch[] {
    const createdBefore = millis(now - this.#options.deliveryTimeoutMs);
    const expired = [...this.#busy].flatMap((queue) => queue.takeExpired(createdBefore));
    for (const batch of expired) this.done(batch);
    return expired;
  }

  /** Removes and returns everything, in flight or not. */
  takeAll(): readonly ProducerBatch[] {
    const all = [...this.#busy].flatMap((queue) => queue.takeAll());
    for (const batch of all) this.done(batch);
    return all;
  }

  #dueAt(queue: PartitionQueue, head: ProducerBatch, flushing: boolean): Millis {
    if (head.retryAt !== null) return head.retryAt;
    const isFull = queue.isHeadFull || head.sizeBytes >= this.#options.batchBytes;
    if (isFull || flushing || this.isFull) return head.createdAt;
    return millis(head.createdAt + this.#options.lingerMs);
  }

  #rotated(): readonly PartitionQueue[] {
    const queues = [...this.#busy];
    if (queues.length < 2) return queues;
    this.#turn = (this.#turn + 1) % queues.length;
    return [...queues.slice(this.#turn), ...queues.slice(0, this.#turn)];
  }

  #queue(topic: string, partition: number): PartitionQueue {
    let queues = this.#queues.get(topic);
    if (queues === undefined) {
      queues = [];
      this.#queues.set(topic, queues);
    }
    const known = queues[partition];
    if (known !== undefined) return known;
    // Filled from 0 on, so that the list stays dense.
    while (queues.length <= partition) queues.push(new PartitionQueue(topic, queues.length));
    return queues[partition] ?? new PartitionQueue(topic, partition);
  }

  #release(batch: ProducerBatch): void {
    if (this.#unanswered.delete(batch)) this.#bufferedBytes -= batch.sizeBytes;
  }
}

/** What one record adds at most to an otherwise empty produce request. */
export function loneRecordBytes(record: BufferedRecord): number {
  return BATCH_OVERHEAD_BYTES + recordBytes(record);
}
