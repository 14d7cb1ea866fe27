/** SaslAuthenticate (key 36). v1: sessionLifetimeMs; v2: flexible. */
import { api, type BodyOf } from '../../schema/api.ts';
import { bytes, ignorable, int16, int64, nullableString, since } from '../../schema/types.ts';

const saslAuthenticate = api({
  key: 36,
  name: 'SaslAuthenticate',
  versions: [0, 2],
  flexibleSince: 2,
});

export const saslAuthenticateRequest = saslAuthenticate.message({ authBytes: bytes });

export const saslAuthenticateResponse = saslAuthenticate.message({
  errorCode: int16,
  errorMessage: nullableString,
  authBytes: bytes,
  sessionLifetimeMs: since(1, int64, 0, ignorable),
});

export type SaslAuthenticateRequest = BodyOf<typeof saslAuthenticateRequest>;
export type SaslAuthenticateResponse = BodyOf<typeof saslAuthenticateResponse>;
