/**
 * What a connection answers on its way to the socket. Answers of one turn of the event loop leave in one system
 * call; small ones are copied together first, for a system call is given its pieces one by one, and that costs more
 * than the bytes of a produce request's answer. Big ones are never joined or copied.
 *
 * Counts what the peer has not taken, in the budget of all connections. Which answer is whose turn is the
 * connection's to say (connection.ts).
 */
import type { Connection, Timers } from '@odradek/runtime';
import type { ByteBudget } from './byte-budget.ts';

/** An answer up to this size is joined with others of the same turn. */
const SMALL_ANSWER_BYTES = 512;
/** So many bytes of small answers go to the socket at once. */
const JOINED_ANSWERS_BYTES = 16 * 1024;

export class Outbox {
  readonly #socket: Connection;
  readonly #timers: Timers;
  /** Bytes of answers that peers have not taken, of all connections. */
  readonly #budget: ByteBudget;
  #isCorked = false;
  readonly #small: Buffer[] = [];
  #smallBytes = 0;
  #unsentBytes = 0;
  #isReleased = false;
  readonly #endOfTurn = (): void => {
    this.#isCorked = false;
    this.flush();
    this.#socket.uncork();
  };

  constructor(socket: Connection, timers: Timers, budget: ByteBudget) {
    this.#socket = socket;
    this.#timers = timers;
    this.#budget = budget;
  }

  /** The peer does not read what it was sent before. */
  get isBlocked(): boolean {
    return this.#unsentBytes > 0;
  }

  /** @param taken called when the last of the chunks is with the operating system, or never will be */
  write(chunks: readonly Buffer[], taken?: () => void): void {
    if (!this.#isCorked) {
      this.#isCorked = true;
      this.#socket.cork();
      this.#timers.afterTurn(this.#endOfTurn);
    }
    const [only] = chunks;
    const isOne = chunks.length === 1 && only !== undefined && taken === undefined;
    if (isOne && only.length <= SMALL_ANSWER_BYTES) {
      this.#small.push(only);
      this.#smallBytes += only.length;
      if (this.#smallBytes >= JOINED_ANSWERS_BYTES) this.flush();
      return;
    }
    this.flush();
    let left = chunks.length;
    for (const chunk of chunks) {
      left -= 1;
      this.#toSocket(chunk, left === 0 ? taken : undefined);
    }
  }

  /** Hands the small answers that were gathered to the socket. */
  flush(): void {
    const [first] = this.#small;
    if (first === undefined) return;
    const joined = this.#small.length === 1 ? first : Buffer.concat(this.#small, this.#smallBytes);
    this.#small.length = 0;
    this.#smallBytes = 0;
    this.#toSocket(joined);
  }

  /** The socket has room again. */
  drained(): void {
    this.#budget.give(this.#unsentBytes);
    this.#unsentBytes = 0;
  }

  /** Counts nothing any more. What was written may still leave. */
  release(): void {
    this.drained();
    this.#isReleased = true;
  }

  #toSocket(bytes: Buffer, taken?: () => void): void {
    if (this.#socket.write(bytes, taken) || this.#isReleased) return;
    const more = this.#socket.unsentBytes - this.#unsentBytes;
    this.#unsentBytes += more;
    this.#budget.take(more);
  }
}
