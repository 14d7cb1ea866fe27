/** SyncGroup: the leader hands in the assignment, everybody gets their part once it is stored. */
import { apis, errorCodes } from '@odradek/protocol';
import type { GroupCoordinator } from '../group/group-coordinator-host.ts';
import { handler, type RegisteredHandler } from './registry.ts';

export function syncGroupHandler(coordinator: GroupCoordinator): RegisteredHandler {
  return handler(apis.syncGroup, [0, 5], async (request) => {
    const result = await coordinator.sync(request.groupId, {
      memberId: request.memberId,
      instanceId: request.groupInstanceId,
      generationId: request.generationId,
      protocolType: request.protocolType,
      protocolName: request.protocolName,
      // Copied: what the group keeps must not hold on to the frame that it came in.
      assignments: request.assignments.map(({ memberId, assignment }) => ({
        memberId,
        assignment: Buffer.from(assignment),
      })),
    });
    return {
      throttleTimeMs: 0,
      errorCode: errorCodes[result.error],
      protocolType: result.protocolType,
      protocolName: result.protocolName,
      assignment: result.assignment,
    };
  });
}
