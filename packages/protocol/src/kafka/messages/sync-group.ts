/**
 * SyncGroup (key 14). v1: throttling; v3: groupInstanceId (KIP-345); v4: flexible; v5: protocol
 * type and name (KIP-559).
 */
import { api, type BodyOf } from '../../schema/api.ts';
import {
  arrayOf,
  bytes,
  ignorable,
  int16,
  int32,
  nullableString,
  since,
  string,
} from '../../schema/types.ts';

const syncGroup = api({ key: 14, name: 'SyncGroup', versions: [0, 5], flexibleSince: 4 });

export const syncGroupRequest = syncGroup.message({
  groupId: string,
  generationId: int32,
  memberId: string,
  groupInstanceId: since(3, nullableString, null),
  protocolType: since(5, nullableString, null, ignorable),
  protocolName: since(5, nullableString, null, ignorable),
  assignments: arrayOf({ memberId: string, assignment: bytes }),
});

export const syncGroupResponse = syncGroup.message({
  throttleTimeMs: since(1, int32, 0, ignorable),
  errorCode: int16,
  protocolType: since(5, nullableString, null, ignorable),
  protocolName: since(5, nullableString, null, ignorable),
  assignment: bytes,
});

export type SyncGroupRequest = BodyOf<typeof syncGroupRequest>;
export type SyncGroupResponse = BodyOf<typeof syncGroupResponse>;
