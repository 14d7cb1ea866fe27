/**
 * The first Kafka tutorial as it is written, with our scripts: one coordination server, two brokers, a replicated
 * topic found through the coordination server, a text file of 100,000 lines in, every line out once.
 * Ports differ from the tutorial's so that the test can run beside anything.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Daemon } from '../support/workspace.ts';
import { freePorts, projectRoot, Workspace } from '../support/workspace.ts';

const LINES = 100_000;
const workspace = new Workspace();
let connect = '';
let brokerPorts: number[] = [];
const daemons: Daemon[] = [];

/** The shipped file with other ports and folders: what a user of the tutorial edits. */
function edited(name: string, changes: Readonly<Record<string, string>>): string {
  let text = readFileSync(join(projectRoot, 'config', name), 'utf8');
  for (const [key, value] of Object.entries(changes)) {
    const line = new RegExp(`^${key.replaceAll('.', '\\.')}=.*$`, 'm');
    expect(text).toMatch(line);
    text = text.replace(line, `${key}=${value}`);
  }
  return text;
}

beforeAll(async () => {
  const [zookeeperPort = 0, first = 0, second = 0] = await freePorts(3);
  connect = `localhost:${zookeeperPort}`;
  brokerPorts = [first, second];
  const zookeeper = workspace.daemon(
    'zookeeper',
    join(projectRoot, 'bin/zookeeper-server-start.sh'),
    [
      workspace.write(
        'zookeeper.properties',
        edited('zookeeper.properties', {
          dataDir: workspace.path('zookeeper'),
          clientPort: String(zookeeperPort),
        }),
      ),
    ],
  );
  daemons.push(zookeeper);
  for (const [id, port] of brokerPorts.entries()) {
    const file = workspace.write(
      `server-${id}.properties`,
      edited('server.properties', {
        'broker.id': String(id),
        port: String(port),
        'log.dirs': workspace.path(`kafka-logs-${id}`),
        'zookeeper.connect': connect,
      }),
    );
    daemons.push(
      workspace.daemon(`broker ${id}`, join(projectRoot, 'bin/kafka-server-start.sh'), [file]),
    );
  }
  await Promise.all(
    daemons.slice(1).map((daemon) => daemon.printed('started (kafka.server.KafkaServer)')),
  );
});

afterAll(() => workspace.dispose());

test('a topic with two partitions and two replicas is created and described', async () => {
  const created = await workspace.tool('kafka-topics', [
    '--create',
    '--zookeeper',
    connect,
    '--replication-factor',
    '2',
    '--partitions',
    '2',
    '--topic',
    'first',
  ]);
  expect(created).toMatchObject({ code: 0, stdout: 'Created topic first.\n' });
  const listed = await workspace.tool('kafka-topics', ['--list', '--zookeeper', connect]);
  expect(listed.stdout).toBe('first\n');
  const described = await workspace.tool('kafka-topics', [
    '--describe',
    '--zookeeper',
    connect,
    '--topic',
    'first',
  ]);
  expect(described.code).toBe(0);
  const [header = '', ...partitions] = described.stdout.trimEnd().split('\n');
  expect(header).toMatch(
    /^Topic: first\tTopicId: [\w-]{22}\tPartitionCount: 2\tReplicationFactor: 2\tConfigs:/,
  );
  expect(partitions).toHaveLength(2);
  for (const [index, line] of partitions.entries()) {
    expect(line).toMatch(
      new RegExp(
        `^\tTopic: first\tPartition: ${index}\tLeader: [01]\tReplicas: (0,1|1,0)\tIsr: (0,1|1,0)`,
      ),
    );
  }
});

test('100,000 lines go in through one broker and come out once each through the coordination server', async () => {
  const lines = Array.from(
    { length: LINES },
    (_, index) => `line ${index}: the quick brown fox — ${index * 7}`,
  );
  const produced = await workspace.tool(
    'kafka-console-producer',
    ['--broker-list', `localhost:${brokerPorts[0]}`, '--topic', 'first'],
    { input: `${lines.join('\n')}\n` },
  );
  expect(produced).toMatchObject({ code: 0, stdout: '' });
  const consumed = await workspace.tool('kafka-console-consumer', [
    '--zookeeper',
    connect,
    '--topic',
    'first',
    '--from-beginning',
    '--timeout-ms',
    '10000',
  ]);
  expect(consumed.stderr).toContain(`Processed a total of ${LINES} messages`);
  expect(consumed.stdout.trimEnd().split('\n').sort()).toEqual(lines.sort());
});

