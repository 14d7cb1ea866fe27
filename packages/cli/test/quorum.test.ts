/** Goal: quorum's commands count right, ask the right servers, and say in plain words what is the matter. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { type Listener, nodeEnvironment, silentLog } from '@odradek/runtime';
import { quorum } from '../src/commands/quorum.ts';
import type { CommandContext } from '../src/context.ts';

const environment = nodeEnvironment({ log: silentLog });
let folder = '';
const listeners: Listener[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'odradek-quorum-'));
});
afterEach(async () => {
  for (const listener of listeners.splice(0)) await listener.close();
});
afterAll(() => rm(folder, { recursive: true, force: true }));

interface Run {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

async function run(...words: string[]): Promise<Run> {
  let out = '';
  let err = '';
  const context = {
    environment,
    homeDirectory: folder,
    isTerminal: false,
    stdout: async (text: string) => {
      out += text;
    },
    stderr: async (text: string) => {
      err += text;
    },
  } as unknown as CommandContext;
  const code = await quorum.run(words, context);
  return { code, out, err };
}

async function file(name: string, ...lines: string[]): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, lines.join('\n'));
  return path;
}

/** A server that answers quor with this, and every other word with nothing. */
async function server(answer: (port: number) => object | string): Promise<number> {
  const listener = await environment.network.listen(
    { host: '127.0.0.1', port: 0 },
    (connection) => ({
      data(chunk) {
        const said = answer(listener.port);
        const text = typeof said === 'string' ? said : JSON.stringify(said);
        connection.write(Buffer.from(chunk.toString() === 'quor' ? `${text}\n` : ''));
        connection.end();
      },
      close() {},
    }),
  );
  listeners.push(listener);
  return listener.port;
}

const sixServers = [1, 2, 3, 4, 5, 6].map((id) => `server.${id}=host${id}:2182:2183`);
const sites = ['--site', 'vienna=1,2,3', '--site', 'linz=4,5,6'];

test('plan: seven votes on two sites', async () => {
  const path = await file('zoo.cfg', 'dataDir=/d', ...sixServers, 'weight.1=2');
  const { code, out } = await run('plan', path, ...sites);
  expect(code).toBe(0);
  expect(out).toBe(
    [
      '4 of 7 votes decide (server 1: 2, server 2: 1, server 3: 1, server 4: 1, server 5: 1, server 6: 1).',
      '',
      'One server down:',
      '  server 1  5 of 7 votes left  goes on',
      '  server 2  6 of 7 votes left  goes on',
      '  server 3  6 of 7 votes left  goes on',
      '  server 4  6 of 7 votes left  goes on',
      '  server 5  6 of 7 votes left  goes on',
      '  server 6  6 of 7 votes left  goes on',
      '',
      'Two servers down (15 pairs):',
      '  all of them: goes on',
      '',
      'A site cut off from the others:',
      '  vienna (1, 2, 3)  4 of 7 votes, the rest 3 of 7 votes  it goes on, the rest waits',
      '  linz (4, 5, 6)    3 of 7 votes, the rest 4 of 7 votes  the rest goes on, it waits',
      '',
      'A site lost:',
      '  vienna  3 of 7 votes left  STOPS until it is back, or until a take-over (odradek quorum takeover)',
      '  linz    4 of 7 votes left  goes on',
      '',
      'Worst: the loss of a site stops the service.',
      'No small change of weights helps: with two sites the one that decides is always needed; a third site with one vote changes that.',
      '',
    ].join('\n'),
  );
});

