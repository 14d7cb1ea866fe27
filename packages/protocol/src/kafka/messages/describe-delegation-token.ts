/**
 * DescribeDelegationToken (key 41). v2: flexible; v3: tokenRequesterPrincipalType,
 * tokenRequesterPrincipalName.
 */
import { api, type BodyOf } from '../../schema/api.ts';
import {
  arrayOf,
  bytes,
  int16,
  int32,
  int64,
  nullableArrayOf,
  since,
  string,
} from '../../schema/types.ts';

const describeDelegationToken = api({
  key: 41,
  name: 'DescribeDelegationToken',
  versions: [0, 3],
  flexibleSince: 2,
});

export const describeDelegationTokenRequest = describeDelegationToken.message({
  owners: nullableArrayOf({ principalType: string, principalName: string }),
});

export const describeDelegationTokenResponse = describeDelegationToken.message({
  errorCode: int16,
  tokens: arrayOf({
    principalType: string,
    principalName: string,
    tokenRequesterPrincipalType: since(3, string, ''),
    tokenRequesterPrincipalName: since(3, string, ''),
    issueTimestamp: int64,
    expiryTimestamp: int64,
    maxTimestamp: int64,
    tokenId: string,
    hmac: bytes,
    renewers: arrayOf({ principalType: string, principalName: string }),
  }),
  throttleTimeMs: int32,
});

export type DescribeDelegationTokenRequest = BodyOf<typeof describeDelegationTokenRequest>;
export type DescribeDelegationTokenResponse = BodyOf<typeof describeDelegationTokenResponse>;
