/** DescribeAcls (key 29). v1: patternTypeFilter, patternType; v2: flexible. */
import { api, type BodyOf } from '../../schema/api.ts';
import { arrayOf, int8, int16, int32, nullableString, since, string } from '../../schema/types.ts';

const describeAcls = api({ key: 29, name: 'DescribeAcls', versions: [0, 3], flexibleSince: 2 });

export const describeAclsRequest = describeAcls.message({
  resourceTypeFilter: int8,
  resourceNameFilter: nullableString,
  patternTypeFilter: since(1, int8, 3),
  principalFilter: nullableString,
  hostFilter: nullableString,
  operation: int8,
  permissionType: int8,
});

export const describeAclsResponse = describeAcls.message({
  throttleTimeMs: int32,
  errorCode: int16,
  errorMessage: nullableString,
  resources: arrayOf({
    resourceType: int8,
    resourceName: string,
    patternType: since(1, int8, 3),
    acls: arrayOf({ principal: string, host: string, operation: int8, permissionType: int8 }),
  }),
});

export type DescribeAclsRequest = BodyOf<typeof describeAclsRequest>;
export type DescribeAclsResponse = BodyOf<typeof describeAclsResponse>;
