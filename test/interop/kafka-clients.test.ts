/**
 * Unmodified foreign Kafka clients against our brokers: kcat, librdkafka through Python, kafkajs. Each produces with
 * keys, headers and every codec, and reads back what the others wrote, alone and as a consumer group.
 */
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { compressSync, decompressSync } from '@odradek/protocol';
import {
  type BrokerProcess,
  type CoordinatorProcess,
  startBroker,
  startCoordinator,
} from '../support/cluster.ts';
import { eventually, projectRoot, Workspace } from '../support/workspace.ts';

const CODECS = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const;
const PYTHON = '/usr/bin/python3'; // Debian's, which has Debian's python3-confluent-kafka
const clients = createRequire(join(projectRoot, 'test/interop/clients/package.json'));
const workspace = new Workspace();
let coordinator: CoordinatorProcess;
const brokers: BrokerProcess[] = [];
let bootstrap = '';

beforeAll(async () => {
  coordinator = await startCoordinator(workspace);
  for (const id of [1, 2]) {
    brokers.push(await startBroker(workspace, id, coordinator.connect, { 'num.partitions': '3' }));
  }
  bootstrap = brokers.map(({ address }) => address).join(',');
});
afterAll(() => workspace.dispose());

async function createTopic(topic: string, partitions = 2): Promise<void> {
  const created = await workspace.tool('kafka-topics', [
    '--create',
    '--bootstrap-server',
    bootstrap,
    '--topic',
    topic,
    '--partitions',
    String(partitions),
    '--replication-factor',
    '2',
  ]);
  expect(created).toMatchObject({ code: 0 });
}

/** What lies in a topic, by kcat: one `key|value|headers` a record, sorted. */
async function contents(topic: string, count: number): Promise<string[]> {
  const read = await workspace.run('kcat', [
    '-b',
    bootstrap,
    '-C',
    '-t',
    topic,
    '-o',
    'beginning',
    '-e',
    '-q',
    '-c',
    String(count),
    '-f',
    '%k|%s|%h\n',
  ]);
  expect(read).toMatchObject({ code: 0 });
  return read.stdout.trimEnd().split('\n').sort();
}

test('kcat lists the cluster', async () => {
  const listed = await workspace.run('kcat', ['-b', bootstrap, '-L', '-J']);
  expect(listed.code).toBe(0);
  const metadata = JSON.parse(listed.stdout) as { brokers: { id: number; name: string }[] };
  expect(metadata.brokers.map(({ id }) => id).sort()).toEqual([1, 2]);
});

test.each(CODECS)('kcat produces with %s and reads it back', async (codec) => {
  const topic = `kcat-${codec}`;
  await createTopic(topic);
  const lines = Array.from(
    { length: 500 },
    (_, n) => `key-${n % 17}:value ${n} ${'x'.repeat(n % 90)}`,
  );
  const produced = await workspace.run(
    'kcat',
    [
      '-b',
      bootstrap,
      '-P',
      '-t',
      topic,
      '-K',
      ':',
      '-z',
      codec,
      '-H',
      'origin=kcat',
      '-X',
      'acks=all',
    ],
    { input: `${lines.join('\n')}\n` },
  );
  expect(produced).toMatchObject({ code: 0, stderr: '' });
  expect(await contents(topic, 500)).toEqual(
    lines.map((line) => `${line.replace(':', '|')}|origin=kcat`).sort(),
  );
});

test('librdkafka through Python: every codec, an idempotent producer, a consumer group', async () => {
  await createTopic('confluent', 4);
  const finished = await workspace.run(
    PYTHON,
    [join(projectRoot, 'test/interop/confluent.py'), bootstrap, 'confluent'],
    { limitMs: 120_000 },
  );
  expect(finished).toMatchObject({ code: 0, stderr: '' });
  expect(JSON.parse(finished.stdout)).toEqual({
    produced: 5 * 200,
    consumed: 5 * 200,
    headers: ['n', 'codec'],
    members: 2,
    committed: 5 * 200,
    again: 0,
  });
});

interface KafkaJsMessage {
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers?: Readonly<Record<string, Buffer>>;
}

