/** SyncGroup: the leader hands in the assignment, everybody gets their part once it is stored. */
import { apis, errorCodes } from '@odradek/protocol';
import type { GroupCoordinator } from '../group/group-coordinator-host.ts';
import { handler, type RegisteredHandler } from './registry.ts';

/** Since then a member has to say what it believes the group to have agreed on (KIP-559). */
const PROTOCOL_SINCE = 5;

export function syncGroupHandler(coordinator: GroupCoordinator): RegisteredHandler {
  return handler(apis.syncGroup, [0, 5], async (request, { apiVersion }) => {
    const { protocolType, protocolName } = request;
    if (apiVersion >= PROTOCOL_SINCE && (protocolType === null || protocolName === null))
      return { errorCode: errorCodes.INCONSISTENT_GROUP_PROTOCOL, assignment: Buffer.alloc(0) };
    const result = await coordinator.sync(request.groupId, {
      memberId: request.memberId,
      instanceId: request.groupInstanceId,
      generationId: request.generationId,
      protocolType,
      protocolName,
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
