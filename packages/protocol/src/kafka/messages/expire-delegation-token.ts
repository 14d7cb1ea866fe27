/** ExpireDelegationToken (key 40). v2: flexible. */
import { api, type BodyOf } from '../../schema/api.ts';
import { bytes, int16, int32, int64 } from '../../schema/types.ts';

const expireDelegationToken = api({
  key: 40,
  name: 'ExpireDelegationToken',
  versions: [0, 2],
  flexibleSince: 2,
});

export const expireDelegationTokenRequest = expireDelegationToken.message({
  hmac: bytes,
  expiryTimePeriodMs: int64,
});

export const expireDelegationTokenResponse = expireDelegationToken.message({
  errorCode: int16,
  expiryTimestampMs: int64,
  throttleTimeMs: int32,
});

export type ExpireDelegationTokenRequest = BodyOf<typeof expireDelegationTokenRequest>;
export type ExpireDelegationTokenResponse = BodyOf<typeof expireDelegationTokenResponse>;
