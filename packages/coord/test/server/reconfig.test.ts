/**
 * Goal: members come and go while the ensemble serves: added, removed, with other roles, ports and weights;
 * whoever may not do that, or asks for what cannot be, is refused in the original's order; the
 * configuration files say it afterwards and keep their comments.
 */
import { readFile } from 'node:fs/promises';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { authPacket, getDataResponse, opCodes, reconfigRequest, xids } from '@odradek/protocol';
import { pointingTo } from '../../src/server/configuration-files.ts';
import { TestEnsemble } from '../support/ensemble.ts';
import { RawClient, word } from '../support/raw-client.ts';
import { create, dataOf, read } from '../support/requests.ts';
import { Servers } from '../support/server.ts';

const servers = new Servers();
let ensemble: TestEnsemble;
afterEach(async () => {
  await ensemble.stop();
  await servers.stopAll();
});

const settings = {
  reconfigEnabled: 'true',
  // super:test
  'DigestAuthenticationProvider.superDigest': 'super:D/InIHSb7yEEbrWz8b9l71RjZJU=',
};

interface Wish {
  readonly joining?: string;
  readonly leaving?: string;
  readonly members?: string;
  readonly version?: bigint;
}

const reconfig = ({ joining, leaving, members, version = -1n }: Wish): Buffer =>
  reconfigRequest.encode({
    joiningServers: joining ?? null,
    leavingServers: leaving ?? null,
    newMembers: members ?? null,
    curConfigId: version,
  });

const superAuth = authPacket.encode({
  type: 0,
  scheme: 'digest',
  auth: Buffer.from('super:test'),
});

async function openSuper(id: number): Promise<RawClient> {
  const client = await RawClient.open(ensemble.port(id));
  expect((await client.request(xids.auth, opCodes.auth, superAuth)).err).toBe(0);
  return client;
}

/** As `reconfig` answers it. */
async function change(client: RawClient, wish: Wish): Promise<string | number> {
  const { err, body } = await client.request(9, opCodes.reconfig, reconfig(wish));
  return err === 0 ? String(getDataResponse.decode(body).data) : err;
}

const membersOf = async (client: RawClient): Promise<string> =>
  dataOf((await client.request(8, opCodes.getData, read('/zookeeper/config'))).body);

const threeOfFour = (): readonly string[] => [1, 2, 3].map((id) => ensemble.serverLine(id));

beforeEach(async () => {
  ensemble = await TestEnsemble.make(servers, [1, 2, 3, 4], { settings });
  await Promise.all([1, 2, 3].map((id) => ensemble.startServer(id, threeOfFour())));
  await ensemble.allServing();
});

test('the config node tells the members; who may not change them, or asks for nonsense, is refused', async () => {
  const client = await RawClient.open(ensemble.port(1));
  expect(await membersOf(client)).toBe(`${threeOfFour().join('\n')}\nversion=0`);
  const line = ensemble.serverLine(4).replace('participant', 'observer');
  expect(await change(client, { joining: line })).toBe(-102);
  expect((await client.request(xids.auth, opCodes.auth, superAuth)).err).toBe(0);
  expect(await change(client, { joining: line, version: 77n })).toBe(-103);
  expect(await change(client, { joining: 'server.4=nonsense' })).toBe(-8);
  expect(await change(client, { leaving: 'two' })).toBe(-5);
  expect(await change(client, { leaving: '2,3' })).toBe(-8);
  expect(await change(client, {})).toBe(-8);
  client.destroy();
});

test('a server joins as an observer, becomes a participant, leads, and leaves; clients that watch are told', async () => {
  const client = await openSuper(ensemble.leaderId ?? 0);
  const line = ensemble.serverLine(4);
  // A participant that does not run yet cannot be counted on, but three of four are a quorum without it.
  await ensemble.startServer(4, [...threeOfFour(), line.replace('participant', 'observer')]);
  await ensemble.until(() => ensemble.running(4).role() === 'observer');
  expect((await client.request(1, opCodes.getData, read('/zookeeper/config', true))).err).toBe(0);
  client.send(2, opCodes.reconfig, reconfig({ joining: line }));
  expect((await client.reply()).xid).toBe(xids.notification);
  const { err, zxid, body } = await client.reply();
  expect(err).toBe(0);
  const text = `${[...threeOfFour(), line].join('\n')}\nversion=${zxid.toString(16)}`;
  expect(String(getDataResponse.decode(body).data)).toBe(text);
  await ensemble.until(() =>
    ensemble.ids.every(
      (id) =>
        ensemble.running(id).role() !== null &&
        ensemble.running(id).status()?.ensembleText === text,
    ),
  );
  await ensemble.until(() => ensemble.running(4).role() === 'follower');
  const joined = await RawClient.open(ensemble.port(4));
  expect(await membersOf(joined)).toBe(text);
  expect((await joined.request(1, opCodes.create, create('/over-4', 'x'))).err).toBe(0);
  expect(await word(ensemble.port(4), 'conf')).toContain(`membership: \n${text}`);
  const lines = ensemble.logs.get(4)?.lines ?? [];
  expect(lines.filter((one) => one.includes('another address'))).toEqual([]);
  const without = await change(client, { leaving: '4', version: zxid });
  expect(without).toContain(ensemble.serverLine(3));
  expect(without).not.toContain('server.4=');
  // It can be started again: its files go on naming it.
  await ensemble.until(() => !ensemble.running(4).status()?.ensembleText.includes('server.4='));
  await ensemble.stopServer(4);
  const main = await readFile(ensemble.configurationFile(4), 'utf8');
  const [, pointer] = /^dynamicConfigFile=(.*)$/m.exec(main) ?? [];
  expect(await readFile(pointer ?? '', 'utf8')).toBe(`${text}\n`);
  for (const one of [client, joined]) one.destroy();
});

