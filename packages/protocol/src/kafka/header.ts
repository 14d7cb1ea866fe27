/**
 * What stands in front of every request and response, and which version of it does.
 *
 * The version of a header follows from api and version of the body. Which apis there are is the
 * registry's business (registry.ts), frames are that of frame.ts.
 */
import { type BodyOf, data } from '../schema/api.ts';
import { classicNullableString, ignorable, int16, int32, since } from '../schema/types.ts';

/** v1: client id; v2: tagged fields, where the client id keeps its int16 length. */
export const requestHeader = data(
  { name: 'RequestHeader', versions: [0, 2], flexibleSince: 2 },
  {
    requestApiKey: int16,
    requestApiVersion: int16,
    correlationId: int32,
    clientId: since(1, classicNullableString, null, ignorable),
  },
);

/** v1: tagged fields. */
export const responseHeader = data(
  { name: 'ResponseHeader', versions: [0, 1], flexibleSince: 1 },
  { correlationId: int32 },
);

export type RequestHeader = BodyOf<typeof requestHeader>;
export type ResponseHeader = BodyOf<typeof responseHeader>;

const CONTROLLED_SHUTDOWN = 7;
const API_VERSIONS = 18;

/** Version of the header in front of a request of this api and version. */
export function requestHeaderVersion(
  apiKey: number,
  version: number,
  flexible: boolean,
): 0 | 1 | 2 {
  if (flexible) return 2;
  return apiKey === CONTROLLED_SHUTDOWN && version === 0 ? 0 : 1;
}

/**
 * Version of the header in front of a response. ApiVersions always has the oldest: a client must be
 * able to read the answer before it knows what the broker speaks (KIP-511).
 */
export function responseHeaderVersion(apiKey: number, flexible: boolean): 0 | 1 {
  return flexible && apiKey !== API_VERSIONS ? 1 : 0;
}
