/**
 * The control plane's requests as clients see them, at old and new versions: answers are encoded and
 * decoded, so that a field a version lacks is found out.
 */
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { apis, errorCodes } from '@odradek/protocol';
import { TestCluster } from '../controller/cluster.ts';
import { create, requestsTo, wanted } from './requests.ts';

let cluster: TestCluster;
beforeEach(() => {
  cluster = new TestCluster();
});
afterEach(() => cluster.stop());
const { start, ask } = requestsTo(() => cluster);

const named = (...names: string[]) => ({ topics: names.map((name) => ({ name })) });

describe('CreateTopics', () => {
  test.each([
    [{ name: '' }, 'INVALID_TOPIC_EXCEPTION', /empty/],
    [{ name: 'a b' }, 'INVALID_TOPIC_EXCEPTION', /'a b' contains one or more characters/],
    [{ name: 'x'.repeat(250) }, 'INVALID_TOPIC_EXCEPTION', /max allowed length 249/],
    [{ name: '..' }, 'INVALID_TOPIC_EXCEPTION', /'\.\.' is not allowed/],
    [{ numPartitions: 0 }, 'INVALID_PARTITIONS', /larger than 0/],
    [{ replicationFactor: 0 }, 'INVALID_REPLICATION_FACTOR', /larger than 0/],
    [
      { replicationFactor: 3 },
      'INVALID_REPLICATION_FACTOR',
      /^Replication factor: 3 larger than available brokers: 1\.$/,
    ],
    [
      { configs: [{ name: 'nope', value: '1' }] },
      'INVALID_CONFIG',
      /Unknown topic config name: nope/,
    ],
    [{ configs: [{ name: 'retention.ms', value: 'x' }] }, 'INVALID_CONFIG', /Invalid value x/],
    [{ configs: [{ name: 'retention.ms', value: null }] }, 'INVALID_CONFIG', /Null value/],
    [{ assignments: [{ partitionIndex: 0, brokerIds: [1] }] }, 'INVALID_REQUEST', /Both/],
    [
      {
        numPartitions: -1,
        replicationFactor: -1,
        assignments: [{ partitionIndex: 1, brokerIds: [1] }],
      },
      'INVALID_REPLICA_ASSIGNMENT',
      /0 is missing/,
    ],
    [
      {
        numPartitions: -1,
        replicationFactor: -1,
        assignments: [{ partitionIndex: 0, brokerIds: [1, 1] }],
      },
      'INVALID_REPLICA_ASSIGNMENT',
      /Duplicate replicas/,
    ],
  ] as const)('refuses %j', async (change, error, message) => {
    await start(1);
    const answer = await ask(1, apis.createTopics, 7, create([wanted('t', change)]));
    expect(answer.topics).toHaveLength(1);
    expect(answer.topics[0]).toMatchObject({ errorCode: errorCodes[error] });
    expect(answer.topics[0]?.errorMessage).toMatch(message);
    expect(cluster.service.childrenOf('/brokers/topics')).toEqual([]);
  });

  test.each([0, 1, 4, 5, 7])(
    'v%i creates; again it exists; a look-alike is refused',
    async (version) => {
      await start(1);
      const answer = await ask(1, apis.createTopics, version, create([wanted('a.b')]));
      expect(answer.topics).toMatchObject([{ name: 'a.b', errorCode: 0 }]);
      if (version >= 5) {
        expect(answer.topics[0]).toMatchObject({ numPartitions: 2, replicationFactor: 1 });
        expect(
          answer.topics[0]?.configs?.find(({ name }) => name === 'retention.ms'),
        ).toMatchObject({
          value: '604800000',
          configSource: 5,
        });
      }
      const again = await ask(
        1,
        apis.createTopics,
        version,
        create([wanted('a.b'), wanted('a_b')]),
      );
      expect(again.topics.map(({ errorCode }) => errorCode)).toEqual([36, 17]);
    },
  );

  test('defaults, chosen replicas, settings; only looking writes nothing', async () => {
    await start(2, 'num.partitions=3\ndefault.replication.factor=2');
    const looked = await ask(
      1,
      apis.createTopics,
      7,
      create([wanted('t', { numPartitions: -1, replicationFactor: -1 })], { validateOnly: true }),
    );
    expect(looked.topics).toMatchObject([{ errorCode: 0, numPartitions: 3, replicationFactor: 2 }]);
    expect(cluster.service.childrenOf('/brokers/topics')).toEqual([]);
    const made = await ask(
      1,
      apis.createTopics,
      7,
      create([
        wanted('t', {
          numPartitions: -1,
          replicationFactor: -1,
          assignments: [{ partitionIndex: 0, brokerIds: [2, 1] }],
          configs: [{ name: 'retention.ms', value: '9' }],
        }),
      ]),
    );
    expect(made.topics).toMatchObject([{ errorCode: 0, numPartitions: 1 }]);
    expect(cluster.state('t')).toMatchObject({ leader: 2, isr: [2, 1] });
    expect(cluster.service.text('/config/topics/t')).toBe(
      '{"version":1,"config":{"retention.ms":"9"}}',
    );
  });

  test('twice the same name, a broker that is no controller, and no time to wait', async () => {
    await start(2);
    const twice = await ask(1, apis.createTopics, 7, create([wanted('t'), wanted('t')]));
    expect(twice.topics).toMatchObject([{ name: 't', errorCode: errorCodes.INVALID_REQUEST }]);
    const elsewhere = await ask(2, apis.createTopics, 7, create([wanted('t')]));
    expect(elsewhere.topics).toMatchObject([{ errorCode: errorCodes.NOT_CONTROLLER }]);
    const hasty = await ask(1, apis.createTopics, 7, create([wanted('t')], { timeoutMs: 0 }));
    expect(hasty.topics).toMatchObject([{ errorCode: errorCodes.REQUEST_TIMED_OUT }]);
    await cluster.until(() => cluster.state('t') !== null); // It is created all the same.
  });
});

