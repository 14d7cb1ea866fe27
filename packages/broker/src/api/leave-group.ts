/** LeaveGroup: one member goes (before v3), or an operator or client takes out several. */
import { apis, errorCodes } from '@odradek/protocol';
import type { GroupCoordinator } from '../group/group-coordinator-host.ts';
import { handler, type RegisteredHandler } from './registry.ts';

const SEVERAL_SINCE = 3;

export function leaveGroupHandler(coordinator: GroupCoordinator): RegisteredHandler {
  return handler(apis.leaveGroup, [0, 5], async (request, { apiVersion }) => {
    const several = apiVersion >= SEVERAL_SINCE;
    const leaving = several
      ? request.members
      : [{ memberId: request.memberId, groupInstanceId: null }];
    const { error, members } = await coordinator.leave(
      request.groupId,
      leaving.map(({ memberId, groupInstanceId }) => ({ memberId, instanceId: groupInstanceId })),
    );
    const only = several ? error : (members[0] ?? error);
    return {
      throttleTimeMs: 0,
      errorCode: errorCodes[only],
      members: several
        ? members.map((memberError, index) => ({
            memberId: leaving[index]?.memberId ?? '',
            groupInstanceId: leaving[index]?.groupInstanceId ?? null,
            errorCode: errorCodes[memberError],
          }))
        : [],
    };
  });
}
