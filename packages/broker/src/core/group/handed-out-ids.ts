/**
 * Member ids that were given to clients which have not joined with them yet (KIP-394): the first JoinGroup of a dynamic
 * member is answered with an id, so that a client that asks again and again does not fill the group with ghosts.
 *
 * A rebalance waits for them. There is room for so many; then the oldest is forgotten, whose owner, should it still come,
 * is told that nobody knows it and asks for another.
 */
import type { Millis } from '@odradek/runtime';
import { BYTES_PER_CHAR, MEMBER_OVERHEAD_BYTES, type Room } from './limits.ts';

export class HandedOutIds {
  /** In the order of handing out; the time is that at which the id is forgotten. */
  readonly #expiry = new Map<string, Millis>();
  readonly #limit: number;
  readonly #room: Room;

  constructor(limit: number, room: Room) {
    this.#limit = limit;
    this.#room = room;
  }

  get size(): number {
    return this.#expiry.size;
  }

  add(memberId: string, expiresAt: Millis): void {
    for (const oldest of this.#expiry.keys()) {
      if (this.#expiry.size < this.#limit) break;
      this.take(oldest);
    }
    this.#expiry.set(memberId, expiresAt);
    this.#room.take(sizeBytesOf(memberId));
  }

  /** Tells whether the id was out, and is no longer. */
  take(memberId: string): boolean {
    if (!this.#expiry.delete(memberId)) return false;
    this.#room.take(-sizeBytesOf(memberId));
    return true;
  }

  forgetExpired(now: Millis): void {
    for (const [memberId, at] of this.#expiry) if (at <= now) this.take(memberId);
  }

  clear(): void {
    for (const memberId of this.#expiry.keys()) this.take(memberId);
  }

  firstExpiry(): Millis | null {
    let first: Millis | null = null;
    for (const at of this.#expiry.values()) if (first === null || at < first) first = at;
    return first;
  }
}

const sizeBytesOf = (memberId: string): number =>
  MEMBER_OVERHEAD_BYTES + memberId.length * BYTES_PER_CHAR;
