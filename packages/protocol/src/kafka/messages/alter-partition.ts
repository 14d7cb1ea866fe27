/**
 * AlterPartition (key 56). A leader changes the ISR (KIP-497). v1: leaderRecoveryState (KIP-704);
 * v2: topics by id (KIP-516); v3: broker epochs of the ISR (KIP-903).
 */
import { api, type BodyOf } from '../../schema/api.ts';
import {
  arrayOf,
  defaulted,
  ignorable,
  int8,
  int16,
  int32,
  int64,
  since,
  string,
  uuid,
} from '../../schema/types.ts';
import { ZERO_UUID } from '../../wire/text.ts';

const alterPartition = api({ key: 56, name: 'AlterPartition', versions: [0, 3], flexibleSince: 0 });

export const alterPartitionRequest = alterPartition.message({
  brokerId: int32,
  brokerEpoch: defaulted(int64, -1),
  topics: arrayOf({
    topicName: since([0, 1], string, '', ignorable),
    topicId: since(2, uuid, ZERO_UUID, ignorable),
    partitions: arrayOf({
      partitionIndex: int32,
      leaderEpoch: int32,
      newIsr: since([0, 2], arrayOf(int32), []),
      newIsrWithEpochs: since(
        3,
        arrayOf({ brokerId: int32, brokerEpoch: defaulted(int64, -1) }),
        [],
      ),
      leaderRecoveryState: since(1, int8, 0),
      partitionEpoch: int32,
    }),
  }),
});

export const alterPartitionResponse = alterPartition.message({
  throttleTimeMs: int32,
  errorCode: int16,
  topics: arrayOf({
    topicName: since([0, 1], string, '', ignorable),
    topicId: since(2, uuid, ZERO_UUID, ignorable),
    partitions: arrayOf({
      partitionIndex: int32,
      errorCode: int16,
      leaderId: int32,
      leaderEpoch: int32,
      isr: arrayOf(int32),
      leaderRecoveryState: since(1, int8, 0, ignorable),
      partitionEpoch: int32,
    }),
  }),
});

export type AlterPartitionRequest = BodyOf<typeof alterPartitionRequest>;
export type AlterPartitionResponse = BodyOf<typeof alterPartitionResponse>;
