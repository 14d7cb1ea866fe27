/**
 * BeginQuorumEpoch (key 53). v1: voterId, voterDirectoryId, leaderEndpoints, and more, flexible.
 */
import { api, type BodyOf } from '../../schema/api.ts';
import {
  arrayOf,
  defaulted,
  ignorable,
  int16,
  int32,
  nullableString,
  since,
  string,
  tagged,
  uint16,
  uuid,
} from '../../schema/types.ts';
import { ZERO_UUID } from '../../wire/text.ts';

const beginQuorumEpoch = api({
  key: 53,
  name: 'BeginQuorumEpoch',
  versions: [0, 1],
  flexibleSince: 1,
});

export const beginQuorumEpochRequest = beginQuorumEpoch.message({
  clusterId: defaulted(nullableString, null),
  voterId: since(1, int32, -1, ignorable),
  topics: arrayOf({
    topicName: string,
    partitions: arrayOf({
      partitionIndex: int32,
      voterDirectoryId: since(1, uuid, ZERO_UUID, ignorable),
      leaderId: int32,
      leaderEpoch: int32,
    }),
  }),
  leaderEndpoints: since(1, arrayOf({ name: string, host: string, port: uint16 }), [], ignorable),
});

export const beginQuorumEpochResponse = beginQuorumEpoch.message({
  errorCode: int16,
  topics: arrayOf({
    topicName: string,
    partitions: arrayOf({
      partitionIndex: int32,
      errorCode: int16,
      leaderId: int32,
      leaderEpoch: int32,
    }),
  }),
  nodeEndpoints: tagged(0, 1, arrayOf({ nodeId: int32, host: string, port: uint16 }), []),
});

export type BeginQuorumEpochRequest = BodyOf<typeof beginQuorumEpochRequest>;
export type BeginQuorumEpochResponse = BodyOf<typeof beginQuorumEpochResponse>;
