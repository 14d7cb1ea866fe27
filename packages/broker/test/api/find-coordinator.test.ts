/** FindCoordinator in every version, over a metadata cache that tests fill. */
import { describe, expect, test } from '@jest/globals';
import { apis, errorCodes, type UpdateMetadataRequest } from '@odradek/protocol';
import { findCoordinatorHandler } from '../../src/api/find-coordinator.ts';
import { MetadataCache } from '../../src/metadata/metadata-cache.ts';
import { ask, versions } from './ask.ts';

const OFFSETS_TOPIC = '__consumer_offsets';

/** Broker 1 on both listeners, broker 2 on PLAINTEXT only; partition n of 50 is led by broker n mod 3. */
function cluster({ withTopic = true } = {}): MetadataCache {
  const endpoint = (listener: string, port: number) => ({
    listener,
    host: `host-${port}`,
    port,
    securityProtocol: 0,
  });
  const partition = (partitionIndex: number) => ({
    partitionIndex,
    controllerEpoch: 1,
    leader: partitionIndex % 3,
    leaderEpoch: 1,
    isr: [1],
    zkVersion: 0,
    replicas: [1],
    offlineReplicas: [],
  });
  const request: UpdateMetadataRequest = apis.updateMetadata.request.decode(
    apis.updateMetadata.request.encode(
      {
        controllerId: 1,
        controllerEpoch: 1,
        brokerEpoch: 1,
        topicStates: withTopic
          ? [
              {
                topicName: OFFSETS_TOPIC,
                topicId: 'AAAAAAAAAAAAAAAAAAAAAQ',
                partitionStates: Array.from({ length: 50 }, (_, index) => partition(index)),
              },
            ]
          : [],
        liveBrokers: [
          {
            id: 1,
            endpoints: [endpoint('PLAINTEXT', 9092), endpoint('INTERNAL', 9093)],
            rack: null,
          },
          { id: 2, endpoints: [endpoint('PLAINTEXT', 9094)], rack: null },
        ],
      },
      7,
    ),
    7,
  );
  const cache = new MetadataCache();
  cache.apply(request);
  return cache;
}

function handlerOf(metadata: MetadataCache) {
  const ensured: string[] = [];
  const handler = findCoordinatorHandler({
    metadata,
    ensureInternalTopic: (name) => Promise.resolve(ensured.push(name)),
  });
  return { handler, ensured };
}

/** A group of each leader: partitions 33, 13 and 11 of 50. */
const OF_BROKER_0 = { id: 'group-é', partition: 33 };
const OF_BROKER_2 = { id: 'my-txn-id', partition: 11 };

describe('one at a time', () => {
  test.each(versions(0, 3))('v%i: a leader', async (version) => {
    const { handler } = handlerOf(cluster());
    const answer = await ask(handler, apis.findCoordinator, version, { key: OF_BROKER_2.id });
    expect(answer).toMatchObject({ errorCode: 0, nodeId: 2, host: 'host-9094', port: 9094 });
  });

  test.each(versions(0, 3))('v%i: a leader that is not alive', async (version) => {
    const { handler } = handlerOf(cluster());
    expect(
      await ask(handler, apis.findCoordinator, version, { key: OF_BROKER_0.id }),
    ).toMatchObject({
      errorCode: errorCodes.COORDINATOR_NOT_AVAILABLE,
      errorMessage: version >= 1 ? 'The coordinator is not available.' : '',
      nodeId: -1,
      host: '',
      port: -1,
    });
  });

  test('a leader that cannot be reached on the listener of the request', async () => {
    const { handler } = handlerOf(cluster());
    const answer = await ask(
      handler,
      apis.findCoordinator,
      3,
      { key: OF_BROKER_2.id },
      { listenerName: 'INTERNAL' },
    );
    expect(answer.errorCode).toBe(errorCodes.COORDINATOR_NOT_AVAILABLE);
  });

  test.each([1, 2])('kind %i has no coordinator here', async (keyType) => {
    const { handler, ensured } = handlerOf(cluster());
    const answer = await ask(handler, apis.findCoordinator, 3, { key: 'x', keyType });
    expect(answer.errorCode).toBe(errorCodes.INVALID_REQUEST);
    expect(ensured).toEqual([]);
  });
});

describe('several at once', () => {
  test.each(versions(4, 5))('v%i', async (version) => {
    const { handler } = handlerOf(cluster());
    const { coordinators } = await ask(handler, apis.findCoordinator, version, {
      keyType: 0,
      coordinatorKeys: [OF_BROKER_2.id, OF_BROKER_0.id, ''],
    });
    expect(coordinators).toMatchObject([
      {
        key: OF_BROKER_2.id,
        nodeId: 2,
        host: 'host-9094',
        port: 9094,
        errorCode: 0,
        errorMessage: null,
      },
      { key: OF_BROKER_0.id, nodeId: -1, errorCode: errorCodes.COORDINATOR_NOT_AVAILABLE },
      { key: '', nodeId: -1, errorCode: errorCodes.COORDINATOR_NOT_AVAILABLE },
    ]);
  });

  test('the topic that is missing is made once for all of them', async () => {
    const { handler, ensured } = handlerOf(cluster({ withTopic: false }));
    const { coordinators } = await ask(handler, apis.findCoordinator, 5, {
      keyType: 0,
      coordinatorKeys: ['a', 'b'],
    });
    expect(coordinators.map(({ errorCode }) => errorCode)).toEqual([
      errorCodes.COORDINATOR_NOT_AVAILABLE,
      errorCodes.COORDINATOR_NOT_AVAILABLE,
    ]);
    expect(ensured).toEqual([OFFSETS_TOPIC]);
  });
});
