/**
 * The admin against scripted brokers: each request goes to whom it concerns, is repeated where that helps,
 * and results carry their errors one by one.
 */
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { apis, errorCodes, KafkaError, ZERO_UUID } from '@odradek/protocol';
import { encodeAssignment } from '../../src/consumer/subscription.ts';
import { Kafka } from '../../src/kafka.ts';
import { FakeCluster } from '../fake-cluster.ts';

let cluster: FakeCluster;
let kafka: Kafka;

beforeEach(async () => {
  cluster = await new FakeCluster().start(2);
  kafka = new Kafka({ bootstrapServers: cluster.bootstrapServers });
});

afterEach(async () => {
  await kafka.close();
  await cluster.stop();
  expect(cluster.brokers.flatMap(({ failures }) => failures)).toEqual([]);
});

const at = (id: number) => {
  const broker = cluster.brokers[id];
  if (broker === undefined) throw new Error(`no broker ${id}`);
  return broker;
};

describe('topics', () => {
  test('are created at the controller, which is found again when it has moved', async () => {
    const asked: unknown[] = [];
    at(0).on(apis.createTopics, ({ topics }) => {
      cluster.controllerId = 1;
      return {
        topics: topics.map(({ name }) => ({
          name,
          errorCode: errorCodes.NOT_CONTROLLER,
          errorMessage: null,
        })),
      };
    });
    at(1).on(apis.createTopics, (request) => {
      asked.push(request);
      return {
        topics: [
          {
            name: 'a',
            topicId: `${'x'.repeat(21)}A`,
            errorCode: 0,
            numPartitions: 3,
            replicationFactor: 1,
          },
          { name: 'b', errorCode: errorCodes.TOPIC_ALREADY_EXISTS, errorMessage: 'it is there' },
        ],
      };
    });
    const created = await kafka.admin().createTopics(
      [
        { name: 'a', partitions: 3, configs: { 'retention.ms': '1' } },
        {
          name: 'b',
          assignments: [
            [0, 1],
            [1, 0],
          ],
        },
      ],
      { validateOnly: true },
    );
    expect(asked).toMatchObject([
      {
        validateOnly: true,
        topics: [
          {
            name: 'a',
            numPartitions: 3,
            replicationFactor: -1,
            configs: [{ name: 'retention.ms', value: '1' }],
          },
          {
            name: 'b',
            numPartitions: -1,
            replicationFactor: -1,
            assignments: [
              { partitionIndex: 0, brokerIds: [0, 1] },
              { partitionIndex: 1, brokerIds: [1, 0] },
            ],
          },
        ],
      },
    ]);
    expect(created).toMatchObject([
      { name: 'a', error: null, partitionCount: 3, replicationFactor: 1 },
      { name: 'b', error: { code: 'TOPIC_ALREADY_EXISTS' }, topicId: null },
    ]);
  });

  test('one topic: its failure is thrown', async () => {
    at(0).on(apis.createTopics, () => ({
      topics: [{ name: 'a', errorCode: errorCodes.INVALID_REPLICATION_FACTOR, errorMessage: 'no' }],
    }));
    await expect(kafka.admin().createTopic({ name: 'a' })).rejects.toMatchObject({
      code: 'INVALID_REPLICATION_FACTOR',
    });
  });

  test.each([
    { versions: [0, 5] as const, field: 'topicNames' },
    { versions: [6, 6] as const, field: 'topics' },
  ])('are deleted, by version $versions', async ({ versions, field }) => {
    const bodies: object[] = [];
    at(0).on(
      apis.deleteTopics,
      (request) => {
        bodies.push(request);
        return {
          responses: ['a', 'b'].map((name, index) => ({
            name,
            topicId: ZERO_UUID,
            errorCode: index === 0 ? 0 : errorCodes.UNKNOWN_TOPIC_OR_PARTITION,
          })),
        };
      },
      versions,
    );
    expect(await kafka.admin().deleteTopics(['a', 'b'])).toMatchObject([
      { name: 'a', error: null },
      { name: 'b', error: { code: 'UNKNOWN_TOPIC_OR_PARTITION' } },
    ]);
    expect(bodies[0]).toHaveProperty(field === 'topics' ? 'topics.length' : 'topicNames.length', 2);
  });

  test('get more partitions', async () => {
    at(0).on(apis.createPartitions, ({ topics }) => ({
      throttleTimeMs: 0,
      results: topics.map(({ name, count }) => ({
        name,
        errorCode: count === 4 ? 0 : errorCodes.INVALID_PARTITIONS,
      })),
    }));
    expect(
      await kafka.admin().createPartitions([
        { name: 'a', totalCount: 4, assignments: [[0]] },
        { name: 'b', totalCount: 1 },
      ]),
    ).toMatchObject([{ error: null }, { error: { code: 'INVALID_PARTITIONS' } }]);
  });

  test('are listed and described', async () => {
    cluster.createTopic('b', 2);
    cluster.createTopic('a', 1);
    const admin = kafka.admin();
    expect((await admin.listTopics()).map(({ name }) => name)).toEqual(['a', 'b']);
    const [known, unknown] = await admin.describeTopics(['b', 'nowhere']);
    expect(known).toMatchObject({
      name: 'b',
      partitions: [
        { partition: 0, leader: 0, replicas: [0, 1], isr: [0, 1] },
        { partition: 1, leader: 1 },
      ],
    });
    expect(unknown).toBeInstanceOf(KafkaError);
    expect(unknown).toMatchObject({ code: 'UNKNOWN_TOPIC_OR_PARTITION' });
  });
});

