/**
 * Asking each partition's leader, all leaders at once; partitions whose leader has moved are asked
 * again. What is asked, and what an answer means, is the caller's.
 */
import { KafkaError } from '@odradek/protocol';
import type { Cluster } from '../cluster/cluster-host.ts';
import { backoffMs, DEFAULT_BACKOFF } from '../cluster/retry.ts';
import type { BrokerConnection } from '../connection/index.ts';
import { isRetriable } from '../errors.ts';
import { partitionKey, type TopicPartition } from '../topic-partition.ts';

const ATTEMPTS_MAX = 12;
/** A topic just made is unknown for a moment; one that stays unknown is not there. */
const ATTEMPTS_MAX_UNKNOWN = 4;

/** What became of one partition. */
type PartitionResult = TopicPartition & { readonly error: KafkaError | null };

export interface LeaderQuestion<Wanted extends TopicPartition, Result extends PartitionResult> {
  /** Sends one request for partitions of one leader. */
  ask(connection: BrokerConnection, partitions: readonly Wanted[]): Promise<readonly Result[]>;
  /** The result of a partition that could not be asked for. */
  failed(wanted: Wanted, error: KafkaError): Result;
  /** Tells whether asking again may help; by the error's own word when left out. */
  mayRetry?(error: KafkaError | null): boolean;
}

/** One result for each partition, in no order; one that no retry helped carries its error. */
export async function askLeaders<Wanted extends TopicPartition, Result extends PartitionResult>(
  cluster: Cluster,
  partitions: readonly Wanted[],
  question: LeaderQuestion<Wanted, Result>,
): Promise<readonly Result[]> {
  const mayRetry = question.mayRetry ?? isRetriable;
  const done: Result[] = [];
  let open = partitions;
  for (let attempt = 1; open.length > 0; attempt += 1) {
    const results = await askAll(cluster, open, question);
    const again = new Set<string>();
    for (const result of results)
      if (mayRetry(result.error) && attempt < attemptsMax(result.error))
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

async function askAll<Wanted extends TopicPartition, Result extends PartitionResult>(
  cluster: Cluster,
  partitions: readonly Wanted[],
  question: LeaderQuestion<Wanted, Result>,
): Promise<readonly Result[]> {
  const unknown = partitions.filter((wanted) => cluster.leaderOf(wanted) === null);
  if (unknown.length > 0) await refresh(cluster, unknown);
  const byLeader = new Map<number, Wanted[]>();
  const results: Result[] = [];
  for (const wanted of partitions) {
    const leader = cluster.leaderOf(wanted);
    if (leader === null) results.push(question.failed(wanted, withoutLeader(cluster, wanted)));
    else byLeader.set(leader, [...(byLeader.get(leader) ?? []), wanted]);
  }
  const answers = await Promise.all(
    [...byLeader].map(([leader, wanted]) => askLeader(cluster, leader, wanted, question)),
  );
  return [...results, ...answers.flat()];
}

async function askLeader<Wanted extends TopicPartition, Result extends PartitionResult>(
  cluster: Cluster,
  leader: number,
  partitions: readonly Wanted[],
  question: LeaderQuestion<Wanted, Result>,
): Promise<readonly Result[]> {
  try {
    return await question.ask(await cluster.connectionTo(leader, 'general'), partitions);
  } catch (error) {
    if (!(error instanceof KafkaError) && !isRetriable(error)) throw error;
    const failure =
      error instanceof KafkaError
        ? error
        : new KafkaError('NETWORK_EXCEPTION', String(error), { cause: error });
    return partitions.map((wanted) => question.failed(wanted, failure));
  }
}

function withoutLeader(cluster: Cluster, wanted: TopicPartition): KafkaError {
  const topic = cluster.view.topic(wanted.topic);
  const code = topic?.error ?? (topic === undefined ? 'UNKNOWN_TOPIC_OR_PARTITION' : null);
  const exists = topic !== undefined && wanted.partition < topic.partitions.length;
  return new KafkaError(
    code ?? (exists ? 'LEADER_NOT_AVAILABLE' : 'UNKNOWN_TOPIC_OR_PARTITION'),
    partitionKey(wanted),
  );
}

async function refresh(cluster: Cluster, partitions: readonly TopicPartition[]): Promise<void> {
  const topics = [...new Set(partitions.map(({ topic }) => topic))];
  await cluster.refresh(topics).catch(() => undefined); // The next attempt finds out.
}
