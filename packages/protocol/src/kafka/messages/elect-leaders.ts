/** ElectLeaders (key 43). v1: electionType, errorCode; v2: flexible. */
import { api, type BodyOf } from '../../schema/api.ts';
import {
  arrayOf,
  defaulted,
  int8,
  int16,
  int32,
  nullableArrayOf,
  nullableString,
  since,
  string,
} from '../../schema/types.ts';

const electLeaders = api({ key: 43, name: 'ElectLeaders', versions: [0, 2], flexibleSince: 2 });

export const electLeadersRequest = electLeaders.message({
  electionType: since(1, int8, 0),
  topicPartitions: nullableArrayOf({ topic: string, partitions: arrayOf(int32) }),
  timeoutMs: defaulted(int32, 60000),
});

export const electLeadersResponse = electLeaders.message({
  throttleTimeMs: int32,
  errorCode: since(1, int16, 0),
  replicaElectionResults: arrayOf({
    topic: string,
    partitionResult: arrayOf({
      partitionId: int32,
      errorCode: int16,
      errorMessage: nullableString,
    }),
  }),
});

export type ElectLeadersRequest = BodyOf<typeof electLeadersRequest>;
export type ElectLeadersResponse = BodyOf<typeof electLeadersResponse>;
