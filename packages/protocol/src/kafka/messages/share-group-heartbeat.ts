/** ShareGroupHeartbeat (key 76). v0 is in no release. */
import { api, type BodyOf } from '../../schema/api.ts';
import {
  arrayOf,
  defaulted,
  int16,
  int32,
  nullableArrayOf,
  nullableString,
  nullableStruct,
  string,
  uuid,
} from '../../schema/types.ts';

const shareGroupHeartbeat = api({
  key: 76,
  name: 'ShareGroupHeartbeat',
  versions: [0, 1],
  flexibleSince: 0,
  unstable: [0],
});

export const shareGroupHeartbeatRequest = shareGroupHeartbeat.message({
  groupId: string,
  memberId: string,
  memberEpoch: int32,
  rackId: defaulted(nullableString, null),
  subscribedTopicNames: defaulted(nullableArrayOf(string), null),
});

export const shareGroupHeartbeatResponse = shareGroupHeartbeat.message({
  throttleTimeMs: int32,
  errorCode: int16,
  errorMessage: defaulted(nullableString, null),
  memberId: defaulted(nullableString, null),
  memberEpoch: int32,
  heartbeatIntervalMs: int32,
  assignment: defaulted(
    nullableStruct({ topicPartitions: arrayOf({ topicId: uuid, partitions: arrayOf(int32) }) }),
    null,
  ),
});

export type ShareGroupHeartbeatRequest = BodyOf<typeof shareGroupHeartbeatRequest>;
export type ShareGroupHeartbeatResponse = BodyOf<typeof shareGroupHeartbeatResponse>;
