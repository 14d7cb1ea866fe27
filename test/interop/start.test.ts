/** `npm start`: a whole cluster in one process, as a newcomer uses it; stopped with Ctrl-C, killed, started again. */
import { afterEach, expect, test } from '@jest/globals';
import {
  type Daemon,
  freePorts,
  freePortsInARow,
  projectRoot,
  Workspace,
} from '../support/workspace.ts';

let workspace = new Workspace();
afterEach(async () => {
  await workspace.dispose();
  workspace = new Workspace();
});

interface OneProcess {
  readonly daemon: Daemon;
  readonly coordinator: string;
  readonly bootstrap: string;
  readonly again: () => Promise<OneProcess>;
}

async function start(more: readonly string[] = [], ports?: readonly number[]): Promise<OneProcess> {
  const [clientPort = 0, brokerPort = 0] = ports ?? (await freePorts(2));
  const daemon = workspace.daemon('npm start', process.execPath, [
    `${projectRoot}/packages/cli/dist/main.js`,
    'start',
    '--data',
    workspace.path('data'),
    '--client-port',
    String(clientPort),
    '--broker-port',
    String(brokerPort),
    ...more,
  ]);
  await daemon.printed('Odradek is ready');
  return {
    daemon,
    coordinator: `localhost:${clientPort}`,
    bootstrap: `localhost:${brokerPort}`,
    again: () => start(more, [clientPort, brokerPort]),
  };
}

/** The commands that the greeting suggests, with the script names replaced by ours. */
async function produce(cluster: OneProcess, lines: string): Promise<void> {
  const produced = await workspace.tool(
    'kafka-console-producer',
    ['--broker-list', cluster.bootstrap, '--topic', 'first'],
    { input: lines },
  );
  expect(produced).toMatchObject({ code: 0 });
}

async function consume(cluster: OneProcess, count: number): Promise<string> {
  const consumed = await workspace.tool('kafka-console-consumer', [
    '--zookeeper',
    cluster.coordinator,
    '--topic',
    'first',
    '--from-beginning',
    '--max-messages',
    String(count),
  ]);
  expect(consumed).toMatchObject({ code: 0 });
  return consumed.stdout;
}

test('it prints where to connect and three commands; Ctrl-C ends it cleanly; the data is there again', async () => {
  const cluster = await start();
  expect(cluster.daemon.output).toContain(cluster.coordinator);
  expect(cluster.daemon.output).toContain(cluster.bootstrap);
  expect(cluster.daemon.output.match(/^ {2}\.\/bin\/kafka-.*$/gm)).toHaveLength(3);
  await produce(cluster, 'one\ntwo\n');
  const gone = new Promise<number | null>((done) => cluster.daemon.child.once('exit', done));
  cluster.daemon.child.kill('SIGINT');
  expect(await gone).toBe(0);
  expect(cluster.daemon.output).toContain('Stopped.');

  const second = await cluster.again();
  await produce(second, 'three\n');
  expect(await consume(second, 3)).toBe('one\ntwo\nthree\n');
});

test('after kill -9 everything that was acknowledged is there', async () => {
  const cluster = await start();
  const lines = Array.from({ length: 5000 }, (_, n) => `line ${n}\n`).join('');
  await produce(cluster, lines);
  await cluster.daemon.stop('SIGKILL');
  const second = await cluster.again();
  expect(await consume(second, 5000)).toBe(lines);
});