test('kafkajs: admin, every codec, keys and headers, a group', async () => {
  const kafkajs = clients('kafkajs');
  for (const [name, id] of [
    ['snappy', 2],
    ['lz4', 3],
    ['zstd', 4],
  ] as const) {
    kafkajs.CompressionCodecs[id] = () => ({
      compress: async ({ buffer }: { buffer: Buffer }) => compressSync(name, buffer),
      decompress: async (bytes: Buffer) => decompressSync(name, bytes, { limitBytes: 1 << 24 }),
    });
  }
  const kafka = new kafkajs.Kafka({
    clientId: 'kafkajs-interop',
    brokers: bootstrap.split(','),
    logLevel: kafkajs.logLevel.ERROR,
  });
  const admin = kafka.admin();
  await admin.connect();
  await admin.createTopics({
    topics: [{ topic: 'kafkajs', numPartitions: 3, replicationFactor: 2 }],
    waitForLeaders: true,
  });
  // By default kafkajs leaves both counts to the brokers.
  await admin.createTopics({ topics: [{ topic: 'kafkajs-default' }] });
  expect(await admin.listTopics()).toEqual(expect.arrayContaining(['kafkajs', 'kafkajs-default']));

  const producer = kafka.producer();
  await producer.connect();
  const sent: string[] = [];
  for (const [id, codec] of CODECS.entries()) {
    const messages = Array.from({ length: 100 }, (_, n) => ({
      key: `k${n % 7}`,
      value: `${codec} ${n}`,
      headers: { codec },
    }));
    await producer.send({ topic: 'kafkajs', acks: -1, compression: id, messages });
    sent.push(...messages.map(({ key, value }) => `${key}|${value}|codec=${codec}`));
  }
  await producer.disconnect();
  expect(await contents('kafkajs', sent.length)).toEqual([...sent].sort());

  const consumer = kafka.consumer({ groupId: 'kafkajs-group' });
  const received: string[] = [];
  await consumer.connect();
  await consumer.subscribe({ topic: 'kafkajs', fromBeginning: true });
  await consumer.run({
    eachMessage: async ({ message }: { message: KafkaJsMessage }) => {
      received.push(`${message.key}|${message.value}|codec=${message.headers?.codec}`);
    },
  });
  await eventually('kafkajs has read everything', async () => received.length >= sent.length);
  await consumer.disconnect();
  expect(received.sort()).toEqual([...sent].sort());
  const offsets = await admin.fetchOffsets({ groupId: 'kafkajs-group', topics: ['kafkajs'] });
  const committed = offsets[0].partitions.reduce(
    (sum: number, { offset }: { offset: string }) => sum + Number(offset),
    0,
  );
  expect(committed).toBe(sent.length);
  await admin.deleteTopics({ topics: ['kafkajs'] });
  await eventually(
    'the topic is gone',
    async () => !(await admin.listTopics()).includes('kafkajs'),
  );
  await admin.disconnect();
});

test('what our console producer writes with each codec, kcat reads, and the other way round', async () => {
  await createTopic('ours', 1);
  for (const codec of CODECS) {
    const produced = await workspace.tool(
      'kafka-console-producer',
      ['--bootstrap-server', bootstrap, '--topic', 'ours', '--compression-codec', codec],
      { input: `ours with ${codec}\n` },
    );
    expect(produced.code).toBe(0);
    const theirs = await workspace.run('kcat', ['-b', bootstrap, '-P', '-t', 'ours', '-z', codec], {
      input: `theirs with ${codec}\n`,
    });
    expect(theirs.code).toBe(0);
  }
  const expected = CODECS.flatMap((codec) => [`ours with ${codec}`, `theirs with ${codec}`]);
  const read = await workspace.run('kcat', [
    '-b',
    bootstrap,
    '-C',
    '-t',
    'ours',
    '-o',
    'beginning',
    '-e',
    '-q',
  ]);
  expect(read.stdout.trimEnd().split('\n')).toEqual(expected);
  const consumed = await workspace.tool('kafka-console-consumer', [
    '--bootstrap-server',
    bootstrap,
    '--topic',
    'ours',
    '--from-beginning',
    '--max-messages',
    String(expected.length),
  ]);
  expect(consumed.stdout.trimEnd().split('\n')).toEqual(expected);
});
