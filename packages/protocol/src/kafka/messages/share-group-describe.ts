/** ShareGroupDescribe (key 77). v0 is in no release. */
import { api, type BodyOf } from '../../schema/api.ts';
import {
  arrayOf,
  bool,
  defaulted,
  int16,
  int32,
  nullableString,
  string,
  struct,
  uuid,
} from '../../schema/types.ts';

const shareGroupDescribe = api({
  key: 77,
  name: 'ShareGroupDescribe',
  versions: [0, 1],
  flexibleSince: 0,
  unstable: [0],
});

export const shareGroupDescribeRequest = shareGroupDescribe.message({
  groupIds: arrayOf(string),
  includeAuthorizedOperations: bool,
});

export const shareGroupDescribeResponse = shareGroupDescribe.message({
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
      rackId: defaulted(nullableString, null),
      memberEpoch: int32,
      clientId: string,
      clientHost: string,
      subscribedTopicNames: arrayOf(string),
      assignment: struct({
        topicPartitions: arrayOf({ topicId: uuid, topicName: string, partitions: arrayOf(int32) }),
      }),
    }),
    authorizedOperations: defaulted(int32, -0x80000000),
  }),
});

export type ShareGroupDescribeRequest = BodyOf<typeof shareGroupDescribeRequest>;
export type ShareGroupDescribeResponse = BodyOf<typeof shareGroupDescribeResponse>;
