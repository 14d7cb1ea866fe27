/**
 * Vote (key 52). v1: voterId, replicaDirectoryId, voterDirectoryId, nodeEndpoints; v2: preVote.
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
  nullableString,
  since,
  string,
  tagged,
  uint16,
  uuid,
} from '../../schema/types.ts';
import { ZERO_UUID } from '../../wire/text.ts';

const vote = api({ key: 52, name: 'Vote', versions: [0, 2], flexibleSince: 0 });

export const voteRequest = vote.message({
  clusterId: defaulted(nullableString, null),
  voterId: since(1, int32, -1, ignorable),
  topics: arrayOf({
    topicName: string,
    partitions: arrayOf({
      partitionIndex: int32,
      replicaEpoch: int32,
      replicaId: int32,
      replicaDirectoryId: since(1, uuid, ZERO_UUID, ignorable),
      voterDirectoryId: since(1, uuid, ZERO_UUID, ignorable),
      lastOffsetEpoch: int32,
      lastOffset: int64,
      preVote: since(2, bool, false),
    }),
  }),
});

export const voteResponse = vote.message({
  errorCode: int16,
  topics: arrayOf({
    topicName: string,
    partitions: arrayOf({
      partitionIndex: int32,
      errorCode: int16,
      leaderId: int32,
      leaderEpoch: int32,
      voteGranted: bool,
    }),
  }),
  nodeEndpoints: tagged(0, 1, arrayOf({ nodeId: int32, host: string, port: uint16 }), []),
});

export type VoteRequest = BodyOf<typeof voteRequest>;
export type VoteResponse = BodyOf<typeof voteResponse>;
