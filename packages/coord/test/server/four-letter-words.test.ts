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
