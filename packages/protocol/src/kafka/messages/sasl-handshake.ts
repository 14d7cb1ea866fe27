/**
 * SaslHandshake (key 17). Names the mechanism. v1: tokens travel in SaslAuthenticate (KIP-152).
 */
import { api, type BodyOf } from '../../schema/api.ts';
import { arrayOf, int16, string } from '../../schema/types.ts';

const saslHandshake = api({
  key: 17,
  name: 'SaslHandshake',
  versions: [0, 1],
  flexibleSince: null,
});

export const saslHandshakeRequest = saslHandshake.message({ mechanism: string });

export const saslHandshakeResponse = saslHandshake.message({
  errorCode: int16,
  mechanisms: arrayOf(string),
});

export type SaslHandshakeRequest = BodyOf<typeof saslHandshakeRequest>;
export type SaslHandshakeResponse = BodyOf<typeof saslHandshakeResponse>;
