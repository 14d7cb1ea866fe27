/** Envelope (key 58). */
import { api, type BodyOf } from '../../schema/api.ts';
import { bytes, defaulted, int16, nullableBytes } from '../../schema/types.ts';

const envelope = api({ key: 58, name: 'Envelope', versions: [0, 0], flexibleSince: 0 });

export const envelopeRequest = envelope.message({
  requestData: bytes,
  requestPrincipal: nullableBytes,
  clientHostAddress: bytes,
});

export const envelopeResponse = envelope.message({
  responseData: defaulted(nullableBytes, null),
  errorCode: int16,
});

export type EnvelopeRequest = BodyOf<typeof envelopeRequest>;
export type EnvelopeResponse = BodyOf<typeof envelopeResponse>;
