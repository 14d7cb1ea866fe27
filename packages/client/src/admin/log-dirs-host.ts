/**
 * Log directories of brokers: what lies in each (DescribeLogDirs), and having a replica moved from one
 * to another (AlterReplicaLogDirs). Both are asked of the broker concerned.
 */
import { apis, type DescribeLogDirsResponse, errorCodes } from '@odradek/protocol';
import type { Cluster } from '../cluster/cluster-host.ts';
import { comparePartitions } from '../topic-partition.ts';
import { failureOf } from './failures.ts';
import type { BrokerLogDirs, LogDirDescription, MovedReplica, ReplicaPlace } from './types.ts';

const UNKNOWN_BYTES = -1;

/** @throws KafkaError when a broker cannot be asked or refuses to tell */
export async function describeLogDirs(
  cluster: Cluster,
  brokerIds: readonly number[],
): Promise<readonly BrokerLogDirs[]> {
  return await Promise.all(
    brokerIds.map(async (id) => {
      const { results } = await cluster.call({
        target: { kind: 'broker', id },
        api: apis.describeLogDirs,
        body: () => ({ topics: null }),
        codeOf: ({ errorCode }) => errorCode,
      });
      return { brokerId: id, logDirs: results.map(descriptionOf) };
    }),
  );
}

/** In the order of the places. @throws KafkaError when a broker cannot be asked */
export async function alterReplicaLogDirs(
  cluster: Cluster,
  places: readonly ReplicaPlace[],
): Promise<readonly MovedReplica[]> {
  const brokerIds = [...new Set(places.map(({ brokerId }) => brokerId))];
  const codes = new Map<string, number>();
  const keyOf = (id: number, topic: string, partition: number) => `${id} ${topic}-${partition}`;
  await Promise.all(
    brokerIds.map(async (id) => {
      const { results } = await cluster.call({
        target: { kind: 'broker', id },
        api: apis.alterReplicaLogDirs,
        body: () => ({ dirs: wireDirs(places.filter(({ brokerId }) => brokerId === id)) }),
      });
      for (const { topicName, partitions } of results)
        for (const { partitionIndex, errorCode } of partitions)
          codes.set(keyOf(id, topicName, partitionIndex), errorCode);
    }),
  );
  return places.map(({ brokerId, topic, partition, path }) => {
    const code = codes.get(keyOf(brokerId, topic, partition)) ?? errorCodes.UNKNOWN_SERVER_ERROR;
    return { brokerId, topic, partition, path, error: failureOf(code, path) };
  });
}

function wireDirs(places: readonly ReplicaPlace[]) {
  const dirs = new Map<string, Map<string, number[]>>();
  for (const { path, topic, partition } of places) {
    const topics = dirs.get(path) ?? new Map<string, number[]>();
    dirs.set(path, topics);
    topics.set(topic, [...(topics.get(topic) ?? []), partition]);
  }
  return [...dirs].map(([path, topics]) => ({
    path,
    topics: [...topics].map(([name, partitions]) => ({ name, partitions })),
  }));
}

function descriptionOf(dir: DescribeLogDirsResponse['results'][number]): LogDirDescription {
  const { errorCode, logDir, topics, totalBytes, usableBytes } = dir;
  const replicas = topics.flatMap(({ name, partitions }) =>
    partitions.map(({ partitionIndex, partitionSize, offsetLag, isFutureKey }) => ({
      topic: name,
      partition: partitionIndex,
      sizeBytes: partitionSize,
      offsetLag,
      isFuture: isFutureKey,
    })),
  );
  return {
    path: logDir,
    error: failureOf(errorCode, logDir),
    replicas: replicas.sort(comparePartitions),
    totalBytes: totalBytes === UNKNOWN_BYTES ? null : totalBytes,
    usableBytes: usableBytes === UNKNOWN_BYTES ? null : usableBytes,
  };
}
