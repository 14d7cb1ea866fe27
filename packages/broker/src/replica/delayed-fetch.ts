/**
 * A fetch that waits for more data: it sleeps on its partitions and is looked at again when one of
 * them moved, at most once per turn of the event loop however many moved, and when its time is up.
 */
import type { Timers } from '@odradek/runtime';
import { type DeadlineQueue, Expiring } from '../time/deadline-queue.ts';
import { type FetchRead, giveBack, lentFor } from './fetch-read.ts';
import type { Partition, Sleeper } from './partition.ts';

/** Looks at woken fetches once per turn. */
export class FetchWakeups {
  readonly #timers: Timers;
  #woken: DelayedFetch[] = [];

  constructor(timers: Timers) {
    this.#timers = timers;
  }

  add(fetch: DelayedFetch): void {
    if (this.#woken.push(fetch) > 1) return;
    this.#timers.afterTurn(() => {
      const woken = this.#woken;
      this.#woken = [];
      for (const each of woken) each.look();
    });
  }
}

export interface DelayedFetchOptions {
  readonly partitions: readonly Partition[];
  readonly until: 'log-end' | 'high-watermark';
  readonly minBytes: number;
  /** Reads again what there is. */
  read(): FetchRead | Promise<FetchRead>;
  /** Called once with what is to be answered. */
  done(read: FetchRead): void;
  failed(error: unknown): void;
}

export class DelayedFetch extends Expiring implements Sleeper {
  readonly #options: DelayedFetchOptions;
  readonly #wakeups: FetchWakeups;
  readonly #queue: DeadlineQueue;
  #state: 'asleep' | 'woken' | 'reading' | 'done' = 'asleep';
  /** Something moved, or time ran out, while it was reading. */
  #lookAgain = false;
  #timeIsUp = false;

  constructor(options: DelayedFetchOptions, wakeups: FetchWakeups, queue: DeadlineQueue) {
    super();
    this.#options = options;
    this.#wakeups = wakeups;
    this.#queue = queue;
  }

  begin(maxWaitMs: number): void {
    for (const partition of this.#options.partitions) partition.sleep(this, this.#options.until);
    this.#queue.add(this, maxWaitMs);
  }

  wake(): void {
    if (this.#state === 'reading') this.#lookAgain = true;
    if (this.#state !== 'asleep') return;
    this.#state = 'woken';
    this.#wakeups.add(this);
  }

  override expire(): void {
    this.#timeIsUp = true;
    this.wake();
  }

  /** Reads, and answers if that is enough. */
  look(): void {
    if (this.#state !== 'woken') return;
    this.#state = 'reading';
    this.#lookAgain = false;
    try {
      const read = this.#options.read();
      if (!(read instanceof Promise)) this.#judge(read);
      else
        read.then(
          (result) => this.#judge(result),
          (error: unknown) => this.#fail(error),
        );
    } catch (error) {
      this.#fail(error);
    }
  }

  #judge(read: FetchRead): void {
    if (this.#timeIsUp || read.urgent || read.sizeBytes >= this.#options.minBytes) {
      this.#leave();
      this.#options.done(read);
      return;
    }
    giveBack(lentFor(read));
    this.#state = 'asleep';
    if (this.#lookAgain) this.wake();
  }

  #fail(error: unknown): void {
    this.#leave();
    this.#options.failed(error);
  }

  #leave(): void {
    this.#state = 'done';
    this.#queue.remove(this);
    for (const partition of this.#options.partitions) partition.forget(this);
  }
}