test('configs: a topic of any broker, a broker of that broker', async () => {
  for (const id of [0, 1])
    at(id).on(apis.describeConfigs, ({ resources }) => ({
      throttleTimeMs: 0,
      results: resources.map(({ resourceType, resourceName }) => ({
        errorCode: 0,
        errorMessage: null,
        resourceType,
        resourceName,
        configs: [
          {
            name: 'answered.by',
            value: `${id}`,
            readOnly: false,
            configSource: 4,
            isSensitive: false,
            synonyms: [{ name: 'x', value: null, source: 5 }],
            documentation: 'd',
          },
        ],
      })),
    }));
  const configs = await kafka.admin().describeConfigs(
    [
      { type: 'broker', name: '1' },
      { type: 'topic', name: 't' },
    ],
    { includeSynonyms: true, includeDocumentation: true },
  );
  expect(configs[0]).toMatchObject({
    resource: { type: 'broker', name: '1' },
    entries: [
      {
        name: 'answered.by',
        value: '1',
        source: 'static-broker',
        documentation: 'd',
        synonyms: [{ name: 'x', value: null, source: 'default' }],
      },
    ],
  });
  expect(configs[1]?.resource).toEqual({ type: 'topic', name: 't' });
});

describe('offsets', () => {
  test('of each leader, and of a leader that has moved', async () => {
    cluster.createTopic('t', 2);
    const admin = kafka.admin();
    cluster.partition('t', 0).endOffset = 7;
    cluster.partition('t', 1).endOffset = 9;
    const both = [0, 1].map((partition) => ({ topic: 't', partition, at: 'latest' as const }));
    expect(await admin.listOffsets(both)).toMatchObject([{ offset: 7 }, { offset: 9 }]);
    cluster.moveLeader('t', 0, 1);
    expect(await admin.listOffsets(both)).toMatchObject([
      { offset: 7, error: null },
      { offset: 9, error: null },
    ]);
  });

  test('of a partition that is not there carry their error', async () => {
    cluster.createTopic('t', 1);
    const listed = await kafka.admin().listOffsets([
      { topic: 't', partition: 0, at: 'earliest' },
      { topic: 't', partition: 5, at: 'earliest' },
    ]);
    expect(listed).toMatchObject([
      { partition: 0, offset: 0, error: null },
      { partition: 5, offset: -1, error: { code: 'UNKNOWN_TOPIC_OR_PARTITION' } },
    ]);
  });
});

