/**
 * The console producer and consumer of Apache Kafka 4.1 against our brokers: they choose the youngest versions of the
 * requests about records, and read from the replica in their rack; so does kcat.
 */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import {
  type BrokerProcess,
  type CoordinatorProcess,
  startBroker,
  startCoordinator,
} from '../support/cluster.ts';
import {
  findKafkaClients4,
  KAFKA_CLIENTS_4,
  type KafkaClients4,
  runKafka4,
  versionsSent,
} from '../support/kafka-clients-4.ts';
import { eventually, freePorts, Workspace } from '../support/workspace.ts';

const RACKS = ['east', 'west', 'south'] as const;
const workspace = new Workspace();
const java = findKafkaClients4();
let coordinator: CoordinatorProcess;
const brokers: BrokerProcess[] = [];
const metricsPorts: number[] = [];
let bootstrap = '';

beforeAll(async () => {
  coordinator = await startCoordinator(workspace);
  metricsPorts.push(...(await freePorts(RACKS.length)));
  for (const [index, rack] of RACKS.entries())
    brokers.push(
      await startBroker(workspace, index + 1, coordinator.connect, {
        'broker.rack': rack,
        'replica.selector.class': 'org.apache.kafka.common.replica.RackAwareReplicaSelector',
        'odradek.metrics.port': String(metricsPorts[index]),
      }),
    );
  bootstrap = brokers.map(({ address }) => address).join(',');
});
afterAll(() => workspace.dispose());

async function createTopic(topic: string, replicas: readonly number[]): Promise<void> {
  const created = await workspace.tool('kafka-topics', [
    ...['--create', '--bootstrap-server', bootstrap, '--topic', topic],
    ...['--replica-assignment', replicas.join(':')],
  ]);
  expect(created).toMatchObject({ code: 0 });
}

/** Bytes of records that each broker has given to consumers so far. */
const consumerBytes = (): Promise<number[]> =>
  Promise.all(
    metricsPorts.map(async (port) => {
      const page = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
      return Number(/^broker_consumer_bytes_total (\d+)/m.exec(page)?.[1]);
    }),
  );

const linesOf = (name: string, count: number): string[] =>
  Array.from({ length: count }, (_, n) => `${name} ${n} ${'x'.repeat(1_000)}`);

async function kcatWrites(topic: string, lines: readonly string[]): Promise<void> {
  const produced = await workspace.run('kcat', ['-b', bootstrap, '-P', '-t', topic, '-p', '0'], {
    input: `${lines.join('\n')}\n`,
  });
  expect(produced).toMatchObject({ code: 0 });
}

if (typeof java === 'string') console.warn(`skipped: ${java}`);
const clients: KafkaClients4 = typeof java === 'string' ? { classPath: '' } : java;

