/**
 * Goal: a broker comes up in a cluster, takes over when another dies, goes down in order, and says in
 * one sentence why it cannot start. Method: whole brokers on real ports and folders, with a real
 * coordination server in the same process.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { BrokerConnection } from '@odradek/client';
import { type RunningCoordinator, readZooCfg, startCoordinator } from '@odradek/coord';
import { apis, encodeBatch, kafkaErrorOf, type MetadataResponse } from '@odradek/protocol';
import { type LogFields, nodeEnvironment, type PropertyEntry } from '@odradek/runtime';
import {
  type RunningBroker,
  readBrokerConfig,
  type StartOptions,
  startBroker,
} from '../../src/index.ts';

interface Line {
  readonly message: string;
  readonly fields: LogFields;
}

let folder = '';
let coordinator: RunningCoordinator | null = null;
const running = new Set<RunningBroker>();
const lines: Line[] = [];

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'odradek-broker-'));
  lines.length = 0;
});

afterEach(async () => {
  for (const broker of running) await broker.stop();
  running.clear();
  await coordinator?.stop();
  coordinator = null;
  await rm(folder, { recursive: true, force: true });
});

const entries = (properties: Readonly<Record<string, string>>): PropertyEntry[] =>
  Object.entries(properties).map(([key, value], index) => ({
    key,
    value,
    line: index + 1,
    source: 'test.properties',
  }));

async function startCoordination(port = 0): Promise<void> {
  const { values } = readZooCfg(
    entries({
      dataDir: path.join(folder, 'coordinator'),
      clientPort: String(port),
      clientPortAddress: '127.0.0.1',
      tickTime: '100',
      minSessionTimeout: '200',
    }),
    { source: 'test.properties', homeDirectory: folder },
  );
  coordinator = await startCoordinator(nodeEnvironment(), values);
}

function start(
  id: number,
  properties: Readonly<Record<string, string>> = {},
  options: StartOptions = {},
): Promise<RunningBroker> {
  const note = (message: string, fields: LogFields = {}) => void lines.push({ message, fields });
  const log = { error: note, warn: note, info: note, debug: () => {}, child: () => log };
  const config = readBrokerConfig(
    entries({
      'broker.id': String(id),
      listeners: 'PLAINTEXT://127.0.0.1:0',
      'log.dirs': path.join(folder, `broker-${id}`),
      'zookeeper.connect': `127.0.0.1:${coordinator?.port ?? 1}/cluster`,
      'zookeeper.session.timeout.ms': '6000',
      'offsets.topic.replication.factor': '1',
      'controlled.shutdown.retry.backoff.ms': '100',
      ...properties,
    }),
    { source: 'test.properties', homeDirectory: folder },
  );
  return startBroker({ ...nodeEnvironment(), log }, config, options).then((broker) => {
    running.add(broker);
    return broker;
  });
}

async function withConnection<T>(
  broker: RunningBroker,
  use: (connection: BrokerConnection) => Promise<T>,
): Promise<T> {
  const connection = await BrokerConnection.connect({
    host: '127.0.0.1',
    port: broker.ports.get('PLAINTEXT') ?? 0,
    clientId: 'test',
    environment: nodeEnvironment(),
  });
  try {
    return await use(connection);
  } finally {
    connection.close();
  }
}

const metadata = (broker: RunningBroker, topic: string): Promise<MetadataResponse> =>
  withConnection(broker, (connection) =>
    connection.send(apis.metadata, 12, {
      topics: [{ name: topic }],
      allowAutoTopicCreation: false,
    }),
  );

async function createTopic(broker: RunningBroker, name: string, replicationFactor: number) {
  const controllerId = (await metadata(broker, name)).controllerId;
  const controller = [...running].find((one) => one.brokerId === controllerId) ?? broker;
  const response = await withConnection(controller, (connection) =>
    connection.send(apis.createTopics, 7, {
      topics: [{ name, numPartitions: 1, replicationFactor, assignments: [], configs: [] }],
      timeoutMs: 10_000,
    }),
  );
  expect(response.topics.map(({ errorCode }) => kafkaErrorOf(errorCode))).toEqual(['NONE']);
}

async function produce(broker: RunningBroker, topic: string, value: string) {
  const records = encodeBatch({
    records: [{ key: null, value: Buffer.from(value), timestamp: 0 }],
  });
  const response = await withConnection(broker, (connection) =>
    connection.send(apis.produce, 11, {
      acks: -1,
      timeoutMs: 5_000,
      topicData: [{ name: topic, partitionData: [{ index: 0, records }] }],
    }),
  );
  return kafkaErrorOf(response.responses[0]?.partitionResponses[0]?.errorCode ?? -1);
}

async function leaderOf(topic: string, asked: RunningBroker): Promise<RunningBroker | undefined> {
  const partition = (await metadata(asked, topic)).topics[0]?.partitions[0];
  return [...running].find(({ brokerId }) => brokerId === partition?.leaderId);
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  for (let attempt = 0; attempt < 5_000; attempt += 1) if (await holds()) return;
  throw new Error(`never came true: ${holds.toString()}`);
}

test('a broker that is ready knows itself, serves what it advertises, and stops in order', async () => {
  await startCoordination();
  const broker = await start(0);
  expect((await metadata(broker, 't')).brokers).toEqual([
    { nodeId: 0, host: '127.0.0.1', port: broker.ports.get('PLAINTEXT'), rack: null },
  ]);
  await createTopic(broker, 't', 1);
  expect(await produce(broker, 't', 'a')).toBe('NONE');
  const advertised = await withConnection(broker, (connection) =>
    connection.send(apis.apiVersions, 4, {
      clientSoftwareName: 'test',
      clientSoftwareVersion: '1',
    }),
  );
  const keys = advertised.apiKeys.map(({ apiKey }) => apiKey);
  for (const api of [
    apis.produce,
    apis.fetch,
    apis.metadata,
    apis.findCoordinator,
    apis.createTopics,
  ])
    expect(keys).toContain(api.key);
  expect(broker.metrics.valueOf('broker_partitions_led')).toBe(1);
  expect(broker.metrics.valueOf('broker_is_controller')).toBe(1);
  await broker.stop();
  expect(lines.at(-1)?.message).toBe('stopped');
});

test('what was written is there after a restart', async () => {
  await startCoordination();
  const broker = await start(0);
  await createTopic(broker, 't', 1);
  expect(await produce(broker, 't', 'a')).toBe('NONE');
  await broker.stop();
  running.delete(broker);
  const again = await start(0);
  await until(async () => (await leaderOf('t', again)) !== undefined);
  const response = await withConnection(again, (connection) =>
    connection.send(apis.listOffsets, 9, {
      replicaId: -1,
      isolationLevel: 0,
      topics: [{ name: 't', partitions: [{ partitionIndex: 0, timestamp: -1 }] }],
    }),
  );
  expect(response.topics[0]?.partitions[0]?.offset).toBe(1);
});

test('a broker that leaves in order hands over first', async () => {
  await startCoordination();
  const brokers = [await start(0), await start(1)];
  const [first] = brokers;
  if (!first) throw new Error('a broker');
  await until(async () => (await metadata(first, 't')).brokers.length === 2);
  await createTopic(first, 't', 2);
  const leader = await leaderOf('t', first);
  const other = brokers.find((broker) => broker !== leader);
  if (leader === undefined || other === undefined) throw new Error('a leader and another');
  expect(await produce(leader, 't', 'a')).toBe('NONE');
  await leader.stop();
  running.delete(leader);
  await until(async () => (await leaderOf('t', other)) === other);
  expect(await produce(other, 't', 'b')).toBe('NONE');
}, 20_000);

test('waits for the coordination service, says so, and can be called off', async () => {
  const abort = new AbortController();
  const starting = start(0, { 'zookeeper.connect': '127.0.0.1:1' }, { interrupted: abort.signal });
  const outcome = expect(starting).rejects.toMatchObject({ code: 'START_INTERRUPTED' });
  for (let turn = 0; !lines.some(({ message }) => message.startsWith('waiting for')); turn += 1) {
    if (turn > 5_000_000) throw new Error('it never said that it waits');
    await new Promise((resolve) => setImmediate(resolve));
  }
  abort.abort();
  await outcome;
  expect(lines.find(({ message }) => message.startsWith('waiting for'))?.fields).toMatchObject({
    'zookeeper.connect': '127.0.0.1:1',
  });
});

test.each([
  {
    name: 'a port that is taken',
    properties: (port: number) => ({ listeners: `PLAINTEXT://127.0.0.1:${port}` }),
    id: 1,
    message: /port is in use/,
  },
  {
    name: 'an id that is registered',
    properties: () => ({ 'log.dirs': '$FOLDER/elsewhere' }),
    id: 0,
    message: /broker id 0 is already registered by the broker at 127\.0\.0\.1:\d+/,
  },
  {
    name: 'a log directory that is in use',
    properties: () => ({ 'log.dirs': '$FOLDER/broker-0' }),
    id: 0,
    message: /locked by/,
  },
  {
    name: 'a log directory of another broker',
    properties: () => ({ 'log.dirs': '$FOLDER/broker-9' }),
    id: 1,
    message: /belong to broker 9/,
  },
  {
    name: 'a listener that is not served',
    properties: () => ({ listeners: 'PLAINTEXT://127.0.0.1:0,SSL://127.0.0.1:0' }),
    id: 1,
    message: /listener SSL speaks SSL/,
  },
])('does not start with $name, and leaves nothing behind', async ({ properties, id, message }) => {
  await startCoordination();
  const first = await start(0);
  const ninth = await start(9);
  await ninth.stop();
  running.delete(ninth);
  const changes = Object.fromEntries(
    Object.entries(properties(first.ports.get('PLAINTEXT') ?? 0)).map(([key, value]) => [
      key,
      value.replace('$FOLDER', folder),
    ]),
  );
  await expect(start(id, changes)).rejects.toThrow(message);
  // The one that runs is not harmed.
  expect((await metadata(first, 't')).brokers.map(({ nodeId }) => nodeId)).toContain(0);
});

test('does not start with a log directory of another cluster', async () => {
  await startCoordination();
  const broker = await start(0);
  await broker.stop();
  running.delete(broker);
  const elsewhere = `127.0.0.1:${coordinator?.port}/another`;
  await expect(start(0, { 'zookeeper.connect': elsewhere })).rejects.toThrow(/belongs to cluster/);
});
