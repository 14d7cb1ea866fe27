/**
 * A data directory that fails, at any operation, takes its own partitions out of service and no others; and a broker
 * that starts without one of its directories makes nothing anew that may lie in it.
 */
import { describe, expect, test } from '@jest/globals';
import { apis, type KafkaErrorName, kafkaErrorOf } from '@odradek/protocol';
import { type Environment, nodeEnvironment } from '@odradek/runtime';
import { MemoryDisk, type Operation } from '../log/memory-disk.ts';
import { batchOf, TestBroker, TestController, TOPIC, TOPIC_ID, until } from './support.ts';

const DIRECTORIES = ['/data/broker-1-a', '/data/broker-1-b'] as const;
const PARTITIONS = [0, 1, 2, 3];

function environmentOf(disk: MemoryDisk): Environment {
  return { ...nodeEnvironment(), disk };
}

async function start(disk: MemoryDisk): Promise<TestBroker> {
  const controller = new TestController([1]);
  const broker = await TestBroker.start({
    id: 1,
    controller,
    folder: '/data',
    directories: ['-a', '-b'],
    environment: environmentOf(disk),
    logConfig: { segmentBytes: 2_000, indexIntervalBytes: 200, flushIntervalMessages: 3 },
  });
  controller.announce();
  return broker;
}

/** Makes broker 1 lead all four partitions; what it answers for each. */
async function assign(
  broker: TestBroker,
  leaderEpoch: number,
  isNew: boolean,
): Promise<KafkaErrorName[]> {
  const response = await broker.send(apis.leaderAndIsr, 7, {
    controllerId: 1,
    controllerEpoch: 1,
    topicStates: [
      {
        topicName: TOPIC,
        topicId: TOPIC_ID,
        partitionStates: PARTITIONS.map((partitionIndex) => ({
          partitionIndex,
          controllerEpoch: 1,
          leader: 1,
          leaderEpoch,
          isr: [1],
          partitionEpoch: leaderEpoch,
          replicas: [1],
          isNew,
        })),
      },
    ],
    liveLeaders: [],
  });
  const errors = response.topics.flatMap(({ partitionErrors }) => partitionErrors);
  return PARTITIONS.map((index) =>
    kafkaErrorOf(errors.find(({ partitionIndex }) => partitionIndex === index)?.errorCode ?? -1),
  );
}

async function produce(broker: TestBroker, version = 11): Promise<KafkaErrorName[]> {
  const { responses } = await broker.send(apis.produce, version, {
    acks: 1,
    timeoutMs: 10_000,
    topicData: [
      {
        name: TOPIC,
        partitionData: PARTITIONS.map((index) => ({
          index,
          records: batchOf(['v'.repeat(150)]),
        })),
      },
    ],
  });
  const answers = responses[0]?.partitionResponses ?? [];
  return PARTITIONS.map((at) =>
    kafkaErrorOf(answers.find(({ index }) => index === at)?.errorCode ?? -1),
  );
}

async function fetch(broker: TestBroker): Promise<KafkaErrorName[]> {
  const { responses } = await broker.send(apis.fetch, 12, {
    replicaId: -1,
    maxWaitMs: 0,
    minBytes: 1,
    topics: [
      {
        topic: TOPIC,
        partitions: PARTITIONS.map((partition) => ({
          partition,
          fetchOffset: 0,
          partitionMaxBytes: 100,
        })),
      },
    ],
  });
  const answers = responses[0]?.partitions ?? [];
  return PARTITIONS.map((at) =>
    kafkaErrorOf(answers.find(({ partitionIndex }) => partitionIndex === at)?.errorCode ?? -1),
  );
}

const directoryOf = (broker: TestBroker, index: number): string =>
  broker.logs.get(TOPIC, index)?.directory ?? '';

const operations: readonly Operation[] = ['open', 'write', 'truncate', 'rename', 'replace', 'sync'];

