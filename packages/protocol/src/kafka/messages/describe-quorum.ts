/**
 * DescribeQuorum (key 55). v1: lastFetchTimestamp, lastCaughtUpTimestamp; v2: errorMessage,
 * replicaDirectoryId, nodes.
 */
import { api, type BodyOf } from '../../schema/api.ts';
import {
  arrayOf,
  ignorable,
  int16,
  int32,
  int64,
  nullableString,
  since,
  string,
  struct,
  uint16,
  uuid,
} from '../../schema/types.ts';
import { ZERO_UUID } from '../../wire/text.ts';

const describeQuorum = api({ key: 55, name: 'DescribeQuorum', versions: [0, 2], flexibleSince: 0 });

const replicaState = struct({
  replicaId: int32,
  replicaDirectoryId: since(2, uuid, ZERO_UUID),
  logEndOffset: int64,
  lastFetchTimestamp: since(1, int64, -1, ignorable),
  lastCaughtUpTimestamp: since(1, int64, -1, ignorable),
});

export const describeQuorumRequest = describeQuorum.message({
  topics: arrayOf({ topicName: string, partitions: arrayOf({ partitionIndex: int32 }) }),
});

export const describeQuorumResponse = describeQuorum.message({
  errorCode: int16,
  errorMessage: since(2, nullableString, '', ignorable),
  topics: arrayOf({
    topicName: string,
    partitions: arrayOf({
      partitionIndex: int32,
      errorCode: int16,
      errorMessage: since(2, nullableString, '', ignorable),
      leaderId: int32,
      leaderEpoch: int32,
      highWatermark: int64,
      currentVoters: arrayOf(replicaState),
      observers: arrayOf(replicaState),
    }),
  }),
  nodes: since(
    2,
    arrayOf({ nodeId: int32, listeners: arrayOf({ name: string, host: string, port: uint16 }) }),
    [],
  ),
});

export type DescribeQuorumRequest = BodyOf<typeof describeQuorumRequest>;
export type DescribeQuorumResponse = BodyOf<typeof describeQuorumResponse>;
