/**
 * What does not fit together, collected file by file and told on standard error after all files, in
 * the words and the order of Kafka's tool. Findings are no failure: the exit code stays 0.
 */
type Pair = readonly [number, number];
type PairsByFile = Map<string, Pair[]>;

export class Findings {
  readonly #indexMismatches: PairsByFile = new Map();
  readonly #timeMismatches: PairsByFile = new Map();
  readonly #outOfOrder: PairsByFile = new Map();
  readonly #notFound: PairsByFile = new Map();
  readonly #gaps: PairsByFile = new Map();

  /** An entry of an offset index that points to a batch which ends elsewhere. */
  indexMismatch(file: string, indexOffset: number, logOffset: number): void {
    add(this.#indexMismatches, file, [indexOffset, logOffset]);
  }

  timeMismatch(file: string, indexTimestamp: number, logTimestamp: number): void {
    add(this.#timeMismatches, file, [indexTimestamp, logTimestamp]);
  }

  timeOutOfOrder(file: string, timestamp: number, before: number): void {
    add(this.#outOfOrder, file, [timestamp, before]);
  }

  /** No batch of the log ends at an indexed offset; -1: the log ends before it. */
  offsetNotFound(file: string, indexOffset: number, logOffset: number): void {
    add(this.#notFound, file, [indexOffset, logOffset]);
  }

  /** Two records that follow each other, but whose offsets do not. */
  gap(file: string, offset: number, next: number): void {
    add(this.#gaps, file, [offset, next]);
  }

  lines(): string[] {
    return [
      // The two oldest kinds have the newest pair first, as the original prints them.
      ...section(this.#indexMismatches, newestFirst, {
        head: (file) => `Mismatches in :${file}`,
        pair: ([index, log]) => `  Index offset: ${index}, log offset: ${log}`,
      }),
      ...section(this.#timeMismatches, asFound, {
        head: (file) => `Found timestamp mismatch in :${file}`,
        pair: ([index, log]) => `  Index timestamp: ${index}, log timestamp: ${log}`,
      }),
      ...section(this.#outOfOrder, asFound, {
        head: (file) => `Found out of order timestamp in :${file}`,
        pair: ([index, before]) =>
          `  Index timestamp: ${index}, Previously indexed timestamp: ${before}`,
      }),
      ...section(this.#notFound, asFound, {
        head: () => 'The following indexed offsets are not found in the log.',
        pair: ([index, log]) => `Indexed offset: ${index}, found log offset: ${log}`,
      }),
      ...section(this.#gaps, newestFirst, {
        head: (file) => `Non-consecutive offsets in ${file}`,
        pair: ([offset, next]) => `  ${offset} is followed by ${next}`,
      }),
    ];
  }
}

function add(pairs: PairsByFile, file: string, pair: Pair): void {
  const known = pairs.get(file);
  if (known === undefined) pairs.set(file, [pair]);
  else known.push(pair);
}

const asFound = (pairs: readonly Pair[]): readonly Pair[] => pairs;
const newestFirst = (pairs: readonly Pair[]): readonly Pair[] => pairs.toReversed();

interface Words {
  readonly head: (file: string) => string;
  readonly pair: (pair: Pair) => string;
}

function section(
  pairs: PairsByFile,
  inOrder: (pairs: readonly Pair[]) => readonly Pair[],
  words: Words,
): string[] {
  return [...pairs].flatMap(([file, found]) => [
    words.head(file),
    ...inOrder(found).map(words.pair),
  ]);
}
