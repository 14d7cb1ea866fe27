/** DeleteRecords: raises where partitions begin. Each partition's leader carries it out. */
import { apis, type BodyOf, errorCodes, type KafkaError } from '@odradek/protocol';
import type { Cluster } from '../cluster/cluster-host.ts';
import type { BrokerConnection } from '../connection/index.ts';
import { isRetriable } from '../errors.ts';
import type { TopicPartition } from '../topic-partition.ts';
import { failureOf } from './failures.ts';
import { askLeaders } from './leaders-host.ts';
import type { DeletedRecords } from './types.ts';

type Wanted = TopicPartition & { readonly before: number | 'high-watermark' };

/** On the wire, in place of an offset. */
const HIGH_WATERMARK = -1;
const NO_LOW_WATERMARK = -1;
/** How much longer than the broker we wait, so that its answer comes first. */
const GRACE_MS = 5_000;

/** One result for each partition, in no order. */
export function deleteRecords(
  cluster: Cluster,
  partitions: readonly Wanted[],
  timeoutMs: number,
): Promise<readonly DeletedRecords[]> {
  return askLeaders<Wanted, DeletedRecords>(cluster, partitions, {
    ask: (connection, wanted) => askLeader(connection, wanted, timeoutMs),
    failed: ({ topic, partition }, error) => ({
      topic,
      partition,
      error,
      lowWatermark: NO_LOW_WATERMARK,
    }),
    // The time that the caller gave is over then.
    mayRetry: (error) => isRetriable(error) && error?.code !== 'REQUEST_TIMED_OUT',
  });
}

async function askLeader(
  connection: BrokerConnection,
  partitions: readonly Wanted[],
  timeoutMs: number,
): Promise<readonly DeletedRecords[]> {
  const topics = new Map<string, { partitionIndex: number; offset: number }[]>();
  for (const { topic, partition, before } of partitions) {
    const offset = before === 'high-watermark' ? HIGH_WATERMARK : before;
    const entry = { partitionIndex: partition, offset };
    topics.set(topic, [...(topics.get(topic) ?? []), entry]);
  }
  const response = await connection.send(
    apis.deleteRecords,
    connection.versionOf(apis.deleteRecords),
    { topics: [...topics].map(([name, entries]) => ({ name, partitions: entries })), timeoutMs },
    { timeoutMs: timeoutMs + GRACE_MS },
  );
  return resultsOf(response);
}

function resultsOf({
  topics,
}: BodyOf<typeof apis.deleteRecords.response>): readonly DeletedRecords[] {
  return topics.flatMap(({ name, partitions }) =>
    partitions.map(({ partitionIndex, errorCode, lowWatermark }) => ({
      topic: name,
      partition: partitionIndex,
      error: errorOf(errorCode, `${name}-${partitionIndex}`),
      lowWatermark,
    })),
  );
}

function errorOf(code: number, partition: string): KafkaError | null {
  const detail = code === errorCodes.POLICY_VIOLATION ? ': its cleanup.policy is not delete' : '';
  return failureOf(code, `${partition}${detail}`);
}
