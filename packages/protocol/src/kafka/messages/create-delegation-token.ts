/**
 * CreateDelegationToken (key 38). v2: flexible; v3: ownerPrincipalType, ownerPrincipalName,
 * tokenRequesterPrincipalType, tokenRequesterPrincipalName.
 */
import { api, type BodyOf } from '../../schema/api.ts';
import {
  arrayOf,
  bytes,
  int16,
  int32,
  int64,
  nullableString,
  since,
  string,
} from '../../schema/types.ts';

const createDelegationToken = api({
  key: 38,
  name: 'CreateDelegationToken',
  versions: [0, 3],
  flexibleSince: 2,
});

export const createDelegationTokenRequest = createDelegationToken.message({
  ownerPrincipalType: since(3, nullableString, ''),
  ownerPrincipalName: since(3, nullableString, ''),
  renewers: arrayOf({ principalType: string, principalName: string }),
  maxLifetimeMs: int64,
});

export const createDelegationTokenResponse = createDelegationToken.message({
  errorCode: int16,
  principalType: string,
  principalName: string,
  tokenRequesterPrincipalType: since(3, string, ''),
  tokenRequesterPrincipalName: since(3, string, ''),
  issueTimestampMs: int64,
  expiryTimestampMs: int64,
  maxTimestampMs: int64,
  tokenId: string,
  hmac: bytes,
  throttleTimeMs: int32,
});

export type CreateDelegationTokenRequest = BodyOf<typeof createDelegationTokenRequest>;
export type CreateDelegationTokenResponse = BodyOf<typeof createDelegationTokenResponse>;
