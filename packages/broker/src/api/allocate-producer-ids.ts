/** AllocateProducerIds (key 67): a broker asks the controller for a block of producer ids. */
import { apis, errorCodes } from '@odradek/protocol';
import { takeProducerIdBlock } from '../controller/producer-id-blocks.ts';
import type { TermHost } from '../controller/term-host.ts';
import type { Coordination } from '../metadata/coordination.ts';
import { handler, type RegisteredHandler } from './registry.ts';

export function allocateProducerIdsHandler({
  controller,
  session,
}: {
  readonly controller: { readonly term: TermHost | null };
  readonly session: Coordination;
}): RegisteredHandler {
  return handler(apis.allocateProducerIds, [0, 0], async ({ brokerId, brokerEpoch }) => {
    const refuse = (error: 'NOT_CONTROLLER' | 'STALE_BROKER_EPOCH') => ({
      throttleTimeMs: 0,
      errorCode: errorCodes[error],
      producerIdStart: 0n,
      producerIdLen: 0,
    });
    const { term } = controller;
    if (term === null) return refuse('NOT_CONTROLLER');
    if (!term.knows(brokerId, brokerEpoch)) return refuse('STALE_BROKER_EPOCH');
    const { first, last } = await takeProducerIdBlock(session, brokerId);
    return {
      throttleTimeMs: 0,
      errorCode: errorCodes.NONE,
      producerIdStart: first,
      producerIdLen: Number(last - first) + 1,
    };
  });
}