test('plan: six equal servers want one vote more; members may be in a file of their own', async () => {
  const members = await file('members', ...sixServers);
  const path = await file('zoo.cfg', 'dataDir=/d', `dynamicConfigFile=${members}`);
  const { out } = await run('plan', path, ...sites);
  expect(out).toContain(
    'vienna (1, 2, 3)  3 of 6 votes, the rest 3 of 6 votes  BOTH WAIT: nobody decides\n',
  );
  expect(out).toMatch(
    /Worst: a cut between sites .*\.\nCheapest change, after which not: a cut between .*:\n {2}weight\.1=2\nWhat stays: the loss of a site/,
  );
  const json = await run('plan', members, '--json', ...sites);
  expect(JSON.parse(json.out)).toMatchObject({
    totalWeight: 6,
    weaknesses: ['cut', 'site'],
    remedy: { against: 'cut', change: { weights: { 1: 2 } } },
  });
});

test.each([
  { words: ['plan'], says: 'must be named' },
  { words: ['plan', 'a', 'b'], says: 'Found non argument parameters: b' },
  { words: ['dance'], says: 'must be one of plan, status, explain, move, takeover' },
  { words: ['move', 'x'], says: 'Missing required option [to]' },
  { words: ['takeover', 'x'], says: 'Missing required option [lost]' },
  { words: ['plan', '--server', 'a:b:c'], says: 'is no host:port' },
  { words: ['plan', '/nowhere'], says: 'there is no such file' },
  { words: ['takeover', '/nowhere', '--lost', '1,x'], says: '"x" is not the id of a server' },
])('refused: $words', async ({ words, says }) => {
  await expect(run(...words)).rejects.toThrow(says);
});

test.each([
  { site: ['--site', 'a=1,2', '--site', 'b=2'], says: 'server 2 is in a and in b' },
  { site: ['--site', 'a=9'], says: 'there is no server 9' },
  { site: ['--site', 'a'], says: 'is no name=id' },
  { site: ['--site', 'a=1', '--site', 'a=2'], says: 'a is given twice' },
])('sites refused: $site', async ({ site, says }) => {
  await expect(run('plan', await file('members', ...sixServers), ...site)).rejects.toThrow(says);
});

/** Three servers of which some answer. */
async function three(answers: Readonly<Record<number, object | string>>): Promise<string> {
  const lines: string[] = ['dataDir=/d'];
  const ports = new Map<number, number>();
  const members = (): string =>
    [1, 2, 3].map((id) => `server.${id}=127.0.0.1:${id}:${id + 10};${ports.get(id)}`).join('\n');
  for (const id of [1, 2, 3]) {
    const answer = answers[id];
    const port = await server(() =>
      typeof answer === 'object'
        ? { serverId: id, ensemble: `${members()}\nversion=5`, ...answer }
        : (answer ?? ''),
    );
    ports.set(id, port);
  }
  return await file('three', ...lines, members());
}

const leads = {
  role: 'leader',
  leaderId: 2,
  currentEpoch: 7,
  appliedZxid: '0x70000000a',
  committedZxid: '0x70000000a',
};

test('status: who leads, how far the others are, and who does not answer', async () => {
  const path = await three({
    1: { role: 'follower', leaderId: 2, currentEpoch: 7, appliedZxid: '0x700000008' },
    2: leads,
    3: 'quor is not executed because it is not in the whitelist.',
  });
  const { code, out } = await run('status', path);
  expect(code).toBe(0);
  expect(out.replaceAll(/127\.0\.0\.1:\d+/g, 'here')).toBe(
    [
      '  server  votes  role                                       epoch  zxid         behind  client address',
      '  1       1      follower                                   7      0x700000008  2       here',
      '  2       1      leader                                     7      0x70000000a  0       here',
      '  3       1      quor is not in its 4lw.commands.whitelist                              here',
      '',
      'Server 2 leads; 2 of 3 votes are present, 2 of 3 votes decide; members have version 5.',
      '',
    ].join('\n'),
  );
  const json = JSON.parse((await run('status', '--json', path)).out);
  expect(json).toMatchObject({
    leaderId: 2,
    servers: [
      { serverId: 1, status: { role: 'follower', appliedZxid: '0x700000008' } },
      { serverId: 2 },
      { serverId: 3, silent: 'quor is not in its 4lw.commands.whitelist' },
    ],
  });
});

