/**
 * Runs the logs of a simulated broker for many seeds, or one of them with all that happens in it.
 *
 *   npm run simulate:log -- --seeds 1000 [--from 1] [--seconds 120]
 *   npm run simulate:log -- --seed 17 [--trace]
 *   npm run simulate:log -- --everywhere 17 [--operations 30]    one life, ended at every change of the medium
 *
 * Exits with 1 when a seed fails.
 */
import { parseArgs } from 'node:util';
import { cutShort, drawLogPlan } from './log/plan.ts';
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
  for (
    ;
    count < Number(options.seeds) && Date.now() < untilMs && failures < failuresMax;
    count += 1
  ) {
    const outcome = await runLogPlan(drawLogPlan(from + count));
    appends += outcome.appends;
    if (outcome.breach === null) continue;
    failures += 1;
    console.log(`SEED ${from + count} FAILS: ${outcome.breach}`);
    console.log(`again: npm run simulate:log -- --seed ${from + count} --trace`);
  }
  const seconds = ((Date.now() - beganAt) / 1_000).toFixed(1);
  console.log(
    `${count} seeds from ${from} on in ${seconds} s (${appends} batches): ${failures} failed`,
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

if (options.seed !== undefined) await one(options.seed);
else if (options.everywhere !== undefined) await everywhere(options.everywhere);
else await many();
process.exit(failures > 0 ? 1 : 0);
