/**
 * Two sites of three servers, one of them with two votes: the case this ensemble was made for, with real processes and
 * the settings of config/two-sites.
 *
 * The line between the sites is cut: the site with 4 votes goes on, the other one (3 votes) says why it does not, lets
 * those read who are content with that, and is back by itself when the line is. Then the majority moves to the other
 * site, and the same happens the other way round. Then the main site is lost for good and the other one is told to
 * take over; what comes back of the old site must not serve beside it.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { operations, RawSession } from '@odradek/client';
import { nodeEnvironment, parseProperties } from '@odradek/runtime';
import { checkRegisters } from '../../packages/testkit/src/checkers/registers.ts';
import { Ensemble } from '../support/ensemble.ts';
import { History, nowMs } from '../support/history.ts';
import { Network, networksRefused } from '../support/network.ts';
import { lostCreations, missedEphemerals } from '../support/verdict.ts';
import { childrenOn, layOut, paths, Workload } from '../support/workload.ts';
import { eventually, type Finished, projectRoot, Workspace } from '../support/workspace.ts';

const MAIN = [1, 2, 3];
const OTHER = [4, 5, 6];
const KEYS = 3;
const SESSION_TIMEOUT_MS = 2_000;
/** `super:secret`, whom the move of the majority asks for. */
const SUPER_DIGEST = 'super:lK75jTNcA+U9vtVEw5vB51mj/w4=';

/** What config/two-sites says of everything but places, here with shorter ticks. */
function shippedSettings(): Record<string, string> {
  const file = join(projectRoot, 'config/two-sites/server-1.properties');
  const entries = parseProperties(readFileSync(file, 'utf8'), file);
  const isPlace = /^(server\.|odradek\.serverId|dataDir)/;
  return {
    ...Object.fromEntries(
      entries.filter(({ key }) => !isPlace.test(key)).map(({ key, value }) => [key, value]),
    ),
    tickTime: '400',
    'DigestAuthenticationProvider.superDigest': SUPER_DIGEST,
  };
}

const refused = networksRefused();
if (refused !== null) console.warn(`two sites: skipped, ${refused}`);
const testInNetwork = refused === null ? test : test.skip;

const workspace = new Workspace();
const history = new History();
let network: Network;
let ensemble: Ensemble;

beforeAll(async () => {
  if (refused !== null) return;
  network = new Network([MAIN, OTHER]);
  ensemble = await Ensemble.start(workspace, { network, settings: shippedSettings() });
  await layOut(ensemble.connect(), KEYS);
});
afterAll(async () => {
  await workspace.dispose();
  network?.dispose();
});

/** Adds what the servers said to whatever goes wrong. */
async function told<T>(act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (error) {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    throw new Error(`${text}\n${ensemble.tail()}`, { cause: error });
  }
}

const pids = (): number[] => ensemble.all.map(({ pid }) => pid);
/** `odradek quorum`, run where a server is. */
async function quorum(onHost: number, ...words: string[]): Promise<Finished> {
  const main = join(projectRoot, 'packages/cli/dist/main.js');
  const [command, all] = network.command(onHost, process.execPath, [main, 'quorum', ...words]);
  return await workspace.run(command, all);
}

async function openOn(ids: readonly number[], canBeReadOnly: boolean): Promise<RawSession> {
  return RawSession.open({
    connect: ensemble.connect(ids),
    sessionTimeoutMs: SESSION_TIMEOUT_MS,
    canBeReadOnly,
    environment: nodeEnvironment(),
  });
}

/** The line is cut, and it is looked at from all sides; then it is mended. */
async function cutAndHeal(strong: readonly number[], weak: readonly number[]): Promise<void> {
  const processes = pids();
  const work = (ids: readonly number[], name: string): Workload =>
    new Workload({
      clients: ids.map((id) => ensemble.connect([id])),
      history,
      keys: KEYS,
      sessionTimeoutMs: SESSION_TIMEOUT_MS,
      name: `${name}${history.creations.length}-`,
    });
  const [strongWork, weakWork] = [work(strong, 'strong'), work(weak, 'weak')];
  const [before = ''] = await told(() => childrenOnceMade());
  network.cutLine();
  const cutAt = nowMs();
  await told(() => ensemble.serving(strong));
  await told(() =>
    eventually('the weak side says what is missing', async () => {
      const answers = await Promise.all(weak.map((id) => ensemble.member(id).word('srvr')));
      return answers.every((answer) => answer?.includes('maintenance: 3 of 7 votes'));
    }),
  );
  for (const id of weak) {
    const member = ensemble.member(id);
    await member.daemon?.printed('maintenance: 3 of 7 votes');
    await eventually('the weak side serves those who only read', async () => {
      return (await member.mode()) === 'read-only';
    });
    const figures = await member.figures();
    expect([
      figures.get('zk_odradek_maintenance'),
      figures.get('zk_odradek_votes_present'),
      figures.get('zk_odradek_votes_total'),
    ]).toEqual(['1', '3', '7']);
  }

  const reader = await openOn(weak, true);
  const writer = await openOn(weak, false);
  const path = paths.created;
  const { children } = await told(() =>
    reader.call(operations.getChildren, { path, watch: false }),
  );
  expect(children).toContain(before);
  expect(reader.state).toBe('CONNECTEDREADONLY');
  await expect(
    reader.call(operations.setData, {
      path: paths.register('0'),
      data: Buffer.from('from the weak side'),
      version: -1,
    }),
  ).rejects.toMatchObject({ code: 'NOT_READ_ONLY' });
  expect(writer.state).toBe('CONNECTING');

  const atCut = acknowledgedBy('strong', cutAt);
  await told(() =>
    eventually('the strong side goes on', async () => acknowledgedBy('strong', cutAt) > atCut + 20),
  );
  const mendedAt = nowMs();
  network.mendLine();
  await told(() => ensemble.serving());
  expect(pids()).toEqual(processes);
  await told(() =>
    eventually('the weak side works again', async () => acknowledgedBy('weak', mendedAt) > 5),
  );
  await writer.close();
  await reader.close();
  await strongWork.stop();
  await weakWork.stop();
  const served = history.registers.filter(
    ({ client, kind, calledAt, returnedAt }) =>
      client.startsWith('weak') &&
      kind === 'write' &&
      calledAt > cutAt &&
      returnedAt !== null &&
      returnedAt < mendedAt,
  );
  expect(served).toEqual([]);
}

