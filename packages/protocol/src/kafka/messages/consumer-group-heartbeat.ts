/** ConsumerGroupHeartbeat (key 68). v1: subscribedTopicRegex. */
import { api, type BodyOf } from '../../schema/api.ts';
import {
  arrayOf,
  defaulted,
  int16,
  int32,
  nullableArrayOf,
  nullableString,
  nullableStruct,
  since,
  string,
  struct,
  uuid,
} from '../../schema/types.ts';

const consumerGroupHeartbeat = api({
  key: 68,
  name: 'ConsumerGroupHeartbeat',
  versions: [0, 1],
  flexibleSince: 0,
});

const topicPartitions = struct({ topicId: uuid, partitions: arrayOf(int32) });

export const consumerGroupHeartbeatRequest = consumerGroupHeartbeat.message({
  groupId: string,
  memberId: string,
  memberEpoch: int32,
  instanceId: defaulted(nullableString, null),
  rackId: defaulted(nullableString, null),
  rebalanceTimeoutMs: defaulted(int32, -1),
  subscribedTopicNames: defaulted(nullableArrayOf(string), null),
  subscribedTopicRegex: since(1, nullableString, null),
  serverAssignor: defaulted(nullableString, null),
  topicPartitions: defaulted(nullableArrayOf(topicPartitions), null),
});

export const consumerGroupHeartbeatResponse = consumerGroupHeartbeat.message({
  throttleTimeMs: int32,
  errorCode: int16,
  errorMessage: defaulted(nullableString, null),
  memberId: defaulted(nullableString, null),
  memberEpoch: int32,
  heartbeatIntervalMs: int32,
  assignment: defaulted(nullableStruct({ topicPartitions: arrayOf(topicPartitions) }), null),
});

export type ConsumerGroupHeartbeatRequest = BodyOf<typeof consumerGroupHeartbeatRequest>;
export type ConsumerGroupHeartbeatResponse = BodyOf<typeof consumerGroupHeartbeatResponse>;
