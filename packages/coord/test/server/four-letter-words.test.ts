/** Goal: monitoring reads what it reads from the original. */
import { afterEach, expect, test } from '@jest/globals';
import { opCodes } from '@odradek/protocol';
import { RawClient, word } from '../support/raw-client.ts';
import { create, read } from '../support/requests.ts';
import { Servers } from '../support/server.ts';

const servers = new Servers();
afterEach(() => servers.stopAll());

const all = { '4lw.commands.whitelist': '*' };

test.each([
  { text: 'ruok', answer: 'imok' },
  { text: 'ruok\n', answer: 'imok' },
  { text: 'isro', answer: 'rw' },
])('$text', async ({ text, answer }) => {
  const { port } = await servers.start();
  expect(await word(port, text)).toBe(answer);
});

test('srvr has the original lines in the original order', async () => {
  const { port } = await servers.start();
  const client = await RawClient.open(port);
  await client.request(1, opCodes.create, create('/a'));
  const lines = (await word(port, 'srvr')).split('\n');
  expect(lines[0]).toMatch(/^Zookeeper version: 3\.9\.[A-Za-z0-9.-]+, built on \d{4}-\d\d-\d\d/);
  expect(lines[1]).toMatch(/^Latency min\/avg\/max: \d+\/\d+\.\d+\/\d+$/);
  expect(lines.slice(2)).toEqual([
    'Received: 3',
    'Sent: 2',
    'Connections: 2',
    'Outstanding: 0',
    'Zxid: 0x2',
    'Mode: standalone',
    'Node count: 6',
    '',
  ]);
  client.destroy();
});

test('stat lists the clients', async () => {
  const { port } = await servers.start(all);
  const client = await RawClient.open(port);
  const text = await word(port, 'stat');
  expect(text).toMatch(/\nClients:\n \/127\.0\.0\.1:\d+\[1\]\(queued=0,recved=1,sent=1\)\n/);
  expect(text).toMatch(/\n\nLatency min/);
  client.destroy();
});

test('mntr: keys and values behind tabs', async () => {
  const { port } = await servers.start();
  const client = await RawClient.open(port);
  await client.request(1, opCodes.create, create('/e', null, 1));
  await client.request(2, opCodes.getData, read('/e', true));
  const values = new Map(
    (await word(port, 'mntr'))
      .trim()
      .split('\n')
      .map((line) => line.split('\t') as [string, string]),
  );
  expect(Object.fromEntries(values)).toMatchObject({
    zk_server_state: 'standalone',
    zk_ephemerals_count: '1',
    zk_num_alive_connections: '2',
    zk_znode_count: '6',
    zk_watch_count: '1',
    zk_outstanding_requests: '0',
    zk_global_sessions: '1',
    zk_approximate_data_size: '46',
  });
  client.destroy();
});

test('conf shows what the server runs with', async () => {
  const { port, directory } = await servers.start({ ...all, maxClientCnxns: 7 });
  const text = await word(port, 'conf');
  expect(text).toContain(`clientPort=${port}\nsecureClientPort=-1\ndataDir=${directory}\n`);
  expect(text).toContain('maxClientCnxns=7\nminSessionTimeout=2000\nmaxSessionTimeout=20000\n');
});

test('a word that is not on the list says so', async () => {
  const { port } = await servers.start({ '4lw.commands.whitelist': 'srvr' });
  expect(await word(port, 'ruok')).toBe(
    'ruok is not executed because it is not in the whitelist.\n',
  );
});

test('dump, wchc and wchp show sessions with what they hold', async () => {
  const { port } = await servers.start(all);
  const client = await RawClient.open(port);
  await client.request(1, opCodes.create, create('/mine', null, 1));
  await client.request(2, opCodes.getData, read('/mine', true));
  const id = `0x${client.sessionId.toString(16)}`;
  expect(await word(port, 'wchc')).toBe(`${id}\n\t/mine\n\n`);
  expect(await word(port, 'wchp')).toBe(`/mine\n\t${id}\n\n`);
  expect(await word(port, 'wchs')).toBe('1 connections watching 1 paths\nTotal watches:1\n');
  const date = '\\w{3} \\w{3} \\d{2} \\d{2}:\\d{2}:\\d{2} UTC \\d{4}';
  expect(await word(port, 'dump')).toMatch(
    new RegExp(
      `^SessionTracker dump:\nSession Sets \\(1\\)/\\(1\\):\n1 expire at ${date}:\n\t${id}\n` +
        `ephemeral nodes dump:\nSessions with Ephemerals \\(1\\):\n${id}:\n\t/mine\n` +
        `Connections dump:\nConnections Sets \\(2\\)/\\(2\\):\n(1 expire at ${date}:\n` +
        `\tip: /127\\.0\\.0\\.1:\\d+ sessionId: (${id}|0x0)\n){2}$`,
    ),
  );
  client.destroy();
});

test('counts can be reset', async () => {
  const { port } = await servers.start(all);
  const client = await RawClient.open(port);
  await client.request(1, opCodes.exists, read('/'));
  expect(await word(port, 'crst')).toBe('Connection stats reset.\n');
  expect(await word(port, 'stat')).toContain('(queued=0,recved=0,sent=0)\n');
  expect(await word(port, 'srst')).toBe('Server stats reset.\n');
  expect(await word(port, 'srvr')).toContain('\nReceived: 1\nSent: 1\n');
  client.destroy();
});

test('dirs tells the size of the folders', async () => {
  const { port } = await servers.start(all);
  expect(await word(port, 'dirs')).toMatch(/^datadir_size: [1-9]\d*\nlogdir_size: [1-9]\d*\n$/);
});
