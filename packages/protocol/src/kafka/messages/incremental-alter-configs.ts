/** IncrementalAlterConfigs (key 44). v1: flexible. */
import { api, type BodyOf } from '../../schema/api.ts';
import { arrayOf, bool, int8, int16, int32, nullableString, string } from '../../schema/types.ts';

const incrementalAlterConfigs = api({
  key: 44,
  name: 'IncrementalAlterConfigs',
  versions: [0, 1],
  flexibleSince: 1,
});

export const incrementalAlterConfigsRequest = incrementalAlterConfigs.message({
  resources: arrayOf({
    resourceType: int8,
    resourceName: string,
    configs: arrayOf({ name: string, configOperation: int8, value: nullableString }),
  }),
  validateOnly: bool,
});

export const incrementalAlterConfigsResponse = incrementalAlterConfigs.message({
  throttleTimeMs: int32,
  responses: arrayOf({
    errorCode: int16,
    errorMessage: nullableString,
    resourceType: int8,
    resourceName: string,
  }),
});

export type IncrementalAlterConfigsRequest = BodyOf<typeof incrementalAlterConfigsRequest>;
export type IncrementalAlterConfigsResponse = BodyOf<typeof incrementalAlterConfigsResponse>;
