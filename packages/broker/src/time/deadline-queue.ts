/**
 * Many deadlines, few timers: what thousands of delayed requests and idle connections wait on.
 *
 * Entries are kept in one list per distinct duration. Entries of one duration fall due in the order
 * in which they were added, so a list needs one timer, for its first entry; adding, taking out and
 * renewing cost a few pointers, and nothing is left behind by an entry that was taken out. The
 * timer of a list is not moved when its first entry goes: it finds out when it fires.
 */
import { type Clock, type Disarm, type Millis, millis, type Timers } from '@odradek/runtime';

/** Something with a deadline. Belongs to at most one queue, once. */
export abstract class Expiring {
  /** @internal The list this entry is in; null when it waits for nothing. */
  list: DeadlineList | null = null;
  /** @internal */
  previous: Expiring | null = null;
  /** @internal */
  next: Expiring | null = null;
  /** @internal */
  dueMs = 0;
  /** Called once when the deadline passed; the entry is out of the queue then. */
  abstract expire(): void;
}

class DeadlineList {
  readonly durationMs: number;
  head: Expiring | null = null;
  tail: Expiring | null = null;
  disarm: Disarm | null = null;

  constructor(durationMs: number) {
    this.durationMs = durationMs;
  }

  append(entry: Expiring): void {
    entry.list = this;
    entry.previous = this.tail;
    entry.next = null;
    if (this.tail === null) this.head = entry;
    else this.tail.next = entry;
    this.tail = entry;
  }

  unlink(entry: Expiring): void {
    if (entry.previous === null) this.head = entry.next;
    else entry.previous.next = entry.next;
    if (entry.next === null) this.tail = entry.previous;
    else entry.next.previous = entry.previous;
    entry.list = null;
    entry.previous = null;
    entry.next = null;
  }
}

export class DeadlineQueue {
  readonly #clock: Clock;
  readonly #timers: Timers;
  readonly #lists = new Map<number, DeadlineList>();

  constructor({ clock, timers }: { readonly clock: Clock; readonly timers: Timers }) {
    this.#clock = clock;
    this.#timers = timers;
  }

  /** Calls `entry.expire()` in `durationMs` (a whole number), unless it is taken out before. */
  add(entry: Expiring, durationMs: number): void {
    this.remove(entry);
    let list = this.#lists.get(durationMs);
    if (list === undefined) {
      list = new DeadlineList(durationMs);
      this.#lists.set(durationMs, list);
    }
    entry.dueMs = this.#clock.now() + durationMs;
    list.append(entry);
    if (list.disarm === null) this.#arm(list, entry.dueMs);
  }

  /** Takes an entry out; nothing happens when it is not in. */
  remove(entry: Expiring): void {
    entry.list?.unlink(entry);
  }

  /** Disarms every timer; entries are forgotten, not expired. */
  close(): void {
    for (const list of this.#lists.values()) {
      list.disarm?.();
      while (list.head !== null) list.unlink(list.head);
    }
    this.#lists.clear();
  }

  #arm(list: DeadlineList, dueMs: number): void {
    list.disarm = this.#timers.wakeAt(millis(dueMs), () => this.#fire(list));
  }

  #fire(list: DeadlineList): void {
    list.disarm = null;
    const now: Millis = this.#clock.now();
    while (list.head !== null && list.head.dueMs <= now) {
      const due = list.head;
      list.unlink(due);
      due.expire();
    }
    // `expire` may have added to this very list and armed it.
    if (list.disarm !== null) return;
    if (list.head === null) this.#lists.delete(list.durationMs);
    else this.#arm(list, list.head.dueMs);
  }
}
