/**
 * Moving a replica between data directories: real logs in two or three folders, real requests, while
 * producers, deletions, elections and failures go on.
 */
import { readdir } from 'node:fs/promises';
import { describe, expect, test } from '@jest/globals';
import { apis, type KafkaErrorName, kafkaErrorOf } from '@odradek/protocol';
import {
  type TestBroker,
  type TestBrokerOptions,
  type TestController,
  TOPIC,
  until,
  withCluster,
} from './support.ts';

const TWO = ['-a', '-b'];
const KIB = 1024;

async function alter(
  broker: TestBroker,
  directory: string,
  topic = TOPIC,
  version = 2,
): Promise<KafkaErrorName> {
  const { results } = await broker.send(apis.alterReplicaLogDirs, version, {
    dirs: [{ path: directory, topics: [{ name: topic, partitions: [0] }] }],
  });
  const [result] = results;
  expect(result?.topicName).toBe(topic);
  return kafkaErrorOf(result?.partitions[0]?.errorCode ?? -1);
}

/** The data directories of broker 1, as configured. */
const directoriesOf = (broker: TestBroker): string[] =>
  broker.logs.directories.map((directory) => directory.path);

const here = (broker: TestBroker): string => broker.partition.log.directory;

/** The directory that the replica is not in. */
function elsewhere(broker: TestBroker): string {
  const other = directoriesOf(broker).find((directory) => directory !== here(broker));
  if (other === undefined) throw new Error('a second directory');
  return other;
}

async function folders(directory: string): Promise<string[]> {
  const names = await readdir(directory);
  return names
    .filter((name) => name.startsWith(TOPIC))
    .map((name) => name.replace(/\.[0-9a-f]{32}-/, '.*-'))
    .sort();
}

/** Values of a kibibyte each, told apart by their number. */
const big = (from: number, count: number): string[] =>
  Array.from({ length: count }, (_, index) => `${from + index} ${'x'.repeat(KIB)}`);

const withBroker = (
  run: (controller: TestController, broker: TestBroker, folder: string) => Promise<void>,
  changes: Partial<TestBrokerOptions> = {},
): Promise<void> =>
  withCluster(
    1,
    async (controller, [broker], folder) => {
      if (broker === undefined) throw new Error('a broker');
      await controller.elect(1, [1]);
      await run(controller, broker, folder);
    },
    { directories: TWO, ...changes },
  );

describe('a move', () => {
  test.each([0, 1, 2])('brings all that was there, asked for in v%i', (version) =>
    withBroker(async (_controller, broker) => {
      const values = big(0, 300);
      for (let at = 0; at < values.length; at += 20)
        await broker.produce(values.slice(at, at + 20));
      const from = here(broker);
      const to = elsewhere(broker);
      const before = broker.partition.log;
      expect(await alter(broker, to, TOPIC, version)).toBe('NONE');
      await until(() => here(broker) === to);
      expect(await broker.consume()).toEqual(values);
      const { log } = broker.partition;
      expect(log).toMatchObject({
        topicId: before.topicId,
        logEndOffset: 300,
        highWatermark: 300,
        latestEpoch: before.latestEpoch,
        isFuture: false,
      });
      await broker.produce(['later']);
      expect(await broker.consume(300)).toEqual(['later']);
      await until(() => broker.lines.some(({ message }) => message.includes('has moved')));
      expect(await folders(to)).toEqual([`${TOPIC}-0`]);
      await untilAsync(async () => (await folders(from)).join() === `${TOPIC}-0.*-delete`);
      expect(broker.logs.get(TOPIC, 0)).toBe(log);
      expect([...broker.logs.futures.all()]).toEqual([]);
    }),
  );
});

async function untilAsync(holds: () => Promise<boolean>): Promise<void> {
  for (let turn = 0; turn < 20_000; turn += 1) {
    if (await holds()) return;
    await new Promise((resolve) => setImmediate(resolve));
  }
  throw new Error(`never came true: ${holds.toString()}`);
}
