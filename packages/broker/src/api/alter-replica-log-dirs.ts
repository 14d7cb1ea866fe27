/**
 * AlterReplicaLogDirs (key 34): says in which of this broker's log.dirs a replica is to lie. The
 * answer comes when the move has begun; DescribeLogDirs tells how it gets on. A replica that is not
 * here is REPLICA_NOT_AVAILABLE, and will be made in that directory.
 */
import { type AlterReplicaLogDirsRequest, apis, errorCodes } from '@odradek/protocol';
import type { DirectoryWish } from '../replica/log-dir-changes.ts';
import type { ReplicaManager } from '../replica/replica-manager.ts';
import { handler, type RegisteredHandler } from './registry.ts';

export function alterReplicaLogDirsHandler({
  replicas,
}: {
  readonly replicas: Pick<ReplicaManager, 'placeInDirectories'>;
}): RegisteredHandler {
  return handler(apis.alterReplicaLogDirs, [0, 2], async (request) => {
    const wishes = wishesOf(request);
    const outcomes = await replicas.placeInDirectories(wishes);
    const topics = new Map<string, { partitionIndex: number; errorCode: number }[]>();
    for (const [at, { topic, index }] of wishes.entries()) {
      const partitions = topics.get(topic) ?? [];
      topics.set(topic, partitions);
      const error = outcomes[at] ?? 'UNKNOWN_SERVER_ERROR';
      partitions.push({ partitionIndex: index, errorCode: errorCodes[error] });
    }
    return {
      throttleTimeMs: 0,
      results: [...topics].map(([topicName, partitions]) => ({ topicName, partitions })),
    };
  });
}

/** Of a replica that is named twice the last word counts, as in Kafka. */
function wishesOf({ dirs }: AlterReplicaLogDirsRequest): readonly DirectoryWish[] {
  const wishes = new Map<string, DirectoryWish>();
  for (const { path: directory, topics } of dirs)
    for (const { name: topic, partitions } of topics)
      for (const index of partitions) wishes.set(`${topic}-${index}`, { topic, index, directory });
  return [...wishes.values()];
}
