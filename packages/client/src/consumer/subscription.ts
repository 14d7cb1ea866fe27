/**
 * What members of a consumer group tell each other, between our values and Kafka's embedded messages.
 * Readers take a version above the highest they know for that one and ignore what follows. Pure.
 */
import {
  consumerProtocolAssignment,
  consumerProtocolSubscription,
  type DataMessage,
  Reader,
} from '@odradek/protocol';
import type { TopicPartition } from '../topic-partition.ts';
import type { GroupMemberSubscription } from './assignors/assignor.ts';

/** v3: rack ids. */
const SUBSCRIPTION_VERSION = 3;
const ASSIGNMENT_VERSION = 1;

export interface OwnSubscription {
  readonly topics: readonly string[];
  readonly owned: readonly TopicPartition[];
  readonly generation: number;
  readonly userData: Buffer | null;
  readonly rackId: string | null;
}

export function encodeSubscription(own: OwnSubscription): Buffer {
  return consumerProtocolSubscription.encodeWithVersion(
    {
      topics: [...own.topics].sort(),
      userData: own.userData,
      ownedPartitions: byTopic(own.owned),
      generationId: own.generation,
      rackId: own.rackId,
    },
    SUBSCRIPTION_VERSION,
  );
}

export function decodeSubscription(
  memberId: string,
  groupInstanceId: string | null,
  metadata: Buffer,
): GroupMemberSubscription {
  const { topics, userData, ownedPartitions, generationId } = decodeNewest(
    consumerProtocolSubscription,
    metadata,
  );
  return {
    memberId,
    groupInstanceId,
    topics,
    owned: flat(ownedPartitions),
    generation: generationId,
    userData,
  };
}

export function encodeAssignment(partitions: readonly TopicPartition[]): Buffer {
  return consumerProtocolAssignment.encodeWithVersion(
    { assignedPartitions: byTopic(partitions), userData: null },
    ASSIGNMENT_VERSION,
  );
}

/** An empty answer is an empty assignment: the leader did not know this member. */
export function decodeAssignment(assignment: Buffer): readonly TopicPartition[] {
  if (assignment.length === 0) return [];
  return flat(decodeNewest(consumerProtocolAssignment, assignment).assignedPartitions);
}

function decodeNewest<Body, Input>(message: DataMessage<Body, Input>, bytes: Buffer): Body {
  const reader = new Reader(bytes);
  const version = Math.min(reader.int16(), message.spec.versions[1]);
  return message.decodeFrom(reader, version);
}

function byTopic(partitions: readonly TopicPartition[]) {
  const topics = new Map<string, number[]>();
  for (const { topic, partition } of partitions) {
    const known = topics.get(topic);
    if (known === undefined) topics.set(topic, [partition]);
    else known.push(partition);
  }
  return [...topics].map(([topic, numbers]) => ({ topic, partitions: numbers }));
}

function flat(
  topics: readonly { readonly topic: string; readonly partitions: readonly number[] }[],
): readonly TopicPartition[] {
  return topics.flatMap(({ topic, partitions }) =>
    partitions.map((partition) => ({ topic, partition })),
  );
}
