/** DeleteGroups (key 42). v2: flexible; v3: errorMessage. v3 is in no release. */
import { api, type BodyOf } from '../../schema/api.ts';
import {
  arrayOf,
  ignorable,
  int16,
  int32,
  nullableString,
  since,
  string,
} from '../../schema/types.ts';

const deleteGroups = api({
  key: 42,
  name: 'DeleteGroups',
  versions: [0, 3],
  flexibleSince: 2,
  unstable: [3],
});

export const deleteGroupsRequest = deleteGroups.message({ groupsNames: arrayOf(string) });

export const deleteGroupsResponse = deleteGroups.message({
  throttleTimeMs: int32,
  results: arrayOf({
    groupId: string,
    errorCode: int16,
    errorMessage: since(3, nullableString, null, ignorable),
  }),
});

export type DeleteGroupsRequest = BodyOf<typeof deleteGroupsRequest>;
export type DeleteGroupsResponse = BodyOf<typeof deleteGroupsResponse>;