test('the other ways to read: a partition from an offset, a number of messages, keys and times', async () => {
  const keyed = await workspace.tool(
    'kafka-console-producer',
    [
      '--bootstrap-server',
      `localhost:${brokerPorts[1]}`,
      '--topic',
      'keyed',
      '--property',
      'parse.key=true',
      '--property',
      'key.separator=:',
    ],
    { input: 'a:one\nb:two\na:three\n' },
  );
  expect(keyed.code).toBe(0);
  const consumed = await workspace.tool('kafka-console-consumer', [
    '--bootstrap-server',
    `localhost:${brokerPorts[0]}`,
    '--topic',
    'keyed',
    '--partition',
    '0',
    '--offset',
    '1',
    '--property',
    'print.key=true',
    '--property',
    'print.timestamp=true',
    '--max-messages',
    '2',
  ]);
  expect(consumed.code).toBe(0);
  const rows = consumed.stdout
    .trimEnd()
    .split('\n')
    .map((row) => row.split('\t'));
  expect(rows.map(([, key, value]) => [key, value])).toEqual([
    ['b', 'two'],
    ['a', 'three'],
  ]);
  for (const [time] of rows) expect(time).toMatch(/^CreateTime:\d{13}$/);
  expect(consumed.stderr).toContain('Processed a total of 2 messages');
});

test('a group goes on where it stopped', async () => {
  const read = (more: readonly string[]) =>
    workspace.tool('kafka-console-consumer', [
      '--bootstrap-server',
      `localhost:${brokerPorts[0]}`,
      '--topic',
      'keyed',
      '--group',
      'readers',
      ...more,
    ]);
  const first = await read(['--from-beginning', '--max-messages', '2']);
  expect(first.stdout.trimEnd().split('\n')).toHaveLength(2);
  const second = await read(['--from-beginning', '--max-messages', '1']);
  expect(second.stdout).toBe('three\n');
});

test('zookeeper-shell shows what the brokers wrote', async () => {
  const ids = await workspace.tool('zookeeper-shell', [connect, 'ls', '/brokers/ids']);
  expect(ids.code).toBe(0);
  expect(ids.stdout.trimEnd().split('\n').at(-1)).toBe('[0, 1]');
  const registration = await workspace.tool('zookeeper-shell', [connect, 'get', '/brokers/ids/1']);
  const json: unknown = JSON.parse(registration.stdout.trimEnd().split('\n').at(-1) ?? '');
  expect(json).toMatchObject({ version: 5, port: brokerPorts[1], jmx_port: -1 });
});

test('a topic is deleted', async () => {
  const deleted = await workspace.tool('kafka-topics', [
    '--delete',
    '--zookeeper',
    connect,
    '--topic',
    'keyed',
  ]);
  expect(deleted.code).toBe(0);
  expect(deleted.stdout).toContain('Topic keyed is marked for deletion.');
});

test.each([
  ['kafka-topics', []],
  ['kafka-console-producer', []],
  ['kafka-console-consumer', []],
  ['zookeeper-shell', []],
  ['kafka-server-start', []],
  ['zookeeper-server-start', []],
])('%s called with nothing prints its usage and fails', async (tool, args) => {
  const finished = await workspace.tool(tool, args);
  expect(finished.code).toBe(1);
  expect(finished.stderr).toMatch(/usage|option/i);
  expect(finished.stderr).not.toMatch(/\n {4}at /);
});

test('both daemons stop cleanly when asked', async () => {
  for (const daemon of [...daemons].reverse()) {
    const gone = new Promise<number | null>((done) => daemon.child.once('exit', done));
    daemon.child.kill('SIGTERM');
    expect(await gone).toBe(143);
  }
});