/** Resolves when something was created, with its name. */
async function childrenOnceMade(): Promise<readonly string[]> {
  return await eventually('something is created', async () => {
    const children = await childrenOn(ensemble.connect(), paths.created);
    return children.length > 0 && children;
  });
}

function acknowledgedBy(side: string, sinceMs: number): number {
  return history.registers.filter(
    ({ client, kind, calledAt, returnedAt }) =>
      client.startsWith(side) && kind === 'write' && calledAt > sinceMs && returnedAt !== null,
  ).length;
}

async function judge(ids: readonly number[]): Promise<void> {
  const children = new Map<string, readonly string[]>();
  for (const id of ids)
    children.set(String(id), await childrenOn(ensemble.connect([id]), paths.created));
  expect(history.surprises).toEqual([]);
  expect(lostCreations(history, children)).toEqual([]);
  expect(checkRegisters(history.registers, '')).toEqual([]);
  expect(missedEphemerals(history)).toEqual([]);
}

testInNetwork(
  'the line is cut and mended: 4 votes go on, 3 votes say so and heal by themselves',
  async () => {
    await cutAndHeal(MAIN, OTHER);
    await judge([...MAIN, ...OTHER]);
  },
  300_000,
);

testInNetwork(
  'the line is slow: both sites go on being served, by the same leader',
  async () => {
    const leader = await ensemble.serving();
    const kind = network.slowLine();
    const workload = new Workload({
      clients: [...MAIN, ...OTHER].map((id) => ensemble.connect([id])),
      history,
      keys: KEYS,
      sessionTimeoutMs: SESSION_TIMEOUT_MS,
      name: 'slowly',
      pauseMs: 20,
    });
    const began = nowMs();
    await told(() =>
      eventually(`all are served over a line with ${kind}`, async () =>
        [...MAIN, ...OTHER].every((_, index) => acknowledgedBy(`slowly${index}`, began) > 10),
      ),
    );
    network.quickenLine();
    expect((await told(() => ensemble.serving())).id).toBe(leader.id);
    await workload.stop();
    await judge([...MAIN, ...OTHER]);
  },
  300_000,
);

testInNetwork(
  'the majority moves to the other site, and the same holds the other way round',
  async () => {
    const moved = await quorum(
      1,
      ...['move', '--to', 'other', '--site', `main=${MAIN}`, '--site', `other=${OTHER}`],
      ...['--server', ensemble.connect(), '--confirm', 'other', '--auth', 'digest:super:secret'],
    );
    expect(moved).toMatchObject({ code: 0 });
    const status = await quorum(1, 'status', '--server', ensemble.connect());
    expect(status).toMatchObject({ code: 0 });
    await cutAndHeal(OTHER, MAIN);
    await judge([...MAIN, ...OTHER]);
  },
  300_000,
);

testInNetwork(
  'the site with the majority is lost: the other one takes over, and what comes back keeps out',
  async () => {
    for (const id of OTHER) await ensemble.member(id).kill();
    await told(() =>
      eventually('those that are left say what is missing', async () => {
        const answers = await Promise.all(MAIN.map((id) => ensemble.member(id).word('srvr')));
        return answers.every((answer) => answer?.includes('maintenance: 3 of 7 votes'));
      }),
    );
    for (const id of MAIN) await ensemble.member(id).stop();
    for (const id of MAIN) {
      const { configFile } = ensemble.member(id);
      const words = ['takeover', configFile, '--lost', OTHER.join(), '--confirm', OTHER.join()];
      expect(await quorum(id, ...words)).toMatchObject({ code: 0 });
    }
    for (const id of MAIN) ensemble.member(id).start();
    await told(() => ensemble.serving(MAIN));
    const workload = new Workload({
      clients: MAIN.map((id) => ensemble.connect([id])),
      history,
      keys: KEYS,
      sessionTimeoutMs: SESSION_TIMEOUT_MS,
      name: 'survivor',
    });
    const began = nowMs();
    await told(() => eventually('they serve', async () => acknowledgedBy('survivor', began) > 20));

    for (const id of OTHER) ensemble.member(id).start();
    for (const id of OTHER)
      await told(async () =>
        ensemble.member(id).daemon?.printed('has taken over without this server'),
      );
    const modes = await Promise.all(OTHER.map((id) => ensemble.member(id).mode()));
    expect(modes.filter((mode) => mode === 'leader' || mode === 'follower')).toEqual([]);
    const since = nowMs();
    await told(() =>
      eventually(
        'the survivors go on meanwhile',
        async () => acknowledgedBy('survivor', since) > 20,
      ),
    );

    for (const id of OTHER) {
      await ensemble.member(id).stop();
      ensemble.member(id).wipe();
      ensemble.member(id).start();
    }
    await told(() => ensemble.serving());
    await workload.stop();
    await judge([...MAIN, ...OTHER]);
  },
  300_000,
);
