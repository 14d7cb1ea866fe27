/**
 * Goal: consumers read from a replica in their rack as they would with Kafka's: the leader sends them there,
 * the follower serves what it knows to be safe, and soon. Method: data planes over real sockets, each in a
 * rack of its own.
 */
import { expect, test } from '@jest/globals';
import { apis, kafkaErrorOf } from '@odradek/protocol';
import {
  batchOf,
  fetchInput,
  partitionOf,
  recordsOf,
  type TestBroker,
  type TestBrokerOptions,
  type TestController,
  TOPIC,
  until,
  withCluster,
} from './support.ts';

const LONG_MS = 60_000;

/** Broker 1 leads in rack a, broker 2 follows in rack b. */
const withRacks = (
  run: (controller: TestController, leader: TestBroker, follower: TestBroker) => Promise<void>,
  settings: TestBrokerOptions['settings'] = { readsNearby: true },
): Promise<void> =>
  withCluster(
    2,
    async (controller, [leader, follower]) => {
      if (!leader || !follower) throw new Error('two brokers');
      controller.racks.set(1, 'a').set(2, 'b');
      await controller.elect(1, [1, 2]);
      controller.announce();
      await leader.produce(['a', 'b']);
      await until(() => follower.partition.highWatermark === 2);
      await run(controller, leader, follower);
    },
    { settings },
  );

const ask = async (broker: TestBroker, changes: Parameters<typeof fetchInput>[0], version = 18) =>
  partitionOf(await broker.send(apis.fetch, version, fetchInput(changes)));

test('the leader sends a consumer to the replica in its rack, at once and without records', () =>
  withRacks(async (_, leader) => {
    const far = await ask(leader, { rackId: 'b', maxWaitMs: LONG_MS });
    expect([far.errorCode, far.preferredReadReplica, far.highWatermark]).toEqual([0, 2, 2]);
    expect(far.records).toHaveLength(0);
    for (const rackId of ['a', 'c', '']) {
      const near = await ask(leader, { rackId });
      expect([rackId, near.preferredReadReplica]).toEqual([rackId, -1]);
      expect(recordsOf(near.records)).toHaveLength(2);
    }
  }));

test('nobody is sent elsewhere unless that is configured, nor is a follower', () =>
  withRacks(
    async (_, leader) => {
      expect((await ask(leader, { rackId: 'b' })).preferredReadReplica).toBe(-1);
    },
    { readsNearby: false },
  ));

test('a follower that fetches with a rack is answered with records', () =>
  withRacks(async (_, leader) => {
    const answer = await ask(leader, { rackId: 'b', replicaId: 2 });
    expect(answer.preferredReadReplica).toBe(-1);
    expect(recordsOf(answer.records)).toHaveLength(2);
  }));

test('a session tells of the nearer replica each time it is asked', () =>
  withRacks(async (_, leader) => {
    const first = await leader.send(
      apis.fetch,
      18,
      fetchInput({ rackId: 'b', sessionEpoch: 0, maxWaitMs: LONG_MS }),
    );
    const again = await leader.send(
      apis.fetch,
      18,
      fetchInput({
        ...{ rackId: 'b', sessionId: first.sessionId, sessionEpoch: 1 },
        ...{ noTopics: true, maxWaitMs: LONG_MS },
      }),
    );
    expect(partitionOf(again).preferredReadReplica).toBe(2);
  }));

test('the follower serves consumers of Fetch 11 on, up to what it knows to be safe', () =>
  withRacks(async (_, leader, follower) => {
    const answer = await ask(follower, { rackId: 'b' });
    expect([answer.errorCode, answer.highWatermark, answer.lastStableOffset]).toEqual([0, 2, 2]);
    expect(recordsOf(answer.records)).toHaveLength(2);
    const older = { maxWaitMs: 0, minBytes: 1 };
    const topics = [
      { topic: TOPIC, partitions: [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1_000 }] },
    ];
    const eleven = partitionOf(await follower.send(apis.fetch, 11, { ...older, topics }));
    expect(eleven.errorCode).toBe(0);
    const ten = partitionOf(await follower.send(apis.fetch, 10, { ...older, topics }));
    expect(kafkaErrorOf(ten.errorCode)).toBe('NOT_LEADER_OR_FOLLOWER');
    const beyond = await ask(follower, { rackId: 'b', offset: 3 });
    expect(kafkaErrorOf(beyond.errorCode)).toBe('OFFSET_OUT_OF_RANGE');
    const fenced = await ask(follower, { rackId: 'b', currentLeaderEpoch: 0 });
    expect(kafkaErrorOf(fenced.errorCode)).toBe('FENCED_LEADER_EPOCH');
    expect(fenced.currentLeader).toEqual({ leaderId: 1, leaderEpoch: 1 });
    expect(leader.replicas.fetchCounts().consumerBytes).toBe(0);
    expect(follower.replicas.fetchCounts().consumerBytes).toBeGreaterThan(0);
  }));

