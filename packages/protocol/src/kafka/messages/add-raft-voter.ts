/** AddRaftVoter (key 80). v1: ackWhenCommitted. */
import { api, type BodyOf } from '../../schema/api.ts';
import {
  arrayOf,
  bool,
  int16,
  int32,
  nullableString,
  since,
  string,
  uint16,
  uuid,
} from '../../schema/types.ts';

const addRaftVoter = api({ key: 80, name: 'AddRaftVoter', versions: [0, 1], flexibleSince: 0 });

export const addRaftVoterRequest = addRaftVoter.message({
  clusterId: nullableString,
  timeoutMs: int32,
  voterId: int32,
  voterDirectoryId: uuid,
  listeners: arrayOf({ name: string, host: string, port: uint16 }),
  ackWhenCommitted: since(1, bool, true),
});

export const addRaftVoterResponse = addRaftVoter.message({
  throttleTimeMs: int32,
  errorCode: int16,
  errorMessage: nullableString,
});

export type AddRaftVoterRequest = BodyOf<typeof addRaftVoterRequest>;
export type AddRaftVoterResponse = BodyOf<typeof addRaftVoterResponse>;