describe('Metadata', () => {
  test.each([0, 1, 4, 5, 7, 8, 9, 10, 11, 12])(
    'v%i names brokers, controller and leaders',
    async (version) => {
      await start(2);
      await ask(1, apis.createTopics, 7, create([wanted('t', { replicationFactor: 2 })]));
      await cluster.until(() => cluster.broker(2).plane.metadata.topic('t') !== undefined);
      const answer = await ask(2, apis.metadata, version, named('t'));
      expect(answer.brokers).toMatchObject([
        { nodeId: 1, host: 'b1', port: 9092 },
        { nodeId: 2, host: 'b2', port: 9092 },
      ]);
      if (version >= 1) expect(answer.controllerId).toBe(1);
      if (version >= 2) expect(answer.clusterId).toBe(cluster.broker(2).plane.clusterId);
      expect(answer.topics).toMatchObject([
        {
          errorCode: 0,
          name: 't',
          partitions: [
            { partitionIndex: 0, leaderId: 1, replicaNodes: [1, 2], isrNodes: [1, 2] },
            { partitionIndex: 1, leaderId: 2, replicaNodes: [2, 1], isrNodes: [2, 1] },
          ],
        },
      ]);
    },
  );

  test('all topics: null, and before v1 an empty list, which means none later', async () => {
    await start(1);
    await ask(1, apis.createTopics, 7, create([wanted('a'), wanted('b')]));
    const namesOf = async (version: number, topics: null | []) =>
      (await ask(1, apis.metadata, version, { topics })).topics.map(({ name }) => name);
    expect(await namesOf(0, [])).toEqual(['a', 'b']);
    expect(await namesOf(1, null)).toEqual(['a', 'b']);
    expect(await namesOf(1, [])).toEqual([]);
  });

  test('an unknown topic is created when that is allowed, once, and answered with its leaders', async () => {
    await start(1);
    const quiet = { ...named('t'), allowAutoTopicCreation: false };
    expect((await ask(1, apis.metadata, 4, quiet)).topics).toMatchObject([{ errorCode: 3 }]);
    expect((await ask(1, apis.metadata, 4, named('t', 't'))).topics).toMatchObject([
      { name: 't', errorCode: 0, partitions: [{ leaderId: 1 }] },
    ]);
    expect((await ask(1, apis.metadata, 4, named('a b'))).topics).toMatchObject([
      { errorCode: 17 },
    ]);
  });

  test('not when it is switched off, and not with too few brokers', async () => {
    await start(1, 'auto.create.topics.enable=false');
    expect((await ask(1, apis.metadata, 4, named('t'))).topics).toMatchObject([{ errorCode: 3 }]);
    await cluster.stop();
    cluster = new TestCluster();
    await start(1, 'default.replication.factor=2');
    expect((await ask(1, apis.metadata, 4, named('t'))).topics).toMatchObject([{ errorCode: 38 }]);
  });

  test('by id, known and unknown', async () => {
    await start(1);
    await ask(1, apis.createTopics, 7, create([wanted('t')]));
    const topicId = cluster.broker(1).plane.metadata.topicIdByName('t') ?? '';
    const unknown = 'F1aTlpZ7SWqk6v8Rj0Qm2A';
    const answer = await ask(1, apis.metadata, 12, {
      topics: [
        { topicId, name: null },
        { topicId: unknown, name: null },
      ],
    });
    expect(answer.topics).toMatchObject([
      { errorCode: 0, name: 't', topicId },
      { errorCode: errorCodes.UNKNOWN_TOPIC_ID, name: null, topicId: unknown },
    ]);
    const early = await ask(1, apis.metadata, 10, { topics: [{ topicId, name: 't' }] });
    expect(early.topics).toMatchObject([{ errorCode: errorCodes.INVALID_REQUEST }]);
  });

  test('a partition whose leader died has none; v0 leaves dead replicas out', async () => {
    await start(2);
    await ask(
      1,
      apis.createTopics,
      7,
      create([wanted('t', { replicationFactor: 2 }), wanted('u')]),
    );
    cluster.kill(2);
    const { metadata } = cluster.broker(1).plane;
    await cluster.until(() => metadata.topic('u')?.partitions.get(1)?.leader === -1);
    const answer = await ask(1, apis.metadata, 5, named('u'));
    expect(answer.topics[0]?.partitions[1]).toMatchObject({
      errorCode: errorCodes.LEADER_NOT_AVAILABLE,
      leaderId: -1,
      replicaNodes: [2],
      offlineReplicas: [2],
    });
    const old = await ask(1, apis.metadata, 0, named('t'));
    expect(old.topics[0]?.partitions[0]).toMatchObject({
      errorCode: errorCodes.REPLICA_NOT_AVAILABLE,
      leaderId: 1,
      replicaNodes: [1],
    });
  });

  test.each([
    [5, errorCodes.LEADER_NOT_AVAILABLE],
    [6, errorCodes.LISTENER_NOT_FOUND],
  ])('v%i: a leader without the listener the request came in on', async (version, errorCode) => {
    await start(1);
    await ask(1, apis.createTopics, 7, create([wanted('t')]));
    const answer = await ask(1, apis.metadata, version, named('t'), { listenerName: 'OUTSIDE' });
    expect(answer.brokers).toEqual([]);
    expect(answer.topics[0]?.partitions[0]).toMatchObject({ errorCode, leaderId: -1 });
  });

  test('what a client may do, when it asks', async () => {
    await start(1);
    await ask(1, apis.createTopics, 7, create([wanted('t')]));
    const answer = await ask(1, apis.metadata, 8, {
      ...named('t'),
      includeTopicAuthorizedOperations: true,
      includeClusterAuthorizedOperations: true,
    });
    expect(answer.topics[0]?.topicAuthorizedOperations).toBe(3576);
    expect(answer.clusterAuthorizedOperations).toBe(8096);
  });
});

