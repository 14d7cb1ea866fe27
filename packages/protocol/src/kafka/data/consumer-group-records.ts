/**
 * Records of the __consumer_offsets topic for groups of the consumer protocol (KIP-848).
 * The version in front of a key tells its kind: 3 to 8, and 16.
 */
import { type BodyOf, data } from '../../schema/api.ts';
import {
  arrayOf,
  bigint64,
  bytes,
  defaulted,
  explicit,
  int8,
  int32,
  int64,
  nullableArrayOf,
  nullableString,
  nullableStruct,
  string,
  struct,
  tagged,
  uuid,
} from '../../schema/types.ts';

const topicPartitions = struct({
  topicId: uuid,
  partitions: arrayOf(int32),
  assignmentEpochs: tagged(0, 0, nullableArrayOf(int32), null, explicit),
});

export const consumerGroupMetadataKey = data(
  { name: 'ConsumerGroupMetadataKey', versions: [3, 3], flexibleSince: null },
  { groupId: string },
);

export const consumerGroupMetadataValue = data(
  { name: 'ConsumerGroupMetadataValue', versions: [0, 0], flexibleSince: 0 },
  { epoch: int32, metadataHash: tagged(0, 0, bigint64, 0n) },
);

export const consumerGroupPartitionMetadataKey = data(
  { name: 'ConsumerGroupPartitionMetadataKey', versions: [4, 4], flexibleSince: null },
  { groupId: string },
);

export const consumerGroupPartitionMetadataValue = data(
  { name: 'ConsumerGroupPartitionMetadataValue', versions: [0, 0], flexibleSince: 0 },
  {
    topics: arrayOf({
      topicId: uuid,
      topicName: string,
      numPartitions: int32,
      partitionMetadata: arrayOf({ partition: int32, racks: arrayOf(string) }),
    }),
  },
);

export const consumerGroupMemberMetadataKey = data(
  { name: 'ConsumerGroupMemberMetadataKey', versions: [5, 5], flexibleSince: null },
  { groupId: string, memberId: string },
);

export const consumerGroupMemberMetadataValue = data(
  { name: 'ConsumerGroupMemberMetadataValue', versions: [0, 0], flexibleSince: 0 },
  {
    instanceId: nullableString,
    rackId: nullableString,
    clientId: string,
    clientHost: string,
    subscribedTopicNames: arrayOf(string),
    subscribedTopicRegex: nullableString,
    rebalanceTimeoutMs: defaulted(int32, -1),
    serverAssignor: nullableString,
    classicMemberMetadata: tagged(
      0,
      0,
      nullableStruct({
        sessionTimeoutMs: int32,
        supportedProtocols: arrayOf({ name: string, metadata: bytes }),
      }),
      null,
      explicit,
    ),
  },
);

export const consumerGroupTargetAssignmentMetadataKey = data(
  { name: 'ConsumerGroupTargetAssignmentMetadataKey', versions: [6, 6], flexibleSince: null },
  { groupId: string },
);

export const consumerGroupTargetAssignmentMetadataValue = data(
  { name: 'ConsumerGroupTargetAssignmentMetadataValue', versions: [0, 0], flexibleSince: 0 },
  { assignmentEpoch: int32, assignmentTimestamp: tagged(0, 0, int64, 0) },
);

export const consumerGroupTargetAssignmentMemberKey = data(
  { name: 'ConsumerGroupTargetAssignmentMemberKey', versions: [7, 7], flexibleSince: null },
  { groupId: string, memberId: string },
);

export const consumerGroupTargetAssignmentMemberValue = data(
  { name: 'ConsumerGroupTargetAssignmentMemberValue', versions: [0, 0], flexibleSince: 0 },
  { topicPartitions: arrayOf({ topicId: uuid, partitions: arrayOf(int32) }) },
);

export const consumerGroupCurrentMemberAssignmentKey = data(
  { name: 'ConsumerGroupCurrentMemberAssignmentKey', versions: [8, 8], flexibleSince: null },
  { groupId: string, memberId: string },
);

export const consumerGroupCurrentMemberAssignmentValue = data(
  { name: 'ConsumerGroupCurrentMemberAssignmentValue', versions: [0, 0], flexibleSince: 0 },
  {
    memberEpoch: int32,
    previousMemberEpoch: int32,
    state: int8,
    assignedPartitions: arrayOf(topicPartitions),
    partitionsPendingRevocation: arrayOf(topicPartitions),
  },
);

export const consumerGroupRegularExpressionKey = data(
  { name: 'ConsumerGroupRegularExpressionKey', versions: [16, 16], flexibleSince: null },
  { groupId: string, regularExpression: string },
);

export const consumerGroupRegularExpressionValue = data(
  { name: 'ConsumerGroupRegularExpressionValue', versions: [0, 0], flexibleSince: 0 },
  { topics: arrayOf(string), version: int64, timestamp: int64 },
);

export type ConsumerGroupMetadataKey = BodyOf<typeof consumerGroupMetadataKey>;
export type ConsumerGroupMetadataValue = BodyOf<typeof consumerGroupMetadataValue>;
export type ConsumerGroupPartitionMetadataKey = BodyOf<typeof consumerGroupPartitionMetadataKey>;
export type ConsumerGroupPartitionMetadataValue = BodyOf<
  typeof consumerGroupPartitionMetadataValue
>;
export type ConsumerGroupMemberMetadataKey = BodyOf<typeof consumerGroupMemberMetadataKey>;
export type ConsumerGroupMemberMetadataValue = BodyOf<typeof consumerGroupMemberMetadataValue>;
export type ConsumerGroupTargetAssignmentMetadataKey = BodyOf<
  typeof consumerGroupTargetAssignmentMetadataKey
>;
export type ConsumerGroupTargetAssignmentMetadataValue = BodyOf<
  typeof consumerGroupTargetAssignmentMetadataValue
>;
export type ConsumerGroupTargetAssignmentMemberKey = BodyOf<
  typeof consumerGroupTargetAssignmentMemberKey
>;
export type ConsumerGroupTargetAssignmentMemberValue = BodyOf<
  typeof consumerGroupTargetAssignmentMemberValue
>;
export type ConsumerGroupCurrentMemberAssignmentKey = BodyOf<
  typeof consumerGroupCurrentMemberAssignmentKey
>;
export type ConsumerGroupCurrentMemberAssignmentValue = BodyOf<
  typeof consumerGroupCurrentMemberAssignmentValue
>;
export type ConsumerGroupRegularExpressionKey = BodyOf<typeof consumerGroupRegularExpressionKey>;
export type ConsumerGroupRegularExpressionValue = BodyOf<
  typeof consumerGroupRegularExpressionValue
>;
