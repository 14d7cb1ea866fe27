/** UnregisterController (key 94). v0 is in no release. */
import { api, type BodyOf } from '../../schema/api.ts';
import { int16, int32, nullableString } from '../../schema/types.ts';

const unregisterController = api({
  key: 94,
  name: 'UnregisterController',
  versions: [0, 0],
  flexibleSince: 0,
  unstable: [0],
});

export const unregisterControllerRequest = unregisterController.message({ controllerId: int32 });

export const unregisterControllerResponse = unregisterController.message({
  throttleTimeMs: int32,
  errorCode: int16,
  errorMessage: nullableString,
});

export type UnregisterControllerRequest = BodyOf<typeof unregisterControllerRequest>;
export type UnregisterControllerResponse = BodyOf<typeof unregisterControllerResponse>;
