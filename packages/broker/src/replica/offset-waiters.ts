/**
 * Those who wait until a partition's log, or its high watermark, has come to an offset.
 *
 * Offsets are handed out in ascending order, so the waiters form a queue and an advance looks at
 * the front only. A waiter that settles otherwise (its time ran out) stays in the queue as a husk
 * until it comes to the front or husks make up half of the queue.
 */
import type { KafkaErrorName } from '@odradek/protocol';

export interface OffsetWaiter {
  /** Waits until everything below this offset is there. */
  readonly offset: number;
  /** True once it no longer waits, for whatever reason. */
  readonly settled: boolean;
  reached(): void;
  failed(error: KafkaErrorName): void;
}

/** A queue shorter than this is not swept for husks. */
const SWEEP_FROM_LENGTH = 64;

/** In the place of a waiter that has gone, so that the queue keeps nothing of its request. */
const GONE: OffsetWaiter = {
  offset: -1,
  settled: true,
  reached: () => undefined,
  failed: () => undefined,
};

export class OffsetWaiters {
  #queue: OffsetWaiter[] = [];
  /** Waiters before this index are gone. */
  #first = 0;
  #husks = 0;

  /** Waiters and husks. */
  get length(): number {
    return this.#queue.length - this.#first;
  }

  /** Takes up a waiter whose offset has not been reached yet. */
  add(waiter: OffsetWaiter): void {
    const queue = this.#queue;
    let at = queue.length;
    // Only the answer to a repeated batch may wait for less than the waiter before it.
    while (at > this.#first && (queue[at - 1]?.offset ?? 0) > waiter.offset) at -= 1;
    if (at === queue.length) queue.push(waiter);
    else queue.splice(at, 0, waiter);
  }

  /** Everything below `offset` is there now. */
  reach(offset: number): void {
    const queue = this.#queue;
    for (;;) {
      const waiter = queue[this.#first];
      if (waiter === undefined || waiter.offset > offset) break;
      queue[this.#first] = GONE;
      this.#first += 1;
      if (waiter.settled) this.#husks -= 1;
      else waiter.reached();
    }
    if (this.#first === queue.length) {
      queue.length = 0;
      this.#first = 0;
    } else if (this.#first > SWEEP_FROM_LENGTH && this.#first * 2 > queue.length) this.#sweep();
  }

  /** Nobody's offset will be reached. */
  fail(error: KafkaErrorName): void {
    const waiting = this.#queue.slice(this.#first);
    this.#queue = [];
    this.#first = 0;
    this.#husks = 0;
    for (const waiter of waiting) if (!waiter.settled) waiter.failed(error);
  }

  /** A waiter of this queue has just settled otherwise. */
  abandoned(): void {
    this.#husks += 1;
    if (this.length > SWEEP_FROM_LENGTH && this.#husks * 2 > this.length) this.#sweep();
  }

  #sweep(): void {
    this.#queue = this.#queue.slice(this.#first).filter((waiter) => !waiter.settled);
    this.#first = 0;
    this.#husks = 0;
  }
}
