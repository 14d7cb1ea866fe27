/**
 * Records of the __consumer_offsets topic for streams groups (KIP-1071).
 * The version in front of a key tells its kind: 17 to 23.
 */
import { type BodyOf, data } from '../../schema/api.ts';
import {
  arrayOf,
  bigint64,
  defaulted,
  explicit,
  int8,
  int16,
  int32,
  int64,
  nullableArrayOf,
  nullableString,
  nullableStruct,
  string,
  struct,
  tagged,
  uint16,
} from '../../schema/types.ts';

const topicConfig = struct({ key: string, value: string });

const topicInfo = struct({
  name: string,
  partitions: int32,
  replicationFactor: int16,
  topicConfigs: arrayOf(topicConfig),
});

export const streamsGroupMetadataKey = data(
  { name: 'StreamsGroupMetadataKey', versions: [17, 17], flexibleSince: null },
  { groupId: string },
);

export const streamsGroupMetadataValue = data(
  { name: 'StreamsGroupMetadataValue', versions: [0, 0], flexibleSince: 0 },
  {
    epoch: int32,
    metadataHash: bigint64,
    validatedTopologyEpoch: tagged(0, 0, int32, -1),
    lastAssignmentConfigs: tagged(
      1,
      0,
      nullableArrayOf({ key: string, value: string }),
      null,
      explicit,
    ),
    storedDescriptionTopologyEpoch: tagged(2, 0, int32, -1),
    failedDescriptionTopologyEpoch: tagged(3, 0, int32, -1),
  },
);

export const streamsGroupMemberMetadataKey = data(
  { name: 'StreamsGroupMemberMetadataKey', versions: [19, 19], flexibleSince: null },
  { groupId: string, memberId: string },
);

export const streamsGroupMemberMetadataValue = data(
  { name: 'StreamsGroupMemberMetadataValue', versions: [0, 0], flexibleSince: 0 },
  {
    instanceId: nullableString,
    rackId: nullableString,
    clientId: string,
    clientHost: string,
    rebalanceTimeoutMs: defaulted(int32, -1),
    topologyEpoch: int32,
    processId: string,
    userEndpoint: defaulted(nullableStruct({ host: string, port: uint16 }), null),
    clientTags: arrayOf({ key: string, value: string }),
  },
);

export const streamsGroupTargetAssignmentMetadataKey = data(
  { name: 'StreamsGroupTargetAssignmentMetadataKey', versions: [20, 20], flexibleSince: null },
  { groupId: string },
);

export const streamsGroupTargetAssignmentMetadataValue = data(
  { name: 'StreamsGroupTargetAssignmentMetadataValue', versions: [0, 0], flexibleSince: 0 },
  { assignmentEpoch: int32, assignmentTimestamp: tagged(0, 0, int64, 0) },
);

export const streamsGroupTargetAssignmentMemberKey = data(
  { name: 'StreamsGroupTargetAssignmentMemberKey', versions: [21, 21], flexibleSince: null },
  { groupId: string, memberId: string },
);

export const streamsGroupTargetAssignmentMemberValue = data(
  { name: 'StreamsGroupTargetAssignmentMemberValue', versions: [0, 0], flexibleSince: 0 },
  {
    activeTasks: arrayOf({ subtopologyId: string, partitions: arrayOf(int32) }),
    standbyTasks: arrayOf({ subtopologyId: string, partitions: arrayOf(int32) }),
    warmupTasks: arrayOf({ subtopologyId: string, partitions: arrayOf(int32) }),
  },
);

export const streamsGroupCurrentMemberAssignmentKey = data(
  { name: 'StreamsGroupCurrentMemberAssignmentKey', versions: [22, 22], flexibleSince: null },
  { groupId: string, memberId: string },
);

