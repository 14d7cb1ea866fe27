/**
 * A fetch that waits for more data: it sleeps on its partitions and is looked at again when one of
 * them moved, at most once per turn of the event loop however many moved, and when its time is up.
 *
 * A look reads only the partitions that moved, to see how much there is by now; all of them are read
 * once, for the answer. So a thousand fetches that sleep on a thousand partitions each cost nothing
 * while nothing moves, and a partition that moves costs each of them one short read.
 */
import type { Timers } from '@odradek/runtime';
import { type DeadlineQueue, Expiring } from '../time/deadline-queue.ts';
import {
  type FetchRead,
  giveBack,
  isSegmentsBehind,
  isWorthAnswering,
  lentFor,
  type PartitionRead,
} from './fetch-read.ts';
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

/**
 * How many bytes there are of some targets, by their index; of the others there is nothing. All that a
 * waiting fetch keeps of a read: thousands may wait, on thousands of partitions each.
 */
export type FoundBytes = Map<number, number>;

export function foundBytes({ reads }: FetchRead): FoundBytes {
  const found: FoundBytes = new Map();
  for (const [index, { sizeBytes }] of reads.entries())
    if (sizeBytes > 0) found.set(index, sizeBytes);
  return found;
}

export interface DelayedFetchOptions {
  /** The replica of each target; null for one that is not here. */
  readonly partitions: readonly (Partition | null)[];
  readonly until: readonly ('log-end' | 'high-watermark')[];
  readonly minBytes: number;
  /** What the first pass found. */
  readonly found: FoundBytes;
  /** Reads again what there is of one target, in memory or not. */
  readOne(index: number): PartitionRead | Promise<PartitionRead>;
  /** Reads again what there is. */
  read(): FetchRead | Promise<FetchRead>;
  /** Called once with what is to be answered. */
  done(read: FetchRead): void;
  failed(error: unknown): void;
}

const NOTHING: FetchRead = { reads: [], sizeBytes: 0, urgent: false };

export class DelayedFetch extends Expiring implements Sleeper {
  readonly #options: DelayedFetchOptions;
  readonly #wakeups: FetchWakeups;
  readonly #queue: DeadlineQueue;
  #state: 'asleep' | 'woken' | 'reading' | 'done' = 'asleep';
  /** Something moved, or time ran out, while it was reading. */
  #lookAgain = false;
  #timeIsUp = false;
  /** Partitions that moved in this turn, perhaps several times; null: look at all. */
  #moved: Partition[] | null = [];
  /** As of the last look. */
  #found: FoundBytes;

  constructor(options: DelayedFetchOptions, wakeups: FetchWakeups, queue: DeadlineQueue) {
    super();
    this.#options = options;
    this.#wakeups = wakeups;
    this.#queue = queue;
    this.#found = options.found;
  }

  begin(maxWaitMs: number): void {
    const { partitions, until } = this.#options;
    for (const partition of partitions) for (const what of until) partition?.sleep(this, what);
    this.#queue.add(this, maxWaitMs);
  }

  wake(partition: Partition): void {
    if (this.#state === 'asleep' || this.#state === 'woken') this.#moved?.push(partition);
    this.#rouse();
  }

  override expire(): void {
    this.#timeIsUp = true;
    this.#rouse();
  }

  /** Whoever waits for the answer may not wait longer: it gets what there is. */
  hurry(): void {
    if (this.#state !== 'done') this.expire();
  }

  /** Nobody waits for the answer any more; it is an empty one. */
  abandon(): void {
    if (this.#state === 'done') return;
    this.#leave();
    this.#options.done(NOTHING);
  }

  /** Reads what moved, and answers if there is enough now. */
  look(): void {
    if (this.#state !== 'woken') return;
    this.#state = 'reading';
    this.#lookAgain = false;
    const moved = this.#moved;
    this.#moved = [];
    try {
      const isEnough = this.#timeIsUp || (moved === null ? null : this.#isEnough(moved));
      if (isEnough === false) {
        this.#state = 'asleep';
        return;
      }
      const read = this.#options.read();
      if (!(read instanceof Promise)) this.#judge(read, isEnough === true);
      else
        read.then(
          (result) => this.#judge(result, isEnough === true),
          (error: unknown) => this.#fail(error),
        );
    } catch (error) {
      this.#fail(error);
    }
  }

  #rouse(): void {
    if (this.#state === 'reading') this.#lookAgain = true;
    if (this.#state !== 'asleep') return;
    this.#state = 'woken';
    this.#wakeups.add(this);
  }

  /** Whether there is enough, or something to be told, after some have moved; null: only a read can tell. */
  #isEnough(moved: readonly Partition[]): boolean | null {
    const { partitions, minBytes } = this.#options;
    if (partitions.length === 1) return null; // The look would be the read.
    for (const partition of new Set(moved)) {
      const index = partitions.indexOf(partition);
      if (index < 0) continue;
      const read = this.#options.readOne(index);
      if (read instanceof Promise) {
        read.then(({ lent }) => giveBack(lent)).catch(() => undefined);
        return null; // Not in memory.
      }
      giveBack(read.lent);
      this.#found.set(index, read.sizeBytes);
      if (read.urgent || this.#foundBytes >= minBytes || isSegmentsBehind(read)) return true;
    }
    return false;
  }

  /** @param isEnough whatever the limits have left of it: there was enough when it was looked at */
  #judge(read: FetchRead, isEnough: boolean): void {
    if (this.#state === 'done') {
      giveBack(lentFor(read)); // It was abandoned meanwhile.
      return;
    }
    if (isEnough || this.#timeIsUp || isWorthAnswering(read, this.#options.minBytes)) {
      this.#leave();
      this.#options.done(read);
      return;
    }
    giveBack(lentFor(read));
    this.#found = foundBytes(read);
    this.#state = 'asleep';
    if (!this.#lookAgain) return;
    this.#moved = null;
    this.#rouse();
  }

  get #foundBytes(): number {
    let sum = 0;
    for (const bytes of this.#found.values()) sum += bytes;
    return sum;
  }

  #fail(error: unknown): void {
    if (this.#state === 'done') return;
    this.#leave();
    this.#options.failed(error);
  }

  #leave(): void {
    this.#state = 'done';
    this.#queue.remove(this);
    for (const partition of this.#options.partitions) partition?.forget(this);
  }
}