test('the follower gives nothing that only it and the leader know to be there', () =>
  withCluster(
    3,
    async (controller, [leader, follower]) => {
      if (!leader || !follower) throw new Error('brokers');
      // Broker 3 is in sync, as far as is known, and does not fetch.
      await controller.elect(1, [1, 2, 3], [1, 2]);
      void leader.partition.append(batchOf(['a']), 1, 'client');
      await until(() => follower.partition.log.logEndOffset === 1);
      for (const offset of [0, 1]) {
        const answer = await ask(follower, { rackId: 'b', offset });
        expect([answer.errorCode, answer.highWatermark, answer.records?.length]).toEqual([0, 0, 0]);
      }
    },
    { settings: { readsNearby: true, lagMaxMs: LONG_MS } },
  ));

test('a consumer that waits at the follower hears of a record as soon as it is safe', () =>
  withRacks(
    async (_, leader, follower) => {
      for (const offset of [2, 3, 4]) {
        const waiting = ask(follower, { rackId: 'b', offset, maxWaitMs: 10 * LONG_MS });
        await until(() => follower.replicas.fetchCounts().waiting > 0);
        void leader.partition.append(batchOf(['later']), 1, 'client');
        expect(recordsOf((await waiting).records)).toEqual([{ offset, value: 'later' }]);
      }
    },
    // The followers' own fetches would come back after ten minutes only.
    { readsNearby: true, fetchWaitMaxMs: 10 * LONG_MS, lagMaxMs: 10 * LONG_MS },
  ));

test('a follower that has all there is hears of the high watermark when others come to it', () =>
  withCluster(
    3,
    async (controller, [leader, follower]) => {
      if (!leader || !follower) throw new Error('brokers');
      await controller.elect(1, [1, 2, 3], [1, 2]);
      controller.announce();
      void leader.partition.append(batchOf(['a']), 1, 'client');
      await until(() => follower.partition.log.logEndOffset === 1);
      await until(() => leader.replicas.fetchCounts().waiting === 1);
      expect(leader.partition.highWatermark).toBe(0);
      await ask(leader, { replicaId: 3, offset: 1 }); // The last one that counts has it, too.
      await until(() => follower.partition.highWatermark === 1);
    },
    { settings: { readsNearby: true, fetchWaitMaxMs: 10 * LONG_MS, lagMaxMs: 10 * LONG_MS } },
  ));

test('a follower of Fetch 18 is told of a high watermark that it can use, and then waits', () =>
  withCluster(3, async (controller, [leader]) => {
    if (!leader) throw new Error('a broker');
    await controller.elect(1, [1], [1]);
    await leader.produce(['a', 'b']);
    const late = { replicaId: 2, offset: 2, maxWaitMs: LONG_MS };
    const first = await leader.send(
      apis.fetch,
      18,
      fetchInput({ ...late, highWatermark: 0n, sessionEpoch: 0 }),
    );
    expect(partitionOf(first).highWatermark).toBe(2);
    // What was told in the session need not be said again.
    const next = (epoch: number, maxWaitMs: number) =>
      leader.send(
        apis.fetch,
        18,
        fetchInput({
          ...{ replicaId: 2, sessionId: first.sessionId, sessionEpoch: epoch },
          ...{ maxWaitMs, noTopics: true },
        }),
      );
    expect((await next(1, 20)).responses).toEqual([]);
    const waiting = next(2, LONG_MS);
    await until(() => leader.replicas.fetchCounts().waiting === 1);
    void leader.partition.append(batchOf(['c']), 1, 'client');
    expect(recordsOf(partitionOf(await waiting).records)).toEqual([{ offset: 2, value: 'c' }]);
    // Who does not mind, or knows more than can be used, waits for records.
    for (const highWatermark of [3n, 2n ** 63n - 1n]) {
      const idle = await ask(leader, { ...late, offset: 3, maxWaitMs: 20, highWatermark });
      expect(idle.records).toHaveLength(0);
    }
  }));
