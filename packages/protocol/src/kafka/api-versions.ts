/**
 * How two sides that do not know each other's versions still understand each other (KIP-35, KIP-511).
 *
 * A broker that is asked in a version of ApiVersions that it does not have does not hang up: it
 * answers in version 0, with the code for "unsupported version" and the range that it does have.
 * The client reads that, and asks again in the best version both have.
 */
import { MalformedMessage } from '../errors.ts';
import { errorCodes } from './errors.ts';
import { type ApiVersionsResponse, apiVersionsResponse } from './messages/api-versions.ts';

/** A range of versions that one side offers for one api. */
export interface ApiVersionRange {
  readonly apiKey: number;
  readonly minVersion: number;
  readonly maxVersion: number;
}

const API_VERSIONS_KEY = 18;

/**
 * The version in which a broker answers an ApiVersions request: the one it was asked in, or 0 when
 * it does not have that one. With 0 goes `unsupportedApiVersions`.
 */
export function apiVersionsAnswerVersion(asked: number, offered: ApiVersionRange): number {
  return asked >= offered.minVersion && asked <= offered.maxVersion ? asked : 0;
}

/** The answer, in version 0, to an ApiVersions request whose version the broker does not have. */
export function unsupportedApiVersions(offered: readonly ApiVersionRange[]) {
  return {
    errorCode: errorCodes.UNSUPPORTED_VERSION,
    apiKeys: offered.map(({ apiKey, minVersion, maxVersion }) => ({
      apiKey,
      minVersion,
      maxVersion,
    })),
  };
}

/**
 * Reads the body of an answer to an ApiVersions request of version `asked`, which is in version 0
 * when the broker does not have that one.
 * @throws MalformedMessage
 */
export function decodeApiVersionsResponse(body: Buffer, asked: number): ApiVersionsResponse {
  if (body.length < 2)
    throw new MalformedMessage(`an ApiVersions response of ${body.length} bytes`);
  const refused = body.readInt16BE(0) === errorCodes.UNSUPPORTED_VERSION;
  return apiVersionsResponse.decode(body, refused ? 0 : asked);
}

/**
 * The version in which a client asks again after a refusal; null when it need not, because the
 * answer was none, or cannot, because both sides have no version in common.
 * @param own the highest version of ApiVersions that the client has
 */
export function apiVersionsRetryVersion(response: ApiVersionsResponse, own: number): number | null {
  if (response.errorCode !== errorCodes.UNSUPPORTED_VERSION) return null;
  const offer = response.apiKeys.find(({ apiKey }) => apiKey === API_VERSIONS_KEY);
  // Brokers before 2.4 send an empty list along: version 0 they all have.
  if (offer === undefined) return 0;
  const version = Math.min(own, offer.maxVersion);
  return version >= Math.max(0, offer.minVersion) ? version : null;
}

/** The highest version that both sides have; null when there is none. */
export function commonVersion(
  own: readonly [min: number, max: number],
  theirs: { readonly minVersion: number; readonly maxVersion: number },
): number | null {
  const version = Math.min(own[1], theirs.maxVersion);
  return version >= Math.max(own[0], theirs.minVersion) ? version : null;
}