describe.each(operations)('%s fails', (operation) => {
  test.each(['EIO', 'ENOSPC'])(
    'with %s: what is in that directory is offline, the rest is served',
    async (code) => {
      const disk = new MemoryDisk();
      const broker = await start(disk);
      expect(await assign(broker, 1, true)).toEqual(['NONE', 'NONE', 'NONE', 'NONE']);
      expect(await produce(broker)).toEqual(['NONE', 'NONE', 'NONE', 'NONE']);
      const homes = PARTITIONS.map((index) => directoryOf(broker, index));
      disk.fail = (called, path) =>
        called === operation && path.startsWith(DIRECTORIES[0]) ? code : null;
      // Rolling, flushing, cutting and checkpoints use all of them sooner or later.
      for (let round = 0; round < 30 && broker.logs.onlineDirectories.length === 2; round += 1) {
        await produce(broker);
        const lost = PARTITIONS.find((index) => homes[index] === DIRECTORIES[0]) ?? -1;
        const partition = broker.replicas.partition(TOPIC, lost);
        if (round > 20) await partition?.truncate(3).catch(() => undefined);
        if (round > 5) await broker.replicas.checkpointHighWatermarks();
      }
      await until(() => broker.logs.onlineDirectories.length === 1);
      expect(broker.logs.onlineDirectories).toEqual([DIRECTORIES[1]]);
      const expected = homes.map((home) =>
        home === DIRECTORIES[0] ? 'KAFKA_STORAGE_ERROR' : 'NONE',
      );
      expect(await produce(broker)).toEqual(expected);
      expect(await fetch(broker)).toEqual(expected);
      // Clients of before that error are told to look for another leader.
      expect(await produce(broker, 3)).toEqual(
        expected.map((error) => (error === 'NONE' ? error : 'NOT_LEADER_OR_FOLLOWER')),
      );
      // The controller asks; what has the same epoch is only refused as old.
      expect(await assign(broker, 2, false)).toEqual(expected);
      expect(broker.replicas.counts()).toMatchObject({ led: 2, offline: 2 });
      const stopped = await broker.send(apis.stopReplica, 4, {
        controllerId: 1,
        controllerEpoch: 1,
        topicStates: [
          {
            topicName: TOPIC,
            partitionStates: PARTITIONS.map((partitionIndex) => ({
              partitionIndex,
              leaderEpoch: 2,
              deletePartition: false,
            })),
          },
        ],
      });
      expect(stopped.partitionErrors.map(({ errorCode }) => kafkaErrorOf(errorCode))).toEqual(
        expected,
      );
      await broker.stop();
    },
  );
});

describe('a start without one of its directories', () => {
  /** Two partitions in each directory; then one of the directories cannot be used. */
  async function restarted(): Promise<{ broker: TestBroker; kept: boolean[] }> {
    const disk = new MemoryDisk();
    const first = await start(disk);
    await assign(first, 1, true);
    await produce(first);
    const kept = PARTITIONS.map((index) => directoryOf(first, index) === DIRECTORIES[1]);
    await first.stop();
    disk.fail = (_operation, path) => (path.startsWith(DIRECTORIES[0]) ? 'EIO' : null);
    return { broker: await start(disk), kept };
  }

  test('does not make anew what may lie in it', async () => {
    const { broker, kept } = await restarted();
    expect(broker.logs.onlineDirectories).toEqual([DIRECTORIES[1]]);
    const expected = kept.map((isThere) => (isThere ? 'NONE' : 'KAFKA_STORAGE_ERROR'));
    expect(await assign(broker, 2, false)).toEqual(expected);
    expect(await produce(broker)).toEqual(expected);
    expect(await fetch(broker)).toEqual(expected);
    expect([...broker.logs.all()]).toHaveLength(2);
    expect(broker.replicas.counts()).toMatchObject({ led: 2, offline: 2 });
    // It stays so until the next start, whatever the controller says.
    expect(await assign(broker, 3, true)).toEqual(expected);
    await broker.stop();
  });

  test('makes what is new, in those that are left', async () => {
    const { broker, kept } = await restarted();
    expect(await assign(broker, 2, true)).toEqual(['NONE', 'NONE', 'NONE', 'NONE']);
    expect([...broker.logs.all()].every(({ directory }) => directory === DIRECTORIES[1])).toBe(
      true,
    );
    expect(kept.filter((isThere) => isThere)).toHaveLength(2);
    const { results } = await broker.send(apis.alterReplicaLogDirs, 2, {
      dirs: [
        { path: DIRECTORIES[0], topics: [{ name: TOPIC, partitions: [0] }] },
        { path: DIRECTORIES[1], topics: [{ name: TOPIC, partitions: [1] }] },
      ],
    });
    const errors = results.flatMap(({ partitions }) =>
      partitions.map(({ errorCode }) => kafkaErrorOf(errorCode)),
    );
    expect(errors).toEqual(['KAFKA_STORAGE_ERROR', 'NONE']);
    await broker.stop();
  });
});
