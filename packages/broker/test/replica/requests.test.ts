/**
 * Goal: produce, fetch and the requests about offsets answer as Kafka's do when they wait, are limited,
 * or refused. Method: one data plane with a real log over a real socket, a scene for each case. All
 * fields of all versions are in versions.test.ts.
 */
import { describe, expect, test } from '@jest/globals';
import { apis, type InputOf, kafkaErrorOf, type listOffsetsRequest } from '@odradek/protocol';
import {
  batchOf,
  fetchInput,
  partitionOf,
  recordsOf,
  type TestBroker,
  TOPIC,
  TOPIC_ID,
  until,
  withCluster,
} from './support.ts';

/** One broker that leads the one partition. */
const withLeader = (run: (broker: TestBroker, folder: string) => Promise<void>): Promise<void> =>
  withCluster(1, async (controller, [broker], folder) => {
    if (!broker) throw new Error('a broker');
    await controller.elect(1, [1]);
    controller.announce();
    await run(broker, folder);
  });

describe('produce', () => {
  const produce = async (
    broker: TestBroker,
    records: Buffer | null,
    changes: object = {},
    topic = TOPIC,
  ) => {
    const response = await broker.send(apis.produce, 11, {
      acks: 1,
      timeoutMs: 1_000,
      topicData: [{ name: topic, partitionData: [{ index: 0, records }] }],
      ...changes,
    });
    const partition = response.responses[0]?.partitionResponses[0];
    return { ...partition, error: kafkaErrorOf(partition?.errorCode ?? -1) };
  };

  test.each([
    { name: 'no batch', records: () => Buffer.alloc(0), error: 'INVALID_RECORD' },
    { name: 'null', records: () => null, error: 'INVALID_RECORD' },
    {
      name: 'two batches',
      records: () => Buffer.concat([batchOf(['a']), batchOf(['b'])]),
      error: 'INVALID_RECORD',
    },
    { name: 'noise', records: () => Buffer.alloc(200, 7), error: 'CORRUPT_MESSAGE' },
    {
      name: 'a flipped bit',
      records: () => {
        const batch = batchOf(['a']);
        batch.writeUInt8(batch.readUInt8(batch.length - 2) ^ 1, batch.length - 2);
        return batch;
      },
      error: 'CORRUPT_MESSAGE',
    },
    {
      name: 'a transactional batch',
      records: () =>
        batchOf(['a'], { producerId: 7n, producerEpoch: 0, baseSequence: 0, transactional: true }),
      error: 'TRANSACTIONAL_ID_AUTHORIZATION_FAILED',
    },
  ])('refuses $name, and writes nothing', ({ records, error }) =>
    withLeader(async (broker) => {
      const answer = await produce(broker, records());
      expect(answer.error).toBe(error);
      expect(answer.baseOffset).toBe(-1);
      expect(answer.errorMessage).toEqual(expect.any(String));
      expect(broker.partition.log.nextOffset).toBe(0);
    }),
  );

  test('refuses zstd before version 7', () =>
    withLeader(async (broker) => {
      const batch = batchOf(['a']);
      batch.writeInt16BE(4, 21); // Only the codec is looked at.
      const response = await broker.send(apis.produce, 6, {
        acks: 1,
        timeoutMs: 1_000,
        topicData: [{ name: TOPIC, partitionData: [{ index: 0, records: batch }] }],
      });
      expect(kafkaErrorOf(response.responses[0]?.partitionResponses[0]?.errorCode ?? 0)).toBe(
        'UNSUPPORTED_COMPRESSION_TYPE',
      );
    }));

  test('refuses other numbers of acknowledgements than -1, 0 and 1', () =>
    withLeader(async (broker) => {
      expect((await produce(broker, batchOf(['a']), { acks: 2 })).error).toBe(
        'INVALID_REQUIRED_ACKS',
      );
    }));

  test('with acks=0 is not answered; the connection goes on', () =>
    withLeader(async (broker) => {
      const unanswered = broker.send(apis.produce, 11, {
        acks: 0,
        timeoutMs: 0,
        topicData: [{ name: TOPIC, partitionData: [{ index: 0, records: batchOf(['a']) }] }],
      });
      unanswered.catch(() => undefined); // It ends when the test's connection is closed.
      await until(() => broker.partition.log.logEndOffset === 1);
    }));

  test('with acks=0 closes the connection when it fails', () =>
    withLeader(async (broker) => {
      const failing = broker.send(apis.produce, 11, {
        acks: 0,
        timeoutMs: 0,
        topicData: [{ name: 'nowhere', partitionData: [{ index: 0, records: batchOf(['a']) }] }],
      });
      await expect(failing).rejects.toThrow();
      expect(broker.lines.at(-1)?.message).toBe('connection closed');
    }));

  test('the same batch of an idempotent producer is answered with its first offset', () =>
    withLeader(async (broker) => {
      const batch = (sequence: number) =>
        batchOf(['a', 'b'], { producerId: 7n, producerEpoch: 0, baseSequence: sequence });
      expect(await produce(broker, batch(0))).toMatchObject({ error: 'NONE', baseOffset: 0 });
      expect(await produce(broker, batch(2))).toMatchObject({ error: 'NONE', baseOffset: 2 });
      expect(await produce(broker, batch(0))).toMatchObject({ error: 'NONE', baseOffset: 0 });
      expect((await produce(broker, batch(9))).error).toBe('OUT_OF_ORDER_SEQUENCE_NUMBER');
      expect(broker.partition.log.logEndOffset).toBe(4);
    }));

  test('tells who leads instead, from version 10 on', () =>
    withCluster(2, async (controller, [one, two]) => {
      if (!one || !two) throw new Error('two brokers');
      await controller.elect(1, [1, 2]);
      controller.announce();
      const answer = await produce(two, batchOf(['a']));
      expect(answer.error).toBe('NOT_LEADER_OR_FOLLOWER');
      expect(answer.currentLeader).toEqual({ leaderId: 1, leaderEpoch: 1 });
    }));
});

