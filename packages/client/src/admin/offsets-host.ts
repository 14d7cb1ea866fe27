/**
 * ListOffsets: where partitions begin and end, and which offsets belong to times. Shared by admin and
 * consumer.
 */
import { apis, type BodyOf, KafkaError, kafkaErrorOf } from '@odradek/protocol';
import type { Cluster } from '../cluster/cluster-host.ts';
import type { BrokerConnection } from '../connection/index.ts';
import type { TopicPartition } from '../topic-partition.ts';
import { askLeaders } from './leaders-host.ts';
import type { ListedOffset, OffsetSpec } from './types.ts';

const LATEST = -1;
const EARLIEST = -2;
const MAX_TIMESTAMP = -3;
/** The first version that knows the largest timestamp. */
const MAX_TIMESTAMP_VERSION = 7;
const CONSUMER = -1;

type Wanted = TopicPartition & { readonly at: OffsetSpec };
type Isolation = 'read_uncommitted' | 'read_committed';

/** One result for each partition, in no order; one that no retry helped carries its error. */
export function listOffsets(
  cluster: Cluster,
  partitions: readonly Wanted[],
  isolation: Isolation = 'read_uncommitted',
): Promise<readonly ListedOffset[]> {
  return askLeaders<Wanted, ListedOffset>(cluster, partitions, {
    ask: (connection, wanted) => askLeader(connection, wanted, isolation),
    failed,
  });
}

async function askLeader(
  connection: BrokerConnection,
  partitions: readonly Wanted[],
  isolation: Isolation,
): Promise<readonly ListedOffset[]> {
  const version = connection.versionOf(apis.listOffsets);
  if (version < MAX_TIMESTAMP_VERSION && partitions.some(({ at }) => at === 'max-timestamp'))
    throw new KafkaError('UNSUPPORTED_VERSION', 'the broker cannot tell the largest timestamp');
  const response = await connection.send(apis.listOffsets, version, {
    replicaId: CONSUMER,
    ...(version >= 2 ? { isolationLevel: isolation === 'read_committed' ? 1 : 0 } : {}),
    topics: wireTopics(partitions),
  });
  return resultsOf(response);
}

function wireTopics(partitions: readonly Wanted[]) {
  const topics = new Map<string, { partitionIndex: number; timestamp: number }[]>();
  for (const { topic, partition, at } of partitions) {
    const entry = { partitionIndex: partition, timestamp: timestampOf(at) };
    topics.set(topic, [...(topics.get(topic) ?? []), entry]);
  }
  return [...topics].map(([name, entries]) => ({ name, partitions: entries }));
}

function resultsOf({ topics }: BodyOf<typeof apis.listOffsets.response>): readonly ListedOffset[] {
  return topics.flatMap(({ name, partitions }) =>
    partitions.map((partition) => ({
      topic: name,
      partition: partition.partitionIndex,
      error:
        partition.errorCode === 0
          ? null
          : new KafkaError(
              kafkaErrorOf(partition.errorCode),
              `${name}-${partition.partitionIndex}`,
            ),
      offset: partition.oldStyleOffsets[0] ?? partition.offset,
      timestamp: partition.timestamp,
      leaderEpoch: partition.leaderEpoch,
    })),
  );
}

function timestampOf(at: OffsetSpec): number {
  switch (at) {
    case 'latest':
      return LATEST;
    case 'earliest':
      return EARLIEST;
    case 'max-timestamp':
      return MAX_TIMESTAMP;
    default:
      return at.timestamp;
  }
}

function failed({ topic, partition }: TopicPartition, error: KafkaError): ListedOffset {
  return { topic, partition, error, offset: -1, timestamp: -1, leaderEpoch: -1 };
}
