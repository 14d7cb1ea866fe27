/**
 * Runs the logs of a simulated broker for many seeds, or one of them with all that happens in it.
 *
 *   npm run simulate:log -- --seeds 1000 [--from 1] [--seconds 120]
 *   npm run simulate:log -- --seed 17 [--trace]
 *   npm run simulate:log -- --everywhere 17 [--operations 30]    one life, ended at every change of the medium
 *
 *   npm run simulate:log -- --compacted ...      logs that a cleaner compacts; --seed compacted-17 is one of them
 *   npm run simulate:log -- --mutant hole        with a planted bug, which must be found
 *
 * Exits with 1 when a seed fails; with a planted bug, when none does.
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { logMutants } from './log/mutants.ts';
import { COMPACTED, cutShort, drawLogPlan } from './log/plan.ts';
import { runLogPlan } from './log/run.ts';

const { values: options } = parseArgs({
  options: {
    seeds: { type: 'string', default: '100' },
    from: { type: 'string', default: '1' },
    seed: { type: 'string' },
    trace: { type: 'boolean', default: false },
    everywhere: { type: 'string' },
    operations: { type: 'string', default: '30' },
    seconds: { type: 'string', default: '3600' },
    failures: { type: 'string', default: '3' },
    compacted: { type: 'boolean', default: false },
    mutant: { type: 'string' },
  },
});

const untilMs = Date.now() + 1_000 * Number(options.seconds);
const failuresMax = Number(options.failures);
let failures = 0;

async function one(seed: string): Promise<void> {
  const { breach, plan, traceHash, traceLines, changes } = await runLogPlan(
    drawLogPlan(seed),
    options.trace,
  );
  console.log(JSON.stringify(plan));
  for (const line of traceLines) console.log(line);
  console.log(`trace ${traceHash}, changes ${changes.join(', ')}: ${breach ?? 'everything held'}`);
  if (breach !== null) failures += 1;
}

async function many(): Promise<void> {
  const beganAt = Date.now();
  const from = Number(options.from);
  let count = 0;
  let appends = 0;
  let passes = 0;
  for (
    ;
    count < Number(options.seeds) && Date.now() < untilMs && failures < failuresMax;
    count += 1
  ) {
    const seed = `${options.compacted ? COMPACTED : ''}${from + count}`;
    const outcome = await runLogPlan(drawLogPlan(seed));
    appends += outcome.appends;
    passes += outcome.passes;
    if (outcome.breach === null) continue;
    failures += 1;
    console.log(`SEED ${seed} FAILS: ${outcome.breach}`);
    console.log(`again: npm run simulate:log -- --seed ${seed} --trace`);
  }
  const seconds = ((Date.now() - beganAt) / 1_000).toFixed(1);
  console.log(
    `${count} seeds from ${from} on in ${seconds} s (${appends} batches${options.compacted ? `, ${passes} compactions` : ''}): ${failures} failed`,
  );
}

async function everywhere(seed: string): Promise<void> {
  const operations = Number(options.operations);
  for (const ending of ['kill', 'power'] as const) {
    for (let at = 1; failures < failuresMax && Date.now() < untilMs; at += 1) {
      const { breach, changes } = await runLogPlan(cutShort(seed, operations, ending, at));
      if (breach !== null) {
        failures += 1;
        console.log(`SEED ${seed} FAILS, ${ending} after change ${at}: ${breach}`);
      }
      if ((changes[0] ?? 0) < at) {
        console.log(`${ending} at each of ${at} places`);
        break;
      }
    }
  }
}

/** The bug is planted while the sources are loaded, so that takes a process of its own. */
function withMutant(name: string): never {
  const mutant = logMutants.find((known) => known.name === name);
  if (mutant === undefined) {
    console.error(`--mutant: one of ${logMutants.map((known) => known.name).join(', ')}`);
    process.exit(1);
  }
  const { bug, firstSeed, seedsMax, compacted = false, ...change } = mutant;
  const mutate = new URL('./mutate.mjs', import.meta.url).href;
  const { stdout } = spawnSync(
    process.execPath,
    [
      ...process.execArgv,
      ...['--import', mutate, fileURLToPath(import.meta.url)],
      ...['--from', String(firstSeed), '--seeds', String(seedsMax), '--failures', '1'],
      ...(compacted ? ['--compacted'] : []),
    ],
    {
      env: { ...process.env, ODRADEK_MUTANT: JSON.stringify({ changes: [change] }) },
      stdio: ['ignore', 'pipe', 'inherit'],
      encoding: 'utf8',
    },
  );
  const found = /SEED (\S+) FAILS: (.*)/.exec(stdout);
  console.log(
    found === null
      ? `${name} (${bug}) was NOT caught\n${stdout}`
      : `${name} (${bug}) was caught with seed ${found[1]}: ${found[2]}`,
  );
  process.exit(found === null ? 1 : 0);
}

if (options.mutant !== undefined) withMutant(options.mutant);
if (options.seed !== undefined) await one(options.seed);
else if (options.everywhere !== undefined) await everywhere(options.everywhere);
else await many();
process.exit(failures > 0 ? 1 : 0);
