/**
 * EndQuorumEpoch (key 54). v1: no preferredSuccessors, preferredCandidates, leaderEndpoints, and
 * more, flexible.
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

const endQuorumEpoch = api({ key: 54, name: 'EndQuorumEpoch', versions: [0, 1], flexibleSince: 1 });

export const endQuorumEpochRequest = endQuorumEpoch.message({
  clusterId: defaulted(nullableString, null),
  topics: arrayOf({
    topicName: string,
    partitions: arrayOf({
      partitionIndex: int32,
      leaderId: int32,
      leaderEpoch: int32,
      preferredSuccessors: since([0, 0], arrayOf(int32), [], ignorable),
      preferredCandidates: since(
        1,
        arrayOf({ candidateId: int32, candidateDirectoryId: uuid }),
        [],
        ignorable,
      ),
    }),
  }),
  leaderEndpoints: since(1, arrayOf({ name: string, host: string, port: uint16 }), [], ignorable),
});

export const endQuorumEpochResponse = endQuorumEpoch.message({
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

export type EndQuorumEpochRequest = BodyOf<typeof endQuorumEpochRequest>;
export type EndQuorumEpochResponse = BodyOf<typeof endQuorumEpochResponse>;
