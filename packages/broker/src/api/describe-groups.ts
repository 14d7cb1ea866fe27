/** DescribeGroups: who is in a group, and what each member reads. */
import { apis, errorCodes } from '@odradek/protocol';
import type { GroupSnapshot } from '../core/group/group-types.ts';
import type { GroupCoordinator } from '../group/group-coordinator-host.ts';
import { OPERATIONS_NOT_ASKED } from './authorized-operations.ts';
import { handler, type RegisteredHandler } from './registry.ts';

/** Without an authorizer everybody may do all that can be done with a group: read, delete, describe. */
const GROUP_OPERATIONS = (1 << 3) | (1 << 6) | (1 << 8);
const UNKNOWN_IS_AN_ERROR_SINCE = 6;
const NOTHING = Buffer.alloc(0);

export function describeGroupsHandler(coordinator: GroupCoordinator): RegisteredHandler {
  return handler(
    apis.describeGroups,
    [0, 6],
    ({ groups, includeAuthorizedOperations }, { apiVersion }) => ({
      throttleTimeMs: 0,
      groups: groups.map((groupId) => {
        const { error, snapshot } = coordinator.describe(groupId);
        const missing = error === 'NONE' && snapshot === null;
        const unknown = missing && apiVersion >= UNKNOWN_IS_AN_ERROR_SINCE;
        return {
          errorCode: errorCodes[unknown ? 'GROUP_ID_NOT_FOUND' : error],
          errorMessage: unknown ? `Group ${groupId} not found.` : null,
          groupId,
          groupState: snapshot?.state ?? (missing ? 'Dead' : ''),
          protocolType: snapshot?.protocolType ?? '',
          ...membersOf(snapshot),
          authorizedOperations:
            includeAuthorizedOperations && error === 'NONE' && !unknown
              ? GROUP_OPERATIONS
              : OPERATIONS_NOT_ASKED,
        };
      }),
    }),
  );
}

/** Only a stable group shows what its members speak and own: before that it is about to change. */
function membersOf(snapshot: GroupSnapshot | null) {
  const stable = snapshot?.state === 'Stable';
  return {
    protocolData: stable ? (snapshot.protocolName ?? '') : '',
    members: (snapshot?.members ?? []).map((member) => ({
      memberId: member.memberId,
      groupInstanceId: member.instanceId,
      clientId: member.clientId,
      clientHost: member.clientHost,
      memberMetadata: stable ? member.metadata : NOTHING,
      memberAssignment: stable ? member.assignment : NOTHING,
    })),
  };
}
