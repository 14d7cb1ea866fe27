/**
 * Control planes of several brokers over a coordination service and a network in memory: election,
 * failover, topics from creation to deletion, and controllers that are replaced without noticing.
 */

import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { apis, errorCodes } from '@odradek/protocol';
import type { RequestContext } from '../../src/api/registry.ts';
import { AlreadyRegistered } from '../../src/metadata/registration.ts';
import { PRESENT } from '../../src/network/peer-presence.ts';
import { TestCluster } from './cluster.ts';

let cluster: TestCluster;
beforeEach(() => {
  cluster = new TestCluster();
});
afterEach(() => cluster.stop());

const context = (apiVersion: number): RequestContext => ({
  apiVersion,
  clientId: 'test',
  correlationId: 1,
  listenerName: 'PLAINTEXT',
  peerHost: 'here',
  principal: 'User:ANONYMOUS',
  connectionId: 'c',
  presence: PRESENT,
});

async function three(): Promise<void> {
  for (const id of [1, 2, 3]) await cluster.start(id);
  await cluster.until(() => cluster.controllerId === 1);
  await cluster.until(() =>
    [...cluster.brokers.values()].every(
      ({ plane }) => [...plane.metadata.liveBrokers()].length === 3,
    ),
  );
}

async function createTopic(name: string, count: number, factor: number): Promise<number> {
  const broker = cluster.broker(cluster.controllerId ?? -1);
  const answer = broker.registry.find(apis.createTopics.key)?.handle(
    {
      topics: [
        {
          name,
          numPartitions: count,
          replicationFactor: factor,
          assignments: [],
          configs: [],
        },
      ],
      timeoutMs: 10_000,
      validateOnly: false,
    },
    context(7),
  );
  const response = (await answer) as { topics: { errorCode: number }[] };
  return response.topics[0]?.errorCode ?? -1;
}

