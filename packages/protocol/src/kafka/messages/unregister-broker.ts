/** UnregisterBroker (key 64). */
import { api, type BodyOf } from '../../schema/api.ts';
import { int16, int32, nullableString } from '../../schema/types.ts';

const unregisterBroker = api({
  key: 64,
  name: 'UnregisterBroker',
  versions: [0, 0],
  flexibleSince: 0,
});

export const unregisterBrokerRequest = unregisterBroker.message({ brokerId: int32 });

export const unregisterBrokerResponse = unregisterBroker.message({
  throttleTimeMs: int32,
  errorCode: int16,
  errorMessage: nullableString,
});

export type UnregisterBrokerRequest = BodyOf<typeof unregisterBrokerRequest>;
export type UnregisterBrokerResponse = BodyOf<typeof unregisterBrokerResponse>;
