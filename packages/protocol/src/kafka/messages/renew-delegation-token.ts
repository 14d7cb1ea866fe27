/** RenewDelegationToken (key 39). v2: flexible. */
import { api, type BodyOf } from '../../schema/api.ts';
import { bytes, int16, int32, int64 } from '../../schema/types.ts';

const renewDelegationToken = api({
  key: 39,
  name: 'RenewDelegationToken',
  versions: [0, 2],
  flexibleSince: 2,
});

export const renewDelegationTokenRequest = renewDelegationToken.message({
  hmac: bytes,
  renewPeriodMs: int64,
});

export const renewDelegationTokenResponse = renewDelegationToken.message({
  errorCode: int16,
  expiryTimestampMs: int64,
  throttleTimeMs: int32,
});

export type RenewDelegationTokenRequest = BodyOf<typeof renewDelegationTokenRequest>;
export type RenewDelegationTokenResponse = BodyOf<typeof renewDelegationTokenResponse>;
