/**
 * ListOffsets: each partition's leader is asked, all leaders at once; partitions whose leader has moved
 * are asked again. Shared by admin and consumer.
 */
import { apis, type BodyOf, KafkaError, kafkaErrorOf } from '@odradek/protocol';
import type { Cluster } from '../cluster/cluster-host.ts';
import { backoffMs, DEFAULT_BACKOFF } from '../cluster/retry.ts';
import { isRetriable } from '../errors.ts';
import { partitionKey, type TopicPartition } from '../topic-partition.ts';
import type { ListedOffset, OffsetSpec } from './types.ts';

const LATEST = -1;
const EARLIEST = -2;
const MAX_TIMESTAMP = -3;
/** The first version that knows the largest timestamp. */
const MAX_TIMESTAMP_VERSION = 7;
const CONSUMER = -1;
const ATTEMPTS_MAX = 12;
/** A topic just made is unknown for a moment; one that stays unknown is not there. */
const ATTEMPTS_MAX_UNKNOWN = 4;

type Wanted = TopicPartition & { readonly at: OffsetSpec };
type Isolation = 'read_uncommitted' | 'read_committed';

/** One result for each partition, in no order; one that no retry helped carries its error. */
export async function listOffsets(
  cluster: Cluster,
  partitions: readonly Wanted[],
  isolation: Isolation = 'read_uncommitted',
): Promise<readonly ListedOffset[]> {
  const done: ListedOffset[] = [];
  let open = partitions;
  for (let attempt = 1; open.length > 0; attempt += 1) {
    const results = await askAll(cluster, open, isolation);
    const again = new Set<string>();
    for (const result of results)
      if (isRetriable(result.error) && attempt < attemptsMax(result.error))
        again.add(partitionKey(result));
      else done.push(result);
    open = open.filter((wanted) => again.has(partitionKey(wanted)));
    if (open.length > 0) {
      await cluster.pause(backoffMs(DEFAULT_BACKOFF, attempt, cluster.chance()));
      await refresh(cluster, open);
    }
  }
  return done;
}

function attemptsMax(error: KafkaError | null): number {
  return error?.code === 'UNKNOWN_TOPIC_OR_PARTITION' ? ATTEMPTS_MAX_UNKNOWN : ATTEMPTS_MAX;
}

async function askAll(
  cluster: Cluster,
  partitions: readonly Wanted[],
  isolation: Isolation,
): Promise<readonly ListedOffset[]> {
  const unknown = partitions.filter((wanted) => cluster.leaderOf(wanted) === null);
  if (unknown.length > 0) await refresh(cluster, unknown);
  const byLeader = new Map<number, Wanted[]>();
  const results: ListedOffset[] = [];
  for (const wanted of partitions) {
    const leader = cluster.leaderOf(wanted);
    if (leader === null) results.push(withoutLeader(cluster, wanted));
    else byLeader.set(leader, [...(byLeader.get(leader) ?? []), wanted]);
  }
  const answers = await Promise.all(
    [...byLeader].map(([leader, wanted]) => askLeader(cluster, leader, wanted, isolation)),
  );
  return [...results, ...answers.flat()];
}

async function askLeader(
  cluster: Cluster,
  leader: number,
  partitions: readonly Wanted[],
  isolation: Isolation,
): Promise<readonly ListedOffset[]> {
  try {
    const connection = await cluster.connectionTo(leader, 'general');
    const version = connection.versionOf(apis.listOffsets);
    if (version < MAX_TIMESTAMP_VERSION && partitions.some(({ at }) => at === 'max-timestamp'))
      throw new KafkaError('UNSUPPORTED_VERSION', 'the broker cannot tell the largest timestamp');
    const response = await connection.send(apis.listOffsets, version, {
      replicaId: CONSUMER,
      ...(version >= 2 ? { isolationLevel: isolation === 'read_committed' ? 1 : 0 } : {}),
      topics: wireTopics(partitions),
    });
    return resultsOf(response);
  } catch (error) {
    if (!(error instanceof KafkaError) && !isRetriable(error)) throw error;
    const failure =
      error instanceof KafkaError
        ? error
        : new KafkaError('NETWORK_EXCEPTION', String(error), { cause: error });
    return partitions.map((wanted) => failed(wanted, failure));
  }
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

function withoutLeader(cluster: Cluster, wanted: Wanted): ListedOffset {
  const topic = cluster.view.topic(wanted.topic);
  const code = topic?.error ?? (topic === undefined ? 'UNKNOWN_TOPIC_OR_PARTITION' : null);
  const exists = topic !== undefined && wanted.partition < topic.partitions.length;
  return failed(
    wanted,
    new KafkaError(
      code ?? (exists ? 'LEADER_NOT_AVAILABLE' : 'UNKNOWN_TOPIC_OR_PARTITION'),
      partitionKey(wanted),
    ),
  );
}

function failed({ topic, partition }: TopicPartition, error: KafkaError): ListedOffset {
  return { topic, partition, error, offset: -1, timestamp: -1, leaderEpoch: -1 };
}

async function refresh(cluster: Cluster, partitions: readonly TopicPartition[]): Promise<void> {
  const topics = [...new Set(partitions.map(({ topic }) => topic))];
  await cluster.refresh(topics).catch(() => undefined); // The next attempt finds out.
}
