/**
 * Goal: every version of the requests about records that is advertised is answered, in every field
 * that the version has. Method: one data plane with a real log over a real socket; the same question
 * in each version, and the whole answer is compared.
 */
import { expect, test } from '@jest/globals';
import { apis, encodeMessageSet, errorCodes } from '@odradek/protocol';
import { fetchHandler } from '../../src/api/fetch.ts';
import { listOffsetsHandler } from '../../src/api/list-offsets.ts';
import { offsetForLeaderEpochHandler } from '../../src/api/offset-for-leader-epoch.ts';
import { produceHandler } from '../../src/api/produce.ts';
import { versionsOf } from '../api/ask.ts';
import { batchOf, recordsOf, type TestBroker, TOPIC, TOPIC_ID, withCluster } from './support.ts';

const NOW = 1_700_000_000_000;
const NO_ID = 'AAAAAAAAAAAAAAAAAAAAAA';
const OTHER_ID = 'AAAAAAAAAAAAAAAAAAAAAg';

/** What the broker says that it serves. */
const nothing = undefined as never;
const served = {
  produce: versionsOf(produceHandler(nothing)),
  fetch: versionsOf(fetchHandler({ replicas: nothing })),
  listOffsets: versionsOf(listOffsetsHandler({ replicas: nothing })),
  offsetForLeaderEpoch: versionsOf(offsetForLeaderEpochHandler({ replicas: nothing })),
};

const withLeader = (run: (broker: TestBroker) => Promise<void>): Promise<void> =>
  withCluster(2, async (controller, [broker]) => {
    if (!broker) throw new Error('a broker');
    await controller.elect(1, [1, 2]);
    controller.announce();
    await run(broker);
  });

const messagesOf = (magic: 0 | 1, values: readonly string[]): Buffer =>
  encodeMessageSet({
    magic,
    records: values.map((value) => ({ key: null, value: Buffer.from(value), timestamp: NOW })),
  });

/** What the field holds from a version on, and what stands for it before. */
const from = <T>(since: number, version: number, value: T, before: T): T =>
  version >= since ? value : before;

test('all that the codecs know is served', () => {
  for (const name of ['produce', 'fetch', 'listOffsets', 'offsetForLeaderEpoch'] as const) {
    const { spec } = apis[name].request;
    expect([name, served[name][0], served[name].at(-1)]).toEqual([name, ...spec.versions]);
  }
});

test.each(served.produce)('Produce v%i', (version) =>
  withLeader(async (broker) => {
    const records = version < 3 ? messagesOf(version < 2 ? 0 : 1, ['a', 'b']) : batchOf(['a', 'b']);
    const named = (name: string, topicId: string) => (version >= 13 ? { topicId } : { name });
    const ask = () =>
      broker.send(apis.produce, version, {
        acks: -1,
        timeoutMs: 1_000,
        topicData: [
          {
            ...named(TOPIC, TOPIC_ID),
            partitionData: [
              { index: 0, records },
              { index: 5, records },
            ],
          },
          { ...named('nowhere', OTHER_ID), partitionData: [{ index: 0, records }] },
        ],
      });
    const unknownName = errorCodes.UNKNOWN_TOPIC_OR_PARTITION;
    const partition = {
      index: 0,
      errorCode: 0,
      baseOffset: 0,
      logAppendTimeMs: -1,
      logStartOffset: from(5, version, 0, -1),
      recordErrors: [],
      errorMessage: null,
      currentLeader: { leaderId: -1, leaderEpoch: -1 },
    };
    const refused = {
      ...partition,
      baseOffset: -1,
      logStartOffset: -1,
      errorMessage: version >= 8 ? expect.any(String) : null,
    };
    const topicOf = (name: string, topicId: string) => ({
      name: version >= 13 ? '' : name,
      topicId: version >= 13 ? topicId : NO_ID,
    });
    const answer = (baseOffset: number) => ({
      throttleTimeMs: 0,
      nodeEndpoints: [],
      responses: [
        {
          ...topicOf(TOPIC, TOPIC_ID),
          partitionResponses: [
            { ...partition, baseOffset },
            { ...refused, index: 5, errorCode: unknownName },
          ],
        },
        {
          ...topicOf('nowhere', OTHER_ID),
          partitionResponses: [
            { ...refused, errorCode: version >= 13 ? errorCodes.UNKNOWN_TOPIC_ID : unknownName },
          ],
        },
      ],
    });
    expect(await ask()).toEqual(answer(0));
    expect(await ask()).toEqual(answer(2));
  }),
);

