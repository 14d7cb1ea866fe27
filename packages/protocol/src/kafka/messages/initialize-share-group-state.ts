/** InitializeShareGroupState (key 83). */
import { api, type BodyOf } from '../../schema/api.ts';
import {
  arrayOf,
  defaulted,
  int16,
  int32,
  int64,
  nullableString,
  string,
  uuid,
} from '../../schema/types.ts';

const initializeShareGroupState = api({
  key: 83,
  name: 'InitializeShareGroupState',
  versions: [0, 0],
  flexibleSince: 0,
});

export const initializeShareGroupStateRequest = initializeShareGroupState.message({
  groupId: string,
  topics: arrayOf({
    topicId: uuid,
    partitions: arrayOf({ partition: int32, stateEpoch: int32, startOffset: int64 }),
  }),
});

export const initializeShareGroupStateResponse = initializeShareGroupState.message({
  results: arrayOf({
    topicId: uuid,
    partitions: arrayOf({
      partition: int32,
      errorCode: int16,
      errorMessage: defaulted(nullableString, null),
    }),
  }),
});

export type InitializeShareGroupStateRequest = BodyOf<typeof initializeShareGroupStateRequest>;
export type InitializeShareGroupStateResponse = BodyOf<typeof initializeShareGroupStateResponse>;
