/** UpdateRaftVoter (key 82). */
import { api, type BodyOf } from '../../schema/api.ts';
import {
  arrayOf,
  defaulted,
  int16,
  int32,
  nullableString,
  string,
  struct,
  tagged,
  uint16,
  uuid,
} from '../../schema/types.ts';

const updateRaftVoter = api({
  key: 82,
  name: 'UpdateRaftVoter',
  versions: [0, 0],
  flexibleSince: 0,
});

export const updateRaftVoterRequest = updateRaftVoter.message({
  clusterId: nullableString,
  currentLeaderEpoch: int32,
  voterId: int32,
  voterDirectoryId: uuid,
  listeners: arrayOf({ name: string, host: string, port: uint16 }),
  kRaftVersionFeature: struct({ minSupportedVersion: int16, maxSupportedVersion: int16 }),
});

export const updateRaftVoterResponse = updateRaftVoter.message({
  throttleTimeMs: int32,
  errorCode: int16,
  currentLeader: tagged(
    0,
    0,
    struct({
      leaderId: defaulted(int32, -1),
      leaderEpoch: defaulted(int32, -1),
      host: string,
      port: int32,
    }),
  ),
});

export type UpdateRaftVoterRequest = BodyOf<typeof updateRaftVoterRequest>;
export type UpdateRaftVoterResponse = BodyOf<typeof updateRaftVoterResponse>;