describe('a fetch that has to wait', () => {
  test('is answered as soon as there is something', () =>
    withLeader(async (broker) => {
      const waiting = broker.send(apis.fetch, 17, fetchInput({ maxWaitMs: 60_000 }));
      await new Promise((resolve) => setImmediate(resolve));
      await broker.partition.append(batchOf(['a']), 1, 'client');
      expect(recordsOf(partitionOf(await waiting).records)).toEqual([{ offset: 0, value: 'a' }]);
    }));

  test('is answered with what there is when its time is up', () =>
    withLeader(async (broker) => {
      await broker.produce(['a']);
      const waiting = broker.send(
        apis.fetch,
        17,
        fetchInput({ maxWaitMs: 30, minBytes: 1_000_000 }),
      );
      expect(recordsOf(partitionOf(await waiting).records)).toEqual([{ offset: 0, value: 'a' }]);
    }));

  test('waits until there is enough', () =>
    withLeader(async (broker) => {
      const waiting = broker.send(
        apis.fetch,
        17,
        fetchInput({ maxWaitMs: 60_000, minBytes: 1_500 }),
      );
      let isAnswered = false;
      const answer = waiting.then((response) => {
        isAnswered = true;
        return response;
      });
      for (const value of ['a', 'b']) {
        expect(isAnswered).toBe(false);
        await broker.partition.append(batchOf([value.repeat(1_000)]), 1, 'client');
        await until(() => broker.partition.log.logEndOffset === broker.partition.log.nextOffset);
      }
      expect(recordsOf(partitionOf(await answer).records)).toHaveLength(2);
    }));

  test('of a consumer is not woken by what the replicas do not have', () =>
    withCluster(2, async (controller, [one]) => {
      if (!one) throw new Error('a broker');
      await controller.elect(1, [1, 2], [1]);
      const waiting = one.send(apis.fetch, 17, fetchInput({ maxWaitMs: 200 }));
      await one.partition.append(batchOf(['a']), 1, 'client');
      await until(() => one.partition.log.logEndOffset === 1);
      const partition = partitionOf(await waiting);
      expect(partition.highWatermark).toBe(0);
      expect(recordsOf(partition.records)).toEqual([]);
    }));

  test('is answered when the leader changes', () =>
    withCluster(2, async (controller, [one]) => {
      if (!one) throw new Error('a broker');
      await controller.elect(1, [1, 2]);
      const waiting = one.send(
        apis.fetch,
        17,
        fetchInput({ maxWaitMs: 60_000, currentLeaderEpoch: 1 }),
      );
      await new Promise((resolve) => setImmediate(resolve));
      await controller.elect(2, [1, 2]);
      const partition = partitionOf(await waiting);
      expect(kafkaErrorOf(partition.errorCode)).toBe('FENCED_LEADER_EPOCH');
      expect(partition.currentLeader).toEqual({ leaderId: 2, leaderEpoch: 2 });
    }));
});

