/** Goal: monitoring reads what it reads from the original. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { afterEach, expect, test } from '@jest/globals';
import { opCodes } from '@odradek/protocol';
import { describeHost } from '@odradek/runtime';
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

test('cons tells everything of a connection; crst forgets it', async () => {
  const { port } = await servers.start(all);
  const client = await RawClient.open(port, { timeoutMs: 10_000 });
  const id = `0x${client.sessionId.toString(16)}`;
  const lines = async (): Promise<readonly string[]> => (await word(port, 'cons')).split('\n');
  const own = (all: readonly string[]): string => all.find((line) => line.includes('sid=')) ?? '';
  const fresh = await lines();
  expect(own(fresh)).toMatch(
    new RegExp(
      `^ /127\\.0\\.0\\.1:\\d+\\[1\\]\\(queued=0,recved=1,sent=1,sid=${id},lop=SESS,est=\\d{13},to=10000,` +
        'lcxid=0x0,lzxid=0x1,lresp=\\d+,llat=0,minlat=0,avglat=0,maxlat=0\\)$',
    ),
  );
  expect(fresh).toContainEqual(
    expect.stringMatching(/^ \/127\.0\.0\.1:\d+\[0\]\(queued=0,recved=1,sent=0\)$/),
  );
  expect(fresh.slice(-2)).toEqual(['', '']);
  await client.request(18, opCodes.create, create('/a'));
  await client.request(19, opCodes.exists, read('/a'));
  expect(own(await lines())).toMatch(/recved=3,sent=3,.*lop=EXIS,.*lcxid=0x13,lzxid=0x2,/);
  await client.request(-2, opCodes.ping);
  expect(own(await lines())).toMatch(/lop=EXIS,.*lcxid=0x13,/);
  await word(port, 'crst');
  expect(own(await lines())).toMatch(
    /recved=0,sent=0,sid=0x\w+,lop=NA,est=\d+,to=10000,lzxid=0xffffffffffffffff,lresp=0,/,
  );
  client.destroy();
});

test('the trace mask is told and set, even if it comes in pieces', async () => {
  const { port } = await servers.start(all);
  expect(await word(port, 'gtmk')).toBe('306');
  const slow = connect({ port, host: '127.0.0.1' });
  const chunks: Buffer[] = [];
  slow.on('data', (chunk: Buffer) => chunks.push(chunk));
  slow.write('stmk');
  expect(await word(port, 'ruok')).toBe('imok'); // Meanwhile others are answered.
  slow.write(Buffer.from('0000000000000102', 'hex'));
  await once(slow, 'close');
  expect(Buffer.concat(chunks).toString()).toBe('258');
  expect(await word(port, 'gtmk')).toBe('258');
});

test('a trace mask that is not allowed to be set is not', async () => {
  const { port } = await servers.start({ '4lw.commands.whitelist': 'gtmk' });
  const mask = `${String.fromCharCode(0).repeat(7)}1`;
  expect(await word(port, `stmk${mask}`)).toMatch(/^stmk is not executed/);
  expect(await word(port, 'gtmk')).toBe('306');
});

test('envi has the names of the original', async () => {
  const { port } = await servers.start(all, {}, { describeHost });
  const names = (await word(port, 'envi'))
    .trim()
    .split('\n')
    .map((line) => line.split('=')[0]);
  expect(names).toEqual([
    'Environment:',
    'zookeeper.version',
    'host.name',
    'java.version',
    'java.vendor',
    'java.home',
    'java.class.path',
    'java.library.path',
    'java.io.tmpdir',
    'java.compiler',
    'os.name',
    'os.arch',
    'os.version',
    'user.name',
    'user.home',
    'user.dir',
    'os.memory.free',
    'os.memory.max',
    'os.memory.total',
  ]);
});

test.each(['ruok', 'srvr', 'stat', 'mntr', 'conf', 'isro'])(
  '%s is answered by default',
  async (text) => {
    const { port } = await servers.start();
    expect(await word(port, text)).not.toContain('whitelist');
  },
);

test.each(['envi', 'cons', 'dump', 'wchs', 'wchc', 'wchp', 'dirs', 'hash', 'gtmk', 'crst', 'srst'])(
  '%s is answered only on request',
  async (text) => {
    const { port } = await servers.start();
    expect(await word(port, text)).toBe(
      `${text} is not executed because it is not in the whitelist.\n`,
    );
  },
);

test('mntr begins with the block that agents know, and stays below 500 lines', async () => {
  const { port } = await servers.start();
  const lines = (await word(port, 'mntr')).trim().split('\n');
  expect(lines.map((line) => line.split('\t')[0]).slice(0, 26)).toEqual([
    'zk_version',
    'zk_server_state',
    'zk_ephemerals_count',
    'zk_num_alive_connections',
    'zk_avg_latency',
    'zk_outstanding_requests',
    'zk_znode_count',
    'zk_global_sessions',
    'zk_non_mtls_remote_conn_count',
    'zk_last_client_response_size',
    'zk_packets_sent',
    'zk_packets_received',
    'zk_max_client_response_size',
    'zk_connection_drop_probability',
    'zk_watch_count',
    'zk_auth_failed_count',
    'zk_min_latency',
    'zk_max_file_descriptor_count',
    'zk_approximate_data_size',
    'zk_open_file_descriptor_count',
    'zk_local_sessions',
    'zk_uptime',
    'zk_max_latency',
    'zk_outstanding_tls_handshake',
    'zk_min_client_response_size',
    'zk_non_mtls_local_conn_count',
  ]);
  expect(lines.length).toBeLessThan(500);
  for (const line of lines) expect(line).toMatch(/^zk_\w+\t[^\t]+$/);
});

test.each([true, false])('hash with digest.enabled=%s', async (isKept) => {
  const settings = { ...all, 'digest.enabled': String(isKept) };
  const { port, directory, running } = await servers.start(settings);
  const client = await RawClient.open(port);
  for (let n = 0; n < 260; n += 1) client.send(n, opCodes.create, create('/s-', 'x', 2));
  for (let n = 0; n < 260; n += 1) expect((await client.reply()).err).toBe(0);
  expect(await word(port, 'hash')).toMatch(isKept ? /^80: \d{10,}\n100: \d{10,}\n$/ : /^$/);
  // A later server counts what it finds, and goes on from there.
  await running.stop();
  const again = await servers.start({ ...settings, dataDir: directory });
  const later = await RawClient.open(again.port);
  for (let n = 0; n < 130; n += 1) await later.request(n, opCodes.create, create('/s-', 'x', 2));
  expect(await word(again.port, 'hash')).toMatch(isKept ? /^180: \d{10,}\n$/ : /^$/);
});
