/**
 * A bound on the bytes of one kind that all connections together may hold, such as requests that are
 * not answered yet.
 *
 * It is a gate, not an allocator: who is about to take in more asks first whether there is room and
 * waits its turn otherwise. What is begun may be finished, so the bound can be exceeded by one item
 * per connection that was begun while there was room, and never by many.
 */
export class ByteBudget {
  readonly limitBytes: number;
  readonly #alsoFull: () => boolean;
  #usedBytes = 0;
  readonly #waiting = new Set<() => void>();
  #waking = false;

  /** @param alsoFull another reason to let nothing in; say `reconsider` when it has gone */
  constructor(limitBytes: number, alsoFull: () => boolean = () => false) {
    this.limitBytes = limitBytes;
    this.#alsoFull = alsoFull;
  }

  get usedBytes(): number {
    return this.#usedBytes;
  }

  get availableBytes(): number {
    return Math.max(0, this.limitBytes - this.#usedBytes);
  }

  get isExhausted(): boolean {
    return this.#usedBytes >= this.limitBytes || this.#alsoFull();
  }

  take(bytes: number): void {
    this.#usedBytes += bytes;
  }

  give(bytes: number): void {
    this.#usedBytes -= bytes;
    this.reconsider();
  }

  /** Wakes those who wait, as far as there is room. */
  reconsider(): void {
    if (this.#waking) return;
    this.#waking = true;
    for (const wake of this.#waiting) {
      if (this.isExhausted) break;
      this.#waiting.delete(wake);
      wake();
    }
    this.#waking = false;
  }

  /** Calls `wake` once when there is room, in the order of asking; `leave` takes that back. */
  wait(wake: () => void): void {
    this.#waiting.add(wake);
  }

  leave(wake: () => void): void {
    this.#waiting.delete(wake);
  }
}
