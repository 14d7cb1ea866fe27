/** DeleteGroups: empty groups go, with their offsets. */
import { apis, errorCodes } from '@odradek/protocol';
import type { GroupCoordinator } from '../group/group-coordinator-host.ts';
import { handler, type RegisteredHandler } from './registry.ts';

export function deleteGroupsHandler(coordinator: GroupCoordinator): RegisteredHandler {
  return handler(apis.deleteGroups, [0, 2], async ({ groupsNames }) => ({
    throttleTimeMs: 0,
    results: await Promise.all(
      // Named twice, a group would be gone and not found.
      [...new Set(groupsNames)].map(async (groupId) => ({
        groupId,
        errorCode: errorCodes[await coordinator.delete(groupId)],
      })),
    ),
  }));
}
