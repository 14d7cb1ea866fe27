/**
 * The metadata cache: what updates of several versions make of it, and what listeners hear.
 */
import { describe, expect, test } from '@jest/globals';
import { apis, type UpdateMetadataRequest } from '@odradek/protocol';
import { ControlFence } from '../../src/metadata/control-fence.ts';
import { MetadataCache, type MetadataChange } from '../../src/metadata/metadata-cache.ts';

type Input = Parameters<typeof apis.updateMetadata.request.encode>[0];

/** As it comes over the wire: absent fields have their defaults. */
function over(version: number, body: Partial<Input>): UpdateMetadataRequest {
  const full = { controllerId: 7, controllerEpoch: 1, liveBrokers: [], ...body };
  const { request } = apis.updateMetadata;
  return request.decode(request.encode(full, version), version);
}

const partition = (partitionIndex: number, leader: number) => ({
  partitionIndex,
  controllerEpoch: 1,
  leader,
  leaderEpoch: 3,
  isr: [leader],
  zkVersion: 5,
  replicas: [1, 2],
  offlineReplicas: [2],
});
const topicId = 'F1aTlpZ7SWqk6v8Rj0Qm2A';
const topic = (...partitionStates: ReturnType<typeof partition>[]) => ({
  topicName: 't',
  topicId,
  partitionStates,
});
const broker = (id: number, port = 9092) => ({
  id,
  rack: id === 1 ? 'r' : null,
  endpoints: [{ listener: 'PLAINTEXT', host: `h${id}`, port, securityProtocol: 0 }],
});

function listening(): { cache: MetadataCache; changes: MetadataChange[] } {
  const cache = new MetadataCache();
  const changes: MetadataChange[] = [];
  cache.onChange((change) => changes.push(change));
  return { cache, changes };
}

test('partitions are merged, brokers replaced, the sender is the controller', () => {
  const { cache, changes } = listening();
  cache.apply(
    over(8, { topicStates: [topic(partition(0, 1))], liveBrokers: [broker(1), broker(2)] }),
  );
  cache.apply(over(8, { topicStates: [topic(partition(1, 2))], liveBrokers: [broker(1)] }));
  expect(cache.controllerId).toBe(7);
  expect([...cache.liveBrokers()].map(({ id }) => id)).toEqual([1]);
  expect(cache.liveBroker(1)).toMatchObject({ rack: 'r' });
  expect([...(cache.topic('t')?.partitions.keys() ?? [])]).toEqual([0, 1]);
  expect(cache.topic('t')?.partitions.get(0)).toEqual({
    controllerEpoch: 1,
    leader: 1,
    leaderEpoch: 3,
    isr: [1],
    partitionEpoch: 5,
    replicas: [1, 2],
    offlineReplicas: [2],
  });
  expect([cache.topicNameById(topicId), cache.topicIdByName('t')]).toEqual(['t', topicId]);
  expect(changes).toEqual([
    { topics: ['t'], deleted: [], brokers: true },
    { topics: ['t'], deleted: [], brokers: true },
  ]);
});

test('what was handed out does not change', () => {
  const { cache } = listening();
  cache.apply(over(8, { topicStates: [topic(partition(0, 1))] }));
  const before = cache.topic('t');
  cache.apply(over(8, { topicStates: [topic(partition(0, 2))] }));
  expect(before?.partitions.get(0)?.leader).toBe(1);
  expect(cache.topic('t')?.partitions.get(0)?.leader).toBe(2);
});

test('leader -2 forgets a partition, and the topic with its last one', () => {
  const { cache, changes } = listening();
  cache.apply(over(8, { topicStates: [topic(partition(0, 1), partition(1, 1))] }));
  cache.apply(over(8, { topicStates: [topic(partition(0, -2))] }));
  expect([...(cache.topic('t')?.partitions.keys() ?? [])]).toEqual([1]);
  cache.apply(over(8, { topicStates: [topic(partition(1, -2))] }));
  expect(cache.topic('t')).toBeUndefined();
  expect(cache.topicNameById(topicId)).toBeUndefined();
  expect(changes.at(-1)).toEqual({ topics: [], deleted: ['t'], brokers: false });
});

