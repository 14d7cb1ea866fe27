/** ControlledShutdown (key 7): a broker asks the controller to be relieved of its partitions. */
import { apis, errorCodes } from '@odradek/protocol';
import type { TermHost } from '../controller/term-host.ts';
import { handler, type RegisteredHandler } from './registry.ts';

export function controlledShutdownHandler({
  controller,
}: {
  readonly controller: { readonly term: TermHost | null };
}): RegisteredHandler {
  return handler(apis.controlledShutdown, [0, 3], async ({ brokerId, brokerEpoch }) => {
    const { term } = controller;
    if (term === null) return { errorCode: errorCodes.NOT_CONTROLLER, remainingPartitions: [] };
    const reply = await term.controlledShutdown(brokerId, brokerEpoch);
    return {
      errorCode: reply.error === null ? errorCodes.NONE : errorCodes[reply.error],
      remainingPartitions: reply.remaining.map(({ topic, partition }) => ({
        topicName: topic,
        partitionIndex: partition,
      })),
    };
  });
}