describe('DeleteTopics', () => {
  test.each([0, 1, 5])('v%i by name', async (version) => {
    await start(1);
    await ask(1, apis.createTopics, 7, create([wanted('t')]));
    const answer = await ask(1, apis.deleteTopics, version, {
      topicNames: ['t', 'nothing'],
      timeoutMs: 5_000,
    });
    expect(answer.responses).toMatchObject([
      { name: 't', errorCode: 0 },
      { name: 'nothing', errorCode: 3 },
    ]);
    await cluster.until(() => cluster.service.childrenOf('/brokers/topics').length === 0);
  });

  test('v6 by id; both name and id make no sense', async () => {
    await start(1);
    await ask(1, apis.createTopics, 7, create([wanted('t')]));
    const topicId = cluster.broker(1).plane.metadata.topicIdByName('t') ?? '';
    const answer = await ask(1, apis.deleteTopics, 6, {
      topics: [
        { name: 't', topicId },
        { name: null, topicId: 'F1aTlpZ7SWqk6v8Rj0Qm2A' },
        { name: null, topicId },
      ],
      timeoutMs: 5_000,
    });
    expect(answer.responses.map(({ name, errorCode }) => [name, errorCode])).toEqual([
      ['t', errorCodes.INVALID_REQUEST],
      [null, errorCodes.UNKNOWN_TOPIC_ID],
      ['t', 0],
    ]);
  });

  test.each([
    [2, errorCodes.INVALID_REQUEST],
    [3, errorCodes.TOPIC_DELETION_DISABLED],
  ])('v%i when deletion is switched off', async (version, errorCode) => {
    await start(1, 'delete.topic.enable=false');
    await ask(1, apis.createTopics, 7, create([wanted('t')]));
    const answer = await ask(1, apis.deleteTopics, version, { topicNames: ['t'], timeoutMs: 9 });
    expect(answer.responses).toMatchObject([{ errorCode }]);
  });

  test('a topic that is being deleted cannot be made again yet', async () => {
    await start(2);
    await ask(1, apis.createTopics, 7, create([wanted('t', { replicationFactor: 2 })]));
    cluster.kill(2);
    await cluster.until(() => cluster.state('t', 1)?.leader === 1);
    const answer = await ask(1, apis.deleteTopics, 5, { topicNames: ['t'], timeoutMs: 5_000 });
    expect(answer.responses).toMatchObject([{ errorCode: 0 }]); // Out of sight, logs remain on 2.
    const again = await ask(1, apis.createTopics, 7, create([wanted('t')]));
    expect(again.topics).toMatchObject([{ errorCode: errorCodes.TOPIC_ALREADY_EXISTS }]);
  });
});

