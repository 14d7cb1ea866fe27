/** DeleteRecords (key 21): raises where logs begin. The leader of each partition answers for it. */
import { apis, type DeleteRecordsRequest, errorCodes } from '@odradek/protocol';
import type { DeletionWish, RecordDeletions } from '../replica/record-deletions.ts';
import { handler, type RegisteredHandler } from './registry.ts';

export function deleteRecordsHandler({
  deletions,
}: {
  readonly deletions: Pick<RecordDeletions, 'delete'>;
}): RegisteredHandler {
  return handler(apis.deleteRecords, [0, 2], async (request) => {
    const wishes = wishesOf(request);
    const outcomes = await deletions.delete(wishes, request.timeoutMs);
    const topics = new Map<string, PartitionAnswer[]>();
    for (const [index, { topic, partition }] of wishes.entries()) {
      const { error = 'UNKNOWN_SERVER_ERROR', lowWatermark = -1 } = outcomes[index] ?? {};
      const partitions = topics.get(topic) ?? [];
      topics.set(topic, partitions);
      partitions.push({ partitionIndex: partition, lowWatermark, errorCode: errorCodes[error] });
    }
    return {
      throttleTimeMs: 0,
      topics: [...topics].map(([name, partitions]) => ({ name, partitions })),
    };
  });
}

interface PartitionAnswer {
  readonly partitionIndex: number;
  readonly lowWatermark: number;
  readonly errorCode: number;
}

/** Of a partition that is named twice the last word counts, as in Kafka. */
function wishesOf({ topics }: DeleteRecordsRequest): readonly DeletionWish[] {
  const wishes = new Map<string, DeletionWish>();
  for (const { name, partitions } of topics)
    for (const { partitionIndex, offset } of partitions)
      wishes.set(`${name}-${partitionIndex}`, {
        topic: name,
        partition: partitionIndex,
        offset,
      });
  return [...wishes.values()];
}
