/**
 * Are these registers linearizable? Exactly, and in n log n, because every write of a history writes another value:
 * then each read names its write, and the search over all orders becomes a question about intervals.
 *
 * Of a value, take everything that touches it: its write and the reads that saw it. Let `first` be when the first of
 * these operations had returned, and `last` when the last of them was called. If first < last the register must have
 * held the value all the time between ("it must have been x from first to last"). Else all of them overlap in one
 * moment and the value may have been there for an instant between last and first. A history is linearizable when no
 * read returns before its write is called, no two of the first kind overlap, and none of the second kind lies wholly
 * inside one of the first (Gibbons and Korach, Testing Shared Memories, 1997).
 *
 * A write without an answer may happen at any time after its call, or never: nobody needs it unless somebody saw it.
 */

export interface RegisterOperation {
  readonly client: string;
  readonly key: string;
  readonly kind: 'read' | 'write';
  /** What was written, or was seen; null: a read without an answer. */
  readonly value: string | null;
  readonly calledAt: number;
  /** null: no answer. */
  readonly returnedAt: number | null;
}

/** What is known of one value of one register. */
interface Period {
  readonly value: string;
  /** When an operation on it had returned for the first time, and which. */
  first: number;
  firstBy: RegisterOperation | null;
  /** When an operation on it was called for the last time, and which. */
  last: number;
  lastBy: RegisterOperation | null;
}

/**
 * @param initial the value of every register before the first write
 * @returns a sentence for each contradiction found; none: the history is linearizable
 */
export function checkRegisters(
  operations: readonly RegisterOperation[],
  initial: string,
): readonly string[] {
  const byKey = new Map<string, RegisterOperation[]>();
  for (const operation of operations) {
    const list = byKey.get(operation.key);
    if (list === undefined) byKey.set(operation.key, [operation]);
    else list.push(operation);
  }
  return [...byKey.values()].flatMap((list) => checkRegister(list, initial));
}

function checkRegister(operations: readonly RegisterOperation[], initial: string): string[] {
  const { periods, findings } = periodsOf(operations, initial);
  const held = periods.filter(({ first, last }) => first < last);
  held.sort((a, b) => a.first - b.first);
  let longest: Period | undefined;
  for (const period of held) {
    // The one that lasts longest of all before it is the one that can overlap.
    if (longest !== undefined && period.first < longest.last)
      findings.push(`${contradiction(longest, period)}`);
    if (longest === undefined || period.last > longest.last) longest = period;
  }
  for (const period of periods) {
    if (period.first < period.last) continue;
    const around = lastBefore(held, period.last);
    if (around !== undefined && period.first < around.last)
      findings.push(`${contradiction(around, period)}`);
  }
  return findings;
}

function periodsOf(
  operations: readonly RegisterOperation[],
  initial: string,
): { readonly periods: readonly Period[]; readonly findings: string[] } {
  const findings: string[] = [];
  const beginning = Number.NEGATIVE_INFINITY;
  const periods = new Map<string, Period>([
    [initial, { value: initial, first: beginning, firstBy: null, last: beginning, lastBy: null }],
  ]);
  const writes = new Map<string, RegisterOperation>();
  for (const operation of operations) {
    const { kind, value } = operation;
    if (kind !== 'write' || value === null) continue;
    if (periods.has(value)) throw new Error(`${value} was written twice: nothing can be concluded`);
    writes.set(value, operation);
    periods.set(value, {
      value,
      first: operation.returnedAt ?? Number.POSITIVE_INFINITY,
      firstBy: operation,
      last: operation.calledAt,
      lastBy: operation,
    });
  }
  for (const operation of operations) {
    const { kind, value, returnedAt, calledAt } = operation;
    if (kind !== 'read' || value === null || returnedAt === null) continue;
    const period = periods.get(value);
    const write = writes.get(value);
    if (period === undefined) {
      findings.push(`${told(operation)}, which nobody wrote`);
      continue;
    }
    if (write !== undefined && returnedAt < write.calledAt)
      findings.push(`${told(operation)}, before ${told(write)}`);
    if (returnedAt < period.first) Object.assign(period, { first: returnedAt, firstBy: operation });
    if (calledAt > period.last) Object.assign(period, { last: calledAt, lastBy: operation });
  }
  return { periods: [...periods.values()], findings };
}

/** Of periods sorted by `first`, and not overlapping, the last that begins before `time`. */
function lastBefore(sorted: readonly Period[], time: number): Period | undefined {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((sorted[middle]?.first ?? 0) < time) low = middle + 1;
    else high = middle;
  }
  return sorted[low - 1];
}

function contradiction(one: Period, other: Period): string {
  const operations = [one.firstBy, other.firstBy, other.lastBy, one.lastBy].filter(
    (operation) => operation !== null,
  );
  const lines = [...new Set(operations)].map((operation) => told(operation));
  return `register ${operations[0]?.key}: no order explains these: ${lines.join('; ')}`;
}

function told({ client, key, kind, value, calledAt, returnedAt }: RegisterOperation): string {
  const verb = kind === 'write' ? 'wrote' : 'read';
  const end = returnedAt === null ? 'no answer' : returnedAt.toFixed(3);
  return `${client} ${verb} ${value} in register ${key} (${calledAt.toFixed(3)} to ${end})`;
}
