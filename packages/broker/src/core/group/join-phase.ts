/**
 * How long a rebalance waits for members to join.
 *
 * Ordinarily until all have, or until the longest time that one of them asked for. The first rebalance of an empty group
 * waits a fixed delay instead, since nobody knows who is still to come, and again as long for as members kept coming, up
 * to that longest time; it is not cut short by everyone having joined.
 */
import { type Millis, millis } from '@odradek/runtime';

export class JoinPhase {
  #deadline: Millis | null = null;
  #first: { readonly delayMs: number; remainingMs: number; memberCame: boolean } | null = null;

  /** null: there is none going on. */
  get deadline(): Millis | null {
    return this.#deadline;
  }

  get isFirst(): boolean {
    return this.#first !== null;
  }

  begin(now: Millis, timeoutMs: number): void {
    this.#first = null;
    this.#deadline = millis(now + timeoutMs);
  }

  /** @param timeoutMs the longest that it may take with all its extensions */
  beginFirst(now: Millis, delayMs: number, timeoutMs: number): void {
    const remainingMs = Math.max(timeoutMs - delayMs, 0);
    this.#first = { delayMs, remainingMs, memberCame: false };
    this.#deadline = millis(now + delayMs);
  }

  memberCame(): void {
    if (this.#first !== null) this.#first.memberCame = true;
  }

  /** Tells whether time is up; a first one for which members kept coming gives itself more. */
  isOver(now: Millis): boolean {
    if (this.#deadline === null || this.#deadline > now) return false;
    const first = this.#first;
    if (first === null || !first.memberCame || first.remainingMs === 0) return true;
    const extraMs = Math.min(first.delayMs, first.remainingMs);
    first.remainingMs -= extraMs;
    first.memberCame = false;
    this.#deadline = millis(now + extraMs);
    return false;
  }

  end(): void {
    this.#deadline = null;
    this.#first = null;
  }
}
