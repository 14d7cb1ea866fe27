/**
 * JoinGroup (key 11). v1: rebalanceTimeoutMs (KIP-62); v2: throttling; v4: a member without id is
 * given one and asked again (KIP-394); v5: groupInstanceId (KIP-345); v6: flexible; v7:
 * protocolType in the answer (KIP-559); v8: reason (KIP-800); v9: skipAssignment for static
 * leaders (KIP-814).
 */
import { api, type BodyOf } from '../../schema/api.ts';
import {
  arrayOf,
  bool,
  bytes,
  defaulted,
  ignorable,
  int16,
  int32,
  nullableIn,
  nullableString,
  since,
  string,
} from '../../schema/types.ts';

const joinGroup = api({ key: 11, name: 'JoinGroup', versions: [0, 9], flexibleSince: 6 });

export const joinGroupRequest = joinGroup.message({
  groupId: string,
  sessionTimeoutMs: int32,
  rebalanceTimeoutMs: since(1, int32, -1, ignorable),
  memberId: string,
  groupInstanceId: since(5, nullableString, null),
  protocolType: string,
  protocols: arrayOf({ name: string, metadata: bytes }),
  reason: since(8, nullableString, null, ignorable),
});

export const joinGroupResponse = joinGroup.message({
  throttleTimeMs: since(2, int32, 0, ignorable),
  errorCode: int16,
  generationId: defaulted(int32, -1),
  protocolType: since(7, nullableString, null, ignorable),
  protocolName: nullableIn(7, string),
  leader: string,
  skipAssignment: since(9, bool, false),
  memberId: string,
  members: arrayOf({
    memberId: string,
    groupInstanceId: since(5, nullableString, null, ignorable),
    metadata: bytes,
  }),
});

export type JoinGroupRequest = BodyOf<typeof joinGroupRequest>;
export type JoinGroupResponse = BodyOf<typeof joinGroupResponse>;