describe('CreatePartitions', () => {
  const grow = (count: number, change: object = {}) => ({
    topics: [{ name: 't', count, assignments: null }],
    timeoutMs: 5_000,
    validateOnly: false,
    ...change,
  });

  test('adds partitions where the placement goes on', async () => {
    await start(3);
    await ask(1, apis.createTopics, 7, create([wanted('t', { replicationFactor: 2 })]));
    const answer = await ask(1, apis.createPartitions, 3, grow(4));
    expect(answer.results).toEqual([{ name: 't', errorCode: 0, errorMessage: null }]);
    const { partitions } = JSON.parse(cluster.service.text('/brokers/topics/t') ?? '');
    // From broker 1 on: partitions 0 and 1 as they were, 2 on 3, and 3 shifted by one round.
    expect(partitions).toEqual({ 0: [1, 2], 1: [2, 3], 2: [3, 1], 3: [1, 3] });
    expect(cluster.state('t', 3)).toMatchObject({ leader: 1, isr: [1, 3] });
  });

  test.each([
    [grow(2), 'INVALID_PARTITIONS'],
    [grow(1), 'INVALID_PARTITIONS'],
    [
      grow(3, { topics: [{ name: 'none', count: 3, assignments: null }] }),
      'UNKNOWN_TOPIC_OR_PARTITION',
    ],
    [
      grow(3, { topics: [{ name: 't', count: 3, assignments: [{ brokerIds: [1, 2] }] }] }),
      'INVALID_REPLICA_ASSIGNMENT',
    ],
    [grow(3, { topics: [{ name: 't', count: 3, assignments: [] }] }), 'INVALID_REPLICA_ASSIGNMENT'],
  ] as const)('refuses %j', async (request, error) => {
    await start(1);
    await ask(1, apis.createTopics, 7, create([wanted('t')]));
    const answer = await ask(1, apis.createPartitions, 3, request);
    expect(answer.results).toMatchObject([{ errorCode: errorCodes[error] }]);
    expect(cluster.service.text('/brokers/topics/t')).not.toContain('"2"');
  });
});

test.each([0, 1])('DescribeCluster v%i', async (version) => {
  await start(2);
  const answer = await ask(2, apis.describeCluster, version, {
    includeClusterAuthorizedOperations: true,
  });
  expect(answer).toMatchObject({
    errorCode: 0,
    clusterId: cluster.broker(1).plane.clusterId,
    controllerId: 1,
    brokers: [{ brokerId: 1 }, { brokerId: 2 }],
    clusterAuthorizedOperations: 8096,
  });
});

test('DescribeCluster has no other endpoints to show', async () => {
  await start(1);
  const request = { includeClusterAuthorizedOperations: false, endpointType: 2 };
  const answer = await ask(1, apis.describeCluster, 1, request);
  expect(answer).toMatchObject({ errorCode: errorCodes.UNSUPPORTED_ENDPOINT_TYPE, brokers: [] });
});

test('requests for the controller are refused elsewhere', async () => {
  await start(2);
  const nobody = { brokerId: 2, brokerEpoch: 1 };
  expect(await ask(2, apis.controlledShutdown, 3, nobody)).toMatchObject({ errorCode: 41 });
  expect(await ask(2, apis.alterPartition, 3, { ...nobody, topics: [] })).toMatchObject({
    errorCode: 41,
  });
  expect(await ask(2, apis.allocateProducerIds, 0, nobody)).toMatchObject({ errorCode: 41 });
  expect(await ask(1, apis.allocateProducerIds, 0, nobody)).toMatchObject({
    errorCode: errorCodes.STALE_BROKER_EPOCH,
  });
});
