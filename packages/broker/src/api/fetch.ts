/**
 * Fetch (key 1): reads batches, for consumers and for followers; for consumers of versions 0 to 3
 * they are converted to message sets.
 */
import { apis } from '@odradek/protocol';
import { giveBack } from '../replica/fetch-read.ts';
import type { FetchAnswer } from '../replica/fetch-service.ts';
import type { ReplicaManager } from '../replica/replica-manager.ts';
import { handler, type RegisteredHandler } from './registry.ts';

export function fetchHandler({
  replicas,
}: {
  readonly replicas: ReplicaManager;
}): RegisteredHandler {
  const fetch = handler(
    apis.fetch,
    [0, 18],
    (request, context) => replicas.fetch(request, context.apiVersion, context),
    { keepsNothing: true },
  );
  return { ...fetch, sent: ({ lent }: FetchAnswer) => giveBack(lent) };
}
