/**
 * Goal: whatever goes wrong, what the coordination service promises holds, and it comes back when all is well;
 * and the same seed gives the same run, to the byte, in any process.
 * Method: a small share of the seeds that `npm run simulate` runs by the thousand.
 */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from '@jest/globals';
import { drawPlan, runSimulation, TOPOLOGIES, type Topology } from '@odradek/testkit';

const SEEDS = 8;
const RUNNABLE: readonly Topology[] = TOPOLOGIES;
const root = fileURLToPath(new URL('../..', import.meta.url));
const HASH = fileURLToPath(new URL('./hash.ts', import.meta.url));

const hashOf = async (seed: number, topology: Topology): Promise<string> =>
  (await runSimulation(drawPlan(seed, { topology }))).traceHash;

test.each(RUNNABLE)('%s: everything holds under faults', async (topology) => {
  for (let seed = 1; seed <= SEEDS; seed++) {
    const { breaches } = await runSimulation(drawPlan(seed, { topology }));
    expect({ seed, breaches }).toEqual({ seed, breaches: [] });
  }
});

test.each(RUNNABLE)('%s: the same seed is the same run', async (topology) => {
  const first = [await hashOf(21, topology), await hashOf(22, topology)];
  const second = [await hashOf(21, topology), await hashOf(22, topology)];
  expect(second).toEqual(first);
  expect(first[0]).not.toBe(first[1]);
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--import', 'tsx', '--conditions=@odradek/source', HASH, topology, '22', '21'],
    { cwd: root, env: { ...process.env, NODE_OPTIONS: '' } },
  );
  expect(stdout.trim().split('\n').reverse()).toEqual(first);
});

test('a trace can be read, and reading it changes nothing', async () => {
  const plan = drawPlan(5, { topology: 'standalone' });
  const read = await runSimulation(plan, { isRead: true });
  expect(read.traceLines.join('\n')).toContain('serving clients');
  expect(read.traceHash).toBe((await runSimulation(plan)).traceHash);
});
