/**
 * Who may compact a log, and until when: one at a time, and nobody while the log is being cut, moved
 * or closed. Whoever wants that asks for a pause, which ends a compaction that is under way and waits
 * until it has let go of the files.
 */

/** Why a compaction was ended: not a failure, nobody is told. */
export class CleaningEnded extends Error {
  override readonly name = 'CleaningEnded';
}

interface Holder {
  readonly controller: AbortController;
  readonly gone: Promise<void>;
  readonly leave: () => void;
}

export class CleaningLease {
  #holder: Holder | null = null;
  #pauses = 0;

  /** @returns what tells the holder to stop; null when the log cannot be had now */
  take(): AbortSignal | null {
    if (!this.free) return null;
    let leave = (): void => {};
    const gone = new Promise<void>((resolve) => {
      leave = resolve;
    });
    this.#holder = { controller: new AbortController(), gone, leave };
    return this.#holder.controller.signal;
  }

  /** The holder has let go. */
  give(): void {
    this.#holder?.leave();
    this.#holder = null;
  }

  /** Whether it can be had now. */
  get free(): boolean {
    return this.#holder === null && this.#pauses === 0;
  }

  /** Tells the holder to stop, without waiting for it. */
  abort(): void {
    this.#holder?.controller.abort(new CleaningEnded());
  }

  /** Resolves when nobody holds the log; nobody gets it before {@link resume}, once for each pause. */
  async pause(): Promise<void> {
    this.#pauses += 1;
    this.abort();
    await this.#holder?.gone;
  }

  /** Without a pause it does nothing. */
  resume(): void {
    this.#pauses = Math.max(0, this.#pauses - 1);
  }
}
