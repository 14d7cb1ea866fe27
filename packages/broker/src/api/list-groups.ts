/** ListGroups: the groups that this broker coordinates. */
import { apis, errorCodes } from '@odradek/protocol';
import type { GroupCoordinator } from '../group/group-coordinator-host.ts';
import { handler, type RegisteredHandler } from './registry.ts';

const CLASSIC = 'classic';

export function listGroupsHandler(coordinator: GroupCoordinator): RegisteredHandler {
  return handler(apis.listGroups, [0, 5], ({ statesFilter, typesFilter }) => {
    const { error, groups } = coordinator.list();
    const states = new Set(statesFilter.map((state) => state.toLowerCase()));
    const types = new Set(typesFilter.map((type) => type.toLowerCase()));
    return {
      throttleTimeMs: 0,
      errorCode: errorCodes[error],
      groups: groups
        .filter(({ state }) => states.size === 0 || states.has(state.toLowerCase()))
        .filter(() => types.size === 0 || types.has(CLASSIC))
        .map(({ groupId, protocolType, state }) => ({
          groupId,
          protocolType,
          groupState: state,
          groupType: CLASSIC,
        })),
    };
  });
}
