/**
 * StreamsGroupDescribe (key 89). v1: includeTopologyDescription, topologyDescription,
 * topologyDescriptionStatus, assignorName. v1 is in no release.
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

const streamsGroupDescribe = api({
  key: 89,
  name: 'StreamsGroupDescribe',
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

const taskOffset = struct({ subtopologyId: string, partition: int32, offset: int64 });

const taskIds = struct({ subtopologyId: string, partitions: arrayOf(int32) });

const assignment = struct({
  activeTasks: arrayOf(taskIds),
  standbyTasks: arrayOf(taskIds),
  warmupTasks: arrayOf(taskIds),
});

const topologyDescriptionNode = struct({
  name: string,
  nodeType: int8,
  sourceTopics: arrayOf(string),
  sinkTopic: defaulted(nullableString, null),
  stores: arrayOf(string),
  successors: arrayOf(string),
});

export const streamsGroupDescribeRequest = streamsGroupDescribe.message({
  groupIds: arrayOf(string),
  includeAuthorizedOperations: bool,
  includeTopologyDescription: since(1, bool, false),
});

export const streamsGroupDescribeResponse = streamsGroupDescribe.message({
  throttleTimeMs: int32,
  groups: arrayOf({
    errorCode: int16,
    errorMessage: defaulted(nullableString, null),
    groupId: string,
    groupState: string,
    groupEpoch: int32,
    assignmentEpoch: int32,
    topology: defaulted(
      nullableStruct({
        epoch: int32,
        subtopologies: defaulted(
          nullableArrayOf({
            subtopologyId: string,
            sourceTopics: arrayOf(string),
            repartitionSinkTopics: arrayOf(string),
            stateChangelogTopics: arrayOf(topicInfo),
            repartitionSourceTopics: arrayOf(topicInfo),
          }),
          null,
        ),
      }),
      null,
    ),
    members: arrayOf({
      memberId: string,
      memberEpoch: int32,
      instanceId: defaulted(nullableString, null),
      rackId: defaulted(nullableString, null),
      clientId: string,
      clientHost: string,
      topologyEpoch: int32,
      processId: string,
      userEndpoint: defaulted(nullableStruct({ host: string, port: uint16 }), null),
      clientTags: arrayOf(keyValue),
      taskOffsets: arrayOf(taskOffset),
      taskEndOffsets: arrayOf(taskOffset),
      assignment: assignment,
      targetAssignment: assignment,
      isClassic: bool,
    }),
    authorizedOperations: defaulted(int32, -0x80000000),
    topologyDescription: since(
      1,
      nullableStruct({
        subtopologies: arrayOf({ subtopologyId: string, nodes: arrayOf(topologyDescriptionNode) }),
        globalStores: arrayOf({
          source: topologyDescriptionNode,
          processor: topologyDescriptionNode,
        }),
      }),
      null,
    ),
    topologyDescriptionStatus: since(1, int8, 0),
    assignorName: since(1, nullableString, null, ignorable),
  }),
});

export type StreamsGroupDescribeRequest = BodyOf<typeof streamsGroupDescribeRequest>;
export type StreamsGroupDescribeResponse = BodyOf<typeof streamsGroupDescribeResponse>;
