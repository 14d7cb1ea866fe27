/** Goal: the admin pages tell what the original's tell, in its form; the metrics have its names. */
import { afterEach, expect, test } from '@jest/globals';
import { opCodes } from '@odradek/protocol';
import { describeHost, serveHttp, watchProcess } from '@odradek/runtime';
import { adminCommands } from '../../src/server/admin/admin-commands.ts';
import { prettyJson } from '../../src/server/admin/pretty-json.ts';
import { RawClient } from '../support/raw-client.ts';
import { create, read } from '../support/requests.ts';
import { Servers, type TestServer } from '../support/server.ts';

const servers = new Servers();
afterEach(() => servers.stopAll());

const services = { serveHttp, describeHost, watchProcess };
const admin = {
  'admin.enableServer': 'true',
  'admin.serverAddress': '127.0.0.1',
  'admin.serverPort': 0,
};
const prometheus = {
  'metricsProvider.className': 'org.apache.zookeeper.metrics.prometheus.PrometheusMetricsProvider',
  'metricsProvider.httpHost': '127.0.0.1',
  'metricsProvider.httpPort': 0,
};

const page = ({ running }: TestServer, path: string, index = 0): Promise<Response> =>
  fetch(`http://127.0.0.1:${running.pagePorts[index]}${path}`);

test('the list page links every command; whatever is elsewhere is not there', async () => {
  const server = await servers.start(admin, {}, services);
  const list = await page(server, '/commands');
  expect(list.headers.get('content-type')).toBe('text/html');
  const text = await list.text();
  for (const name of Object.keys(adminCommands)) {
    expect(text).toContain(`<a href="/commands/${name}">${name}</a>\n<br/>\n`);
  }
  expect((await page(server, '/other')).status).toBe(404);
});

test('every command and alias answers with its primary name and no error', async () => {
  const server = await servers.start(admin, {}, services);
  const withError = new Set(['leader', 'restore', 'snapshot', 'set_trace_mask']);
  for (const [name, { aliases }] of Object.entries(adminCommands)) {
    for (const each of [name, ...aliases]) {
      const answer = await page(server, `/commands/${each}`);
      expect(answer.headers.get('content-type')).toBe('application/json');
      const body = JSON.parse(await answer.text());
      expect([each, body.command, body.error === null]).toEqual([each, name, !withError.has(name)]);
    }
  }
});

test('connections, dump and watches, with session ids as whole numbers', async () => {
  const server = await servers.start(admin, {}, services);
  const client = await RawClient.open(server.port);
  await client.request(3, opCodes.create, create('/mine', null, 1));
  await client.request(4, opCodes.getData, read('/mine', true));
  const id = String(client.sessionId);
  const textOf = async (command: string): Promise<string> =>
    (await page(server, `/commands/${command}`)).text();
  expect(await textOf('connections')).toMatch(
    new RegExp(
      '^\\{\n {2}"connections" : \\[ \\{\n {4}"remote_socket_address" : "127\\.0\\.0\\.1:\\d+",\n' +
        ' {4}"interest_ops" : 1,\n {4}"outstanding_requests" : 0,\n {4}"packets_received" : 3,\n' +
        ` {4}"packets_sent" : 3,\n {4}"session_id" : ${id},\n {4}"last_operation" : "GETD",\n` +
        ' {4}"established" : \\d{13},\n {4}"session_timeout" : 10000,\n {4}"last_cxid" : 4,\n' +
        ' {4}"last_zxid" : 2,\n {4}"last_response_time" : \\d+,\n {4}"last_latency" : \\d+,\n' +
        ' {4}"min_latency" : \\d+,\n {4}"avg_latency" : \\d+,\n {4}"max_latency" : \\d+\n {2}\\} \\],\n' +
        ' {2}"secure_connections" : \\[ \\],\n {2}"command" : "connections",\n {2}"error" : null\n\\}$',
    ),
  );
  expect(await textOf('watches')).toContain(
    `"session_id_to_watched_paths" : {\n    "${id}" : [ "/mine" ]\n  }`,
  );
  expect(await textOf('wchp')).toContain(`"path_to_session_ids" : {\n    "/mine" : [ ${id} ]\n  }`);
  const dump = await textOf('dump');
  expect(dump).toMatch(new RegExp(`"\\d{13}" : \\[ ${id} \\]`));
  expect(dump).toContain(`"${id}" : [ "/mine" ]`);
  client.destroy();
});

