/**
 * Records of the __consumer_offsets topic for share groups (KIP-932), in the form that was released
 * with 4.x. The version in front of a key tells its kind: 9 to 15.
 */
import { type BodyOf, data } from '../../schema/api.ts';
import {
  arrayOf,
  bigint64,
  int8,
  int32,
  int64,
  nullableString,
  string,
  struct,
  tagged,
  uuid,
} from '../../schema/types.ts';

const topicPartitionsInfo = struct({
  topicId: uuid,
  topicName: string,
  partitions: arrayOf(int32),
});

const topicInfo = struct({ topicId: uuid, topicName: string });

export const shareGroupPartitionMetadataKey = data(
  { name: 'ShareGroupPartitionMetadataKey', versions: [9, 9], flexibleSince: null },
  { groupId: string },
);

export const shareGroupPartitionMetadataValue = data(
  { name: 'ShareGroupPartitionMetadataValue', versions: [0, 0], flexibleSince: 0 },
  { initializedTopics: arrayOf(topicPartitionsInfo), deletingTopics: arrayOf(topicInfo) },
);

export const shareGroupMemberMetadataKey = data(
  { name: 'ShareGroupMemberMetadataKey', versions: [10, 10], flexibleSince: null },
  { groupId: string, memberId: string },
);

export const shareGroupMemberMetadataValue = data(
  { name: 'ShareGroupMemberMetadataValue', versions: [0, 0], flexibleSince: 0 },
  {
    rackId: nullableString,
    clientId: string,
    clientHost: string,
    subscribedTopicNames: arrayOf(string),
  },
);

export const shareGroupMetadataKey = data(
  { name: 'ShareGroupMetadataKey', versions: [11, 11], flexibleSince: null },
  { groupId: string },
);

export const shareGroupMetadataValue = data(
  { name: 'ShareGroupMetadataValue', versions: [0, 0], flexibleSince: 0 },
  { epoch: int32, metadataHash: bigint64 },
);

export const shareGroupTargetAssignmentMetadataKey = data(
  { name: 'ShareGroupTargetAssignmentMetadataKey', versions: [12, 12], flexibleSince: null },
  { groupId: string },
);

export const shareGroupTargetAssignmentMetadataValue = data(
  { name: 'ShareGroupTargetAssignmentMetadataValue', versions: [0, 0], flexibleSince: 0 },
  { assignmentEpoch: int32, assignmentTimestamp: tagged(0, 0, int64, 0) },
);

export const shareGroupTargetAssignmentMemberKey = data(
  { name: 'ShareGroupTargetAssignmentMemberKey', versions: [13, 13], flexibleSince: null },
  { groupId: string, memberId: string },
);

export const shareGroupTargetAssignmentMemberValue = data(
  { name: 'ShareGroupTargetAssignmentMemberValue', versions: [0, 0], flexibleSince: 0 },
  { topicPartitions: arrayOf({ topicId: uuid, partitions: arrayOf(int32) }) },
);

export const shareGroupCurrentMemberAssignmentKey = data(
  { name: 'ShareGroupCurrentMemberAssignmentKey', versions: [14, 14], flexibleSince: null },
  { groupId: string, memberId: string },
);

export const shareGroupCurrentMemberAssignmentValue = data(
  { name: 'ShareGroupCurrentMemberAssignmentValue', versions: [0, 0], flexibleSince: 0 },
  {
    memberEpoch: int32,
    previousMemberEpoch: int32,
    state: int8,
    assignedPartitions: arrayOf({ topicId: uuid, partitions: arrayOf(int32) }),
  },
);

export const shareGroupStatePartitionMetadataKey = data(
  { name: 'ShareGroupStatePartitionMetadataKey', versions: [15, 15], flexibleSince: null },
  { groupId: string },
);

export const shareGroupStatePartitionMetadataValue = data(
  { name: 'ShareGroupStatePartitionMetadataValue', versions: [0, 0], flexibleSince: 0 },
  {
    initializingTopics: arrayOf(topicPartitionsInfo),
    initializedTopics: arrayOf(topicPartitionsInfo),
    deletingTopics: arrayOf(topicInfo),
  },
);

export type ShareGroupPartitionMetadataKey = BodyOf<typeof shareGroupPartitionMetadataKey>;
export type ShareGroupPartitionMetadataValue = BodyOf<typeof shareGroupPartitionMetadataValue>;
export type ShareGroupMemberMetadataKey = BodyOf<typeof shareGroupMemberMetadataKey>;
export type ShareGroupMemberMetadataValue = BodyOf<typeof shareGroupMemberMetadataValue>;
export type ShareGroupMetadataKey = BodyOf<typeof shareGroupMetadataKey>;
export type ShareGroupMetadataValue = BodyOf<typeof shareGroupMetadataValue>;
export type ShareGroupTargetAssignmentMetadataKey = BodyOf<
  typeof shareGroupTargetAssignmentMetadataKey
>;
export type ShareGroupTargetAssignmentMetadataValue = BodyOf<
  typeof shareGroupTargetAssignmentMetadataValue
>;
export type ShareGroupTargetAssignmentMemberKey = BodyOf<
  typeof shareGroupTargetAssignmentMemberKey
>;
export type ShareGroupTargetAssignmentMemberValue = BodyOf<
  typeof shareGroupTargetAssignmentMemberValue
>;
export type ShareGroupCurrentMemberAssignmentKey = BodyOf<
  typeof shareGroupCurrentMemberAssignmentKey
>;
export type ShareGroupCurrentMemberAssignmentValue = BodyOf<
  typeof shareGroupCurrentMemberAssignmentValue
>;
export type ShareGroupStatePartitionMetadataKey = BodyOf<
  typeof shareGroupStatePartitionMetadataKey
>;
export type ShareGroupStatePartitionMetadataValue = BodyOf<
  typeof shareGroupStatePartitionMetadataValue
>;
