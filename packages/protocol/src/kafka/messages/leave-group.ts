/**
 * LeaveGroup (key 13). v1: throttling; v3: several members at once (KIP-345); v4: flexible; v5:
 * reason (KIP-800).
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
} from '../../schema/types.ts';

const leaveGroup = api({ key: 13, name: 'LeaveGroup', versions: [0, 5], flexibleSince: 4 });

export const leaveGroupRequest = leaveGroup.message({
  groupId: string,
  memberId: since([0, 2], string, ''),
  members: since(
    3,
    arrayOf({
      memberId: string,
      groupInstanceId: defaulted(nullableString, null),
      reason: since(5, nullableString, null, ignorable),
    }),
    [],
  ),
});

export const leaveGroupResponse = leaveGroup.message({
  throttleTimeMs: since(1, int32, 0, ignorable),
  errorCode: int16,
  members: since(
    3,
    arrayOf({ memberId: string, groupInstanceId: nullableString, errorCode: int16 }),
    [],
  ),
});

export type LeaveGroupRequest = BodyOf<typeof leaveGroupRequest>;
export type LeaveGroupResponse = BodyOf<typeof leaveGroupResponse>;
