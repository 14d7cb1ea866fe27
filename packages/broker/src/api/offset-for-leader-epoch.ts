/**
 * OffsetForLeaderEpoch (key 23): where an epoch ends in our log, for followers and consumers that
 * find out whether theirs goes another way.
 */
import { apis, errorCodes, type KafkaErrorName } from '@odradek/protocol';
import { NO_TOPIC_ID } from '../core/controller/state.ts';
import { fencing } from '../core/partition/epochs.ts';
import type { Partition } from '../replica/partition.ts';
import type { ReplicaManager } from '../replica/replica-manager.ts';
import { handler, type RegisteredHandler } from './registry.ts';

export function offsetForLeaderEpochHandler({
  replicas,
}: {
  readonly replicas: ReplicaManager;
}): RegisteredHandler {
  return handler(apis.offsetForLeaderEpoch, [0, 4], (request) => ({
    topics: request.topics.map(({ topic, partitions }) => ({
      topic,
      partitions: partitions.map((asked) => {
        const replica = replicas.replicaFor(topic, NO_TOPIC_ID, asked.partition);
        const error =
          typeof replica === 'string' ? replica : refusalOf(replica, asked.currentLeaderEpoch);
        if (typeof replica === 'string' || error !== null)
          return {
            partition: asked.partition,
            errorCode: errorCodes[error ?? 'NONE'],
            endOffset: -1,
          };
        const { epoch: leaderEpoch, endOffset } = replica.log.endOffsetForEpoch(asked.leaderEpoch);
        return { partition: asked.partition, errorCode: 0, leaderEpoch, endOffset };
      }),
    })),
  }));
}

function refusalOf(partition: Partition, currentLeaderEpoch: number): KafkaErrorName | null {
  if (partition.isOffline) return 'KAFKA_STORAGE_ERROR';
  const fenced = fencing(currentLeaderEpoch, partition.leaderEpoch);
  if (fenced !== null) return fenced;
  return partition.leader === null ? 'NOT_LEADER_OR_FOLLOWER' : null;
}
