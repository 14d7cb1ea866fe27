/** Bad input and bad luck at the doors of a broker: each gets a clear answer, and nobody else notices. */
import { connect } from 'node:net';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import {
  type BrokerProcess,
  type CoordinatorProcess,
  startBroker,
  startCoordinator,
} from '../support/cluster.ts';
import {
  eventually,
  type Finished,
  freePorts,
  projectRoot,
  Workspace,
} from '../support/workspace.ts';

const workspace = new Workspace();
let coordinator: CoordinatorProcess;
let broker: BrokerProcess;

beforeAll(async () => {
  coordinator = await startCoordinator(workspace);
  broker = await startBroker(workspace, 0, coordinator.connect);
  // Its first words are over when it is the controller: what is said afterwards is about the tests' doings.
  await broker.daemon.printed(/controller of epoch/);
});
afterAll(() => workspace.dispose());

/** Sends bytes, and resolves to what came back when the other side has closed the connection. */
function send(bytes: Buffer, { halfClose = false } = {}): Promise<Buffer> {
  return new Promise((done, fail) => {
    const chunks: Buffer[] = [];
    const socket = connect(broker.port, '127.0.0.1', () => {
      if (halfClose) socket.end(bytes);
      else socket.write(bytes);
    });
    socket.on('data', (chunk) => chunks.push(chunk));
    socket.on('close', () => done(Buffer.concat(chunks)));
    socket.on('error', fail);
  });
}

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex');

test.each([
  ['an HTTP request', Buffer.from('GET / HTTP/1.1\r\nHost: here\r\n\r\n'), false],
  ['an oversized frame', hex('7fffffff 0012 0000'), false],
  ['a negative frame', hex('ffffffff'), false],
  ['an empty frame', hex('00000000'), false],
  ['a frame that ends early', hex('00000020 0012 0000 00000001 ffff'), true],
  ['an API that does not exist', hex('0000000a 7fff 0000 00000001 ffff'), false],
  ['a version that does not exist', hex('0000000a 0003 7fff 00000001 ffff'), false],
  ['a body that is cut off', hex('0000000e 0003 0001 00000001 ffff 7fffffff'), false],
  ['an array longer than its frame', hex('0000000e 0003 0000 00000001 ffff 00ffffff'), false],
])(
  '%s closes that connection with one line that names the peer',
  async (_what, bytes, halfClose) => {
    const before = broker.daemon.output.length;
    expect(await send(bytes, { halfClose })).toEqual(Buffer.alloc(0));
    const said = await eventually('a line in the log', async () => {
      const added = broker.daemon.output.slice(before).trimEnd().split('\n');
      // A busy machine makes it say something else as well.
      const lines = added.filter((line) => !line.includes('the event loop was blocked'));
      return lines.some((line) => line !== '') && lines;
    });
    expect(said).toHaveLength(1);
    expect(said[0]).toMatch(/127\.0\.0\.1/);
    const listed = await workspace.run('kcat', ['-b', broker.address, '-L']);
    expect(listed.code).toBe(0);
  },
);

test('an ApiVersions request of the future gets the error and the versions there are', async () => {
  const answer = await new Promise<Buffer>((done, fail) => {
    const socket = connect(broker.port, '127.0.0.1', () =>
      socket.write(hex('0000000b 0012 7fff 00000007 ffff 00')),
    );
    socket.once('data', (chunk) => {
      socket.destroy();
      done(chunk);
    });
    socket.on('close', () => fail(new Error('closed without an answer')));
    socket.on('error', fail);
  });
  expect(answer.readInt32BE(4)).toBe(7);
  expect(answer.readInt16BE(8)).toBe(35);
  expect(answer.readInt32BE(10)).toBeGreaterThan(0);
});

test.each([
  [
    'a name that is not allowed',
    ['--topic', 'no spaces', '--partitions', '1', '--replication-factor', '1'],
    /no spaces/,
  ],
  [
    'a name that is too long',
    ['--topic', 'x'.repeat(250), '--partitions', '1', '--replication-factor', '1'],
    /249/,
  ],
  [
    'more replicas than brokers',
    ['--topic', 'wide', '--partitions', '1', '--replication-factor', '3'],
    /3.*1/,
  ],
  [
    'no partitions',
    ['--topic', 'none', '--partitions', '0', '--replication-factor', '1'],
    /greater than 0/,
  ],
  [
    'a setting that does not exist',
    ['--topic', 'odd', '--config', 'retention.minutes=1'],
    /retention\.minutes/,
  ],
  [
    'a setting with a wrong value',
    ['--topic', 'odd', '--config', 'retention.ms=soon'],
    /retention\.ms/,
  ],
])('a topic with %s is refused with the reason', async (_what, words, reason) => {
  const refused = await workspace.tool('kafka-topics', [
    '--create',
    '--zookeeper',
    coordinator.connect,
    ...words,
  ]);
  expect(refused.code).toBe(1);
  expect(refused.stdout).toMatch(/^Error while executing topic command : /m);
  expect(refused.stdout).toMatch(reason);
  expect(refused.stdout + refused.stderr).not.toMatch(/\n {4}at /);
});

