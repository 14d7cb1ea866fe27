/**
 * InitProducerId: an id for an idempotent producer, new each time. Transactions are not served yet, and a request
 * that names a transactional id is refused.
 */
import { apis, errorCodes } from '@odradek/protocol';
import type { ProducerIds } from '../group/producer-ids-host.ts';
import { handler, type RegisteredHandler } from './registry.ts';

const NO_PRODUCER = { producerId: -1n, producerEpoch: -1 } as const;

export function initProducerIdHandler(producerIds: ProducerIds): RegisteredHandler {
  return handler(apis.initProducerId, [0, 5], async (request) => {
    const { transactionalId, producerId: oldId, producerEpoch: oldEpoch } = request;
    // What the producer had before is given whole or not at all; without transactions it makes no difference.
    const isHalfKnown =
      (oldId === NO_PRODUCER.producerId) !== (oldEpoch === NO_PRODUCER.producerEpoch);
    if (transactionalId !== null || isHalfKnown) {
      return { throttleTimeMs: 0, errorCode: errorCodes.INVALID_REQUEST, ...NO_PRODUCER };
    }
    const producerId = await producerIds.next();
    if (producerId === null) {
      return {
        throttleTimeMs: 0,
        errorCode: errorCodes.COORDINATOR_LOAD_IN_PROGRESS,
        ...NO_PRODUCER,
      };
    }
    return { throttleTimeMs: 0, errorCode: errorCodes.NONE, producerId, producerEpoch: 0 };
  });
}
