/**
 * StreamsGroupHeartbeat (key 88). v1: no acceptableRecoveryLagLegacy, acceptableRecoveryLag,
 * topologyDescriptionRequired. v1 is in no release.
 */
import { api, type BodyOf } from '../../schema/api.ts';
import {
  arrayOf,
  bool,
  defaulted,
  ignorable,
  int8,
  int16,
  int32,
  int64,
  nullableArrayOf,
  nullableString,
  nullableStruct,
  since,
  string,
  struct,
  uint16,
} from '../../schema/types.ts';

const streamsGroupHeartbeat = api({
  key: 88,
  name: 'StreamsGroupHeartbeat',
  versions: [0, 1],
  flexibleSince: 0,
  unstable: [1],
});

const keyValue = struct({ key: string, value: string });

const topicInfo = struct({
  name: string,
  partitions: int32,
  replicationFactor: int16,
  topicConfigs: arrayOf(keyValue),
});

const taskIds = struct({ subtopologyId: string, partitions: arrayOf(int32) });

const endpoint = struct({ host: string, port: uint16 });

const taskOffset = struct({ subtopologyId: string, partition: int32, offset: int64 });

const topicPartition = struct({ topic: string, partitions: arrayOf(int32) });

export const streamsGroupHeartbeatRequest = streamsGroupHeartbeat.message({
  groupId: string,
  memberId: string,
  memberEpoch: int32,
  endpointInformationEpoch: int32,
  instanceId: defaulted(nullableString, null),
  rackId: defaulted(nullableString, null),
  rebalanceTimeoutMs: defaulted(int32, -1),
  topology: defaulted(
    nullableStruct({
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
    }),
    null,
  ),
  activeTasks: defaulted(nullableArrayOf(taskIds), null),
  standbyTasks: defaulted(nullableArrayOf(taskIds), null),
  warmupTasks: defaulted(nullableArrayOf(taskIds), null),
  processId: defaulted(nullableString, null),
  userEndpoint: defaulted(nullableStruct(endpoint), null),
  clientTags: defaulted(nullableArrayOf(keyValue), null),
  taskOffsets: defaulted(nullableArrayOf(taskOffset), null),
  taskEndOffsets: defaulted(nullableArrayOf(taskOffset), null),
  shutdownApplication: defaulted(bool, false),
});

export const streamsGroupHeartbeatResponse = streamsGroupHeartbeat.message({
  throttleTimeMs: int32,
  errorCode: int16,
  errorMessage: defaulted(nullableString, null),
  memberId: string,
  memberEpoch: int32,
  heartbeatIntervalMs: int32,
  acceptableRecoveryLagLegacy: since([0, 0], int32, 0),
  taskOffsetIntervalMs: int32,
  acceptableRecoveryLag: since(1, int64, -1, ignorable),
  status: nullableArrayOf({ statusCode: int8, statusDetail: string }),
  activeTasks: defaulted(nullableArrayOf(taskIds), null),
  standbyTasks: defaulted(nullableArrayOf(taskIds), null),
  warmupTasks: defaulted(nullableArrayOf(taskIds), null),
  topologyDescriptionRequired: since(1, bool, false),
  endpointInformationEpoch: int32,
  partitionsByUserEndpoint: defaulted(
    nullableArrayOf({
      userEndpoint: endpoint,
      activePartitions: arrayOf(topicPartition),
      standbyPartitions: arrayOf(topicPartition),
    }),
    null,
  ),
});

export type StreamsGroupHeartbeatRequest = BodyOf<typeof streamsGroupHeartbeatRequest>;
export type StreamsGroupHeartbeatResponse = BodyOf<typeof streamsGroupHeartbeatResponse>;
