/**
 * Answers that are too long for the client that asked.
 *
 * Like the original, this server sends an answer of any length: most clients take it. Java's has a
 * limit of its own (its `jute.maxbuffer`), drops the connection over a longer answer, comes back and
 * asks the same again, for ever. Which limit a client has is nowhere said, so it is learnt: when a
 * session's connections break twice in a row right after an answer of more than the default limit,
 * its long answers become an error from then on (MarshallingError) and the session goes on. Nobody
 * else notices.
 */

/** What a client takes that nobody configured, header included (Java's jute.maxbuffer). */
const CLIENT_FRAME_BYTES = 0xfffff;

/** A connection that ends within this time after a long answer may have ended because of it. */
const BREAK_AFTER_REPLY_MS = 5_000;

/** Breaks in a row that make a rule. */
const BREAKS = 2;

/** Sessions that are remembered; beyond that the oldest is given another chance. */
const SESSIONS_MAX = 10_000;

export class ReplyLimits {
  readonly #maxBytes: number;
  /** Breaks in a row, by session. */
  readonly #breaks = new Map<bigint, number>();

  /** @param maxBytes of every answer with data or names; 0: any */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes === 0 ? Number.POSITIVE_INFINITY : maxBytes;
  }

  /** The longest answer that the session's client is to get, in bytes. */
  limitOf(sessionId: bigint): number {
    const breaks = this.#breaks.size === 0 ? 0 : (this.#breaks.get(sessionId) ?? 0);
    return breaks < BREAKS ? this.#maxBytes : Math.min(this.#maxBytes, CLIENT_FRAME_BYTES);
  }

  /** The session's connection ended right after a long answer. @returns whether that makes it a rule */
  broke(sessionId: bigint): boolean {
    const breaks = (this.#breaks.get(sessionId) ?? 0) + 1;
    this.#breaks.delete(sessionId);
    this.#breaks.set(sessionId, breaks);
    if (this.#breaks.size > SESSIONS_MAX) {
      for (const oldest of this.#breaks.keys()) {
        this.#breaks.delete(oldest);
        break;
      }
    }
    return breaks === BREAKS;
  }

  /** The session's client has taken a long answer well. */
  took(sessionId: bigint): void {
    const breaks = this.#breaks.get(sessionId);
    if (breaks !== undefined && breaks < BREAKS) this.#breaks.delete(sessionId);
  }

  /** The session has ended. */
  forget(sessionId: bigint): void {
    this.#breaks.delete(sessionId);
  }
}

/** One connection's long answers. */
export class LongReplies {
  readonly #limits: ReplyLimits;
  /** When the last one went out; null: none did, or it was taken well. */
  #sentAtMs: number | null = null;

  constructor(limits: ReplyLimits) {
    this.#limits = limits;
  }

  /** An answer goes out. */
  sent(sessionId: bigint, sizeBytes: number, nowMs: number): void {
    if (this.#sentAtMs !== null && nowMs - this.#sentAtMs >= BREAK_AFTER_REPLY_MS) {
      // Still here long after an answer that many clients would not have taken.
      this.#sentAtMs = null;
      this.#limits.took(sessionId);
    }
    if (sizeBytes > CLIENT_FRAME_BYTES) this.#sentAtMs = nowMs;
  }

  /** The peer has gone by itself. @returns what the log is to say, when that makes a rule */
  broke(sessionId: bigint, nowMs: number): string | null {
    if (this.#sentAtMs === null || nowMs - this.#sentAtMs >= BREAK_AFTER_REPLY_MS) return null;
    if (!this.#limits.broke(sessionId)) return null;
    return (
      `this client drops its connection over answers of more than ${CLIENT_FRAME_BYTES} bytes: from now on ` +
      "its session gets an error (MarshallingError) instead of them; raise the client's jute.maxbuffer"
    );
  }
}
