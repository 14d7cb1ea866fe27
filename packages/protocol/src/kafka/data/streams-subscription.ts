/**
 * What Kafka Streams puts into the user data of its subscription.
 */
import { type BodyOf, data } from '../../schema/api.ts';
import {
  arrayOf,
  bytes,
  int8,
  int32,
  int64,
  nullableString,
  since,
  struct,
  uuid,
} from '../../schema/types.ts';

const taskId = struct({ topicGroupId: int32, partition: int32 });

/**
 * v2: userEndPoint; v3: latestSupportedVersion; v7: no prevTasks, no standbyTasks, taskOffsetSums;
 * v8: uniqueField; v9: errorCode; v10: partition, offsetSum, namedTopology, no
 * partitionToOffsetSum; v11: clientTags.
 */
export const subscriptionInfoData = data(
  { name: 'SubscriptionInfoData', versions: [1, 11], flexibleSince: null },
  {
    version: int32,
    latestSupportedVersion: since(3, int32, -1),
    processId: uuid,
    prevTasks: since([1, 6], arrayOf(taskId), []),
    standbyTasks: since([1, 6], arrayOf(taskId), []),
    userEndPoint: since(2, bytes),
    taskOffsetSums: since(
      7,
      arrayOf({
        topicGroupId: int32,
        partition: since(10, int32, 0),
        offsetSum: since(10, int64, 0),
        namedTopology: since(10, nullableString, ''),
        partitionToOffsetSum: since([7, 9], arrayOf({ partition: int32, offsetSum: int64 }), []),
      }),
      [],
    ),
    uniqueField: since(8, int8, 0),
    errorCode: since(9, int32, 0),
    clientTags: since(11, arrayOf({ key: bytes, value: bytes }), []),
  },
);

export type SubscriptionInfoData = BodyOf<typeof subscriptionInfoData>;
