/**
 * One campaign: an ensemble under work, faults one after the other, and at the end the judgement. Shared by the
 * tests of three and of six servers, and by the long runs.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from '@jest/globals';
import { checkRegisters } from '../../packages/testkit/src/checkers/registers.ts';
import type { Ensemble } from '../support/ensemble.ts';
import { History } from '../support/history.ts';
import type { Fault } from '../support/nemesis.ts';
import { leftEphemerals, lostCreations, missedEphemerals } from '../support/verdict.ts';
import { childrenOn, layOut, paths, Workload } from '../support/workload.ts';
import { type Daemon, eventually, projectRoot, type Workspace } from '../support/workspace.ts';

/** Minutes that long runs go on with faults drawn at random; 0: every fault once, in order. */
export const LONG_RUN_MINUTES = Number(process.env.ODRADEK_CHAOS_MINUTES ?? 0);

const KEYS = 5;
const KAZOO = '/usr/lib/python3/dist-packages/kazoo';

export interface CampaignOptions {
  readonly workspace: Workspace;
  readonly ensemble: Ensemble;
  readonly faults: readonly Fault[];
  readonly sessionTimeoutMs: number;
  /** How long a fault lasts; longer than sessions and servers wait for each other. */
  readonly lastsMs: number;
}

/** @returns what was done, for the test to look at */
export async function campaign(options: CampaignOptions): Promise<History> {
  const { workspace, ensemble, faults, sessionTimeoutMs, lastsMs } = options;
  const history = new History();
  await layOut(ensemble.connect(), KEYS);
  const all = ensemble.connect();
  const workload = new Workload({
    // Two that know all servers, and one on each server alone: so both sides of every cut are asked.
    clients: [all, all, ...ensemble.all.map(({ connect }) => connect)],
    history,
    keys: KEYS,
    sessionTimeoutMs,
  });
  const foreign = startForeign(workspace, all, sessionTimeoutMs);
  const told: string[] = [];
  try {
    await progress(history, 'work begins');
    for (const fault of drawn(faults)) {
      const { what, end } = await fault.begin();
      told.push(what);
      const under = fault.leavesQuorum ? progress(history, `under ${what}`) : null;
      await Promise.all([under, new Promise((resolve) => setTimeout(resolve, lastsMs))]);
      await end();
      await ensemble.serving();
      await progress(history, `after ${what}`);
    }
    const orphan = workload.kill(0);
    await workload.stop();
    for (const program of foreign) await finish(program, history);
    await judge(ensemble, history, orphan === null ? [] : [orphan.name]);
  } catch (error) {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    throw new Error(`${text}\nDone before: ${told.join(', ')}\n${ensemble.tail(40)}`, {
      cause: error,
    });
  } finally {
    await workload.stop();
  }
  return history;
}

/** Some more writes are acknowledged. */
async function progress(history: History, when: string): Promise<void> {
  const before = history.acknowledged;
  await eventually(
    `writes are acknowledged ${when}`,
    async () => history.acknowledged > before + 5,
  );
}

function* drawn(faults: readonly Fault[]): Generator<Fault> {
  if (LONG_RUN_MINUTES === 0) {
    yield* faults;
    return;
  }
  const end = Date.now() + LONG_RUN_MINUTES * 60_000;
  while (Date.now() < end) {
    const fault = faults[Math.floor(Math.random() * faults.length)];
    if (fault === undefined) return;
    console.log(`${Math.round((end - Date.now()) / 1000)} s left: ${fault.name}`);
    yield fault;
  }
}

function startForeign(workspace: Workspace, hosts: string, timeoutMs: number): readonly Daemon[] {
  if (!existsSync(KAZOO)) {
    console.warn(`the workload is without kazoo: there is no ${KAZOO} (python3-kazoo)`);
    return [];
  }
  const program = join(projectRoot, 'test/chaos/clients/kazoo_workload.py');
  const seconds = String(timeoutMs / 1000);
  return ['kazoo0', 'kazoo1'].map((name) =>
    workspace.program(name, '/usr/bin/python3', [program, hosts, name, String(KEYS), seconds]),
  );
}

async function finish(program: Daemon, history: History): Promise<void> {
  program.child.stdin?.end();
  await eventually(`${program.name} ends`, async () => program.exited);
  if (program.child.exitCode !== 0) throw new Error(`${program.name}:\n${program.output}`);
  history.read(program.output);
}

async function judge(
  ensemble: Ensemble,
  history: History,
  orphans: readonly string[],
): Promise<void> {
  const left = async (): Promise<readonly string[]> =>
    await childrenOn(ensemble.connect(), paths.alive);
  // Nobody closed the orphan's session: it goes when its time is up.
  await eventually(
    'ephemerals go with their sessions',
    async () => (await left()).length === 0,
  ).catch(async (error: unknown) => {
    throw new Error(leftEphemerals(history, await left()).join('\n'), { cause: error });
  });
  const children = new Map<string, readonly string[]>();
  for (const { id, connect } of ensemble.all)
    children.set(String(id), await childrenOn(connect, paths.created));
  expect(history.surprises).toEqual([]);
  expect(lostCreations(history, children)).toEqual([]);
  expect(checkRegisters(history.registers, '')).toEqual([]);
  expect(missedEphemerals(history)).toEqual([]);
  expect(history.holdings.length).toBeGreaterThan(0);
  expect(history.rollCalls.length).toBeGreaterThan(0);
  expect(orphans.every((name) => history.holdings.some((holding) => holding.name === name))).toBe(
    true,
  );
}
