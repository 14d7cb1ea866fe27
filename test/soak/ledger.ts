/**
 * What was acknowledged against what is read: every record says who wrote it and the how many-th of that writer in its
 * partition it is, so that a reader notices at once what is missing, doubled or out of order. A few numbers for each
 * writer, reader and partition, however long it runs. Pure.
 */

/** Where a record lies, `topic-partition`. */
export type Place = string;

/** What a record says of itself. */
export interface Mark {
  readonly writer: number;
  /** From 0, without a gap, for each writer in each partition. */
  readonly sequence: number;
}

/** Says what is wrong; the run goes on, for one fault explains the next. */
export type Report = (fault: string) => void;

export class Ledger {
  readonly #report: Report;
  /** The next sequence number to be acknowledged, and the offset of the last, by place and writer. */
  readonly #acknowledged = new Map<string, { next: number; offset: number }>();

  constructor(report: Report) {
    this.#report = report;
  }

  /** The broker has promised a record; in the order in which it was sent. */
  acknowledged(place: Place, { writer, sequence }: Mark, offset: number): void {
    const key = `${place} ${writer}`;
    const known = this.#acknowledged.get(key) ?? { next: 0, offset: -1 };
    this.#acknowledged.set(key, known);
    if (sequence !== known.next)
      this.#report(`${key}: ${sequence} was acknowledged, ${known.next} was to come`);
    if (offset <= known.offset)
      this.#report(`${key}: ${sequence} was given offset ${offset} behind ${known.offset}`);
    known.next = sequence + 1;
    known.offset = offset;
  }

  get acknowledgedCount(): number {
    let count = 0;
    for (const { next } of this.#acknowledged.values()) count += next;
    return count;
  }

  /** @param fromStart it reads everything from the first record on; else from wherever the log begins */
  reader(name: string, fromStart: boolean): LedgerReader {
    return new LedgerReader(name, fromStart, this.#report, () => this.#acknowledged);
  }
}

export class LedgerReader {
  readonly #name: string;
  readonly #fromStart: boolean;
  readonly #report: Report;
  readonly #acknowledged: () => ReadonlyMap<string, { readonly next: number }>;
  readonly #nextSequence = new Map<string, number>();
  readonly #nextOffset = new Map<Place, number>();
  count = 0;

  constructor(
    name: string,
    fromStart: boolean,
    report: Report,
    acknowledged: () => ReadonlyMap<string, { readonly next: number }>,
  ) {
    this.#name = name;
    this.#fromStart = fromStart;
    this.#report = report;
    this.#acknowledged = acknowledged;
  }

  read(place: Place, { writer, sequence }: Mark, offset: number): void {
    this.count += 1;
    const key = `${place} ${writer}`;
    const expectedOffset = this.#nextOffset.get(place) ?? (this.#fromStart ? 0 : offset);
    if (offset !== expectedOffset)
      this.#report(`${this.#name}, ${place}: offset ${offset} instead of ${expectedOffset}`);
    this.#nextOffset.set(place, offset + 1);
    const expected = this.#nextSequence.get(key) ?? (this.#fromStart ? 0 : sequence);
    if (sequence !== expected) {
      const what = sequence > expected ? 'lost' : 'doubled or out of order';
      this.#report(`${this.#name}, ${key}: ${sequence} instead of ${expected}: ${what}`);
    }
    this.#nextSequence.set(key, sequence + 1);
  }

  /** What it reads next lies anywhere: the log's start has overtaken it, or it begins again. */
  beginsAnew(place: Place): void {
    this.#nextOffset.delete(place);
    for (const key of this.#nextSequence.keys())
      if (key.startsWith(`${place} `)) this.#nextSequence.delete(key);
  }

  /** Acknowledged records that it has not read yet; of a reader from the start. */
  missing(): number {
    let count = 0;
    for (const [key, { next }] of this.#acknowledged())
      count += Math.max(0, next - (this.#nextSequence.get(key) ?? 0));
    return count;
  }
}

/** A compacted topic: of each key the newest acknowledged value must be there, and no older one behind it. */
export class TableLedger {
  readonly #report: Report;
  /** Sequence number of the newest acknowledged value by key. */
  readonly #newest = new Map<string, number>();

  constructor(report: Report) {
    this.#report = report;
  }

  acknowledged(key: string, sequence: number): void {
    this.#newest.set(key, Math.max(sequence, this.#newest.get(key) ?? -1));
  }

  /** A reading of the whole topic, from its start to where it ended when the reading began. */
  beginReading(name: string): { read(key: string, sequence: number): void; end(): void } {
    const wanted = new Map(this.#newest);
    const seen = new Map<string, number>();
    return {
      read: (key, sequence) => {
        const before = seen.get(key) ?? -1;
        if (sequence <= before) this.#report(`${name}, ${key}: ${sequence} behind ${before}`);
        seen.set(key, sequence);
      },
      end: () => {
        for (const [key, sequence] of wanted) {
          const found = seen.get(key) ?? -1;
          if (found < sequence)
            this.#report(`${name}, ${key}: ${found} is the newest, ${sequence} was acknowledged`);
        }
      },
    };
  }
}
