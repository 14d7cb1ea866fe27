/**
 * Moving a replica between data directories: real logs in two or three folders, real requests, while
 * producers, deletions, elections and failures go on.
 */
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { apis, type KafkaErrorName, kafkaErrorOf } from '@odradek/protocol';

import {
  TestBroker,
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

/** The same broker on the same folders, after a stop. */
async function restart(
  controller: TestController,
  broker: TestBroker,
  folder: string,
  changes: Partial<TestBrokerOptions> = {},
): Promise<TestBroker> {
  await broker.stop();
  const again = await TestBroker.start({
    id: broker.id,
    controller,
    folder,
    directories: TWO,
    ...changes,
  });
  controller.announce();
  return again;
}

async function untilAsync(holds: () => Promise<boolean>): Promise<void> {
  for (let turn = 0; turn < 20_000; turn += 1) {
    if (await holds()) return;
    await new Promise((resolve) => setImmediate(resolve));
  }
  throw new Error(`never came true: ${holds.toString()}`);
}

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

  test('goes on while records come in as fast as they can, and loses none', () =>
    withBroker(async (_controller, broker) => {
      const acknowledged: string[] = [];
      let isOn = true;
      const load = (async () => {
        for (let n = 0; isOn; n += 1) {
          const values = Array.from({ length: 20 }, (_, index) => `${n}/${index}`);
          const outcomes = await Promise.all(values.map((value) => broker.produce([value], 1)));
          for (const [index, { error }] of outcomes.entries())
            if (error === 'NONE') acknowledged.push(values[index] ?? '');
            else expect(error).toBe('NOT_LEADER_OR_FOLLOWER'); // While the last batches are copied.
        }
      })();
      for (let move = 0; move < 6; move += 1) {
        const to = elsewhere(broker);
        const before = acknowledged.length;
        await until(() => acknowledged.length > before + 200);
        expect(await alter(broker, to)).toBe('NONE');
        await until(() => here(broker) === to);
      }
      isOn = false;
      await load;
      expect(await broker.everything()).toEqual(acknowledged);
      const { log } = broker.partition;
      expect(log.highWatermark).toBe(log.logEndOffset);
    }));

  test('is as slow as its quota says, and seen as it gets on', async () => {
    const moveQuota = { bytesPerSecond: Number.POSITIVE_INFINITY };
    await withBroker(
      async (_controller, broker) => {
        await broker.produce(big(0, 40));
        moveQuota.bytesPerSecond = 0;
        const to = elsewhere(broker);
        expect(await alter(broker, to)).toBe('NONE');
        const copyOf = () => broker.logs.futures.get(TOPIC, 0);
        const { results } = await broker.send(apis.describeLogDirs, 4, { topics: null });
        const told = results.map(({ logDir, topics }) => ({
          isTarget: logDir === to,
          replicas: topics.flatMap(({ partitions }) =>
            partitions.map(({ isFutureKey, offsetLag }) => ({ isFutureKey, offsetLag })),
          ),
        }));
        expect(told).toEqual(
          expect.arrayContaining([
            { isTarget: false, replicas: [{ isFutureKey: false, offsetLag: 0 }] },
            { isTarget: true, replicas: [{ isFutureKey: true, offsetLag: 40 }] },
          ]),
        );
        expect(copyOf()?.logEndOffset).toBe(0);
        // What the cleaner would rewrite now had to be copied again.
        const { lease } = broker.partition.log.compaction;
        expect(lease.take()).toBeNull();
        broker.partition.log.compaction.cleanedUpTo = 7;
        // Asking again changes nothing, and a smaller quota is not waited for when it is raised.
        expect(await alter(broker, to)).toBe('NONE');
        moveQuota.bytesPerSecond = Number.POSITIVE_INFINITY;
        await until(() => here(broker) === to);
        expect(broker.partition.log.compaction.cleanedUpTo).toBe(7);
        const moved = broker.partition.log.compaction.lease;
        expect(moved.take()).not.toBeNull();
        moved.give();
      },
      { moveQuota, settings: { moveQuotaWindowMs: 20 } },
    );
  });

  /** A move that has got so far and no further: the rest of the copy is to be allowed by the quota. */
  async function halfWay(
    broker: TestBroker,
    moveQuota: { bytesPerSecond: number },
  ): Promise<string> {
    const values = big(0, 100);
    for (let at = 0; at < values.length; at += 10) await broker.produce(values.slice(at, at + 10));
    const to = elsewhere(broker);
    moveQuota.bytesPerSecond = 400_000;
    expect(await alter(broker, to)).toBe('NONE');
    await until(() => (broker.logs.futures.get(TOPIC, 0)?.logEndOffset ?? 0) >= 30);
    moveQuota.bytesPerSecond = 0;
    await broker.logs.futures.get(TOPIC, 0)?.settled();
    return to;
  }
  const slowly = (moveQuota: { bytesPerSecond: number }): Partial<TestBrokerOptions> => ({
    moveQuota,
    settings: { moveQuotaWindowMs: 20, moveQuotaWindowCount: 2, fetchPartitionMaxBytes: 10_000 },
  });

  test('ends when the directory that the replica is in is named', async () => {
    const moveQuota = { bytesPerSecond: 0 };
    await withBroker(async (_controller, broker) => {
      const to = await halfWay(broker, moveQuota);
      expect(await folders(to)).toEqual([`${TOPIC}-0.*-future`]);
      const from = here(broker);
      expect(await alter(broker, from)).toBe('NONE');
      expect(broker.partition.copy).toBeNull();
      expect([...broker.logs.futures.all()]).toEqual([]);
      expect(await folders(to)).toEqual([`${TOPIC}-0.*-delete`]);
      expect(await folders(from)).toEqual([`${TOPIC}-0`]);
      moveQuota.bytesPerSecond = Number.POSITIVE_INFINITY;
      expect(await alter(broker, to)).toBe('NONE');
      await until(() => here(broker) === to);
      expect(await broker.consume()).toEqual(big(0, 100));
    }, slowly(moveQuota));
  });

  test('goes on after a restart where it was', async () => {
    const moveQuota = { bytesPerSecond: 0 };
    await withBroker(async (controller, broker, folder) => {
      const to = await halfWay(broker, moveQuota);
      const end = broker.logs.futures.get(TOPIC, 0)?.logEndOffset ?? 0;
      const again = await restart(controller, broker, folder, slowly(moveQuota));
      const copy = again.logs.futures.get(TOPIC, 0);
      expect(copy).toMatchObject({ logEndOffset: end, directory: to, isFuture: true });
      await controller.elect(1, [1]);
      await again.produce(['after the restart']);
      moveQuota.bytesPerSecond = Number.POSITIVE_INFINITY;
      await until(() => here(again) === to);
      expect(await again.consume()).toEqual([...big(0, 100), 'after the restart']);
    }, slowly(moveQuota));
  });

  test('is over with the deletion of its topic', async () => {
    const moveQuota = { bytesPerSecond: 0 };
    await withBroker(async (controller, broker) => {
      const to = await halfWay(broker, moveQuota);
      const from = here(broker);
      const stopped = await broker.send(apis.stopReplica, 4, controller.stopReplica(true));
      expect(stopped.partitionErrors).toMatchObject([{ errorCode: 0 }]);
      expect(await folders(to)).toEqual([`${TOPIC}-0.*-delete`]);
      expect(await folders(from)).toEqual([`${TOPIC}-0.*-delete`]);
      expect([...broker.logs.all(), ...broker.logs.futures.all()]).toEqual([]);
    }, slowly(moveQuota));
  });

  test('is suspended with its replica', async () => {
    const moveQuota = { bytesPerSecond: 0 };
    await withBroker(async (controller, broker) => {
      const to = await halfWay(broker, moveQuota);
      await broker.send(apis.stopReplica, 4, controller.stopReplica(false));
      moveQuota.bytesPerSecond = Number.POSITIVE_INFINITY;
      expect(await folders(to)).toEqual([`${TOPIC}-0.*-future`]);
      await controller.elect(1, [1]);
      await until(() => here(broker) === to);
      expect(await broker.consume()).toEqual(big(0, 100));
    }, slowly(moveQuota));
  });

  test('has records deleted in the copy as well before that is confirmed', async () => {
    const moveQuota = { bytesPerSecond: 0 };
    await withBroker(async (_controller, broker) => {
      const to = await halfWay(broker, moveQuota);
      const deleteBelow = async (offset: number) => {
        const { topics } = await broker.send(apis.deleteRecords, 2, {
          topics: [{ name: TOPIC, partitions: [{ partitionIndex: 0, offset }] }],
          timeoutMs: 20_000,
        });
        return topics[0]?.partitions[0];
      };
      // In what was copied, and beyond it, where the copy has to begin anew.
      for (const offset of [12, 75]) {
        const answer = await deleteBelow(offset);
        expect(answer).toMatchObject({ errorCode: 0, lowWatermark: offset });
        expect(broker.logs.futures.get(TOPIC, 0)?.logStartOffset).toBe(offset);
      }
      moveQuota.bytesPerSecond = Number.POSITIVE_INFINITY;
      await until(() => here(broker) === to);
      expect(broker.partition.log.logStartOffset).toBe(75);
      expect(await broker.consume(75)).toEqual(big(75, 25));
    }, slowly(moveQuota));
  });

  test('follows a log that is cut back', async () => {
    const moveQuota = { bytesPerSecond: 0 };
    await withBroker(async (controller, broker) => {
      const to = await halfWay(broker, moveQuota);
      await broker.partition.truncate(10);
      await controller.elect(1, [1]);
      await broker.produce(big(1_000, 5));
      moveQuota.bytesPerSecond = Number.POSITIVE_INFINITY;
      await until(() => here(broker) === to);
      expect(await broker.everything()).toEqual([...big(0, 10), ...big(1_000, 5)]);
      const epoch = broker.partition.leaderEpoch;
      expect(broker.partition.log.endOffsetForEpoch(epoch - 1)).toEqual({
        epoch: epoch - 1,
        endOffset: 10,
      });
    }, slowly(moveQuota));
  });

  test('of a follower goes on when it is elected', async () => {
    const moveQuota = { bytesPerSecond: 0 };
    await withCluster(
      2,
      async (controller, [one, two]) => {
        if (!one || !two) throw new Error('two brokers');
        await controller.elect(2, [1, 2]);
        const values = big(0, 60);
        for (let at = 0; at < 60; at += 10)
          expect((await two.produce(values.slice(at, at + 10))).error).toBe('NONE');
        const to = elsewhere(one);
        moveQuota.bytesPerSecond = 300_000;
        expect(await alter(one, to)).toBe('NONE');
        await until(() => (one.logs.futures.get(TOPIC, 0)?.logEndOffset ?? 0) >= 20);
        await controller.elect(1, [1, 2]);
        expect((await one.produce(['led here'])).error).toBe('NONE');
        moveQuota.bytesPerSecond = Number.POSITIVE_INFINITY;
        await until(() => here(one) === to);
        expect((await one.produce(['and there'])).error).toBe('NONE');
        await controller.elect(2, [1, 2]);
        expect((await two.produce(['and by the other'])).error).toBe('NONE');
        const all = [...values, 'led here', 'and there', 'and by the other'];
        expect(await two.consume()).toEqual(all);
        expect(await one.everything()).toEqual(all);
      },
      { directories: TWO, ...slowly(moveQuota) },
    );
  });
});

describe('asking for a place', () => {
  test('that is none, for what is not here, and for a name that would be too long', () =>
    withBroker(async (_controller, broker) => {
      const to = elsewhere(broker);
      expect(await alter(broker, '/no/such/directory')).toBe('LOG_DIR_NOT_FOUND');
      expect(await alter(broker, to, 'nobody-knows-it')).toBe('UNKNOWN_TOPIC_OR_PARTITION');
      expect(await alter(broker, to, 't'.repeat(230))).toBe('INVALID_TOPIC_EXCEPTION');
      expect(await alter(broker, here(broker))).toBe('NONE');
      expect(broker.partition.copy).toBeNull();
      expect(await folders(to)).toEqual([]);
    }));

  test.each(TWO)('%s for a replica that is not here yet: it is made there', (name) =>
    withCluster(
      1,
      async (controller, [broker], folder) => {
        if (broker === undefined) throw new Error('a broker');
        const to = path.join(folder, `broker-1${name}`);
        expect(await alter(broker, to)).toBe('REPLICA_NOT_AVAILABLE');
        await controller.elect(1, [1]);
        expect(here(broker)).toBe(to);
      },
      { directories: TWO },
    ),
  );
});
