/**
 * Connections whose peers leave notifications unread, and how much they may cost together.
 *
 * Replies never pile up, since a connection whose peer does not read is not read either. Notifications
 * do: they cannot be held back without losing what they tell. So each connection may have so many
 * unread bytes, and all of them together may have so many; beyond that the one with the most is
 * closed. Its client comes back, sets its watches again and is told once of all that it missed.
 */
import { SLOW_READER_BYTES, UNSENT_BYTES_MAX, UNSENT_BYTES_TOTAL_MAX } from './limits.ts';

/** A connection as it is judged here. */
export interface SlowReader {
  /** Ends it because of what its peer leaves unread. */
  giveUp(unsentBytes: number): void;
}

export interface UnsentLimits {
  /** Of one connection, in bytes. */
  readonly perConnection: number;
  /** Of all that have more than `ignored` each. */
  readonly total: number;
  readonly ignored: number;
}

const defaults: UnsentLimits = {
  perConnection: UNSENT_BYTES_MAX,
  total: UNSENT_BYTES_TOTAL_MAX,
  ignored: SLOW_READER_BYTES,
};

export class SlowReaders {
  readonly #limits: UnsentLimits;
  /** Unread bytes as of the last notification. */
  readonly #bytesOf = new Map<SlowReader, number>();
  #totalBytes = 0;
  /** Connections closed for it. */
  closedCount = 0;

  constructor(limits: UnsentLimits = defaults) {
    this.#limits = limits;
  }

  /** Unread bytes of those that have many. */
  get totalBytes(): number {
    return this.#totalBytes;
  }

  get count(): number {
    return this.#bytesOf.size;
  }

  /** A notification was added to a connection's unread bytes. */
  notified(reader: SlowReader, unsentBytes: number): void {
    const { perConnection, total, ignored } = this.#limits;
    if (unsentBytes <= ignored) {
      if (this.#bytesOf.size > 0) this.forget(reader);
      return;
    }
    this.#totalBytes += unsentBytes - (this.#bytesOf.get(reader) ?? 0);
    this.#bytesOf.set(reader, unsentBytes);
    if (unsentBytes > perConnection) this.#giveUp(reader, unsentBytes);
    else if (this.#totalBytes > total) this.#giveUpWorst();
  }

  /** It has read everything, or is gone. */
  forget(reader: SlowReader): void {
    const bytes = this.#bytesOf.get(reader);
    if (bytes === undefined) return;
    this.#bytesOf.delete(reader);
    this.#totalBytes -= bytes;
  }

  #giveUpWorst(): void {
    let worst: SlowReader | null = null;
    let most = 0;
    for (const [reader, bytes] of this.#bytesOf) {
      if (bytes <= most) continue;
      worst = reader;
      most = bytes;
    }
    if (worst !== null) this.#giveUp(worst, most);
  }

  #giveUp(reader: SlowReader, unsentBytes: number): void {
    this.forget(reader);
    this.closedCount += 1;
    reader.giveUp(unsentBytes);
  }
}