describe('records', () => {
  const answering = (id: number) =>
    at(id).on(apis.deleteRecords, ({ topics }) => ({
      throttleTimeMs: 0,
      topics: topics.map(({ name, partitions }) => ({
        name,
        partitions: partitions.map(({ partitionIndex, offset }) => {
          const isLeader = cluster.partition(name, partitionIndex).leader === id;
          const error = offset > 100 ? 'OFFSET_OUT_OF_RANGE' : 'NONE';
          return {
            partitionIndex,
            errorCode: errorCodes[isLeader ? error : 'NOT_LEADER_OR_FOLLOWER'],
            lowWatermark: isLeader && error === 'NONE' ? (offset === -1 ? 50 : offset) : -1,
          };
        }),
      })),
    }));

  test('are deleted by the leader of each partition, and by the next one when it has moved', async () => {
    cluster.createTopic('t', 3);
    for (const id of [0, 1]) answering(id);
    const admin = kafka.admin();
    const wishes = [
      { topic: 't', partition: 2, before: 101 },
      { topic: 't', partition: 0, before: 7 },
      { topic: 't', partition: 1, before: 'high-watermark' },
      { topic: 't', partition: 9, before: 1 },
    ] as const;
    const expected = [
      { topic: 't', partition: 0, error: null, lowWatermark: 7 },
      { topic: 't', partition: 1, error: null, lowWatermark: 50 },
      { topic: 't', partition: 2, error: { code: 'OFFSET_OUT_OF_RANGE' }, lowWatermark: -1 },
      { topic: 't', partition: 9, error: { code: 'UNKNOWN_TOPIC_OR_PARTITION' }, lowWatermark: -1 },
    ];
    expect(await admin.deleteRecords(wishes)).toMatchObject(expected);
    cluster.moveLeader('t', 0, 1 - cluster.partition('t', 0).leader);
    expect(await admin.deleteRecords(wishes)).toMatchObject(expected);
  });

  test('that not all replicas deleted in time are not asked for again', async () => {
    cluster.createTopic('t', 1);
    let askedCount = 0;
    for (const id of [0, 1])
      at(id).on(apis.deleteRecords, ({ timeoutMs }) => {
        askedCount += 1;
        expect(timeoutMs).toBe(20);
        const errorCode = errorCodes.REQUEST_TIMED_OUT;
        return {
          throttleTimeMs: 0,
          topics: [{ name: 't', partitions: [{ partitionIndex: 0, errorCode, lowWatermark: 3 }] }],
        };
      });
    const wishes = [{ topic: 't', partition: 0, before: 5 }];
    expect(await kafka.admin().deleteRecords(wishes, { timeoutMs: 20 })).toMatchObject([
      { error: { code: 'REQUEST_TIMED_OUT' }, lowWatermark: 3 },
    ]);
    expect(askedCount).toBe(1);
  });
});

test('log directories are told by each broker itself', async () => {
  for (const id of [0, 1])
    at(id).on(apis.describeLogDirs, ({ topics }) => {
      expect(topics).toBeNull();
      const partition = {
        partitionIndex: 4,
        partitionSize: 9,
        offsetLag: id,
        isFutureKey: id === 1,
      };
      const failedCode = errorCodes.KAFKA_STORAGE_ERROR;
      return {
        throttleTimeMs: 0,
        results: [
          {
            errorCode: 0,
            logDir: `/a${id}`,
            topics: [
              { name: 'u', partitions: [partition] },
              { name: 't', partitions: [partition] },
            ],
            totalBytes: 100,
          },
          { errorCode: failedCode, logDir: '/b', topics: [] },
        ],
      };
    });
  const described = await kafka.admin().describeLogDirs([1, 0]);
  expect(described).toMatchObject([
    {
      brokerId: 1,
      logDirs: [
        {
          path: '/a1',
          error: null,
          totalBytes: 100,
          usableBytes: null,
          replicas: [
            { topic: 't', partition: 4, sizeBytes: 9, offsetLag: 1, isFuture: true },
            { topic: 'u', partition: 4 },
          ],
        },
        { path: '/b', error: { code: 'KAFKA_STORAGE_ERROR' }, replicas: [], totalBytes: null },
      ],
    },
    { brokerId: 0, logDirs: [{ path: '/a0' }, { path: '/b' }] },
  ]);
});

