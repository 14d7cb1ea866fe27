/** ListConfigResources (key 74). v1: resourceTypes, resourceType. */
import { api, type BodyOf } from '../../schema/api.ts';
import { arrayOf, ignorable, int8, int16, int32, since, string } from '../../schema/types.ts';

const listConfigResources = api({
  key: 74,
  name: 'ListConfigResources',
  versions: [0, 1],
  flexibleSince: 0,
});

export const listConfigResourcesRequest = listConfigResources.message({
  resourceTypes: since(1, arrayOf(int8), []),
});

export const listConfigResourcesResponse = listConfigResources.message({
  throttleTimeMs: int32,
  errorCode: int16,
  configResources: arrayOf({ resourceName: string, resourceType: since(1, int8, 16, ignorable) }),
});

export type ListConfigResourcesRequest = BodyOf<typeof listConfigResourcesRequest>;
export type ListConfigResourcesResponse = BodyOf<typeof listConfigResourcesResponse>;
