/**
 * One request as a client would send it: encoded, decoded, handled, and the answer encoded and decoded again, all in one
 * version. What a version cannot carry fails here as it would on a connection.
 */

import type { Api, BodyOf, InputOf, Message } from '@odradek/protocol';
import type { RegisteredHandler, RequestContext } from '../../src/api/registry.ts';
import { PRESENT } from '../../src/network/peer-presence.ts';

export const context: RequestContext = {
  apiVersion: 0,
  clientId: 'client',
  correlationId: 1,
  listenerName: 'PLAINTEXT',
  peerHost: '127.0.0.1',
  principal: 'User:ANONYMOUS',
  connectionId: 'a connection',
  presence: PRESENT,
};

export async function ask<Request extends Message<unknown>, Response extends Message<unknown>>(
  registered: RegisteredHandler,
  api: Api<Request, Response>,
  apiVersion: number,
  request: InputOf<Request>,
  changes: Partial<RequestContext> = {},
): Promise<BodyOf<Response>> {
  const sent = api.request.decode(api.request.encode(request, apiVersion), apiVersion);
  const answer = await registered.handle(sent, { ...context, ...changes, apiVersion });
  if (answer === null) throw new Error(`${api.name} was not answered`);
  const received = api.response.decode(api.response.encode(answer, apiVersion), apiVersion);
  return received as BodyOf<Response>;
}

/** All versions that are served. */
export function versionsOf({ versions: [min, max] }: RegisteredHandler): number[] {
  return Array.from({ length: max - min + 1 }, (_, index) => min + index);
}

export function versions(min: number, max: number): number[] {
  return Array.from({ length: max - min + 1 }, (_, index) => min + index);
}
