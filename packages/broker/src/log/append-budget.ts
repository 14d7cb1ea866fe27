/**
 * How many bytes the logs have accepted that the operating system has not: the back-pressure of a
 * slow disk. Appends are never refused for it (a batch that was validated has its offsets); whoever
 * reads from clients looks at `overLimit`, stops reading, and goes on when told.
 */

/**
 * Default for the bytes above which clients should not be read from. More makes nothing faster: what
 * waits has left the processor's caches when its write comes, and producers with acks=0 fill any bound.
 */
export const PENDING_BYTES_MAX = 32 * 1024 * 1024;

export class AppendBudget {
  readonly #limitBytes: number;
  readonly #listeners: (() => void)[] = [];
  #pendingBytes = 0;
  #exceeded = false;

  constructor(limitBytes: number = PENDING_BYTES_MAX) {
    this.#limitBytes = limitBytes;
  }

  get pendingBytes(): number {
    return this.#pendingBytes;
  }

  /** Stays true from above the limit until half of it, so that readers do not flutter. */
  get overLimit(): boolean {
    return this.#exceeded;
  }

  /** Called each time `overLimit` turns false. */
  onBelowLimit(listener: () => void): void {
    this.#listeners.push(listener);
  }

  took(bytes: number): void {
    this.#pendingBytes += bytes;
    if (this.#pendingBytes > this.#limitBytes) this.#exceeded = true;
  }

  released(bytes: number): void {
    this.#pendingBytes -= bytes;
    if (!this.#exceeded || this.#pendingBytes * 2 > this.#limitBytes) return;
    this.#exceeded = false;
    for (const listener of this.#listeners) listener();
  }
}
