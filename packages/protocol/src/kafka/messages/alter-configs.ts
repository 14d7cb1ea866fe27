/** AlterConfigs (key 33). v2: flexible. */
import { api, type BodyOf } from '../../schema/api.ts';
import { arrayOf, bool, int8, int16, int32, nullableString, string } from '../../schema/types.ts';

const alterConfigs = api({ key: 33, name: 'AlterConfigs', versions: [0, 2], flexibleSince: 2 });

export const alterConfigsRequest = alterConfigs.message({
  resources: arrayOf({
    resourceType: int8,
    resourceName: string,
    configs: arrayOf({ name: string, value: nullableString }),
  }),
  validateOnly: bool,
});

export const alterConfigsResponse = alterConfigs.message({
  throttleTimeMs: int32,
  responses: arrayOf({
    errorCode: int16,
    errorMessage: nullableString,
    resourceType: int8,
    resourceName: string,
  }),
});

export type AlterConfigsRequest = BodyOf<typeof alterConfigsRequest>;
export type AlterConfigsResponse = BodyOf<typeof alterConfigsResponse>;
