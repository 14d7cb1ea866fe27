/**
 * The batches of one partition in the order in which they must arrive: those being filled or waiting,
 * and those on their way.
 *
 * How order survives retries. With sequence numbers up to five batches may be on their way; when one
 * fails, the broker refuses those behind it, they all come back and go out again one at a time, in
 * sequence. Without sequence numbers nothing would tell the broker, so only one batch is on its way.
 *
 * A batch keeps its number as long as it may have been written under it: under another one the broker
 * could not know it again. So a new identity of the producer is taken over only when no numbered batch
 * is left, or when one was given up: the sequence then has a gap that no broker lets pass, and what
 * stands behind it must be numbered anew, once nothing is on its way. Pure.
 */
import type { Millis } from '@odradek/runtime';
import { addSequence, type ProducerBatch, SEQUENCE_COUNT } from './batch.ts';

/** Brokers remember five batches per producer and partition. */
export const IN_FLIGHT_BATCHES_MAX = 5;

export interface Identity {
  readonly producerId: bigint;
  readonly producerEpoch: number;
}

export class PartitionQueue {
  readonly topic: string;
  readonly partition: number;
  /** Oldest first; the last one may still be filled. */
  readonly #waiting: ProducerBatch[] = [];
  readonly #inFlight: ProducerBatch[] = [];
  #nextSequence = 0;
  #identity: Identity | null = null;
  /** A numbered batch was given up: only another identity gets the rest through. */
  #hasGap = false;

  constructor(topic: string, partition: number) {
    this.topic = topic;
    this.partition = partition;
  }

  get isEmpty(): boolean {
    return this.#waiting.length === 0 && this.#inFlight.length === 0;
  }

  /** The batch that takes further records, if the last one is fresh. */
  get open(): ProducerBatch | undefined {
    const last = this.#waiting.at(-1);
    return last?.sequence === null && last.failures === 0 ? last : undefined;
  }

  /** The oldest batch that waits. */
  get head(): ProducerBatch | undefined {
    return this.#waiting[0];
  }

  /** More than one batch waits, so the oldest is full. */
  get isHeadFull(): boolean {
    return this.#waiting.length > 1;
  }

  push(batch: ProducerBatch): void {
    this.#waiting.push(batch);
  }

  /** Whether the oldest batch may go out now, as far as order is concerned. */
  mayTake(now: Millis, identity: Identity | null): boolean {
    const head = this.#waiting[0];
    if (head === undefined || (head.retryAt !== null && head.retryAt > now)) return false;
    if (this.#hasGap) return this.#inFlight.length === 0 && !isSame(this.#identity, identity);
    if (identity === null || head.failures > 0) return this.#inFlight.length === 0;
    return this.#inFlight.length < IN_FLIGHT_BATCHES_MAX;
  }

  /** Takes the oldest batch out, numbering it unless it is numbered already. */
  take(identity: Identity | null): ProducerBatch | undefined {
    if (identity !== null) this.#takeOver(identity);
    const batch = this.#waiting.shift();
    if (batch === undefined) return undefined;
    if (this.#identity !== null) this.#number(batch, this.#identity);
    this.#inFlight.push(batch);
    return batch;
  }

  /** A numbered batch was given up, and may not have been written. */
  leaveGap(): void {
    this.#hasGap = this.#identity !== null;
  }

  /** Answered for good, or given up. */
  done(batch: ProducerBatch): void {
    remove(this.#inFlight, batch);
    remove(this.#waiting, batch);
  }

  /** Comes back to be sent again, before all that are behind it in sequence. */
  putBack(batch: ProducerBatch, replacedBy: readonly ProducerBatch[] = [batch]): void {
    remove(this.#inFlight, batch);
    let at = 0;
    while (at < this.#waiting.length && isBefore(this.#waiting[at], batch)) at += 1;
    this.#waiting.splice(at, 0, ...replacedBy);
  }

  /** Nothing sent before this batch is unanswered: a gap in the sequence is not of our making. */
  isOldestInFlight(batch: ProducerBatch): boolean {
    return !this.#hasGap && this.#inFlight[0] === batch && !isBefore(this.#waiting[0], batch);
  }

  /** The batches that waited too long, removed; in flight ones are answered by their request. */
  takeExpired(createdBefore: Millis): readonly ProducerBatch[] {
    let count = 0; // The oldest stand first.
    while ((this.#waiting[count]?.createdAt ?? Number.POSITIVE_INFINITY) <= createdBefore)
      count += 1;
    return count === 0 ? [] : this.#waiting.splice(0, count);
  }

  takeAll(): readonly ProducerBatch[] {
    return [...this.#inFlight.splice(0), ...this.#waiting.splice(0)];
  }

  #takeOver(identity: Identity): void {
    if (isSame(this.#identity, identity)) return;
    const isNumbered = ({ sequence }: ProducerBatch): boolean => sequence !== null;
    const isUnderWay = this.#inFlight.some(isNumbered) || this.#waiting.some(isNumbered);
    if (isUnderWay && !this.#hasGap) return;
    this.#identity = identity;
    this.#nextSequence = 0;
    this.#hasGap = false;
    for (const batch of this.#waiting) {
      batch.sequence = null;
      batch.encoded = null;
    }
  }

  #number(batch: ProducerBatch, identity: Identity): void {
    if (batch.sequence !== null) return;
    batch.sequence = { ...identity, baseSequence: this.#nextSequence };
    batch.encoded = null;
    this.#nextSequence = addSequence(this.#nextSequence, batch.records.length);
  }
}

function isSame(a: Identity | null, b: Identity | null): boolean {
  if (a === null || b === null) return a === b;
  return a.producerId === b.producerId && a.producerEpoch === b.producerEpoch;
}

/** Sent before: an earlier sequence, or, unnumbered, taken before and back already. */
function isBefore(waiting: ProducerBatch | undefined, batch: ProducerBatch): boolean {
  if (waiting === undefined || waiting.failures === 0) return false;
  if (waiting.sequence === null || batch.sequence === null) return false;
  const distance = batch.sequence.baseSequence - waiting.sequence.baseSequence;
  // Numbers start over: less than half the circle ahead is "after".
  return distance !== 0 && addSequence(distance, SEQUENCE_COUNT) < SEQUENCE_COUNT / 2;
}

function remove<T>(list: T[], item: T): void {
  const at = list.indexOf(item);
  if (at >= 0) list.splice(at, 1);
}
