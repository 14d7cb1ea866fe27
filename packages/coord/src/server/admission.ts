/**
 * How many requests the server takes on at once.
 *
 * A request that is answered at once never counts. One that waits for the log, or behind a write of
 * its session, does; when there are too many of them, or the log itself is behind, connections that
 * have some waiting are not read until there is room (ZooKeeper's globalOutstandingLimit).
 */
import { OUTSTANDING_BYTES_MAX } from './limits.ts';

/** Where records go; it may be behind. */
export interface Backlog {
  readonly isFull: boolean;
  whenRoom(): Promise<void>;
}

/** A connection that is not read for now. */
export interface Held {
  release(): void;
}

export class Admission {
  readonly #requestsMax: number;
  readonly #backlog: Backlog;
  readonly #held = new Set<Held>();
  #count = 0;
  #bytes = 0;
  #isWaitingForBacklog = false;
  #isReleaseScheduled = false;

  /** @param requestsMax waiting requests of all connections together */
  constructor(requestsMax: number, backlog: Backlog) {
    this.#requestsMax = requestsMax;
    this.#backlog = backlog;
  }

  /** Requests that wait. */
  get count(): number {
    return this.#count;
  }

  get isFull(): boolean {
    return (
      this.#count >= this.#requestsMax ||
      this.#bytes >= OUTSTANDING_BYTES_MAX ||
      this.#backlog.isFull
    );
  }

  enter(sizeBytes: number): void {
    this.#count += 1;
    this.#bytes += sizeBytes;
  }

  leave(sizeBytes: number): void {
    this.#count -= 1;
    this.#bytes -= sizeBytes;
    if (this.#held.size > 0 && !this.isFull) this.#scheduleRelease();
  }

  /** Releases the connection, once, when there is room. */
  hold(connection: Held): void {
    this.#held.add(connection);
    if (!this.#backlog.isFull || this.#isWaitingForBacklog) return;
    this.#isWaitingForBacklog = true;
    void this.#backlog.whenRoom().then(() => {
      this.#isWaitingForBacklog = false;
      if (!this.isFull) this.#scheduleRelease();
    });
  }

  /** Something was committed: there may be room that no request of ours has made. */
  relieved(): void {
    if (this.#held.size > 0 && !this.isFull) this.#scheduleRelease();
  }

  forget(connection: Held): void {
    this.#held.delete(connection);
  }

  /** Later, because room comes about in the middle of applying transactions. */
  #scheduleRelease(): void {
    if (this.#isReleaseScheduled) return;
    this.#isReleaseScheduled = true;
    queueMicrotask(() => {
      this.#isReleaseScheduled = false;
      const released = [...this.#held];
      this.#held.clear();
      for (const connection of released) connection.release();
    });
  }
}