test('a topic that was made anew has nothing of the old one', () => {
  const { cache } = listening();
  cache.apply(over(8, { topicStates: [topic(partition(0, 1), partition(1, 1))] }));
  const other = 'AAAAAAAAAAAAAAAAAAAAAQ';
  cache.apply(over(8, { topicStates: [{ ...topic(partition(0, 2)), topicId: other }] }));
  expect([...(cache.topic('t')?.partitions.keys() ?? [])]).toEqual([0]);
  expect(cache.topicNameById(topicId)).toBeUndefined();
  expect(cache.topicNameById(other)).toBe('t');
});

test('the same again tells nobody; a listener that left hears nothing', () => {
  const cache = new MetadataCache();
  const changes: MetadataChange[] = [];
  const forget = cache.onChange((change) => changes.push(change));
  cache.apply(over(8, { liveBrokers: [broker(1)] }));
  cache.apply(over(8, { liveBrokers: [broker(1)] }));
  expect(changes).toHaveLength(1);
  cache.apply(over(8, { liveBrokers: [broker(1, 9093)] }));
  expect(changes).toHaveLength(2);
  forget();
  cache.apply(over(8, { liveBrokers: [] }));
  expect(changes).toHaveLength(2);
});

describe('old versions', () => {
  const { offlineReplicas: _, ...flat } = partition(0, 1);

  test('v0: brokers by host and port, partitions flat', () => {
    const { cache } = listening();
    const v0 = { id: 1, v0Host: 'old', v0Port: 1, endpoints: [], rack: null };
    cache.apply(
      over(0, { liveBrokers: [v0], ungroupedPartitionStates: [{ ...flat, topicName: 't' }] }),
    );
    expect(cache.liveBroker(1)?.endpoints.get('PLAINTEXT')).toMatchObject({ host: 'old', port: 1 });
    expect(cache.topic('t')).toMatchObject({ topicId: null });
  });

  test('v2: a listener is called like its protocol', () => {
    const { cache } = listening();
    const endpoints = [{ host: 'h', port: 2, securityProtocol: 1 }];
    cache.apply(over(2, { liveBrokers: [{ id: 1, endpoints, rack: null }] }));
    expect(cache.liveBroker(1)?.endpoints.get('SSL')).toMatchObject({ port: 2 });
  });

  test('an id that came once is kept when a later update does not name it', () => {
    const { cache } = listening();
    cache.apply(over(8, { topicStates: [topic(partition(0, 1))] }));
    cache.apply(over(5, { topicStates: [{ topicName: 't', partitionStates: [partition(0, 2)] }] }));
    expect(cache.topicIdByName('t')).toBe(topicId);
  });
});

describe('the fence', () => {
  test.each([
    { brokerEpoch: 10, controllerEpoch: 5, refusal: null },
    { brokerEpoch: -1, controllerEpoch: 5, refusal: null },
    { brokerEpoch: 11, controllerEpoch: 6, refusal: null },
    { brokerEpoch: 9, controllerEpoch: 6, refusal: 'STALE_BROKER_EPOCH' },
    { brokerEpoch: 10, controllerEpoch: 4, refusal: 'STALE_CONTROLLER_EPOCH' },
  ])('broker $brokerEpoch, controller $controllerEpoch: $refusal', ({ refusal, ...epochs }) => {
    const fence = new ControlFence(() => 10);
    fence.admit({ brokerEpoch: 10, controllerEpoch: 5 });
    expect(fence.admit(epochs)).toBe(refusal);
    expect(fence.controllerEpoch).toBe(refusal === null ? epochs.controllerEpoch : 5);
  });
});
