/** CreateAcls (key 30). v1: resourcePatternType; v2: flexible. */
import { api, type BodyOf } from '../../schema/api.ts';
import { arrayOf, int8, int16, int32, nullableString, since, string } from '../../schema/types.ts';

const createAcls = api({ key: 30, name: 'CreateAcls', versions: [0, 3], flexibleSince: 2 });

export const createAclsRequest = createAcls.message({
  creations: arrayOf({
    resourceType: int8,
    resourceName: string,
    resourcePatternType: since(1, int8, 3),
    principal: string,
    host: string,
    operation: int8,
    permissionType: int8,
  }),
});

export const createAclsResponse = createAcls.message({
  throttleTimeMs: int32,
  results: arrayOf({ errorCode: int16, errorMessage: nullableString }),
});

export type CreateAclsRequest = BodyOf<typeof createAclsRequest>;
export type CreateAclsResponse = BodyOf<typeof createAclsResponse>;
