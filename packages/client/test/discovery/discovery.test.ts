/**
 * Both ways to a cluster, against a scripted coordinator and scripted brokers: who is found, what is
 * learnt by watches, and what happens while nobody is there.
 */
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { Kafka, parseBootstrapServers } from '../../src/kafka.ts';
import { FakeCoordinator } from '../coordinator-session/fake-coordinator.ts';
import { FakeCluster } from '../fake-cluster.ts';
import { until } from '../manual-time.ts';

let cluster: FakeCluster;
let coordinator: FakeCoordinator;
let clients: Kafka[];

beforeEach(async () => {
  cluster = await new FakeCluster().start(2);
  coordinator = await new FakeCoordinator().start();
  clients = [];
  for (const path of ['/brokers', '/brokers/ids', '/brokers/topics', '/cluster']) node(path, null);
  node('/cluster/id', { version: '1', id: 'fake' });
  node('/controller', { version: 2, brokerid: 1, timestamp: '1' });
  for (const id of [0, 1]) register(id);
});

afterEach(async () => {
  await Promise.all(clients.map((client) => client.close()));
  await coordinator.stop();
  await cluster.stop();
  expect(cluster.brokers.flatMap(({ failures }) => failures)).toEqual([]);
});

function node(path: string, json: object | null): void {
  coordinator.put(path, json === null ? null : Buffer.from(JSON.stringify(json)));
}

function register(id: number): void {
  const port = cluster.brokers[id]?.port ?? 0;
  node(`/brokers/ids/${id}`, {
    version: 5,
    host: '127.0.0.1',
    port,
    endpoints: [`PLAINTEXT://127.0.0.1:${port}`],
    listener_security_protocol_map: { PLAINTEXT: 'PLAINTEXT' },
    timestamp: '1',
    features: {},
  });
}

/** Writes a topic's nodes as the cluster has it. */
function publish(topic: string): void {
  const count = cluster.topics.get(topic) ?? 0;
  const numbers = Array.from({ length: count }, (_, n) => n);
  node(`/brokers/topics/${topic}`, {
    version: 3,
    topic_id: 'A'.repeat(22),
    partitions: Object.fromEntries(numbers.map((n) => [n, [0, 1]])),
  });
  node(`/brokers/topics/${topic}/partitions`, null);
  for (const n of numbers) {
    const { leader, leaderEpoch } = cluster.partition(topic, n);
    node(`/brokers/topics/${topic}/partitions/${n}`, null);
    node(`/brokers/topics/${topic}/partitions/${n}/state`, {
      controller_epoch: 1,
      leader,
      version: 1,
      leader_epoch: leaderEpoch,
      isr: [0, 1],
    });
  }
}

function client(options: ConstructorParameters<typeof Kafka>[0]): Kafka {
  const kafka = new Kafka({ callTimeoutMs: 5_000, ...options });
  clients.push(kafka);
  return kafka;
}

const received = (): string[] => cluster.brokers.flatMap((broker) => broker.received);

describe('through the coordinator', () => {
  test('a topic is found, written to and read without asking a broker where it is', async () => {
    cluster.createTopic('t', 2);
    publish('t');
    const kafka = client({ coordinator: coordinator.address });
    const producer = kafka.producer({ lingerMs: 0 });
    await producer.send({ topic: 't', partition: 1, value: 'x' });
    const consumer = kafka.consumer({ offsetReset: 'earliest', maxWaitMs: 20 });
    consumer.assign([{ topic: 't', partition: 1 }]);
    const [batch] = await consumer.poll(2_000);
    expect(String(batch?.records[0]?.value)).toBe('x');
    expect(received().filter((name) => name.startsWith('Metadata'))).toEqual([]);
  });

  test('a new leader is known before a request to the old one fails', async () => {
    cluster.createTopic('t', 1);
    publish('t');
    const kafka = client({ coordinator: coordinator.address });
    const producer = kafka.producer({ lingerMs: 0 });
    await producer.send({ topic: 't', partition: 0, value: 'a' });
    cluster.moveLeader('t', 0, 1);
    const readsBefore = coordinator.received.length;
    publish('t');
    // The watches fire, the nodes are read again; then the next record goes to the right broker at once.
    await until(() => coordinator.received.length >= readsBefore + 2);
    for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    await producer.send({ topic: 't', partition: 0, value: 'b' });
    expect(
      cluster.brokers.map(
        (broker) => broker.received.filter((name) => /^Produce/.test(name)).length,
      ),
    ).toEqual([1, 1]);
  });

  test('a topic that does not exist is created through a broker, where the cluster does so', async () => {
    cluster.autoCreate = 2;
    const kafka = client({ coordinator: coordinator.address });
    const producer = kafka.producer({ lingerMs: 0 });
    const sent = producer.send({ topic: 'new', partition: 1, value: 'x' });
    await until(() => cluster.topics.has('new'));
    publish('new');
    expect(await sent).toMatchObject({ topic: 'new', partition: 1, offset: 0 });
  });

  test('the admin finds cluster and controller', async () => {
    cluster.controllerId = 1;
    const kafka = client({ coordinator: coordinator.address });
    expect(await kafka.admin().describeCluster()).toMatchObject({
      clusterId: 'fake',
      controllerId: 1,
      brokers: [{ id: 0 }, { id: 1 }],
    });
  });

  test('brokers that register later are found', async () => {
    for (const id of [0, 1]) coordinator.nodes.delete(`/brokers/ids/${id}`);
    cluster.createTopic('t', 1);
    publish('t');
    const kafka = client({ coordinator: coordinator.address });
    const sent = kafka.producer({ lingerMs: 0 }).send({ topic: 't', value: 'x' });
    await until(() => coordinator.received.length > 3);
    register(0);
    expect(await sent).toMatchObject({ offset: 0 });
  });
});

describe('through brokers', () => {
  test('any of the addresses is enough', async () => {
    cluster.createTopic('t', 1);
    const port = cluster.brokers[1]?.port;
    const kafka = client({ bootstrapServers: `127.0.0.1:1,127.0.0.1:${port}` });
    expect(await kafka.producer().partitionCount('t')).toBe(1);
  });

  test('a cluster that is not there: the last reason, when the patience ends', async () => {
    const kafka = client({ bootstrapServers: '127.0.0.1:1', callTimeoutMs: 150 });
    await expect(kafka.admin().listTopics()).rejects.toMatchObject({ retriable: true });
  });

  test('a closed client refuses', async () => {
    const kafka = client({ bootstrapServers: cluster.bootstrapServers });
    await kafka.close();
    await expect(kafka.admin().listTopics()).rejects.toMatchObject({ code: 'CLIENT_MISUSE' });
  });
});

test.each([
  { text: 'h:1', expected: [{ host: 'h', port: 1 }] },
  {
    text: ' h , [::1]:2,',
    expected: [
      { host: 'h', port: 9092 },
      { host: '::1', port: 2 },
    ],
  },
  { text: 'PLAINTEXT://h:1', expected: [{ host: 'h', port: 1 }] },
])('bootstrap servers $text', ({ text, expected }) => {
  expect(parseBootstrapServers(text)).toEqual(expected);
});

test.each(['', ',', 'h:x', 'h:0', 'h:65536', 'a b:1:2', 'h:1/chroot'])(
  'no bootstrap servers: %j',
  (text) => {
    expect(() => parseBootstrapServers(text)).toThrow(expect.objectContaining({ code: 'CONFIG' }));
  },
);
