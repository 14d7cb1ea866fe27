/** Unmodified ZooKeeper clients against our coordination server: kazoo with its recipes, and node-zookeeper-client. */
import { existsSync } from 'node:fs';
import { connect as connectSocket } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import zookeeper from 'node-zookeeper-client';
import { type CoordinatorProcess, startCoordinator } from '../support/cluster.ts';
import { projectRoot, Workspace } from '../support/workspace.ts';
import { kazoos } from './kazoos.ts';

const workspace = new Workspace();
let coordinator: CoordinatorProcess;

beforeAll(async () => {
  coordinator = await startCoordinator(workspace);
});
afterAll(() => workspace.dispose());

test.each(kazoos)('$name: nodes, watches, transactions, and every recipe', async ({ python }) => {
  if (!existsSync(python)) {
    console.warn(`skipped: there is no ${python}`);
    return;
  }
  const script = join(projectRoot, 'test/interop/kazoo_check.py');
  const folder = `/kazoo-${kazoos.findIndex((other) => other.python === python)}`;
  const finished = await workspace.run(python, [script, coordinator.connect, folder], {
    limitMs: 150_000,
  });
  expect(finished.code === 0 ? '' : finished.stderr).toBe('');
  expect(finished.stdout).toContain('all good');
});

test("the C client: compiled here against Debian's libzookeeper-mt", async () => {
  const program = workspace.path('zookeeper-c');
  const source = join(projectRoot, 'test/interop/clients/zookeeper-c.c');
  const missing = ['/usr/bin/gcc', '/usr/include/zookeeper/zookeeper.h'].filter(
    (path) => !existsSync(path),
  );
  if (missing.length > 0) {
    console.warn(`skipped: there is no ${missing.join(', no ')}`);
    return;
  }
  const compiled = await workspace.run('/usr/bin/gcc', [
    '-DTHREADED',
    '-o',
    program,
    source,
    '-lzookeeper_mt',
  ]);
  expect(compiled).toMatchObject({ code: 0 });
  const finished = await workspace.run(program, [coordinator.connect]);
  expect(finished).toMatchObject({ code: 0, stdout: 'all good\n' });
});

test("Debian's zkCli: the real shell, over the Java client", async () => {
  const shell = '/usr/share/zookeeper/bin/zkCli.sh';
  if (!existsSync(shell)) {
    console.warn(`skipped: there is no ${shell}`);
    return;
  }
  const commands = [
    'create /shell one',
    'create -e -s /shell-passing- two',
    'set /shell changed',
    'get /shell',
    'stat /shell',
    'create /shell/child x',
    'ls -R /shell',
    'addWatch -m PERSISTENT_RECURSIVE /shell',
    'set /shell/child y',
    'create /shell/other x',
    'removewatches /shell',
    'delete /shell/other',
    'delete /shell',
    'deleteall /shell',
    'get /shell',
    'quit',
  ];
  const { stdout, stderr } = await workspace.run(shell, ['-server', coordinator.connect], {
    input: `${commands.join('\n')}\n`,
  });
  const said = stdout + stderr;
  for (const line of [
    'Created /shell',
    'Created /shell-passing-0000000',
    'changed',
    'dataVersion = 1',
    '/shell/child',
    'type:NodeDataChanged path:/shell/child',
    'type:NodeCreated path:/shell/other',
    'type:PersistentWatchRemoved path:/shell',
    'Node not empty: /shell',
    'Node does not exist: /shell',
  ]) {
    expect(said).toContain(line);
  }
  expect(said).not.toContain('type:NodeDeleted path:/shell/other');
});