(typeof java === 'string' ? describe.skip : describe)(KAFKA_CLIENTS_4, () => {
  const consume = (topic: string, count: number, ...properties: readonly string[]) =>
    runKafka4(workspace, clients, 'consumer', [
      ...['--bootstrap-server', bootstrap, '--topic', topic, '--from-beginning'],
      ...['--max-messages', String(count), '--timeout-ms', '60000'],
      ...properties.flatMap((property) => ['--consumer-property', property]),
    ]);

  test('writes and reads in the youngest versions', async () => {
    await createTopic('kafka-4', [1, 2]);
    const lines = linesOf('kafka 4', 200);
    const produced = await runKafka4(
      workspace,
      clients,
      'producer',
      ['--bootstrap-server', bootstrap, '--topic', 'kafka-4'],
      { input: `${lines.join('\n')}\n` },
    );
    expect(produced).toMatchObject({ code: 0 });
    expect(versionsSent(produced).get('PRODUCE')).toEqual([13]);
    const consumed = await consume('kafka-4', lines.length);
    expect(consumed.stdout.trimEnd().split('\n')).toEqual(lines);
    const versions = versionsSent(consumed);
    expect(versions.get('FETCH')).toEqual([18]);
    expect(versions.get('LIST_OFFSETS')).toEqual([10]);
  });

  test('and a client of Kafka 0.8.2 read what each other wrote', async () => {
    const topic = 'kafka-4-and-0-8';
    const old = ['-X', 'broker.version.fallback=0.8.2.1', '-X', 'api.version.request=false'];
    await createTopic(topic, [1]);
    const young = linesOf('written by Kafka 4', 100);
    const produced = await runKafka4(
      workspace,
      clients,
      'producer',
      [
        ...['--bootstrap-server', bootstrap, '--topic', topic],
        ...['--producer-property', 'compression.type=gzip'],
      ],
      { input: `${young.join('\n')}\n` },
    );
    expect(produced).toMatchObject({ code: 0 });
    const aged = linesOf('written by 0.8.2', 100);
    const kcat = ['-b', bootstrap, '-t', topic, '-p', '0', ...old];
    expect(
      await workspace.run('kcat', [...kcat, '-P'], { input: `${aged.join('\n')}\n` }),
    ).toMatchObject({ code: 0 });
    const read = await workspace.run('kcat', [...kcat, '-C', '-o', 'beginning', '-e', '-q']);
    expect(read.stdout.trimEnd().split('\n')).toEqual([...young, ...aged]);
    const consumed = await consume(topic, young.length + aged.length);
    expect(consumed.stdout.trimEnd().split('\n')).toEqual([...young, ...aged]);
  });

  test.each(RACKS)('reads from the replica in rack %s', async (rack) => {
    const topic = `near-${rack}`;
    await createTopic(topic, [1, 2, 3]);
    const lines = linesOf(rack, 300);
    await kcatWrites(topic, lines);
    const before = await consumerBytes();
    const consumed = await consume(topic, lines.length, `client.rack=${rack}`);
    expect(consumed.stdout.trimEnd().split('\n')).toEqual(lines);
    const given = (await consumerBytes()).map((bytes, index) => bytes - (before[index] ?? 0));
    expect(given.map((bytes) => bytes > 0)).toEqual(RACKS.map((each) => each === rack));
  });
});

test.each(RACKS)(
  'kcat reads from the replica in rack %s, what comes later as well',
  async (rack) => {
    const topic = `kcat-near-${rack}`;
    await createTopic(topic, [1, 2, 3]);
    const lines = linesOf(rack, 100);
    await kcatWrites(topic, lines);
    const before = await consumerBytes();
    const reading = workspace.run('kcat', [
      ...['-b', bootstrap, '-C', '-t', topic, '-p', '0', '-o', 'beginning', '-q'],
      ...['-c', '200', '-X', `client.rack=${rack}`],
    ]);
    const from = RACKS.indexOf(rack);
    await eventually('the replica is read from', async () => {
      const now = await consumerBytes();
      return (now[from] ?? 0) > (before[from] ?? 0);
    });
    await kcatWrites(topic, lines);
    const { stdout } = await reading;
    expect(stdout.trimEnd().split('\n')).toEqual([...lines, ...lines]);
    const given = (await consumerBytes()).map((bytes, index) => bytes - (before[index] ?? 0));
    expect(given.map((bytes) => bytes > 0)).toEqual(RACKS.map((each) => each === rack));
  },
);

test('a reader in a rack without replica is served by the leader', async () => {
  const topic = 'near-nowhere';
  await createTopic(topic, [2, 1]);
  await kcatWrites(topic, linesOf('nowhere', 50));
  const before = await consumerBytes();
  const read = await workspace.run('kcat', [
    ...['-b', bootstrap, '-C', '-t', topic, '-p', '0', '-o', 'beginning', '-e', '-q'],
    ...['-X', 'client.rack=south'],
  ]);
  expect(read.stdout.trimEnd().split('\n')).toHaveLength(50);
  const given = (await consumerBytes()).map((bytes, index) => bytes - (before[index] ?? 0));
  expect(given.map((bytes) => bytes > 0)).toEqual([false, true, false]);
});