describe('a fetch that asks for more than there is', () => {
  const small = { minBytes: 1_000_000, maxWaitMs: 600_000 };

  test('is answered at once from an older segment: there is plenty behind it', () =>
    withCluster(
      1,
      async (controller, [broker]) => {
        if (!broker) throw new Error('a broker');
        await controller.elect(1, [1]);
        for (const value of ['a', 'b', 'c']) await broker.produce([value.repeat(300)]);
        expect(broker.partition.log.segmentBaseOf(2)).toBeGreaterThan(0);
        const old = await broker.send(apis.fetch, 18, fetchInput(small));
        expect(recordsOf(partitionOf(old).records)[0]?.offset).toBe(0);
        // In the newest segment it waits.
        const waiting = broker.send(apis.fetch, 18, fetchInput({ ...small, offset: 2 }));
        await until(() => broker.replicas.fetchCounts().waiting === 1);
        // Until that is an older one as well.
        await broker.partition.append(batchOf(['d'.repeat(300)]), 1, 'client');
        expect(recordsOf(partitionOf(await waiting).records)[0]?.offset).toBe(2);
      },
      { logConfig: { segmentBytes: 600 } },
    ));

  test('of more than an answer holds does not wait for it', () =>
    withLeader(async (broker) => {
      for (let n = 0; n < 12; n += 1) await broker.produce(['x'.repeat(900_000)]);
      const answer = await broker.send(
        apis.fetch,
        18,
        fetchInput({ ...small, minBytes: 2_000_000_000, partitionMaxBytes: 2_000_000_000 }),
      );
      expect(partitionOf(answer).records?.length).toBeGreaterThan(4_000_000);
    }));
});

describe('limits of a fetch', () => {
  test('the first batch comes whole, whatever the limits', () =>
    withLeader(async (broker) => {
      await broker.produce(['x'.repeat(5_000)]);
      await broker.produce(['y'.repeat(5_000)]);
      for (const changes of [{ maxBytes: 1 }, { partitionMaxBytes: 1 }]) {
        const response = await broker.send(apis.fetch, 17, fetchInput(changes));
        expect(recordsOf(partitionOf(response).records).map(({ offset }) => offset)).toEqual([0]);
      }
    }));

  test.each([
    { offset: 3, error: 'OFFSET_OUT_OF_RANGE' },
    { offset: -1, error: 'OFFSET_OUT_OF_RANGE' },
    { offset: 2, error: 'NONE' },
    { offset: 0, currentLeaderEpoch: 0, error: 'FENCED_LEADER_EPOCH' },
    { offset: 0, currentLeaderEpoch: 2, error: 'UNKNOWN_LEADER_EPOCH' },
    { offset: 0, currentLeaderEpoch: 1, error: 'NONE' },
    { offset: 0, replicaId: 9, error: 'NOT_LEADER_OR_FOLLOWER' },
  ])('fetching %j', ({ error, ...changes }) =>
    withLeader(async (broker) => {
      await broker.produce(['a', 'b']);
      const response = await broker.send(apis.fetch, 17, fetchInput(changes));
      expect(kafkaErrorOf(partitionOf(response).errorCode)).toBe(error);
    }),
  );

  test('a log that went another way is told where', () =>
    withLeader(async (broker) => {
      await broker.produce(['a', 'b']);
      const response = await broker.send(
        apis.fetch,
        17,
        fetchInput({ offset: 7, lastFetchedEpoch: 1 }),
      );
      expect(partitionOf(response).divergingEpoch).toEqual({ epoch: 1, endOffset: 2 });
    }));
});