test('node-zookeeper-client: create, read, watch, multi, and an ephemeral that goes with its session', async () => {
  const client = zookeeper.createClient(coordinator.connect, { sessionTimeout: 4000 });
  const call = <T>(
    start: (done: (error: Error | zookeeper.Exception | null, value?: T) => void) => void,
  ) =>
    new Promise<T | undefined>((resolve, reject) => {
      start((error, value) => (error ? reject(error) : resolve(value)));
    });
  await new Promise<void>((done) => {
    client.once('connected', done);
    client.connect();
  });
  await call((done) => client.create('/node', Buffer.from('one'), done));
  const watched = new Promise<string>((done) => {
    client.getData(
      '/node',
      (event) => done(event.getName()),
      () => {},
    );
  });
  await call((done) => client.setData('/node', Buffer.from('two'), -1, done));
  expect(await watched).toBe('NODE_DATA_CHANGED');
  const results = await call<unknown[]>((done) =>
    client
      .transaction()
      .check('/node', 1)
      .create('/node/child', Buffer.from('x'))
      .setData('/node', Buffer.from('three'), 1)
      .commit(done),
  );
  expect(results).toHaveLength(3);
  await expect(
    call((done) => client.transaction().create('/other').check('/node', 99).commit(done)),
  ).rejects.toBeDefined();
  expect(await call((done) => client.exists('/other', done))).toBeNull();
  await call((done) =>
    client.create('/passing', Buffer.from(''), zookeeper.CreateMode.EPHEMERAL, done),
  );
  client.close();
  const after = await workspace.tool('zookeeper-shell', [coordinator.connect, 'ls', '/']);
  const names = after.stdout.trimEnd().split('\n').at(-1);
  expect(names).toContain('node,');
  expect(names).not.toContain('passing');
});

function ask(word: string | Uint8Array): Promise<string> {
  return new Promise((done, fail) => {
    const socket = connectSocket(coordinator.port, '127.0.0.1', () => socket.write(word));
    let answer = '';
    socket.on('data', (chunk) => {
      answer += chunk.toString();
    });
    socket.on('close', () => done(answer));
    socket.on('error', fail);
  });
}

test('four-letter words answer', async () => {
  expect(await ask('ruok')).toBe('imok');
  expect(await ask('srvr')).toMatch(
    /^Zookeeper version: .*\n[\s\S]*Mode: standalone\nNode count: \d+\n$/,
  );
  const metrics = await ask('mntr');
  for (const name of [
    'zk_version',
    'zk_server_state',
    'zk_znode_count',
    'zk_watch_count',
    'zk_num_alive_connections',
  ]) {
    expect(metrics).toMatch(new RegExp(`^${name}\t\\S+`, 'm'));
  }
});

test.each([
  ['garbage', Buffer.from('GET / HTTP/1.1\r\n\r\n')],
  ['an oversized frame', Buffer.from('7fffffff00000000', 'hex')],
  ['a negative frame', Buffer.from('80000000', 'hex')],
  ['a cut handshake', Buffer.from('0000000400000000', 'hex')],
])(
  '%s closes that connection, with one line in the log, and harms nobody else',
  async (_what, bytes) => {
    const linesBefore = coordinator.daemon.output.split('\n').length;
    expect(await ask(bytes)).toBe('');
    expect(await ask('ruok')).toBe('imok');
    expect(coordinator.daemon.output.split('\n').length - linesBefore).toBe(1);
  },
);

test('after kill -9 everything acknowledged is there', async () => {
  for (let n = 0; n < 20; n++) {
    const created = await workspace.tool('zookeeper-shell', [
      coordinator.connect,
      'create',
      `/kept-${n}`,
      `value ${n}`,
    ]);
    expect(created.code).toBe(0);
  }
  await coordinator.daemon.stop('SIGKILL');
  coordinator = await coordinator.restart();
  const listed = await workspace.tool('zookeeper-shell', [coordinator.connect, 'ls', '/']);
  for (let n = 0; n < 20; n++) expect(listed.stdout).toContain(`kept-${n}`);
  const read = await workspace.tool('zookeeper-shell', [coordinator.connect, 'get', '/kept-7']);
  expect(read.stdout.trimEnd().split('\n').at(-1)).toBe('value 7');
});
