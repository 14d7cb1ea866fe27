/**
 * ApiVersions (key 18): what this broker serves. A request in a version we do not have is answered
 * by the connection itself, in version 0 (../network/connection.ts).
 */
import { apis, errorCodes } from '@odradek/protocol';
import { type ApiRegistry, handler, type RegisteredHandler } from './registry.ts';

/** The client names itself from this version on, in these words (KIP-511). */
const NAMED_SINCE = 3;
const SOFTWARE = /^[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?$/;

export function apiVersionsHandler(registry: ApiRegistry): RegisteredHandler {
  return handler(apis.apiVersions, [0, 4], (request, { apiVersion }) => {
    const isNamed =
      apiVersion < NAMED_SINCE ||
      (SOFTWARE.test(request.clientSoftwareName) && SOFTWARE.test(request.clientSoftwareVersion));
    return isNamed
      ? { errorCode: 0, apiKeys: registry.advertised() }
      : { errorCode: errorCodes.INVALID_REQUEST, apiKeys: [] };
  });
}