test('status of live servers needs one address; the members that they go by count', async () => {
  await three({ 1: { role: 'follower' }, 2: leads, 3: { role: 'follower' } });
  const port = listeners[1]?.port;
  const { code, out } = await run('status', '--server', `127.0.0.1:${port}`);
  expect(code).toBe(0);
  expect(out).toContain('Server 2 leads; 3 of 3 votes are present');
  await expect(run('status', '--server', '127.0.0.1:1')).rejects.toThrow(
    /nobody says who the members are: 127\.0\.0\.1:1: cannot connect/,
  );
});

test('explain: nobody leads, and why, as each of them sees it; who goes by other members is named', async () => {
  const path = await three({
    1: { role: 'looking', obstacle: '1 of 3 votes are here' },
    2: '',
    3: {
      role: 'looking',
      obstacle: 'the same',
      ensemble: 'server.3=h:1:2\nserver.4=i:1:2\nversion=4',
    },
  });
  const { code, out } = await run('explain', path);
  expect(code).toBe(1);
  expect(out).toBe(
    [
      'Nobody leads, though 2 of 3 votes answer here: they do not reach each other, or vote just now.',
      'Silent: server 2 (1 of the votes): it says nothing.',
      'Server 3 goes by other members (version 4 and not 5).',
      '',
      'As the servers see it:',
      '  server 1:  1 of 3 votes are here',
      '  server 3:  the same',
      '',
    ].join('\n'),
  );
});

test('move: nothing is touched when nobody leads, when servers of the site are away, or without confirmation', async () => {
  const equal = ['--site', 'a=1', '--site', 'b=2,3'];
  const away = await three({ 1: leads, 2: { role: 'follower' }, 3: '' });
  expect(await run('move', away, '--to', 'b', '--weights', '2=3', ...equal)).toMatchObject({
    code: 1,
    err: expect.stringContaining('Nothing was changed: server 3 of that site is not there'),
  });
  const silent = await three({ 1: { role: 'looking' }, 2: { role: 'looking' }, 3: '' });
  expect((await run('move', silent, '--to', 'a', ...equal)).err).toContain('nobody leads');
  const well = await three({ 1: leads, 2: { role: 'follower' }, 3: { role: 'follower' } });
  expect((await run('move', well, '--to', 'b', ...equal)).out).toBe(
    'b decides already: a holds 1 of 3 votes, b holds 2 of 3 votes and decides.\n',
  );
  const unconfirmed = await run('move', well, '--to', 'a', '--confirm', 'b', ...equal);
  expect(unconfirmed.code).toBe(1);
  expect(unconfirmed.out).toBe(
    'Now:        a holds 1 of 3 votes, b holds 2 of 3 votes and decides.\n' +
      'Afterwards: a holds 3 of 5 votes and decides, b holds 2 of 5 votes.\n' +
      '  weight.1: 1 -> 3\n' +
      'Clients notice nothing. Until the change is certain it needs a quorum of both.\n',
  );
  expect(unconfirmed.err).toBe('Not confirmed: "b" is not a.\n');
  await expect(run('move', well, '--to', 'c', ...equal)).rejects.toThrow('none of the sites a, b');
});

test('takeover: a server that still answers is not lost', async () => {
  const port = await server(() => '');
  const dataDir = join(folder, 'data');
  const path = await file(
    'survivor',
    `dataDir=${dataDir}`,
    `server.1=127.0.0.1:${port}:1`,
    'server.2=127.0.0.1:2:3',
  );
  await expect(run('takeover', path, '--lost', '1')).rejects.toThrow(/myid is missing/);
  await environment.disk.makeDirectory(dataDir);
  await writeFile(join(dataDir, 'myid'), '2');
  expect(await run('takeover', path, '--lost', '1')).toMatchObject({
    code: 1,
    err: expect.stringContaining(
      `server 1 accepts connections on 127.0.0.1:${port}. It is not lost`,
    ),
  });
  await expect(run('takeover', path, '--lost', '9')).rejects.toThrow('is no data directory');
});
