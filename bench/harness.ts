/**
 * Micro benchmarks: what they are, how they are run, and what is printed.
 *
 * A benchmark does a number of operations and returns a checksum of what came out, so that nothing
 * can be optimised away and a benchmark that stops doing its work is noticed: the checksum has to be
 * the same in every round. Those that name the same baseline are run in turns, a round of each
 * after the other, so that a slow minute of the machine is a slow minute for all of them; the ratio
 * is that of the medians. Whole servers under load are measured in cluster.ts and coord/.
 */

export interface BenchmarkOptions {
  /** What one operation handles, in the singular. */
  readonly unit: string;
  /** Operations in a smoke run, which only shows that the benchmark works. */
  readonly smoke: number;
  /** Operations in each round of a full run. */
  readonly full: number;
  /** The benchmark that this one is compared with. */
  readonly baseline?: string;
  /** Bytes that one operation handles, for those measured in MB/s. */
  readonly bytes?: number;
}

/** Does `operations` operations and returns a checksum that depends on all of them. */
export type BenchmarkBody = (operations: number) => number | Promise<number>;

export interface RunOptions {
  readonly smoke: boolean;
  /** Only benchmarks whose names contain one of these, and their baselines; all when empty. */
  readonly filters: readonly string[];
  readonly print: (line: string) => void;
}

interface Benchmark extends BenchmarkOptions {
  readonly name: string;
  readonly body: BenchmarkBody;
}

interface Measured {
  readonly benchmark: Benchmark;
  readonly checksum: number;
  /** Operations per second of each round, sorted. */
  readonly rates: readonly number[];
}

const ROUNDS = 7;
/** A part of a round, before the first one, for the compiler to warm up. */
const WARM_UP_PART = 0.2;

const benchmarks: Benchmark[] = [];
const absences: string[] = [];

/** Declares a benchmark; `runBenchmarks` runs it. */
export function benchmark(name: string, options: BenchmarkOptions, body: BenchmarkBody): void {
  benchmarks.push({ name, ...options, body });
}

/** Says that something cannot be measured here, and why. */
export function notMeasured(name: string, reason: string): void {
  absences.push(`skipped: ${name} (${reason})`);
}

/** Calls `operation` so many times and adds up what it returns. */
export function repeat(operations: number, operation: () => number): number {
  let checksum = 0;
  for (let done = 0; done < operations; done++) checksum += operation();
  return checksum;
}

/** As `repeat`, for operations that are promises, one after the other. */
export async function repeatAsync(
  operations: number,
  operation: () => Promise<number>,
): Promise<number> {
  let checksum = 0;
  for (let done = 0; done < operations; done++) checksum += await operation();
  return checksum;
}

/**
 * Runs what was declared and prints a line for each.
 * @throws Error when a checksum changes between rounds, a baseline does not exist, or nothing fits the filters
 */
export async function runBenchmarks(options: RunOptions): Promise<void> {
  const chosen = choose(options.filters);
  if (chosen.length === 0) throw new Error(`no benchmark fits ${options.filters.join(', ')}`);
  for (const group of groups(chosen)) {
    const results = options.smoke ? await smoke(group) : await alternate(group);
    for (const result of results) {
      options.print(options.smoke ? smokeLine(result) : resultLine(result, results));
    }
  }
  for (const absence of absences) options.print(absence);
}

function choose(filters: readonly string[]): Benchmark[] {
  if (filters.length === 0) return benchmarks;
  const named = benchmarks.filter(({ name }) => filters.some((filter) => name.includes(filter)));
  const baselines = new Set(named.map(({ baseline }) => baseline));
  return benchmarks.filter((each) => named.includes(each) || baselines.has(each.name));
}

/** Benchmarks with their baseline, which comes first; each without one is a group of its own. */
function groups(chosen: readonly Benchmark[]): Benchmark[][] {
  const byBaseline = new Map<string, Benchmark[]>();
  for (const each of chosen) {
    if (each.baseline === undefined) byBaseline.set(each.name, [each]);
  }
  for (const each of chosen) {
    if (each.baseline === undefined) continue;
    const group = byBaseline.get(each.baseline);
    if (group === undefined) {
      throw new Error(`"${each.name}" names the baseline "${each.baseline}", which is none`);
    }
    group.push(each);
  }
  return [...byBaseline.values()];
}

async function smoke(group: readonly Benchmark[]): Promise<Measured[]> {
  const results: Measured[] = [];
  for (const each of group) {
    const { rate, checksum } = await round(each, each.smoke);
    results.push({ benchmark: each, checksum, rates: [rate] });
  }
  return results;
}

async function alternate(group: readonly Benchmark[]): Promise<Measured[]> {
  for (const each of group) await round(each, Math.ceil(each.full * WARM_UP_PART));
  const results = group.map((each) => ({
    benchmark: each,
    checksum: Number.NaN,
    rates: [] as number[],
  }));
  for (let index = 0; index < ROUNDS; index++) {
    // Every other round goes backwards, so that nobody always runs behind the same neighbour.
    for (const result of index % 2 === 0 ? results : results.toReversed()) {
      const { rate, checksum } = await round(result.benchmark, result.benchmark.full);
      if (index > 0 && checksum !== result.checksum) {
        throw new Error(
          `"${result.benchmark.name}" gave ${checksum} after ${result.checksum}: it does not do the same work`,
        );
      }
      result.checksum = checksum;
      result.rates.push(rate);
    }
  }
  for (const { rates } of results) rates.sort((one, other) => one - other);
  return results;
}

async function round(
  { name, body }: Benchmark,
  operations: number,
): Promise<{ rate: number; checksum: number }> {
  const startedAt = performance.now();
  const checksum = await body(operations);
  const seconds = (performance.now() - startedAt) / 1000;
  if (!Number.isFinite(checksum)) throw new Error(`"${name}" gave ${checksum} for a checksum`);
  return { rate: operations / seconds, checksum };
}

const NAME_WIDTH = 52;

function smokeLine({ benchmark: { name, unit, smoke: operations }, checksum }: Measured): string {
  return `${name.padEnd(NAME_WIDTH)} works: ${counted(operations, unit)}, checksum ${checksum}`;
}

function resultLine(result: Measured, group: readonly Measured[]): string {
  const { benchmark: own, rates, checksum } = result;
  const middle = median(rates);
  const parts = [
    own.name.padEnd(NAME_WIDTH),
    `${readable(middle)} ${own.unit}/s`.padStart(20),
    `  (${readable(rates[0] ?? 0)} to ${readable(rates.at(-1) ?? 0)})`.padEnd(22),
  ];
  if (own.bytes !== undefined) {
    parts.push(`${((middle * own.bytes) / 1e6).toFixed(0)} MB/s`.padStart(12));
  }
  const baseline = group.find(({ benchmark: { name } }) => name === own.baseline);
  if (baseline !== undefined) {
    parts.push(`  ${(middle / median(baseline.rates)).toFixed(2)} x "${own.baseline}"`);
  }
  parts.push(`  checksum ${checksum}`);
  return parts.join('');
}

function median(sorted: readonly number[]): number {
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

function readable(rate: number): string {
  if (rate >= 1e6) return `${(rate / 1e6).toFixed(2)} M`;
  return rate >= 1e4 ? `${(rate / 1e3).toFixed(1)} k` : rate.toFixed(0);
}

function counted(count: number, unit: string): string {
  if (count === 1) return `1 ${unit}`;
  return `${count} ${/(ch|sh|s|x)$/.test(unit) ? `${unit}es` : `${unit}s`}`;
}
