/**
 * StopReplica (key 5). The controller tells a broker to drop replicas. v1: brokerEpoch, grouped by
 * topic (KIP-380); v2: flexible; v3: leaderEpoch and deletePartition for each partition (KIP-570);
 * v4: isKRaftController (KIP-866).
 */
import { api, type BodyOf } from '../../schema/api.ts';
import {
  arrayOf,
  bool,
  defaulted,
  ignorable,
  int16,
  int32,
  int64,
  since,
  string,
} from '../../schema/types.ts';

const stopReplica = api({ key: 5, name: 'StopReplica', versions: [0, 4], flexibleSince: 2 });

export const stopReplicaRequest = stopReplica.message({
  controllerId: int32,
  isKRaftController: since(4, bool, false),
  controllerEpoch: int32,
  brokerEpoch: since(1, int64, -1, ignorable),
  deletePartitions: since([0, 2], bool, false),
  ungroupedPartitions: since([0, 0], arrayOf({ topicName: string, partitionIndex: int32 }), []),
  topics: since([1, 2], arrayOf({ name: string, partitionIndexes: arrayOf(int32) }), []),
  topicStates: since(
    3,
    arrayOf({
      topicName: string,
      partitionStates: arrayOf({
        partitionIndex: int32,
        leaderEpoch: defaulted(int32, -1),
        deletePartition: bool,
      }),
    }),
    [],
  ),
});

export const stopReplicaResponse = stopReplica.message({
  errorCode: int16,
  partitionErrors: arrayOf({ topicName: string, partitionIndex: int32, errorCode: int16 }),
});

export type StopReplicaRequest = BodyOf<typeof stopReplicaRequest>;
export type StopReplicaResponse = BodyOf<typeof stopReplicaResponse>;