test('the file says who is a member from then on, and keeps its comments', async () => {
  const client = await openSuper(2);
  const line = ensemble.serverLine(4).replace('participant', 'observer');
  const text = String(await change(client, { joining: line }));
  const version = /version=(\w+)$/.exec(text)?.[1] ?? '';
  const file = ensemble.configurationFile(2);
  const pointer = `${file}.dynamic.${version}`;
  await ensemble.until(() => ensemble.running(2).status()?.ensembleText === text);
  let main = '';
  while (!main.includes('dynamicConfigFile')) main = await readFile(file, 'utf8');
  expect(main).toContain('# settings of this server\n');
  expect(main).toContain(`dynamicConfigFile=${pointer}\n`);
  expect(main).not.toContain('server.1=');
  expect(await readFile(pointer, 'utf8')).toBe(`${text}\n`);
  expect(await readFile(`${file}.bak`, 'utf8')).toContain('server.1=');
  client.destroy();
});

test('the port for clients moves with its line: those that are there are cut off, new ones are served', async () => {
  const leader = ensemble.leaderId ?? 0;
  const [moved = 0] = [1, 2, 3].filter((id) => id !== leader);
  const there = await RawClient.open(ensemble.port(moved));
  const client = await openSuper(leader);
  const port = ensemble.freePort();
  const line = ensemble.serverLine(moved).replace(/:\d+$/, `:${port}`);
  expect(await change(client, { joining: line })).toContain(line);
  await there.untilClosed();
  await ensemble.until(() => ensemble.running(moved).port === port);
  await ensemble.allServing();
  const again = await RawClient.open(port);
  expect(await membersOf(again)).toContain(line);
  // What is stored knows better than a file that somebody put back.
  await ensemble.stopServer(moved);
  await ensemble.startServer(moved, threeOfFour());
  await ensemble.until(() => ensemble.running(moved).port === port);
  await ensemble.allServing();
  const back = await RawClient.open(port);
  expect(await membersOf(back)).toContain(line);
  back.destroy();
  for (const one of [client, again]) one.destroy();
});

test('weights move the majority', async () => {
  const client = await openSuper(ensemble.leaderId ?? 0);
  const lines = [...threeOfFour(), 'weight.3=3'];
  const text = String(await change(client, { members: lines.join(',') }));
  expect(text).toContain('weight.3=3\n');
  await ensemble.until(() =>
    [1, 2, 3].every((id) => ensemble.running(id).status()?.totalWeight === 5),
  );
  await ensemble.stopServer(1);
  await ensemble.stopServer(2);
  await ensemble.until(() => ensemble.running(3).role() === 'leader');
  const alone = await RawClient.open(ensemble.port(3));
  expect((await alone.request(1, opCodes.create, create('/by-weight', 'x'))).err).toBe(0);
  for (const one of [client, alone]) one.destroy();
});

test('what has to go from a file goes, and nothing else does', () => {
  const before = [
    '# the ensemble',
    'tickTime=2000',
    'server.1=a:2182:2183\\',
    '   :participant',
    'clientPort=2181',
    '  weight.1 = 2',
    '! dynamicConfigFile=old',
    'dynamicConfigFile=/old',
    'version=5',
    '',
    'dataDir=/data',
    '',
  ].join('\n');
  const kept = ['# the ensemble', 'tickTime=2000', '! dynamicConfigFile=old', '', 'dataDir=/data'];
  expect(pointingTo(before, 'zoo.cfg', '/zoo.cfg.dynamic.1f', true)).toBe(
    [...kept, 'dynamicConfigFile=/zoo.cfg.dynamic.1f', ''].join('\n'),
  );
  expect(pointingTo(before, 'zoo.cfg', '/x', false)).toContain('clientPort=2181\n');
});