test('three brokers share the work', async () => {
  const [clientPort = 0] = await freePorts(1);
  const cluster = await start(['--brokers', '3'], [clientPort, await freePortsInARow(3)]);
  const created = await workspace.tool('kafka-topics', [
    '--create',
    '--zookeeper',
    cluster.coordinator,
    '--topic',
    'first',
    '--partitions',
    '3',
    '--replication-factor',
    '3',
  ]);
  expect(created).toMatchObject({ code: 0 });
  await produce(cluster, 'a\nb\nc\n');
  const described = await workspace.tool('kafka-topics', [
    '--describe',
    '--zookeeper',
    cluster.coordinator,
    '--topic',
    'first',
  ]);
  const leaders = [...described.stdout.matchAll(/Leader: (\d)/g)].map(([, id]) => id);
  expect(leaders.sort()).toEqual(['0', '1', '2']);
  expect((await consume(cluster, 3)).trimEnd().split('\n').sort()).toEqual(['a', 'b', 'c']);
});

test('three coordination servers are one ensemble, and the data of another number of them is refused', async () => {
  const [brokerPort = 0] = await freePorts(1);
  const base = await freePortsInARow(9);
  const cluster = await start(['--coords', '3'], [base, brokerPort]);
  const addresses = [0, 3, 6].map((offset) => `localhost:${base + offset}`);
  expect(cluster.daemon.output).toContain(addresses.join(','));
  await produce(cluster, 'one\n');
  for (const address of addresses) {
    const listed = await workspace.tool('kafka-topics', ['--list', '--zookeeper', address]);
    expect(listed.stdout).toContain('first');
  }
  const gone = new Promise<number | null>((done) => cluster.daemon.child.once('exit', done));
  cluster.daemon.child.kill('SIGINT');
  expect(await gone).toBe(0);

  const other = await workspace.run(process.execPath, [
    `${projectRoot}/packages/cli/dist/main.js`,
    'start',
    '--data',
    workspace.path('data'),
    '--client-port',
    String(base),
  ]);
  expect(other.code).toBe(1);
  expect(other.stderr).toMatch(/holds the data of 3 coordination servers .*not of 1/);
  expect(other.stderr.trimEnd().split('\n')).toHaveLength(1);

  const again = await cluster.again();
  await produce(again, 'two\n');
  expect(await consume(again, 2)).toBe('one\ntwo\n');
});

test.each([
  [['--coords', '0'], /--coords: a number from 1 to 9/],
  [['--brokers', '0'], /--brokers: a number from 1/],
  [['--nonsense'], /unknown option '--nonsense'/],
  [['stray'], /stray is not an option/],
])('%j is refused with a sentence and the options', async (words, message) => {
  const finished = await workspace.run(process.execPath, [
    `${projectRoot}/packages/cli/dist/main.js`,
    'start',
    ...words,
  ]);
  expect(finished.code).toBe(1);
  expect(finished.stderr).toMatch(message);
  expect(finished.stderr).toContain('--brokers');
  expect(finished.stderr).not.toMatch(/\n {4}at /);
});

test('a taken port is said in one line, and nothing is left running', async () => {
  const cluster = await start();
  const [clientPort] = cluster.coordinator.split(':').slice(1);
  const [freePort = 0] = await freePorts(1);
  const refused = await workspace.run(process.execPath, [
    `${projectRoot}/packages/cli/dist/main.js`,
    'start',
    '--data',
    workspace.path('other'),
    '--client-port',
    String(clientPort),
    '--broker-port',
    String(freePort),
  ]);
  expect(refused.code).toBe(1);
  expect(refused.stderr).toMatch(/^start: cannot listen on .*in use/);
  expect(refused.stderr.trimEnd().split('\n')).toHaveLength(1);
});

test('a folder that another process works in is said in one line, with its process id', async () => {
  const cluster = await start();
  const [clientPort = 0, brokerPort = 0] = await freePorts(2);
  const refused = await workspace.run(process.execPath, [
    `${projectRoot}/packages/cli/dist/main.js`,
    'start',
    '--data',
    workspace.path('data'),
    '--client-port',
    String(clientPort),
    '--broker-port',
    String(brokerPort),
  ]);
  expect(refused.code).toBe(1);
  expect(refused.stderr).toContain(String(cluster.daemon.child.pid));
  expect(refused.stderr.trimEnd().split('\n')).toHaveLength(1);
});
