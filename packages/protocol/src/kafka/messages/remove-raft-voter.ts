/** RemoveRaftVoter (key 81). */
import { api, type BodyOf } from '../../schema/api.ts';
import { int16, int32, nullableString, uuid } from '../../schema/types.ts';

const removeRaftVoter = api({
  key: 81,
  name: 'RemoveRaftVoter',
  versions: [0, 0],
  flexibleSince: 0,
});

export const removeRaftVoterRequest = removeRaftVoter.message({
  clusterId: nullableString,
  voterId: int32,
  voterDirectoryId: uuid,
});

export const removeRaftVoterResponse = removeRaftVoter.message({
  throttleTimeMs: int32,
  errorCode: int16,
  errorMessage: nullableString,
});

export type RemoveRaftVoterRequest = BodyOf<typeof removeRaftVoterRequest>;
export type RemoveRaftVoterResponse = BodyOf<typeof removeRaftVoterResponse>;
