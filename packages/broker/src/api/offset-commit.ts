/**
 * OffsetCommit: how far a group, or a consumer without one, has read.
 * v0, which wrote to the coordination server, is not served; v1 brings a time stamp, v2 to v4 a retention of its own.
 */
import { apis, errorCodes } from '@odradek/protocol';
import type { GroupCoordinator } from '../group/group-coordinator-host.ts';
import { handler, type RegisteredHandler } from './registry.ts';

export function offsetCommitHandler(
  coordinator: GroupCoordinator,
  topicExists: (topic: string, partition: number) => boolean,
): RegisteredHandler {
  return handler(apis.offsetCommit, [1, 9], async (request) => {
    const known = request.topics.flatMap(({ name, partitions }) =>
      partitions
        .filter(({ partitionIndex }) => topicExists(name, partitionIndex))
        .map((partition) => ({ name, partition })),
    );
    // A group is not made, or kept alive, for the sake of nothing.
    const errors =
      known.length === 0
        ? []
        : await coordinator.commit(
            request.groupId,
            { memberId: request.memberId, instanceId: request.groupInstanceId },
            request.generationIdOrMemberEpoch,
            request.retentionTimeMs < 0 ? null : request.retentionTimeMs,
            known.map(({ name, partition }) => ({
              topic: name,
              partition: partition.partitionIndex,
              offset: partition.committedOffset,
              leaderEpoch: partition.committedLeaderEpoch,
              metadata: partition.committedMetadata ?? '',
              commitTimestampMs: partition.commitTimestamp < 0 ? null : partition.commitTimestamp,
            })),
          );
    const errorOf = new Map(known.map(({ partition }, index) => [partition, errors[index]]));
    return {
      throttleTimeMs: 0,
      topics: request.topics.map(({ name, partitions }) => ({
        name,
        partitions: partitions.map((partition) => ({
          partitionIndex: partition.partitionIndex,
          errorCode: errorCodes[errorOf.get(partition) ?? 'UNKNOWN_TOPIC_OR_PARTITION'],
        })),
      })),
    };
  });
}
