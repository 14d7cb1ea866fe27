/**
 * Unmodified clients of Kafka before 0.11, which know message sets only: kcat as a client of 0.8.2, 0.9 and 0.10,
 * kafka-python as one of 0.8.2, 0.9 and 0.10, and kafka-node. Each writes with the codecs it has, each reads what the
 * others wrote, and so do clients of today, the other way round as well.
 */
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type BrokerProcess, startBroker, startCoordinator } from '../support/cluster.ts';
import { projectRoot, Workspace } from '../support/workspace.ts';

const PYTHON = '/usr/bin/python3'; // Debian's, which has Debian's python3-kafka
const MODERN = 'of today';
const KCATS = ['0.8.2.1', '0.9.0.1', '0.10.0.1', MODERN] as const;
const PYTHONS = ['0.8.2', '0.9', '0.10'] as const;
const CODECS = ['none', 'gzip', 'snappy', 'lz4'] as const;
const clients = createRequire(join(projectRoot, 'test/interop/clients/package.json'));
const workspace = new Workspace();
let broker: BrokerProcess;

beforeAll(async () => {
  const coordinator = await startCoordinator(workspace);
  broker = await startBroker(workspace, 1, coordinator.connect);
});
afterAll(() => workspace.dispose());

const as = (version: (typeof KCATS)[number]): string[] =>
  version === MODERN
    ? []
    : ['-X', `broker.version.fallback=${version}`, '-X', 'api.version.request=false'];

async function kcatWrites(
  topic: string,
  version: (typeof KCATS)[number],
  codec: string,
): Promise<string[]> {
  const lines = Array.from({ length: 300 }, (_, n) => `key ${n}|${version} ${codec} ${n}`);
  const produced = await workspace.run(
    'kcat',
    ['-b', broker.address, ...as(version), '-P', '-t', topic, '-p', '0', '-K', '|', '-z', codec],
    { input: `${lines.join('\n')}\n` },
  );
  expect(produced).toMatchObject({ code: 0 });
  return lines;
}

async function kcatReads(topic: string, version: (typeof KCATS)[number]): Promise<string[]> {
  const how = ['-o', 'beginning', '-e', '-q', '-f', '%k|%s\n', '-X', 'check.crcs=true'];
  const read = await workspace.run('kcat', [
    '-b',
    broker.address,
    ...as(version),
    '-C',
    '-t',
    topic,
    ...how,
  ]);
  expect(read).toMatchObject({ code: 0 });
  return read.stdout.trimEnd().split('\n');
}

interface PythonRead {
  readonly beginning: number;
  readonly end: number;
  readonly committed: number | null;
  readonly read: readonly (readonly [offset: number, key: string | null, value: string])[];
}

async function python<T>(version: string, ...what: string[]): Promise<T> {
  const script = join(projectRoot, 'test/interop/older.py');
  const finished = await workspace.run(PYTHON, [script, broker.address, version, ...what], {
    limitMs: 120_000,
  });
  expect(finished).toMatchObject({ code: 0 });
  return JSON.parse(finished.stdout) as T;
}

async function pythonReads(topic: string, version: string, roomBytes: number): Promise<string[]> {
  const { read, beginning, end, committed } = await python<PythonRead>(
    version,
    'read',
    topic,
    String(roomBytes),
  );
  expect([beginning, end]).toEqual([0, read.length]);
  expect(read.map(([offset]) => offset)).toEqual(read.map((_, index) => index));
  if (committed !== null) expect(committed).toBe(end);
  return read.map(([, key, value]) => `${key}|${value}`);
}

