/**
 * ListGroups (key 16). v1: throttling; v3: flexible; v4: states (KIP-518); v5: types (KIP-848).
 */
import { api, type BodyOf } from '../../schema/api.ts';
import { arrayOf, ignorable, int16, int32, since, string } from '../../schema/types.ts';

const listGroups = api({ key: 16, name: 'ListGroups', versions: [0, 5], flexibleSince: 3 });

export const listGroupsRequest = listGroups.message({
  statesFilter: since(4, arrayOf(string), []),
  typesFilter: since(5, arrayOf(string), []),
});

export const listGroupsResponse = listGroups.message({
  throttleTimeMs: since(1, int32, 0, ignorable),
  errorCode: int16,
  groups: arrayOf({
    groupId: string,
    protocolType: string,
    groupState: since(4, string, '', ignorable),
    groupType: since(5, string, '', ignorable),
  }),
});

export type ListGroupsRequest = BodyOf<typeof listGroupsRequest>;
export type ListGroupsResponse = BodyOf<typeof listGroupsResponse>;
