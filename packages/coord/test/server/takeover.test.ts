/**
 * Goal: when the site that decides is lost, the operator can let the others go on, nothing that they
 * know is lost, and the lost ones cannot come back with their old votes, also not among themselves.
 */
import { rename } from 'node:fs/promises';
import { afterEach, expect, test } from '@jest/globals';
import { opCodes } from '@odradek/protocol/zookeeper';
import { nodeEnvironment, silentLog } from '@odradek/runtime';
import { parseEnsemble } from '../../src/core/quorum/ensemble.ts';
import { type TakeoverReport, takeOver } from '../../src/offline/index.ts';
import { silent } from '../../src/offline/state.ts';
import { TestEnsemble } from '../support/ensemble.ts';
import { RawClient } from '../support/raw-client.ts';
import { create, dataOf, read } from '../support/requests.ts';
import { Servers } from '../support/server.ts';

const servers = new Servers();
let ensemble: TestEnsemble;
afterEach(async () => {
  await ensemble.stop();
  await servers.stopAll();
});

const SURVIVORS = [4, 5, 6];
const LOST = [1, 2, 3];

async function forcedOn(
  id: number,
  isConfirmed = true,
  lost: readonly number[] = LOST,
): Promise<TakeoverReport | null> {
  const members = [...ensemble.ids.map((one) => ensemble.serverLine(one)), 'weight.1=2'];
  return await takeOver(
    nodeEnvironment({ log: silentLog }),
    {
      dataDirectory: ensemble.dataDirectory(id),
      logDirectory: null,
      serverId: id,
      members: parseEnsemble(members.join('\n')),
      lost,
    },
    silent,
    async () => isConfirmed,
  );
}

async function valueAt(id: number, path: string): Promise<string> {
  const client = await RawClient.open(ensemble.port(id));
  const answer = await client.request(1, opCodes.getData, read(path));
  client.destroy();
  expect(answer.err).toBe(0);
  return dataOf(answer.body);
}

test('those who are left go on, and whoever was lost is kept out until it comes back empty', async () => {
  ensemble = await TestEnsemble.start(servers, [...LOST, ...SURVIVORS], { weights: { 1: 2 } });
  const client = await RawClient.open(ensemble.port(4));
  expect((await client.request(1, opCodes.create, create('/kept', 'before'))).err).toBe(0);
  client.destroy();

  // The site is lost; the others stop of themselves to serve, and are stopped.
  await Promise.all(LOST.map((id) => ensemble.stopServer(id)));
  await ensemble.until(() => SURVIVORS.every((id) => ensemble.running(id).role() === null));
  await expect(forcedOn(4)).rejects.toThrow(/is locked by process/);
  await Promise.all(SURVIVORS.map((id) => ensemble.stopServer(id)));

  expect(await forcedOn(4, false)).toBeNull();
  const reports = [await forcedOn(4), await forcedOn(5), await forcedOn(6)];
  expect(new Set(reports.map((report) => report?.fingerprint)).size).toBe(1);
  expect(reports[0]).toMatchObject({ fence: 1, survivors: SURVIVORS, lostHold: '4 of 7 votes' });
  // Once more would part them from each other.
  await expect(forcedOn(4)).rejects.toThrow(/decide without a take-over .*: start them/);

  await Promise.all(SURVIVORS.map((id) => ensemble.startServer(id)));
  await ensemble.allServing();
  expect(await valueAt(5, '/kept')).toBe('before');
  const writer = await RawClient.open(ensemble.port(6));
  expect((await writer.request(1, opCodes.create, create('/after', 'x'))).err).toBe(0);
  writer.destroy();
  expect(await valueAt(6, '/zookeeper/config')).toMatch(
    /\nweight\.1=0\nweight\.2=0\nweight\.3=0\nversion=10001/,
  );

  // The lost ones are four votes of seven by what they know.
  await Promise.all(LOST.map((id) => ensemble.startServer(id)));
  await ensemble.until(() =>
    LOST.every((id) => ensemble.running(id).status()?.obstacle?.includes('taken over') === true),
  );
  expect(LOST.map((id) => ensemble.running(id).role())).toEqual([null, null, null]);
  await Promise.all(SURVIVORS.map((id) => ensemble.stopServer(id)));
  // Also when nobody is there to tell them: it is on their disks.
  await Promise.all(LOST.map((id) => ensemble.stopServer(id)));
  await Promise.all(LOST.map((id) => ensemble.startServer(id)));
  expect(LOST.map((id) => ensemble.running(id).status()?.obstacle)).toEqual(
    LOST.map(() => expect.stringContaining('taken over')),
  );

  await Promise.all(LOST.map((id) => ensemble.stopServer(id)));
  await rename(`${ensemble.dataDirectory(1)}/odradek`, `${ensemble.dataDirectory(1)}/old`);
  await Promise.all([1, ...SURVIVORS].map((id) => ensemble.startServer(id)));
  await ensemble.allServing();
  expect(await valueAt(1, '/after')).toBe('x');
}, 60_000);

test('refused where it makes no sense', async () => {
  ensemble = await TestEnsemble.make(servers, [...LOST, ...SURVIVORS], { weights: { 1: 2 } });
  await expect(forcedOn(4)).rejects.toThrow(/is no data directory/);
  await ensemble.startServer(4);
  await ensemble.stopServer(4);
  await expect(forcedOn(4)).rejects.toThrow(/never belonged to an ensemble/);
});

test('an observer goes on with the survivors', async () => {
  ensemble = await TestEnsemble.start(servers, [1, 2, 3, 4], { weights: { 1: 2 }, observers: [4] });
  await Promise.all(ensemble.ids.map((id) => ensemble.stopServer(id)));
  await expect(forcedOn(1, true, [1])).rejects.toThrow(/this is server 1, which is not among/);
  expect((await forcedOn(2, true, [1]))?.fingerprint).toBe(
    (await forcedOn(4, true, [1]))?.fingerprint,
  );
  await forcedOn(3, true, [1]);
  await Promise.all([2, 3, 4].map((id) => ensemble.startServer(id)));
  await ensemble.allServing();
  expect(ensemble.running(4).role()).toBe('observer');
}, 60_000);