describe('joining', () => {
  test('znodes are made, ids are settled, one broker is elected', async () => {
    await three();
    const { service } = cluster;
    expect(service.childrenOf('/brokers/ids')).toEqual(['1', '2', '3']);
    expect(service.text('/controller')).toMatch(/^{"version":2,"brokerid":1,"timestamp":"\d+"/);
    expect(service.text('/controller_epoch')).toBe('1');
    expect(service.text('/feature')).toBe('{"version":2,"status":1,"features":{}}');
    for (const path of ['/consumers', '/config/changes', '/admin/delete_topics', '/brokers/seqid'])
      expect(service.text(path)).toBe('');
    const ids = new Set([...cluster.brokers.values()].map(({ plane }) => plane.clusterId));
    expect([...ids]).toHaveLength(1);
    expect(JSON.parse(service.text('/cluster/id') ?? '')).toEqual({
      version: '1',
      id: [...ids][0],
    });
    for (const { plane } of cluster.brokers.values()) {
      expect(plane.controllerId).toBe(1);
      expect(plane.metadata.controllerId).toBe(1);
      expect(plane.metadata.liveBroker(3)?.endpoints.get('PLAINTEXT')).toEqual({
        host: 'b3',
        port: 9092,
        securityProtocol: 'PLAINTEXT',
      });
    }
  });

  test('the broker epoch is the czxid of the registration', async () => {
    const { plane } = await cluster.start(1);
    expect(plane.brokerEpoch()).toBe(Number(cluster.service.stat('/brokers/ids/1').czxid));
  });

  test('an id that a running broker has is refused in one line that names it', async () => {
    await cluster.start(1);
    const second = cluster.start(1, 'advertised.listeners=PLAINTEXT://other:1');
    await expect(second).rejects.toThrow(AlreadyRegistered);
    await expect(second).rejects.toThrow(
      /broker id 1 is already registered by the broker at b1:9092 \(session 0x1\): stop it or choose another broker\.id/,
    );
  });

  test('an address that another broker advertises is refused', async () => {
    await cluster.start(1);
    const second = cluster.start(2, 'advertised.listeners=PLAINTEXT://b1:9092');
    await expect(second).rejects.toThrow(/broker 1 already advertises b1:9092/);
  });

  test('the registration of an earlier life is waited for', async () => {
    const { session } = await cluster.start(1);
    cluster.network.cut('b1', 9092); // The process is gone, its session not yet.
    cluster.brokers.delete(1);
    const again = cluster.start(1);
    await cluster.until(() =>
      cluster.lines.some((line) => line.includes('waiting for an earlier')),
    );
    session.expire({ reconnects: false });
    cluster.time.pass(200);
    const { plane } = await again;
    expect(plane.brokerEpoch()).toBe(Number(cluster.service.stat('/brokers/ids/1').czxid));
  });

  test('ids are generated above the reserved ones', async () => {
    const session = cluster.service.openSession();
    const { ControlPlane } = await import('../../src/controller/control-plane.ts');
    const open = () =>
      ControlPlane.open({
        session,
        config: cluster.config(-1),
        environment: cluster.environment(),
        storedBrokerId: null,
      });
    const [one, other] = [await open(), await open()];
    expect([one.brokerId, other.brokerId]).toEqual([1001, 1002]);
    await Promise.all([one.stop(), other.stop()]);
  });
});

describe('the controller', () => {
  test('dies: another one takes over with a larger epoch, partitions move', async () => {
    await three();
    expect(await createTopic('t', 3, 2)).toBe(0);
    cluster.kill(1);
    await cluster.until(() => cluster.controllerId !== null);
    expect(cluster.service.text('/controller_epoch')).toBe('2');
    await cluster.until(() =>
      [0, 1, 2].every((p) => [2, 3].includes(cluster.state('t', p)?.leader ?? -1)),
    );
    for (const partition of [0, 1, 2]) {
      const state = cluster.state('t', partition);
      expect(state?.isr).not.toContain(1);
      await cluster.until(() => {
        const told = cluster.broker(state?.leader ?? -1).roles.get(`t-${partition}`);
        return told?.leader === state?.leader && told?.leaderEpoch === state?.leader_epoch;
      });
    }
  });

  test('is asked to go by removing /controller by hand', async () => {
    await three();
    await cluster.broker(2).session.remove('/controller');
    await cluster.until(() => cluster.service.text('/controller_epoch') === '2');
    await cluster.until(() => cluster.controllerId !== null);
  });

  test('loses its session: it registers again and takes part again', async () => {
    await three();
    const epoch = cluster.broker(1).plane.brokerEpoch() ?? 0;
    cluster.broker(1).session.expire();
    expect(cluster.broker(1).plane.isController).toBe(false);
    expect(cluster.broker(1).plane.brokerEpoch()).toBeNull();
    await cluster.until(() => (cluster.broker(1).plane.brokerEpoch() ?? 0) > epoch);
    await cluster.until(() => cluster.service.text('/controller_epoch') === '2');
    await cluster.until(() => cluster.controllerId !== null);
    await cluster.until(() => [...cluster.broker(1).plane.metadata.liveBrokers()].length === 3);
  });

  test('stops in order: office is free at once', async () => {
    await three();
    const stopped = cluster.broker(1);
    await stopped.plane.stop();
    await cluster.until(() => cluster.service.text('/controller_epoch') === '2');
    expect(stopped.plane.isController).toBe(false);
    cluster.brokers.delete(1);
    await cluster.until(() => cluster.controllerId !== null);
  });

  test('that was replaced without noticing changes nothing any more', async () => {
    await three();
    expect(await createTopic('t', 1, 3)).toBe(0);
    const release = cluster.broker(1).session.withholdEvents();
    await cluster.broker(2).session.remove('/controller');
    await cluster.until(() => cluster.service.text('/controller_epoch') === '2');
    await cluster.until(() => [2, 3].some((id) => cluster.broker(id).plane.isController));
    expect(cluster.broker(1).plane.isController).toBe(true); // It does not know better.
    const before = cluster.service.stat('/brokers/topics/t/partitions/0/state').version;
    const topicId = cluster.broker(1).plane.metadata.topicIdByName('t') ?? '';
    const { leader_epoch: leaderEpoch, isr } = cluster.state('t') ?? { leader_epoch: 0, isr: [] };
    const response = (await cluster
      .broker(1)
      .registry.find(apis.alterPartition.key)
      ?.handle(
        {
          brokerId: 1,
          brokerEpoch: cluster.broker(1).plane.brokerEpoch() ?? -1,
          topics: [
            {
              topicName: '',
              topicId,
              partitions: [
                {
                  partitionIndex: 0,
                  leaderEpoch,
                  newIsr: [],
                  newIsrWithEpochs: isr
                    .slice(0, 1)
                    .map((brokerId) => ({ brokerId, brokerEpoch: -1 })),
                  leaderRecoveryState: 0,
                  partitionEpoch: before,
                },
              ],
            },
          ],
        },
        context(3),
      )) as { errorCode: number };
    expect(response.errorCode).toBe(errorCodes.NOT_CONTROLLER);
    expect(cluster.broker(1).plane.isController).toBe(false);
    expect(cluster.state('t')?.isr).toEqual(isr);
    release();
    await cluster.settle();
    expect(cluster.controllerId).not.toBeNull();
    expect(cluster.broker(1).plane.controllerId).toBe(cluster.controllerId);
  });

  test('is elected even when the answer to its candidacy is lost', async () => {
    const session = cluster.service.openSession();
    const { ControllerHost } = await import('../../src/controller/controller-host.ts');
    await session.ensurePath('/brokers/ids');
    await session.ensurePath('/brokers/topics');
    const host = new ControllerHost({
      brokerId: 9,
      session,
      config: cluster.config(9),
      environment: cluster.environment(),
      registry: { find: () => undefined },
      uncleanAllowed: () => new Set(),
    });
    await session.create('/controller_epoch', '41');
    session.lose('answer');
    host.start();
    await cluster.until(() => host.term !== null);
    expect(host.term?.epoch).toBe(42);
    await host.stop();
    expect(cluster.service.text('/controller')).toBeNull();
  });

  test('that meets an unexpected failure gives office back and stands again', async () => {
    await three();
    const { session } = cluster.broker(1);
    const multi = session.multi.bind(session);
    let failures = 1;
    session.multi = (operations) => {
      if (failures > 0 && operations.some(({ path }) => path.includes('/partitions'))) {
        failures -= 1;
        return Promise.reject(new Error('a broken service'));
      }
      return multi(operations);
    };
    const creation = createTopic('t', 1, 1);
    await cluster.until(() => cluster.service.text('/controller_epoch') === '2');
    cluster.time.pass(10_000);
    await cluster.until(() => cluster.state('t') !== null);
    await creation;
    expect(cluster.lines.some((line) => line.includes('gives its office back'))).toBe(true);
  });

  test('reaches a broker again whose line broke, with all it has to know', async () => {
    await three();
    cluster.network.cut('b2', 9092);
    const creation = createTopic('t', 3, 1);
    await cluster.settle();
    expect(cluster.broker(2).roles.size).toBe(0);
    const { serve } = await import('./memory-network.ts');
    await cluster.network.listen({ host: 'b2', port: 9092 }, serve(cluster.broker(2).registry));
    cluster.time.pass(100);
    await cluster.until(() => cluster.broker(2).roles.size === 1);
    await cluster.until(() => cluster.broker(2).plane.metadata.topic('t') !== undefined);
    expect(await creation).toBe(0);
  });
});

describe('topics', () => {
  test('are created, known to all, and deleted without a trace', async () => {
    await three();
    expect(await createTopic('t', 2, 3)).toBe(0);
    expect(JSON.parse(cluster.service.text('/brokers/topics/t') ?? '')).toMatchObject({
      version: 3,
      partitions: { 0: [1, 2, 3], 1: [2, 3, 1] },
      adding_replicas: {},
      removing_replicas: {},
    });
    expect(cluster.service.text('/brokers/topics/t/partitions/1/state')).toBe(
      '{"controller_epoch":1,"leader":2,"version":1,"leader_epoch":0,"isr":[2,3,1]}',
    );
    for (const { plane, roles } of cluster.brokers.values()) {
      await cluster.until(() => plane.metadata.topic('t')?.partitions.size === 2);
      expect(roles.get('t-0')).toEqual({ leader: 1, leaderEpoch: 0, isNew: true });
    }
    const deletion = cluster
      .broker(1)
      .registry.find(apis.deleteTopics.key)
      ?.handle({ topics: [], topicNames: ['t'], timeoutMs: 10_000 }, context(5));
    expect(await deletion).toMatchObject({ responses: [{ name: 't', errorCode: 0 }] });
    await cluster.until(() => !cluster.service.nodes.has('/admin/delete_topics/t'));
    expect(cluster.service.childrenOf('/brokers/topics')).toEqual([]);
    for (const { plane, removed } of cluster.brokers.values()) {
      await cluster.until(() => plane.metadata.topic('t') === undefined);
      expect(removed.sort()).toEqual(['t-0', 't-1']);
    }
  });

  test('created by another writer, as old tools do it', async () => {
    await three();
    await cluster
      .broker(2)
      .session.create('/brokers/topics/old', '{"version":1,"partitions":{"0":[3,1]}}');
    await cluster.until(() => cluster.state('old')?.leader === 3);
    await cluster.until(() =>
      [...cluster.brokers.values()].every(
        ({ plane }) => plane.metadata.topic('old')?.topicId?.length === 22,
      ),
    );
    expect(cluster.service.text('/brokers/topics/old')).toContain('"topic_id":"');
  });

  test('a wish to delete waits for a broker that is away', async () => {
    await three();
    await createTopic('t', 1, 3);
    cluster.kill(3);
    await cluster.until(() => cluster.state('t')?.isr.length === 2);
    await cluster.broker(2).session.create('/admin/delete_topics/t', null);
    await cluster.until(() => cluster.broker(2).removed.length === 1);
    expect(cluster.service.nodes.has('/brokers/topics/t')).toBe(true);
    await cluster.start(3);
    await cluster.until(() => !cluster.service.nodes.has('/brokers/topics/t'));
    expect(cluster.broker(3).removed).toEqual(['t-0']);
  });

  test('settings given at creation are known when the log is made', async () => {
    await three();
    await cluster
      .broker(1)
      .session.create(
        '/config/topics/compacted',
        '{"version":1,"config":{"cleanup.policy":"compact","min.insync.replicas":"2"}}',
      );
    await createTopic('compacted', 1, 3);
    for (const { plane } of cluster.brokers.values()) {
      await plane.prepareTopics(['compacted']);
      expect(plane.logConfigOf('compacted').cleanupPolicy).toEqual(['compact']);
      expect(plane.minInsyncReplicasOf('compacted')).toBe(2);
    }
  });

  test('a changed setting reaches every broker', async () => {
    await three();
    await createTopic('t', 1, 3);
    const heard: string[] = [];
    cluster
      .broker(3)
      .plane.onTopicConfig((topic, { retentionMs }) => heard.push(`${topic}=${retentionMs}`));
    const { session } = cluster.broker(2);
    await session.create('/config/topics/t', '{"version":1,"config":{"retention.ms":"77"}}');
    await session.create(
      '/config/changes/config_change_',
      '{"version":2,"entity_path":"topics/t"}',
      { sequential: true },
    );
    await cluster.until(() => heard.length > 0);
    expect(heard).toEqual(['t=77']);
  });
});

test('an ISR change goes from the leader through the controller to everybody', async () => {
  await three();
  await createTopic('t', 2, 3);
  const { plane } = cluster.broker(2);
  await cluster.until(() => plane.metadata.topic('t')?.partitions.size === 2);
  const topicId = plane.metadata.topicIdByName('t') ?? '';
  const answer = plane.alterPartition({
    brokerId: 2,
    brokerEpoch: plane.brokerEpoch() ?? -1,
    topics: [
      {
        topicName: 't',
        topicId,
        partitions: [
          {
            partitionIndex: 1,
            leaderEpoch: 0,
            newIsr: [2],
            newIsrWithEpochs: [{ brokerId: 2, brokerEpoch: -1 }],
            partitionEpoch: 0,
          },
        ],
      },
    ],
  });
  await cluster.until(() => cluster.state('t', 1)?.isr.length === 1);
  expect(await answer).toMatchObject({
    errorCode: 0,
    topics: [{ topicId, partitions: [{ errorCode: 0, isr: [2], partitionEpoch: 1, leaderId: 2 }] }],
  });
  await cluster.until(() =>
    [...cluster.brokers.values()].every(
      (broker) => broker.plane.metadata.topic('t')?.partitions.get(1)?.isr.length === 1,
    ),
  );
});

test('controlled shutdown moves leaders away before the broker goes', async () => {
  await three();
  await createTopic('t', 3, 2);
  const leaving = cluster.broker(3).plane.controlledShutdown();
  await cluster.until(() => [0, 1, 2].every((p) => cluster.state('t', p)?.leader !== 3));
  expect(await leaving).toBe(true);
  for (const partition of [0, 1, 2]) expect(cluster.state('t', partition)?.isr).not.toContain(3);
});

test('blocks of producer ids never overlap, whoever asks', async () => {
  await three();
  const blocks: bigint[] = [];
  for (const id of [1, 2, 3, 2]) {
    const asked = cluster.broker(id).plane.allocateProducerIds();
    let done = false;
    asked.then(
      () => {
        done = true;
      },
      () => undefined,
    );
    await cluster.until(() => done);
    const { first, count } = await asked;
    expect(count).toBe(1_000);
    blocks.push(first);
  }
  expect(blocks).toEqual([0n, 1_000n, 2_000n, 3_000n]);
  expect(cluster.service.text('/latest_producer_id_block')).toBe(
    '{"version":1,"broker":2,"block_start":"3000","block_end":"3999"}',
  );
});

describe("the cluster's own topics", () => {
  test('are not made while there are too few brokers', async () => {
    await cluster.start(1);
    await cluster.until(() => cluster.controllerId === 1);
    await cluster.until(() => cluster.broker(1).plane.metadata.liveBroker(1) !== undefined);
    const { plane } = cluster.broker(1);
    expect(await plane.ensureInternalTopic('__consumer_offsets')).toBe('too-few-brokers');
    expect(cluster.service.nodes.has('/brokers/topics/__consumer_offsets')).toBe(false);
  });

  test('are made once, with settings of their own', async () => {
    await three();
    const outcomes = await Promise.all(
      [1, 2, 3].map((id) => cluster.broker(id).plane.ensureInternalTopic('__consumer_offsets')),
    );
    expect(outcomes).toEqual(['creating', 'creating', 'creating']);
    const { plane } = cluster.broker(2);
    await cluster.until(() => plane.metadata.topic('__consumer_offsets')?.partitions.size === 50);
    expect(await plane.ensureInternalTopic('__consumer_offsets')).toBe('ready');
    expect(plane.logConfigOf('__consumer_offsets')).toMatchObject({
      cleanupPolicy: ['compact'],
      segmentBytes: 104_857_600,
    });
  });
});