test('configuration, stats and monitor have their keys', async () => {
  const server = await servers.start(admin, {}, services);
  const json = async (command: string): Promise<Record<string, unknown>> =>
    JSON.parse(await (await page(server, `/commands/${command}`)).text());
  expect(await json('configuration')).toEqual({
    client_port: server.port,
    data_dir: server.directory,
    data_log_dir: server.directory,
    tick_time: 1000,
    max_client_cnxns: 60,
    min_session_timeout: 2000,
    max_session_timeout: 20000,
    server_id: 0,
    client_port_listen_backlog: -1,
    command: 'configuration',
    error: null,
  });
  expect(await json('stats')).toMatchObject({
    read_only: false,
    server_stats: { server_state: 'standalone', last_processed_zxid: 0, provider_null: false },
    client_response: { last_buffer_size: -1, min_buffer_size: -1, max_buffer_size: -1 },
    node_count: 5,
    connections: [],
    secure_connections: [],
  });
  expect(await json('monitor')).toMatchObject({
    server_state: 'standalone',
    znode_count: 5,
    avg_latency: 0,
    connection_drop_probability: 0,
  });
  expect(await json('initial_configuration')).toMatchObject({
    initial_configuration: expect.stringContaining('admin.enableServer=true\n'),
  });
  expect(await json('nosuch')).toEqual({ command: 'nosuch', error: 'Unknown command: nosuch' });
  expect(await json('set_trace_mask?traceMask=258')).toMatchObject({ tracemask: 258 });
  expect(await json('gtmk')).toMatchObject({ tracemask: 258 });
  expect((await page(server, '/commands/snapshot')).status).toBe(503);
});

test('a port that is taken is told, and the server serves all the same', async () => {
  const first = await servers.start(admin, {}, services);
  const taken = first.running.pagePorts[0] ?? 0;
  const second = await servers.start({ ...admin, 'admin.serverPort': taken }, {}, services);
  expect(second.running.pagePorts).toEqual([]);
  expect(second.log.lines).toContainEqual(expect.stringMatching(/warn no admin pages: .*in use/));
  const client = await RawClient.open(second.port);
  expect(client.sessionId).not.toBe(0n);
  client.destroy();
});

test("metrics for Prometheus have ZooKeeper's names", async () => {
  const server = await servers.start(prometheus, {}, services);
  const client = await RawClient.open(server.port);
  await client.request(1, opCodes.create, create('/a'));
  await client.request(2, opCodes.getChildren, read('/', true));
  await client.request(3, opCodes.create, create('/zookeeper/quota/a'));
  const limits = 'count=-1,bytes=-1=;byteHardLimit=-1;countHardLimit=7';
  await client.request(4, opCodes.create, create('/zookeeper/quota/a/zookeeper_limits', limits));
  await client.request(5, opCodes.create, create('/zookeeper/quota/a/zookeeper_stats'));
  await client.request(6, opCodes.create, create('/b'));
  const answer = await page(server, '/metrics');
  expect(answer.headers.get('content-type')).toContain('text/plain; version=0.0.4');
  const text = await answer.text();
  for (const line of [
    'znode_count 10',
    'num_alive_connections 1',
    'watch_count 0',
    'global_sessions 1',
    'connection_request_count 1',
    'commit_count 6',
    'updatelatency_count 5',
    'node_children_watch_count_count 1',
    'quota_count_limit_per_namespace{key="a"} 7',
    'quota_count_usage_per_namespace{key="a"} 1',
    'election_time_count 0',
    'odradek_sequence_number_max 2',
  ]) {
    expect(text).toContain(`\n${line}\n`);
  }
  expect(text).toMatch(/\nfsynctime\{quantile="0\.99"\} [\d.]+\n/);
  expect(text).toMatch(/\nprocess_resident_memory_bytes \d+\n/);
  client.destroy();
});

test('without the services of a process there are no pages', async () => {
  const { running } = await servers.start({ ...admin, ...prometheus });
  expect(running.pagePorts).toEqual([]);
});

test.each([
  { value: null, text: 'null' },
  { value: 2n ** 63n - 1n, text: '9223372036854775807' },
  { value: [], text: '[ ]' },
  { value: {}, text: '{ }' },
  { value: ['a"b', 1, true], text: '[ "a\\"b", 1, true ]' },
  {
    value: { a: [{ b: 1 }, { b: {} }] },
    text: '{\n  "a" : [ {\n    "b" : 1\n  }, {\n    "b" : { }\n  } ]\n}',
  },
])('JSON: $text', ({ value, text }) => {
  expect(prettyJson(value)).toBe(text);
});
