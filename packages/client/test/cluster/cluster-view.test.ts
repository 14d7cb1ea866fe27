/** The picture of the cluster: newer leaders win over older ones, whatever order the news comes in. */
import { expect, test } from '@jest/globals';
import { ClusterView, type TopicView } from '../../src/cluster/cluster-view.ts';

const topic = (leader: number, leaderEpoch: number, topicId = 'A'): TopicView => ({
  name: 't',
  topicId,
  isInternal: false,
  error: null,
  partitions: [
    { partition: 0, leader, leaderEpoch, replicas: [1, 2], isr: [1, 2], offlineReplicas: [] },
  ],
});
const update = (...topics: TopicView[]) => ({
  brokers: null,
  controllerId: null,
  clusterId: null,
  topics,
});

test.each([
  { name: 'a later epoch', next: topic(2, 6), leader: 2 },
  { name: 'the same epoch', next: topic(2, 5), leader: 2 },
  { name: 'an older epoch is late news', next: topic(2, 4), leader: 1 },
  { name: 'no epoch told', next: topic(2, -1), leader: 2 },
  { name: 'a topic made anew begins anew', next: topic(2, 0, 'B'), leader: 2 },
])('$name', ({ next, leader }) => {
  const view = new ClusterView();
  view.apply(update(topic(1, 5)));
  view.apply(update(next));
  expect(view.partition({ topic: 't', partition: 0 })?.leader).toBe(leader);
});

test('brokers are replaced as a whole, controller and cluster id only when told', () => {
  const view = new ClusterView();
  const broker = (id: number) => ({ id, host: 'h', port: 1, rack: null });
  view.apply({ brokers: [broker(2), broker(1)], controllerId: 1, clusterId: 'c', topics: [] });
  view.apply({ brokers: [broker(2)], controllerId: null, clusterId: null, topics: [] });
  expect(view.brokers.map(({ id }) => id)).toEqual([2]);
  expect([view.controllerId, view.clusterId]).toEqual([1, 'c']);
});

test('available partitions are those with a leader', () => {
  const view = new ClusterView();
  const { partitions, ...rest } = topic(1, 0);
  const [first] = partitions;
  if (first === undefined) throw new Error('no partition');
  const wide = { ...rest, partitions: [first, { ...first, partition: 1, leader: -1 }] };
  view.apply(update(wide));
  expect(view.available(wide)).toEqual([0]);
  expect(view.available(wide)).toBe(view.available(wide));
});