test.each(served.fetch)('Fetch v%i', (version) =>
  withLeader(async (broker) => {
    await broker.produce(['a', 'b']);
    const ask = (topic: string, topicId: string) =>
      broker.send(apis.fetch, version, {
        maxWaitMs: 0,
        minBytes: 1,
        topics: [
          {
            ...(version >= 13 ? { topicId } : { topic }),
            partitions: [{ partition: 0, fetchOffset: 1, partitionMaxBytes: 1_000_000 }],
          },
        ],
      });
    const answerOf = (topic: string, topicId: string, partition: object) => ({
      throttleTimeMs: 0,
      errorCode: 0,
      sessionId: 0,
      nodeEndpoints: [],
      responses: [
        {
          topic: version >= 13 ? '' : topic,
          topicId: version >= 13 ? topicId : NO_ID,
          partitions: [
            {
              partitionIndex: 0,
              errorCode: 0,
              divergingEpoch: { epoch: -1, endOffset: -1 },
              currentLeader: { leaderId: -1, leaderEpoch: -1 },
              snapshotId: { endOffset: -1, epoch: -1 },
              abortedTransactions: version >= 4 ? null : [],
              preferredReadReplica: -1,
              ...partition,
            },
          ],
        },
      ],
    });
    const answer = await ask(TOPIC, TOPIC_ID);
    expect(answer).toEqual(
      answerOf(TOPIC, TOPIC_ID, {
        highWatermark: 2,
        lastStableOffset: from(4, version, 2, -1),
        logStartOffset: from(5, version, 0, -1),
        records: expect.any(Buffer),
      }),
    );
    // The whole batch that holds the offset; messages from the offset on where they stand alone.
    const whole = [
      { offset: 0, value: 'a' },
      { offset: 1, value: 'b' },
    ];
    const records = answer.responses[0]?.partitions[0]?.records ?? null;
    expect(recordsOf(records)).toEqual(version < 4 ? whole.slice(1) : whole);
    expect(records?.readInt8(16)).toBe(version < 2 ? 0 : version < 4 ? 1 : 2);
    expect(await ask('nowhere', OTHER_ID)).toEqual(
      answerOf('nowhere', OTHER_ID, {
        errorCode:
          version >= 13 ? errorCodes.UNKNOWN_TOPIC_ID : errorCodes.UNKNOWN_TOPIC_OR_PARTITION,
        highWatermark: -1,
        lastStableOffset: -1,
        logStartOffset: -1,
        records: Buffer.alloc(0),
      }),
    );
  }),
);

test.each(served.listOffsets)('ListOffsets v%i', (version) =>
  withLeader(async (broker) => {
    await broker.produce(['a', 'b']);
    const ask = async (timestamp: number, name = TOPIC) => {
      const response = await broker.send(apis.listOffsets, version, {
        replicaId: -1,
        ...(version >= 10 ? { timeoutMs: 30_000 } : {}),
        topics: [{ name, partitions: [{ partitionIndex: 0, timestamp }] }],
      });
      expect(response).toEqual({
        throttleTimeMs: 0,
        topics: [{ name, partitions: [expect.anything()] }],
      });
      return response.topics[0]?.partitions[0];
    };
    const found = (offset: number, timestamp: number, leaderEpoch: number) => ({
      partitionIndex: 0,
      errorCode: 0,
      oldStyleOffsets: [],
      offset,
      timestamp,
      leaderEpoch: from(4, version, leaderEpoch, -1),
    });
    const refused = (error: keyof typeof errorCodes) => ({
      ...found(-1, -1, -1),
      errorCode: errorCodes[error],
    });
    const since = (minimum: number, answer: object) =>
      version >= minimum ? answer : refused('UNSUPPORTED_VERSION');
    expect(await ask(-1, 'nowhere')).toEqual(refused('UNKNOWN_TOPIC_OR_PARTITION'));
    if (version === 0) {
      const segments = (oldStyleOffsets: number[]) => ({ ...found(-1, -1, -1), oldStyleOffsets });
      expect(await ask(-1)).toEqual(segments([2]));
      expect(await ask(-2)).toEqual(segments([0]));
      return;
    }
    expect(await ask(-1)).toEqual(found(2, -1, 1));
    expect(await ask(-2)).toEqual(found(0, -1, 1));
    expect(await ask(NOW)).toEqual(found(0, NOW, 1));
    expect(await ask(NOW + 1)).toEqual(found(-1, -1, -1));
    expect(await ask(-3)).toEqual(since(7, found(0, NOW, 1)));
    expect(await ask(-4)).toEqual(since(8, found(0, -1, 1)));
    expect(await ask(-5)).toEqual(since(9, found(-1, -1, -1)));
    expect(await ask(-6)).toEqual(since(11, found(-1, -1, -1)));
    expect(await ask(-7)).toEqual(refused('UNSUPPORTED_VERSION'));
  }),
);

test.each(served.offsetForLeaderEpoch)('OffsetForLeaderEpoch v%i', (version) =>
  withLeader(async (broker) => {
    await broker.produce(['a', 'b']);
    const response = await broker.send(apis.offsetForLeaderEpoch, version, {
      ...(version >= 3 ? { replicaId: -1 } : {}),
      topics: [
        {
          topic: TOPIC,
          partitions: [
            { partition: 0, leaderEpoch: 1 },
            { partition: 0, leaderEpoch: 9 },
            { partition: 0, leaderEpoch: 1, ...(version >= 2 ? { currentLeaderEpoch: 0 } : {}) },
            { partition: 0, leaderEpoch: 1, ...(version >= 2 ? { currentLeaderEpoch: 2 } : {}) },
            { partition: 7, leaderEpoch: 1 },
          ],
        },
        { topic: 'nowhere', partitions: [{ partition: 0, leaderEpoch: 1 }] },
      ],
    });
    const end = (partition: number, leaderEpoch: number, endOffset: number) => ({
      partition,
      errorCode: 0,
      leaderEpoch: from(1, version, leaderEpoch, -1),
      endOffset,
    });
    const refused = (partition: number, error: keyof typeof errorCodes) => ({
      ...end(partition, -1, -1),
      errorCode: errorCodes[error],
    });
    const fenced = (error: keyof typeof errorCodes) =>
      version >= 2 ? refused(0, error) : end(0, 1, 2);
    expect(response).toEqual({
      throttleTimeMs: 0,
      topics: [
        {
          topic: TOPIC,
          partitions: [
            end(0, 1, 2),
            end(0, -1, -1),
            fenced('FENCED_LEADER_EPOCH'),
            fenced('UNKNOWN_LEADER_EPOCH'),
            refused(7, 'UNKNOWN_TOPIC_OR_PARTITION'),
          ],
        },
        { topic: 'nowhere', partitions: [refused(0, 'UNKNOWN_TOPIC_OR_PARTITION')] },
      ],
    });
  }),
);
