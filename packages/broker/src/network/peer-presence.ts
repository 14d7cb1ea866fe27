/**
 * Whether the one who asked is still there: what waits on behalf of a peer that has gone would wait for
 * nothing, and hold memory and its place among those who wait.
 */

/** Of a connection, as those see it who make its answers. */
export interface PeerPresence {
  /** Nobody will take an answer any more. */
  readonly isGone: boolean;
  /**
   * Calls `hurry` once: when the peer has gone, or will send nothing more. At once when it has already.
   * @returns the way to stop listening
   */
  onLeaving(hurry: () => void): () => void;
}

/** A requester that does not leave: this broker itself. */
export const PRESENT: PeerPresence = { isGone: false, onLeaving: () => () => undefined };

/** The presence of one connection's peer. */
export class Presence implements PeerPresence {
  isGone = false;
  #isLeaving = false;
  /** Made when somebody waits; most requests do not. */
  #listeners: Set<() => void> | null = null;

  onLeaving(hurry: () => void): () => void {
    if (this.#isLeaving) {
      hurry();
      return () => undefined;
    }
    const listeners = this.#listeners ?? new Set();
    this.#listeners = listeners.add(hurry);
    return () => listeners.delete(hurry);
  }

  /** The peer sends nothing more, but may still read. */
  leaves(): void {
    this.#isLeaving = true;
    const listeners = this.#listeners;
    this.#listeners = null;
    for (const hurry of listeners ?? []) hurry();
  }

  gone(): void {
    this.isGone = true;
    this.leaves();
  }
}
