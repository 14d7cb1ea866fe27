/** ReadShareGroupState (key 84). */
import { api, type BodyOf } from '../../schema/api.ts';
import {
  arrayOf,
  defaulted,
  int8,
  int16,
  int32,
  int64,
  nullableString,
  string,
  uuid,
} from '../../schema/types.ts';

const readShareGroupState = api({
  key: 84,
  name: 'ReadShareGroupState',
  versions: [0, 0],
  flexibleSince: 0,
});

export const readShareGroupStateRequest = readShareGroupState.message({
  groupId: string,
  topics: arrayOf({ topicId: uuid, partitions: arrayOf({ partition: int32, leaderEpoch: int32 }) }),
});

export const readShareGroupStateResponse = readShareGroupState.message({
  results: arrayOf({
    topicId: uuid,
    partitions: arrayOf({
      partition: int32,
      errorCode: int16,
      errorMessage: defaulted(nullableString, null),
      stateEpoch: int32,
      startOffset: int64,
      stateBatches: arrayOf({
        firstOffset: int64,
        lastOffset: int64,
        deliveryState: int8,
        deliveryCount: int16,
      }),
    }),
  }),
});

export type ReadShareGroupStateRequest = BodyOf<typeof readShareGroupStateRequest>;
export type ReadShareGroupStateResponse = BodyOf<typeof readShareGroupStateResponse>;
