/** DescribeLogDirs: what lies in the log directories of each broker that is asked. */
import { apis, type DescribeLogDirsResponse } from '@odradek/protocol';
import type { Cluster } from '../cluster/cluster-host.ts';
import { comparePartitions } from '../topic-partition.ts';
import { failureOf } from './failures.ts';
import type { BrokerLogDirs, LogDirDescription } from './types.ts';

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