describe('fetch sessions', () => {
  test('tell only what is new', () =>
    withLeader(async (broker) => {
      await broker.produce(['a']);
      const ask = (changes: Parameters<typeof fetchInput>[0]) =>
        broker.send(apis.fetch, 17, fetchInput(changes));
      const first = await ask({ sessionEpoch: 0 });
      const { sessionId } = first;
      expect(sessionId).toBeGreaterThan(0);
      expect(recordsOf(partitionOf(first).records)).toHaveLength(1);
      // The reader moves on: the partition is named again, and there is nothing to tell.
      const second = await ask({ sessionId, sessionEpoch: 1, offset: 1 });
      expect([second.sessionId, second.responses]).toEqual([sessionId, []]);
      const third = await ask({ sessionId, sessionEpoch: 2, noTopics: true });
      expect(third.responses).toEqual([]);
      await broker.produce(['b']);
      const fourth = await ask({ sessionId, sessionEpoch: 3, noTopics: true });
      expect(recordsOf(partitionOf(fourth).records)).toEqual([{ offset: 1, value: 'b' }]);
      const stale = await ask({ sessionId, sessionEpoch: 3, noTopics: true });
      expect(kafkaErrorOf(stale.errorCode)).toBe('INVALID_FETCH_SESSION_EPOCH');
      const gone = await ask({ sessionId, sessionEpoch: -1, offset: 2 });
      expect([gone.errorCode, gone.sessionId]).toEqual([0, 0]);
      const unknown = await ask({ sessionId, sessionEpoch: 4, noTopics: true });
      expect(kafkaErrorOf(unknown.errorCode)).toBe('FETCH_SESSION_ID_NOT_FOUND');
    }));
});

describe('topic ids', () => {
  const OTHER_ID = 'AAAAAAAAAAAAAAAAAAAAAg';
  const byId = (topicId: string, sessionId: number, sessionEpoch: number) => ({
    ...fetchInput({ sessionId, sessionEpoch }),
    topics: [{ ...fetchInput().topics[0], topicId }] as ReturnType<typeof fetchInput>['topics'],
  });

  test('of a topic that was made anew do not lead to the old one', () =>
    withCluster(1, async (controller, [broker]) => {
      if (!broker) throw new Error('a broker');
      await controller.elect(1, [1]);
      controller.announce(undefined, OTHER_ID); // LeaderAndIsr is still on its way.
      const fetched = partitionOf(await broker.send(apis.fetch, 18, byId(OTHER_ID, 0, -1)));
      expect(kafkaErrorOf(fetched.errorCode)).toBe('INCONSISTENT_TOPIC_ID');
      const { responses } = await broker.send(apis.produce, 13, {
        acks: 1,
        timeoutMs: 1_000,
        topicData: [{ topicId: OTHER_ID, partitionData: [{ index: 0, records: batchOf(['a']) }] }],
      });
      const [produced] = responses[0]?.partitionResponses ?? [];
      expect(kafkaErrorOf(produced?.errorCode ?? 0)).toBe('UNKNOWN_TOPIC_ID');
      expect(broker.partition.log.nextOffset).toBe(0);
    }));

  test('that a session does not know yet are found when they come to be known', () =>
    withCluster(1, async (controller, [broker]) => {
      if (!broker) throw new Error('a broker');
      await controller.elect(1, [1]);
      void broker.partition.append(batchOf(['a']), 1, 'client');
      await until(() => broker.partition.highWatermark === 1);
      controller.announce(undefined, OTHER_ID);
      const first = await broker.send(apis.fetch, 18, byId(TOPIC_ID, 0, 0));
      expect(kafkaErrorOf(partitionOf(first).errorCode)).toBe('UNKNOWN_TOPIC_ID');
      controller.announce();
      const { sessionId } = first;
      const next = fetchInput({ sessionId, sessionEpoch: 1, noTopics: true });
      const second = partitionOf(await broker.send(apis.fetch, 18, next));
      expect(recordsOf(second.records)).toEqual([{ offset: 0, value: 'a' }]);
    }));
});

