/**
 * DescribeGroups (key 15). v1: throttling; v3: authorized operations (KIP-430); v4:
 * groupInstanceId (KIP-345); v5: flexible; v6: errorMessage and GROUP_ID_NOT_FOUND (KIP-1043).
 */
import { api, type BodyOf } from '../../schema/api.ts';
import {
  arrayOf,
  bool,
  bytes,
  ignorable,
  int16,
  int32,
  nullableString,
  since,
  string,
} from '../../schema/types.ts';

const describeGroups = api({ key: 15, name: 'DescribeGroups', versions: [0, 6], flexibleSince: 5 });

export const describeGroupsRequest = describeGroups.message({
  groups: arrayOf(string),
  includeAuthorizedOperations: since(3, bool, false),
});

export const describeGroupsResponse = describeGroups.message({
  throttleTimeMs: since(1, int32, 0, ignorable),
  groups: arrayOf({
    errorCode: int16,
    errorMessage: since(6, nullableString, null),
    groupId: string,
    groupState: string,
    protocolType: string,
    protocolData: string,
    members: arrayOf({
      memberId: string,
      groupInstanceId: since(4, nullableString, null, ignorable),
      clientId: string,
      clientHost: string,
      memberMetadata: bytes,
      memberAssignment: bytes,
    }),
    authorizedOperations: since(3, int32, -0x80000000),
  }),
});

export type DescribeGroupsRequest = BodyOf<typeof describeGroupsRequest>;
export type DescribeGroupsResponse = BodyOf<typeof describeGroupsResponse>;
