/** Heartbeat: a member says that it is alive and learns whether it must join again. */
import { apis, errorCodes } from '@odradek/protocol';
import type { GroupCoordinator } from '../group/group-coordinator-host.ts';
import { handler, type RegisteredHandler } from './registry.ts';

export function heartbeatHandler(coordinator: GroupCoordinator): RegisteredHandler {
  return handler(apis.heartbeat, [0, 4], (request) => {
    const { groupId, memberId, groupInstanceId, generationId } = request;
    const identity = { memberId, instanceId: groupInstanceId };
    const error = coordinator.heartbeat(groupId, identity, generationId);
    return { throttleTimeMs: 0, errorCode: errorCodes[error] };
  });
}