describe('offsets', () => {
  const ask = (broker: TestBroker, partitions: readonly object[], changes: object = {}) =>
    broker.send(apis.listOffsets, 9, {
      replicaId: -1,
      topics: [{ name: TOPIC, partitions }],
      ...changes,
    } as InputOf<typeof listOffsetsRequest>);

  test('of a partition that is named twice are not told', () =>
    withLeader(async (broker) => {
      const latest = { partitionIndex: 0, timestamp: -1 };
      const response = await ask(broker, [latest, latest]);
      expect(
        response.topics[0]?.partitions.map(({ errorCode }) => kafkaErrorOf(errorCode)),
      ).toEqual(['INVALID_REQUEST', 'INVALID_REQUEST']);
    }));

  test('at the end are not told before a new leader knows how far the old one was', () =>
    withCluster(2, async (controller, [one]) => {
      if (!one) throw new Error('a broker');
      await controller.elect(1, [1, 2], [1]);
      await one.produce(['a'], 1);
      await controller.elect(1, [1, 2], [1]);
      const latest = { partitionIndex: 0, timestamp: -1 };
      const early = await ask(one, [latest]);
      expect(kafkaErrorOf(early.topics[0]?.partitions[0]?.errorCode ?? 0)).toBe(
        'OFFSET_NOT_AVAILABLE',
      );
      await controller.assign(2);
      await until(() => one.partition.highWatermark === 1);
      const late = await ask(one, [latest]);
      expect(late.topics[0]?.partitions[0]).toMatchObject({ errorCode: 0, offset: 1 });
    }));

  test('by time and of the newest are told up to what is safe', () =>
    withCluster(2, async (controller, [one]) => {
      if (!one) throw new Error('a broker');
      await controller.elect(1, [1, 2], [1]);
      await one.produce(['a'], 1);
      const listed = async (timestamp: number, replicaId = -1) => {
        const response = await ask(one, [{ partitionIndex: 0, timestamp }], { replicaId });
        const { errorCode, offset } = response.topics[0]?.partitions[0] ?? {};
        return [kafkaErrorOf(errorCode ?? -1), offset];
      };
      for (const timestamp of [-1, -3, 0]) {
        expect(await listed(timestamp)).toEqual(['NONE', timestamp === -1 ? 0 : -1]);
        expect(await listed(timestamp, 2)).toEqual(['NONE', timestamp === -1 ? 1 : 0]);
      }
      await controller.elect(1, [1, 2], [1]);
      for (const timestamp of [-1, -3, 0])
        expect(await listed(timestamp)).toEqual(['OFFSET_NOT_AVAILABLE', -1]);
      expect(await listed(-2)).toEqual(['NONE', 0]);
      const { errorCode } =
        (
          await one.send(apis.listOffsets, 4, {
            replicaId: -1,
            topics: [{ name: TOPIC, partitions: [{ partitionIndex: 0, timestamp: -1 }] }],
          })
        ).topics[0]?.partitions[0] ?? {};
      expect(kafkaErrorOf(errorCode ?? -1)).toBe('LEADER_NOT_AVAILABLE');
    }));

  test('are told of the leader epoch that was asked under only', () =>
    withLeader(async (broker) => {
      const errors = [0, 1, 2].map(async (currentLeaderEpoch) => {
        const response = await ask(broker, [
          { partitionIndex: 0, timestamp: -1, currentLeaderEpoch },
        ]);
        return kafkaErrorOf(response.topics[0]?.partitions[0]?.errorCode ?? -1);
      });
      expect(await Promise.all(errors)).toEqual([
        'FENCED_LEADER_EPOCH',
        'NONE',
        'UNKNOWN_LEADER_EPOCH',
      ]);
    }));

  test('of thousands of partitions are told in the order of the request', () =>
    withLeader(async (broker) => {
      const many = Array.from({ length: 5_000 }, (_, partitionIndex) => ({
        partitionIndex,
        timestamp: partitionIndex % 2 === 0 ? -1 : 0,
      }));
      const response = await ask(broker, many);
      const answers = response.topics[0]?.partitions ?? [];
      expect(answers.map(({ partitionIndex }) => partitionIndex)).toEqual(
        many.map(({ partitionIndex }) => partitionIndex),
      );
      expect(new Set(answers.slice(1).map(({ errorCode }) => kafkaErrorOf(errorCode)))).toEqual(
        new Set(['UNKNOWN_TOPIC_OR_PARTITION']),
      );
    }));

  test('of a replica that does not lead are told to debuggers only', () =>
    withCluster(2, async (controller, [one, two]) => {
      if (!one || !two) throw new Error('two brokers');
      await controller.elect(1, [1, 2]);
      await one.produce(['a']);
      const latest = { partitionIndex: 0, timestamp: -1 };
      const consumer = await ask(two, [latest]);
      expect(kafkaErrorOf(consumer.topics[0]?.partitions[0]?.errorCode ?? 0)).toBe(
        'NOT_LEADER_OR_FOLLOWER',
      );
      const debuggers = await ask(two, [latest], { replicaId: -2 });
      expect(debuggers.topics[0]?.partitions[0]).toMatchObject({ errorCode: 0, offset: 1 });
    }));
});