test('replicas are moved between directories by the broker that holds them', async () => {
  const asked = new Map<number, unknown>();
  for (const id of [0, 1])
    at(id).on(apis.alterReplicaLogDirs, ({ dirs }) => {
      asked.set(id, dirs);
      const partitions = dirs.flatMap(({ topics }) => topics.flatMap((topic) => topic.partitions));
      const errorCode = id === 0 ? 0 : errorCodes.LOG_DIR_NOT_FOUND;
      return {
        throttleTimeMs: 0,
        results: [
          {
            topicName: 't',
            partitions: partitions.map((partitionIndex) => ({ partitionIndex, errorCode })),
          },
        ],
      };
    });
  const place = (brokerId: number, partition: number, path: string) => ({
    brokerId,
    topic: 't',
    partition,
    path,
  });
  const moved = await kafka
    .admin()
    .alterReplicaLogDirs([
      place(1, 0, '/x'),
      place(0, 0, '/a'),
      place(0, 2, '/b'),
      place(0, 1, '/a'),
    ]);
  expect(moved).toMatchObject([
    { brokerId: 1, path: '/x', error: { code: 'LOG_DIR_NOT_FOUND' } },
    { brokerId: 0, partition: 0, error: null },
    { brokerId: 0, partition: 2, path: '/b', error: null },
    { brokerId: 0, partition: 1, error: null },
  ]);
  expect(asked.get(0)).toEqual([
    { path: '/a', topics: [{ name: 't', partitions: [0, 1] }] },
    { path: '/b', topics: [{ name: 't', partitions: [2] }] },
  ]);
});

describe('groups', () => {
  test('are listed at every broker and described at their coordinator', async () => {
    for (const id of [0, 1])
      at(id).on(apis.listGroups, () => ({
        errorCode: 0,
        groups: [{ groupId: `g${1 - id}`, protocolType: 'consumer', groupState: 'Stable' }],
      }));
    let refusals = 1;
    at(0).on(apis.describeGroups, ({ groups }) => {
      refusals -= 1;
      return {
        groups: groups.map((groupId) => ({
          errorCode: refusals === 0 ? errorCodes.COORDINATOR_LOAD_IN_PROGRESS : 0,
          groupId,
          groupState: 'Stable',
          protocolType: 'consumer',
          protocolData: 'range',
          members: [
            {
              memberId: 'm',
              clientId: 'c',
              clientHost: '/1.2.3.4',
              memberMetadata: Buffer.alloc(0),
              memberAssignment: encodeAssignment([{ topic: 't', partition: 3 }]),
            },
          ],
        })),
      };
    });
    const admin = kafka.admin();
    expect((await admin.listGroups()).map(({ groupId }) => groupId)).toEqual(['g0', 'g1']);
    expect(await admin.describeGroups(['g0'])).toMatchObject([
      {
        groupId: 'g0',
        error: null,
        state: 'Stable',
        protocol: 'range',
        coordinatorId: 0,
        members: [{ memberId: 'm', assignment: [{ topic: 't', partition: 3 }] }],
      },
    ]);
  });

  test('are deleted, and their offsets read', async () => {
    at(0).on(apis.deleteGroups, ({ groupsNames }) => ({
      throttleTimeMs: 0,
      results: groupsNames.map((groupId) => ({
        groupId,
        errorCode: groupId === 'busy' ? errorCodes.NON_EMPTY_GROUP : 0,
      })),
    }));
    cluster.committed.set('g t-1', 42);
    const admin = kafka.admin();
    expect(await admin.deleteGroups(['g', 'busy'])).toMatchObject([
      { error: null },
      { error: { code: 'NON_EMPTY_GROUP' } },
    ]);
    const partitions = [0, 1].map((partition) => ({ topic: 't', partition }));
    expect(await admin.groupOffsets('g', partitions)).toMatchObject([
      { topic: 't', partition: 1, offset: 42 },
    ]);
  });
});