test('a topic that exists is not made again, unless that is fine', async () => {
  const create = (more: readonly string[]) =>
    workspace.tool('kafka-topics', [
      '--create',
      '--bootstrap-server',
      broker.address,
      '--topic',
      'once',
      ...more,
    ]);
  expect((await create([])).code).toBe(0);
  const again = await create([]);
  expect(again.code).toBe(1);
  expect(again.stdout).toMatch(/once.*exists/);
  expect(await create(['--if-not-exists'])).toMatchObject({ code: 0, stdout: '' });
});

/** Starts a second broker that cannot start, and waits for it to give up. */
async function refusedBroker(settings: Readonly<Record<string, string>>): Promise<Finished> {
  const [port = 0] = await freePorts(1);
  const all = {
    'broker.id': '1',
    listeners: `PLAINTEXT://127.0.0.1:${port}`,
    'log.dirs': workspace.path(`refused-${port}`),
    'zookeeper.connect': coordinator.connect,
    'zookeeper.session.timeout.ms': '3000',
    ...settings,
  };
  const file = workspace.write(
    'refused.properties',
    Object.entries(all)
      .map(([key, value]) => `${key}=${value}\n`)
      .join(''),
  );
  const finished = await workspace.run(`${projectRoot}/bin/kafka-server-start.sh`, [file], {
    limitMs: 60_000,
  });
  expect(finished.code).toBe(1);
  expect(finished.stdout + finished.stderr).not.toMatch(/\n {4}at /);
  return finished;
}

test('a broker id that is registered already: the message names who holds it', async () => {
  const { stderr } = await refusedBroker({ 'broker.id': '0' });
  expect(stderr).toMatch(new RegExp(`broker.*0.*127\\.0\\.0\\.1:${broker.port}`));
});

test('a port in use is named', async () => {
  const { stderr } = await refusedBroker({ listeners: `PLAINTEXT://127.0.0.1:${broker.port}` });
  expect(stderr).toContain(String(broker.port));
  expect(stderr).toMatch(/in use/);
});

test('a log directory that another broker works in is named, with who holds it', async () => {
  const { stderr } = await refusedBroker({
    'broker.id': '0',
    'log.dirs': broker.logDirectory,
  });
  expect(stderr).toContain(broker.logDirectory);
  expect(stderr).toContain(String(broker.daemon.child.pid));
});

test('a log directory of another cluster: both cluster ids are named', async () => {
  workspace.write(
    'foreign/meta.properties',
    'version=0\nbroker.id=1\ncluster.id=AAAAAAAAAAAAAAAAAAAAAA\n',
  );
  const { stderr } = await refusedBroker({ 'log.dirs': workspace.path('foreign') });
  expect(stderr).toContain('AAAAAAAAAAAAAAAAAAAAAA');
  expect(stderr).toContain('foreign');
});

test.each([
  ['a value that is no number', 'num.partitions=many', /:\d+.*num\.partitions.*many/],
  ['a value that is out of bounds', 'num.partitions=0', /:\d+.*num\.partitions.*0/],
  ['a listener that makes no sense', 'listeners=nonsense', /:\d+.*listeners.*nonsense/],
])('a configuration with %s names file, line, key and value', async (_what, line, message) => {
  const file = workspace.write(
    'wrong.properties',
    `broker.id=7\nzookeeper.connect=${coordinator.connect}\nlog.dirs=${workspace.path('wrong')}\n${line}\n`,
  );
  const finished = await workspace.tool('kafka-server-start', [file]);
  expect(finished.code).toBe(1);
  expect(finished.stderr).toContain('wrong.properties:4');
  expect(finished.stderr).toMatch(message);
});

test('an unknown key is a warning with the nearest known one', async () => {
  const [port = 0] = await freePorts(1);
  const file = workspace.write(
    'typo.properties',
    `broker.id=8\nzookeeper.connect=${coordinator.connect}\nlog.dirs=${workspace.path('typo')}\nlisteners=PLAINTEXT://127.0.0.1:${port}\nnum.partition=3\n`,
  );
  const daemon = workspace.daemon('typo', `${projectRoot}/bin/kafka-server-start.sh`, [file]);
  await daemon.printed('started (kafka.server.KafkaServer)');
  expect(daemon.output).toMatch(/WARN.*num\.partition.*num\.partitions/);
  await daemon.stop();
});

test('a broker waits for a coordination server that is not there yet, and says so', async () => {
  const [coordinatorPort = 0, port = 0] = await freePorts(2);
  const file = workspace.write(
    'early.properties',
    `broker.id=9\nzookeeper.connect=127.0.0.1:${coordinatorPort}\nlog.dirs=${workspace.path('early')}\nlisteners=PLAINTEXT://127.0.0.1:${port}\n`,
  );
  const daemon = workspace.daemon('early', `${projectRoot}/bin/kafka-server-start.sh`, [file]);
  await daemon.printed(new RegExp(`127\\.0\\.0\\.1:${coordinatorPort}`));
  expect(daemon.output).not.toContain('started (kafka.server.KafkaServer)');
  const late = await startCoordinator(workspace, coordinatorPort);
  await daemon.printed('started (kafka.server.KafkaServer)');
  await daemon.stop();
  await late.daemon.stop();
});
