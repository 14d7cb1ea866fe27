/**
 * What happened, twice: as one number over everything (two runs of a seed must come to the same one),
 * and, when wanted, as lines for a reader.
 */
import { crc32c } from '@odradek/protocol';

/** Lines that are kept; of a longer run the last ones. */
const LINES_MAX = 200_000;
const MICROS = 1_000;

export class Trace {
  readonly isRead: boolean;
  #low = 0x811c9dc5;
  #high = 0x1b873593;
  #lines: string[] = [];
  readonly #nowUs: () => number;

  /** @param isRead whether lines are kept */
  constructor(isRead: boolean, nowUs: () => number) {
    this.isRead = isRead;
    this.#nowUs = nowUs;
  }

  /** Everything so far in 16 hexadecimal digits. */
  get hash(): string {
    const half = (word: number): string => (word >>> 0).toString(16).padStart(8, '0');
    return half(this.#high) + half(this.#low);
  }

  get lines(): readonly string[] {
    return this.#lines;
  }

  /** Adds an event to the hash. */
  mix(kind: number, where: number, value: number): void {
    const nowUs = this.#nowUs();
    this.#word(kind * 65_536 + where);
    this.#word(nowUs | 0);
    this.#word(value | 0);
  }

  mixBytes(kind: number, where: number, bytes: Uint8Array): void {
    this.mix(kind, where, bytes.byteLength);
    this.#word(crc32c(bytes) | 0);
  }

  mixText(kind: number, where: number, text: string): void {
    this.mixBytes(kind, where, Buffer.from(text));
  }

  /** A line; `text` is asked for only when somebody reads. */
  tell(where: string, text: () => string): void {
    if (!this.isRead) return;
    if (this.#lines.length >= LINES_MAX) this.#lines = this.#lines.slice(LINES_MAX / 2);
    const atMs = (this.#nowUs() / MICROS).toFixed(3).padStart(11);
    this.#lines.push(`${atMs} ${where.padEnd(9)} ${text()}`);
  }

  #word(word: number): void {
    this.#low = Math.imul(this.#low ^ word, 0x01000193);
    this.#high = Math.imul((this.#high ^ word) + (this.#low >>> 15), 0x5bd1e995);
  }
}

/** What a line of the hash is about. */
export const traceKinds = {
  start: 1,
  receive: 2,
  close: 3,
  diskWrite: 4,
  diskSync: 5,
  log: 6,
  fault: 7,
  connect: 8,
  applied: 9,
  answer: 10,
} as const;
