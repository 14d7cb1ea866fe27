/**
 * One seed: run, and if it fails, made smaller and told in a way that a person can begin with.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type Breach,
  drawPlan,
  faultText,
  type Mutant,
  type Outcome,
  type Plan,
  runSimulation,
  shrink,
  type Topology,
} from '@odradek/testkit';

/** What is told of a seed to whoever counts. */
export interface SeedResult {
  readonly seed: string;
  readonly topology: string;
  readonly traceHash: string;
  readonly virtualMs: number;
  readonly transactions: number;
  readonly answers: number;
  readonly faults: readonly string[];
  /** The checkers that found something. */
  readonly checkers: readonly string[];
  /** null: everything held. */
  readonly report: string | null;
}

const BREACHES_SHOWN = 4;
const LINES_SHOWN = 40;
const TEXT_SHOWN = 600;

/** Errors that nobody caught go to the run that is going on. */
let abort: (error: unknown) => void = (error) => {
  throw error;
};
process.on('uncaughtException', (error) => abort(error));
process.on('unhandledRejection', (error) => abort(error));

export function run(plan: Plan, isRead = false): Promise<Outcome> {
  return runSimulation(plan, {
    isRead,
    onStart: (told) => {
      abort = told;
    },
  });
}

export async function runSeed(
  seed: number,
  topology: Topology | undefined,
  shrinkSeconds: number,
  ignored: string | null = null,
): Promise<SeedResult> {
  const plan = drawPlan(seed, { topology });
  const whole = await run(plan);
  const outcome = {
    ...whole,
    breaches: whole.breaches.filter(({ checker }) => checker !== ignored),
  };
  return {
    seed: plan.seed,
    topology: plan.topology,
    traceHash: outcome.traceHash,
    virtualMs: outcome.virtualMs,
    transactions: outcome.transactions,
    answers: outcome.answers,
    faults: plan.faults.map(({ kind }) => kind),
    checkers: [...new Set(outcome.breaches.map(({ checker }) => checker))],
    report: outcome.breaches.length === 0 ? null : await reportOf(outcome, shrinkSeconds),
  };
}

/** The seed, the smallest plan found that fails in the same way, and the end of its trace. */
async function reportOf(outcome: Outcome, shrinkSeconds: number): Promise<string> {
  const { plan, breaches } = outcome;
  const checker = breaches[0]?.checker;
  const untilMs = Date.now() + shrinkSeconds * 1_000;
  const smallest = await shrink(
    plan,
    async (candidate) => (await run(candidate)).breaches.some((other) => other.checker === checker),
    () => Date.now() < untilMs,
  );
  const again = await run(smallest, true);
  const folder = join(tmpdir(), 'odradek-simulation');
  mkdirSync(folder, { recursive: true });
  const planPath = join(folder, `seed-${plan.seed}.json`);
  writeFileSync(planPath, JSON.stringify(smallest, null, 2));
  const tracePath = join(folder, `seed-${plan.seed}.trace`);
  writeFileSync(tracePath, `${again.traceLines.join('\n')}\n`);
  return [
    `\nSEED ${plan.seed} (${plan.topology}) FAILS`,
    ...breachLines(breaches),
    `smallest schedule found that fails in the same way:`,
    describePlan(smallest),
    ...breachLines(again.breaches),
    `the end of its trace (all of it: ${tracePath}):`,
    ...again.traceLines.slice(-LINES_SHOWN),
    `again: npm run simulate -- --seed ${plan.seed} --topology ${plan.topology} --trace`,
    `       npm run simulate -- --plan ${planPath} --trace`,
    '',
  ].join('\n');
}

const breachLines = (breaches: readonly Breach[]): string[] => [
  ...breaches
    .slice(0, BREACHES_SHOWN)
    .map(({ checker, text }) => `  ${checker}: ${text.slice(0, TEXT_SHOWN)}`),
  ...(breaches.length > BREACHES_SHOWN ? [`  and ${breaches.length - BREACHES_SHOWN} more`] : []),
];

export function describePlan(plan: Plan): string {
  const { topology, servers, clients, faults, tickMs, sessionTimeoutMs, snapCount, syncMs } = plan;
  return [
    `  ${topology}: ${servers.map(({ name, weight, role }) => `${name}${role === 'observer' ? ' observes' : weight === 1 ? '' : ` weighs ${weight}`}`).join(', ')}; ` +
      `tickTime ${tickMs}, session time-out ${sessionTimeoutMs}, snapCount ${snapCount}, a sync takes ${syncMs} ms`,
    ...clients.map(
      ({ name, operations, inFlightMax, pauseMs, watches, unrest, leaves }) =>
        `  ${name}: ${operations} operations, ${inFlightMax} at once, ${pauseMs.toFixed(1)} ms between, ` +
        `watches ${watches}, unrest ${unrest}, leaves its session ${leaves}`,
    ),
    ...faults.map((fault) => `  ${faultText(fault)}`),
    ...(plan.siege === null ? [] : [`  in the end cut off for long: ${plan.siege.join(', ')}`]),
  ].join('\n');
}

/** One seed, or one plan, for a reader. */
export async function replay(
  seed: string,
  planText: string | null,
  topology: Topology | undefined,
  isRead: boolean,
): Promise<{ outcome: Outcome; text: string }> {
  const plan = planText === null ? drawPlan(seed, { topology }) : (JSON.parse(planText) as Plan);
  const outcome = await run(plan, isRead);
  const { breaches, traceHash, virtualMs, events, transactions, answers, unanswered } = outcome;
  const text = [
    ...breaches.map(({ checker, text: what }) => `  ${checker}: ${what}`),
    `trace ${traceHash}: ${virtualMs.toFixed(0)} ms of simulated time, ${events} events, ` +
      `${transactions} transactions, ${answers} answers, ${unanswered} requests without one, ` +
      `${outcome.leaderships} leaderships: ${breaches.length === 0 ? 'everything held' : 'FAILED'}`,
  ].join('\n');
  return { outcome, text };
}

export function tryMutant({ name, bug }: Mutant, failed: readonly SeedResult[]): string {
  const [first] = failed;
  return first === undefined
    ? `${name} (${bug}) was NOT caught`
    : `${name} (${bug}) was caught with seed ${first.seed} by: ${first.checkers.join(', ')}`;
}