/** A topic that everybody has written to, and what must be in it, in order. */
describe('what all of them write', () => {
  const topic = 'everybody';
  const written: string[] = [];

  beforeAll(async () => {
    await nodeCreates(topic);
    for (const version of KCATS)
      for (const codec of CODECS) written.push(...(await kcatWrites(topic, version, codec)));
    for (const version of PYTHONS) {
      const { offsets } = await python<{ offsets: number[] }>(version, 'produce', topic);
      expect(offsets).toEqual(offsets.map((_, index) => written.length + index));
      for (const codec of CODECS)
        for (let n = 0; n < 100; n++) written.push(`key-${n}|${version} ${codec} ${n}`);
    }
    written.push(...(await nodeWrites(topic, written.length)));
  });

  test.each(KCATS)('kcat %s reads', async (version) => {
    expect(await kcatReads(topic, version)).toEqual(written);
  });

  test.each(PYTHONS)('kafka-python %s reads, with much room and with little', async (version) => {
    expect(await pythonReads(topic, version, 1_048_576)).toEqual(written);
    expect(await pythonReads(topic, version, 8_000)).toEqual(written);
  });
});

/** kafka-node has no lz4, and snappy only with an addon that needs a compiler: it has topics of its own to read. */
test('kafka-node reads what it wrote, what others wrote with gzip, and asks for offsets', async () => {
  const topic = 'node';
  await nodeCreates(topic);
  const written = await nodeWrites(topic, 0);
  for (const version of KCATS)
    for (const codec of ['none', 'gzip'])
      written.push(...(await kcatWrites(topic, version, codec)));
  expect(await kcatReads(topic, MODERN)).toEqual(written);
  const { KafkaClient, Consumer, Offset } = clients('kafka-node');
  const client = new KafkaClient({ kafkaHost: broker.address });
  const ends = await new Promise((resolve, reject) => {
    const asked = [{ topic, partition: 0, time: -1, maxNum: 5 }];
    new Offset(client).fetch(asked, (error: unknown, found: unknown) =>
      error ? reject(error) : resolve(found),
    );
  });
  expect(ends).toEqual({ [topic]: { 0: [written.length, 0] } });
  const read = await new Promise<string[]>((resolve, reject) => {
    const lines: string[] = [];
    const consumer = new Consumer(client, [{ topic, partition: 0, offset: 0 }], {
      fromOffset: true,
      autoCommit: false,
      fetchMaxBytes: 20_000,
    });
    consumer.on('error', reject);
    consumer.on('message', ({ key, value }: { key: string; value: string }) => {
      if (lines.push(`${key}|${value}`) === written.length)
        consumer.close(false, () => resolve(lines));
    });
  });
  expect(read).toEqual(written);
});

function nodeCreates(topic: string): Promise<void> {
  const client = new (clients('kafka-node').KafkaClient)({ kafkaHost: broker.address });
  return new Promise((resolve, reject) => {
    client.createTopics(
      [{ topic, partitions: 1, replicationFactor: 1 }],
      (error: Error | null, refused: unknown[]) => {
        client.close();
        if (error !== null || refused?.length > 0) reject(error ?? new Error(`${refused}`));
        else resolve();
      },
    );
  });
}

/** @param offset where what it writes must end up */
async function nodeWrites(topic: string, offset: number): Promise<string[]> {
  const { KafkaClient, Producer, KeyedMessage } = clients('kafka-node');
  const client = new KafkaClient({ kafkaHost: broker.address });
  const producer = new Producer(client, { requireAcks: 1 });
  await new Promise((resolve) => producer.on('ready', resolve));
  await new Promise((resolve) => client.refreshMetadata([topic], resolve));
  const lines: string[] = [];
  for (const [attributes, codec] of [
    [0, 'none'],
    [1, 'gzip'],
  ] as const) {
    const some = Array.from({ length: 100 }, (_, n) => [`k${n}`, `kafka-node ${codec} ${n}`]);
    const messages = some.map(([key, value]) => new KeyedMessage(key, value));
    const answer = await new Promise((resolve, reject) => {
      producer.send(
        [{ topic, partition: 0, messages, attributes }],
        (error: unknown, at: unknown) => (error ? reject(error) : resolve(at)),
      );
    });
    expect(answer).toEqual({ [topic]: { 0: offset + lines.length } });
    lines.push(...some.map(([key, value]) => `${key}|${value}`));
  }
  await new Promise<void>((resolve) => producer.close(resolve));
  return lines;
}
