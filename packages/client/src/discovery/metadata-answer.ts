/** A Metadata answer as an update of the client's view, whatever version it came in. Pure. */
import { kafkaErrorOf, type MetadataResponse, ZERO_UUID } from '@odradek/protocol';
import type { ClusterUpdate, TopicView } from '../cluster/cluster-view.ts';

export function updateOfMetadata(response: MetadataResponse): ClusterUpdate {
  return {
    brokers: response.brokers.map(({ nodeId, host, port, rack }) => ({
      id: nodeId,
      host,
      port,
      rack,
    })),
    controllerId: response.controllerId,
    clusterId: response.clusterId,
    topics: response.topics.flatMap((topic) => (topic.name === null ? [] : [topicOf(topic)])),
  };
}

function topicOf(topic: MetadataResponse['topics'][number]): TopicView {
  const partitions = topic.partitions
    .map((partition) => ({
      partition: partition.partitionIndex,
      leader: partition.leaderId,
      leaderEpoch: partition.leaderEpoch,
      replicas: partition.replicaNodes,
      isr: partition.isrNodes,
      offlineReplicas: partition.offlineReplicas,
    }))
    .sort((a, b) => a.partition - b.partition);
  return {
    name: topic.name ?? '',
    topicId: topic.topicId === ZERO_UUID ? null : topic.topicId,
    isInternal: topic.isInternal,
    error: topic.errorCode === 0 ? null : kafkaErrorOf(topic.errorCode),
    partitions: topic.errorCode === 0 ? partitions : [],
  };
}
