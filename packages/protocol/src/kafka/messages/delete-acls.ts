/** DeleteAcls (key 31). v1: patternTypeFilter, patternType; v2: flexible. */
import { api, type BodyOf } from '../../schema/api.ts';
import { arrayOf, int8, int16, int32, nullableString, since, string } from '../../schema/types.ts';

const deleteAcls = api({ key: 31, name: 'DeleteAcls', versions: [0, 3], flexibleSince: 2 });

export const deleteAclsRequest = deleteAcls.message({
  filters: arrayOf({
    resourceTypeFilter: int8,
    resourceNameFilter: nullableString,
    patternTypeFilter: since(1, int8, 3),
    principalFilter: nullableString,
    hostFilter: nullableString,
    operation: int8,
    permissionType: int8,
  }),
});

export const deleteAclsResponse = deleteAcls.message({
  throttleTimeMs: int32,
  filterResults: arrayOf({
    errorCode: int16,
    errorMessage: nullableString,
    matchingAcls: arrayOf({
      errorCode: int16,
      errorMessage: nullableString,
      resourceType: int8,
      resourceName: string,
      patternType: since(1, int8, 3),
      principal: string,
      host: string,
      operation: int8,
      permissionType: int8,
    }),
  }),
});

export type DeleteAclsRequest = BodyOf<typeof deleteAclsRequest>;
export type DeleteAclsResponse = BodyOf<typeof deleteAclsResponse>;
