/**
 * LeaderAndIsr (key 4). The controller tells a broker which partitions it leads or follows. v1:
 * isNew; v2: brokerEpoch, grouped by topic (KIP-380); v3: adding and removing replicas (KIP-455);
 * v4: flexible; v5: topicId and type (KIP-516); v6: leaderRecoveryState (KIP-704); v7:
 * isKRaftController (KIP-866).
 */
import { api, type BodyOf } from '../../schema/api.ts';
import {
  arrayOf,
  bool,
  ignorable,
  int8,
  int16,
  int32,
  int64,
  since,
  string,
  struct,
  uuid,
} from '../../schema/types.ts';
import { ZERO_UUID } from '../../wire/text.ts';

const leaderAndIsr = api({ key: 4, name: 'LeaderAndIsr', versions: [0, 7], flexibleSince: 4 });

const leaderAndIsrPartitionState = struct({
  topicName: since([0, 1], string, '', ignorable),
  partitionIndex: int32,
  controllerEpoch: int32,
  leader: int32,
  leaderEpoch: int32,
  isr: arrayOf(int32),
  partitionEpoch: int32,
  replicas: arrayOf(int32),
  addingReplicas: since(3, arrayOf(int32), [], ignorable),
  removingReplicas: since(3, arrayOf(int32), [], ignorable),
  isNew: since(1, bool, false, ignorable),
  leaderRecoveryState: since(6, int8, 0),
});

const leaderAndIsrPartitionError = struct({
  topicName: since([0, 4], string, '', ignorable),
  partitionIndex: int32,
  errorCode: int16,
});

export const leaderAndIsrRequest = leaderAndIsr.message({
  controllerId: int32,
  isKRaftController: since(7, bool, false),
  controllerEpoch: int32,
  brokerEpoch: since(2, int64, -1, ignorable),
  type: since(5, int8, 0),
  ungroupedPartitionStates: since([0, 1], arrayOf(leaderAndIsrPartitionState), []),
  topicStates: since(
    2,
    arrayOf({
      topicName: string,
      topicId: since(5, uuid, ZERO_UUID, ignorable),
      partitionStates: arrayOf(leaderAndIsrPartitionState),
    }),
    [],
  ),
  liveLeaders: arrayOf({ brokerId: int32, hostName: string, port: int32 }),
});

export const leaderAndIsrResponse = leaderAndIsr.message({
  errorCode: int16,
  partitionErrors: since([0, 4], arrayOf(leaderAndIsrPartitionError), []),
  topics: since(
    5,
    arrayOf({ topicId: uuid, partitionErrors: arrayOf(leaderAndIsrPartitionError) }),
    [],
  ),
});

export type LeaderAndIsrRequest = BodyOf<typeof leaderAndIsrRequest>;
export type LeaderAndIsrResponse = BodyOf<typeof leaderAndIsrResponse>;
