/**
 * The requests of one connection that wait for their answers, in the order they were sent.
 *
 * A broker answers one connection in order, so an answer belongs to the oldest request; anything
 * else means that the two sides have lost each other. For the same reason a request that gets no
 * answer in time holds up all behind it, and costs the whole connection. Pure.
 */
import { MalformedMessage } from '@odradek/protocol';
import type { Millis } from '@odradek/runtime';

/** Correlation ids are positive int32s that start over. */
const CORRELATION_ID_MAX = 0x7fff_ffff;

export interface Unanswered {
  readonly correlationId: number;
  readonly deadline: Millis;
}

export class Pipeline<Entry extends Unanswered> {
  #entries: Entry[] = [];
  /** Entries before this one are answered; cut off now and then, so that taking the oldest is cheap. */
  #oldestIndex = 0;
  #lastCorrelationId: number;

  constructor(lastCorrelationId = 0) {
    this.#lastCorrelationId = lastCorrelationId;
  }

  get count(): number {
    return this.#entries.length - this.#oldestIndex;
  }

  nextCorrelationId(): number {
    this.#lastCorrelationId =
      this.#lastCorrelationId === CORRELATION_ID_MAX ? 1 : this.#lastCorrelationId + 1;
    return this.#lastCorrelationId;
  }

  sent(entry: Entry): void {
    this.#entries.push(entry);
  }

  /** @throws MalformedMessage when the answer is not the oldest request's */
  answered(correlationId: number): Entry {
    const entry = this.#entries[this.#oldestIndex];
    if (entry === undefined || entry.correlationId !== correlationId)
      throw new MalformedMessage(
        `answer ${correlationId} where ${entry?.correlationId ?? 'none'} is expected`,
      );
    this.#oldestIndex += 1;
    if (this.#oldestIndex * 2 >= this.#entries.length) {
      this.#entries = this.#entries.slice(this.#oldestIndex);
      this.#oldestIndex = 0;
    }
    return entry;
  }

  earliestDeadline(): Millis | null {
    let earliest: Millis | null = null;
    for (const { deadline } of this.#waiting())
      if (earliest === null || deadline < earliest) earliest = deadline;
    return earliest;
  }

  /** The oldest request whose time is over. */
  expired(now: Millis): Entry | null {
    return this.#waiting().find(({ deadline }) => deadline <= now) ?? null;
  }

  /** Removes and returns all that wait. */
  takeAll(): readonly Entry[] {
    const all = this.#waiting();
    this.#entries = [];
    this.#oldestIndex = 0;
    return all;
  }

  #waiting(): readonly Entry[] {
    return this.#oldestIndex === 0 ? this.#entries : this.#entries.slice(this.#oldestIndex);
  }
}
