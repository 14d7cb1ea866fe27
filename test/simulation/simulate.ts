/**
 * Runs the simulated ensemble for many seeds, or one of them with all that happens in it.
 *
 *   npm run simulate -- --seeds 1000 [--from 1] [--workers 2] [--topology three] [--seconds 120]
 *   npm run simulate -- --seed 17 [--trace] [--plan FILE]
 *   npm run simulate -- --mutant answer-before-sync [--seeds 100]
 *
 * Exits with 1 when a seed fails; with a planted bug, when none does.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { mutants, TOPOLOGIES, type Topology } from '@odradek/testkit';
import { describePlan, replay, type SeedResult, tryMutant } from './seeds.ts';

const { values: options } = parseArgs({
  options: {
    seeds: { type: 'string', default: '100' },
    from: { type: 'string', default: '1' },
    seed: { type: 'string' },
    plan: { type: 'string' },
    trace: { type: 'boolean', default: false },
    workers: { type: 'string', default: '2' },
    topology: { type: 'string' },
    mutant: { type: 'string' },
    /** No new seed is begun after so long. */
    seconds: { type: 'string' },
    /** How many failing seeds are enough. */
    failures: { type: 'string', default: '3' },
    /** A checker whose findings do not count: to see past a bug that is known. */
    ignore: { type: 'string' },
    /** How long a failing plan is made smaller, each. */
    shrink: { type: 'string', default: '20' },
  },
});

const WORKER = fileURLToPath(new URL('./worker.ts', import.meta.url));
const MUTATE = new URL('./mutate.mjs', import.meta.url).href;
/** Seeds that a worker is handed at once. */
const PORTION = 8;

function fail(message: string): never {
  console.error(message);
  process.exit(1);
}

function topologyOf(name: string | undefined): Topology | undefined {
  if (name === undefined) return undefined;
  const topology = TOPOLOGIES.find((known) => known === name);
  return topology ?? fail(`--topology: one of ${TOPOLOGIES.join(', ')}`);
}

function numberOf(name: 'seeds' | 'from' | 'workers' | 'failures' | 'shrink'): number {
  const value = Number(options[name]);
  return Number.isInteger(value) && value >= 0 ? value : fail(`--${name}: a whole number`);
}

const topology = topologyOf(options.topology);
const chosenMutant = mutants.find(({ name }) => name === options.mutant);
if (options.mutant !== undefined && chosenMutant === undefined) {
  fail(`--mutant: one of ${mutants.map(({ name }) => name).join(', ')}`);
}

interface Totals {
  seeds: number;
  virtualMs: number;
  transactions: number;
  answers: number;
  readonly failed: SeedResult[];
  readonly faults: Map<string, number>;
  readonly topologies: Map<string, number>;
}

/** Hands seeds to worker processes until there are no more, or enough have failed. */
async function runSeeds(from: number, count: number, workers: number): Promise<Totals> {
  const totals: Totals = {
    seeds: 0,
    virtualMs: 0,
    transactions: 0,
    answers: 0,
    failed: [],
    faults: new Map(),
    topologies: new Map(),
  };
  const beganAt = Date.now();
  const untilMs =
    options.seconds === undefined ? Infinity : beganAt + 1_000 * Number(options.seconds);
  const failuresMax = chosenMutant === undefined ? numberOf('failures') : 1;
  let next = from;
  const take = (): number[] => {
    if (Date.now() >= untilMs || totals.failed.length >= failuresMax) return [];
    const portion = Array.from(
      { length: Math.min(PORTION, from + count - next) },
      (_, index) => next + index,
    );
    next += portion.length;
    return portion;
  };
  const count1 = (map: Map<string, number>, key: string): void => {
    map.set(key, (map.get(key) ?? 0) + 1);
  };
  const counted = (result: SeedResult): void => {
    totals.seeds += 1;
    totals.virtualMs += result.virtualMs;
    totals.transactions += result.transactions;
    totals.answers += result.answers;
    count1(totals.topologies, result.topology);
    for (const fault of result.faults) count1(totals.faults, fault);
    if (result.report === null) return;
    if (totals.failed.push(result) <= failuresMax) console.log(result.report);
  };
  await Promise.all(
    Array.from({ length: workers }, () => {
      const child: ChildProcess = fork(WORKER, [], {
        env: {
          ...process.env,
          ...(chosenMutant === undefined ? {} : { ODRADEK_MUTANT: JSON.stringify(chosenMutant) }),
        },
        execArgv: [
          ...process.execArgv,
          ...(chosenMutant === undefined ? [] : ['--import', MUTATE]),
        ],
      });
      const shrinkSeconds = chosenMutant === undefined ? numberOf('shrink') : 0;
      return new Promise<void>((resolve, reject) => {
        const hand = (): void => {
          const seeds = take();
          if (seeds.length === 0) child.disconnect();
          else {
            const wanted = topology ?? chosenMutant?.topology ?? null;
            const ignored = options.ignore ?? null;
            child.send({ seeds, topology: wanted, shrinkSeconds, ignored });
          }
        };
        child.on('message', (message: { results: SeedResult[] }) => {
          for (const result of message.results) counted(result);
          hand();
        });
        child.on('exit', (code) => {
          if (code === 0) resolve();
          else reject(new Error(`a worker ended with ${code}`));
        });
        hand();
      });
    }),
  );
  return totals;
}

const listed = (map: ReadonlyMap<string, number>): string =>
  [...map]
    .sort(([, left], [, right]) => right - left)
    .map(([name, count]) => `${name} ${count}`)
    .join(', ');

async function main(): Promise<void> {
  if (options.seed !== undefined || options.plan !== undefined) {
    const plan = options.plan === undefined ? null : readFileSync(options.plan, 'utf8');
    const { outcome, text } = await replay(options.seed ?? '', plan, topology, options.trace);
    console.log(describePlan(outcome.plan));
    if (options.trace) {
      const folder = join(tmpdir(), 'odradek-simulation');
      mkdirSync(folder, { recursive: true });
      const path = join(folder, `seed-${outcome.plan.seed}.trace`);
      writeFileSync(path, `${outcome.traceLines.join('\n')}\n`);
      console.log(outcome.traceLines.join('\n'));
      console.log(`the trace is in ${path}`);
    }
    console.log(text);
    process.exit(outcome.breaches.length > 0 ? 1 : 0);
  }
  const beganAt = Date.now();
  const seeds = numberOf('seeds');
  const from = numberOf('from');
  const totals = await runSeeds(from, seeds, Math.max(1, numberOf('workers')));
  const seconds = ((Date.now() - beganAt) / 1_000).toFixed(1);
  console.log(
    `${totals.seeds} seeds from ${from} on in ${seconds} s (${(totals.virtualMs / 1_000).toFixed(0)} s of ` +
      `simulated time, ${totals.transactions} transactions, ${totals.answers} answers checked): ` +
      `${totals.failed.length} failed`,
  );
  console.log(`set-ups: ${listed(totals.topologies)}`);
  console.log(`faults: ${listed(totals.faults)}`);
  if (chosenMutant === undefined) process.exit(totals.failed.length > 0 ? 1 : 0);
  console.log(tryMutant(chosenMutant, totals.failed));
  process.exit(totals.failed.length > 0 ? 0 : 1);
}

await main();
