/** ConsumerGroupDescribe (key 69). v1: memberType. */
import { api, type BodyOf } from '../../schema/api.ts';
import {
  arrayOf,
  bool,
  defaulted,
  ignorable,
  int8,
  int16,
  int32,
  nullableString,
  since,
  string,
  struct,
  uuid,
} from '../../schema/types.ts';

const consumerGroupDescribe = api({
  key: 69,
  name: 'ConsumerGroupDescribe',
  versions: [0, 1],
  flexibleSince: 0,
});

const topicPartitions = struct({ topicId: uuid, topicName: string, partitions: arrayOf(int32) });

const assignment = struct({ topicPartitions: arrayOf(topicPartitions) });

export const consumerGroupDescribeRequest = consumerGroupDescribe.message({
  groupIds: arrayOf(string),
  includeAuthorizedOperations: bool,
});

export const consumerGroupDescribeResponse = consumerGroupDescribe.message({
  throttleTimeMs: int32,
  groups: arrayOf({
    errorCode: int16,
    errorMessage: defaulted(nullableString, null),
    groupId: string,
    groupState: string,
    groupEpoch: int32,
    assignmentEpoch: int32,
    assignorName: string,
    members: arrayOf({
      memberId: string,
      instanceId: defaulted(nullableString, null),
      rackId: defaulted(nullableString, null),
      memberEpoch: int32,
      clientId: string,
      clientHost: string,
      subscribedTopicNames: arrayOf(string),
      subscribedTopicRegex: defaulted(nullableString, null),
      assignment: assignment,
      targetAssignment: assignment,
      memberType: since(1, int8, -1, ignorable),
    }),
    authorizedOperations: defaulted(int32, -0x80000000),
  }),
});

export type ConsumerGroupDescribeRequest = BodyOf<typeof consumerGroupDescribeRequest>;
export type ConsumerGroupDescribeResponse = BodyOf<typeof consumerGroupDescribeResponse>;