export const streamsGroupCurrentMemberAssignmentValue = data(
  { name: 'StreamsGroupCurrentMemberAssignmentValue', versions: [0, 0], flexibleSince: 0 },
  {
    memberEpoch: int32,
    previousMemberEpoch: int32,
    state: int8,
    activeTasks: arrayOf({
      subtopologyId: string,
      partitions: arrayOf(int32),
      assignmentEpochs: tagged(0, 0, nullableArrayOf(int32), null, explicit),
    }),
    standbyTasks: arrayOf({
      subtopologyId: string,
      partitions: arrayOf(int32),
      assignmentEpochs: tagged(0, 0, nullableArrayOf(int32), null, explicit),
    }),
    warmupTasks: arrayOf({
      subtopologyId: string,
      partitions: arrayOf(int32),
      assignmentEpochs: tagged(0, 0, nullableArrayOf(int32), null, explicit),
    }),
    activeTasksPendingRevocation: arrayOf({
      subtopologyId: string,
      partitions: arrayOf(int32),
      assignmentEpochs: tagged(0, 0, nullableArrayOf(int32), null, explicit),
    }),
    standbyTasksPendingRevocation: arrayOf({
      subtopologyId: string,
      partitions: arrayOf(int32),
      assignmentEpochs: tagged(0, 0, nullableArrayOf(int32), null, explicit),
    }),
    warmupTasksPendingRevocation: arrayOf({
      subtopologyId: string,
      partitions: arrayOf(int32),
      assignmentEpochs: tagged(0, 0, nullableArrayOf(int32), null, explicit),
    }),
  },
);

export const streamsGroupTopologyKey = data(
  { name: 'StreamsGroupTopologyKey', versions: [23, 23], flexibleSince: null },
  { groupId: string },
);

export const streamsGroupTopologyValue = data(
  { name: 'StreamsGroupTopologyValue', versions: [0, 0], flexibleSince: 0 },
  {
    epoch: int32,
    subtopologies: arrayOf({
      subtopologyId: string,
      sourceTopics: arrayOf(string),
      sourceTopicRegex: arrayOf(string),
      stateChangelogTopics: arrayOf(topicInfo),
      repartitionSinkTopics: arrayOf(string),
      repartitionSourceTopics: arrayOf(topicInfo),
      copartitionGroups: arrayOf({
        sourceTopics: arrayOf(int16),
        sourceTopicRegex: arrayOf(int16),
        repartitionSourceTopics: arrayOf(int16),
      }),
    }),
  },
);

export type StreamsGroupMetadataKey = BodyOf<typeof streamsGroupMetadataKey>;
export type StreamsGroupMetadataValue = BodyOf<typeof streamsGroupMetadataValue>;
export type StreamsGroupMemberMetadataKey = BodyOf<typeof streamsGroupMemberMetadataKey>;
export type StreamsGroupMemberMetadataValue = BodyOf<typeof streamsGroupMemberMetadataValue>;
export type StreamsGroupTargetAssignmentMetadataKey = BodyOf<
  typeof streamsGroupTargetAssignmentMetadataKey
>;
export type StreamsGroupTargetAssignmentMetadataValue = BodyOf<
  typeof streamsGroupTargetAssignmentMetadataValue
>;
export type StreamsGroupTargetAssignmentMemberKey = BodyOf<
  typeof streamsGroupTargetAssignmentMemberKey
>;
export type StreamsGroupTargetAssignmentMemberValue = BodyOf<
  typeof streamsGroupTargetAssignmentMemberValue
>;
export type StreamsGroupCurrentMemberAssignmentKey = BodyOf<
  typeof streamsGroupCurrentMemberAssignmentKey
>;
export type StreamsGroupCurrentMemberAssignmentValue = BodyOf<
  typeof streamsGroupCurrentMemberAssignmentValue
>;
export type StreamsGroupTopologyKey = BodyOf<typeof streamsGroupTopologyKey>;
export type StreamsGroupTopologyValue = BodyOf<typeof streamsGroupTopologyValue>;
