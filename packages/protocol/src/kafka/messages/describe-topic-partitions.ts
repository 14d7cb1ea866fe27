/** DescribeTopicPartitions (key 75). */
import { api, type BodyOf } from '../../schema/api.ts';
import {
  arrayOf,
  bool,
  defaulted,
  int16,
  int32,
  nullableArrayOf,
  nullableString,
  nullableStruct,
  string,
  struct,
  uuid,
} from '../../schema/types.ts';

const describeTopicPartitions = api({
  key: 75,
  name: 'DescribeTopicPartitions',
  versions: [0, 0],
  flexibleSince: 0,
});

const cursor = struct({ topicName: string, partitionIndex: int32 });

export const describeTopicPartitionsRequest = describeTopicPartitions.message({
  topics: arrayOf({ name: string }),
  responsePartitionLimit: defaulted(int32, 2000),
  cursor: defaulted(nullableStruct(cursor), null),
});

export const describeTopicPartitionsResponse = describeTopicPartitions.message({
  throttleTimeMs: int32,
  topics: arrayOf({
    errorCode: int16,
    name: nullableString,
    topicId: uuid,
    isInternal: defaulted(bool, false),
    partitions: arrayOf({
      errorCode: int16,
      partitionIndex: int32,
      leaderId: int32,
      leaderEpoch: defaulted(int32, -1),
      replicaNodes: arrayOf(int32),
      isrNodes: arrayOf(int32),
      eligibleLeaderReplicas: defaulted(nullableArrayOf(int32), null),
      lastKnownElr: defaulted(nullableArrayOf(int32), null),
      offlineReplicas: arrayOf(int32),
    }),
    topicAuthorizedOperations: defaulted(int32, -0x80000000),
  }),
  nextCursor: defaulted(nullableStruct(cursor), null),
});

export type DescribeTopicPartitionsRequest = BodyOf<typeof describeTopicPartitionsRequest>;
export type DescribeTopicPartitionsResponse = BodyOf<typeof describeTopicPartitionsResponse>;
