/**
 * The requests of one session that wait, in their order.
 *
 * Writes are on their way, many at once; reads stand behind the writes they came after. A read may
 * also wait for word that nothing newer was acknowledged elsewhere; a write that comes behind such a
 * read is not started before the word is there, for else it could be applied first and be seen.
 */
import { invariant } from '@odradek/runtime';
import { Fifo } from '../core/fifo.ts';
import type { Admission } from './admission.ts';
import type { PendingRead, PendingWrite, Queued } from './queued-request.ts';

export class RequestOrder {
  readonly #admission: Admission;
  readonly #queue = new Fifo<Queued>();
  #unconfirmedCount = 0;
  #heldWrite: (() => void) | null = null;

  constructor(admission: Admission) {
    this.#admission = admission;
  }

  /** Requests that wait. */
  get length(): number {
    return this.#queue.length;
  }

  /** Whether nothing more may be taken because a write waits for its start. */
  get isHeld(): boolean {
    return this.#heldWrite !== null;
  }

  /** Whether a write must not be started yet: hand it to `hold`. */
  get mustHoldWrites(): boolean {
    return this.#unconfirmedCount > 0;
  }

  push(request: Queued): void {
    this.#queue.push(request);
    this.#admission.enter(request.sizeBytes);
  }

  /** A read whose word is still to come. */
  pushUnconfirmed(read: PendingRead): void {
    this.#unconfirmedCount += 1;
    this.push(read);
  }

  confirmed(read: PendingRead): void {
    read.isReady = true;
    this.#unconfirmedCount -= 1;
  }

  hold(start: () => void): void {
    this.#heldWrite = start;
  }

  /** The write that was held, once it may start; null before and after. */
  takeHeld(): (() => void) | null {
    if (this.mustHoldWrites) return null;
    const start = this.#heldWrite;
    this.#heldWrite = null;
    return start;
  }

  /** The oldest write is applied. */
  completed(write: PendingWrite): void {
    const isFirst = this.#queue.peek() === write;
    invariant(isFirst, 'writes complete in their order, with no read before them');
    this.#queue.shift();
    this.#admission.leave(write.sizeBytes);
  }

  /** The read that stands in front, if it may run now; it leaves the queue. */
  takeRead(): Queued | null {
    const next = this.#queue.peek();
    if (!next?.isReady) return null;
    this.#queue.shift();
    this.#admission.leave(next.sizeBytes);
    return next;
  }

  /** The connection is gone. */
  clear(): void {
    this.#heldWrite = null;
    for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) {
      this.#admission.leave(next.sizeBytes);
    }
  }
}
