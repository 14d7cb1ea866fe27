/** WriteShareGroupState (key 85). v1: deliveryCompleteCount. */
import { api, type BodyOf } from '../../schema/api.ts';
import {
  arrayOf,
  defaulted,
  ignorable,
  int8,
  int16,
  int32,
  int64,
  nullableString,
  since,
  string,
  uuid,
} from '../../schema/types.ts';

const writeShareGroupState = api({
  key: 85,
  name: 'WriteShareGroupState',
  versions: [0, 1],
  flexibleSince: 0,
});

export const writeShareGroupStateRequest = writeShareGroupState.message({
  groupId: string,
  topics: arrayOf({
    topicId: uuid,
    partitions: arrayOf({
      partition: int32,
      stateEpoch: int32,
      leaderEpoch: int32,
      startOffset: int64,
      deliveryCompleteCount: since(1, int32, -1, ignorable),
      stateBatches: arrayOf({
        firstOffset: int64,
        lastOffset: int64,
        deliveryState: int8,
        deliveryCount: int16,
      }),
    }),
  }),
});

export const writeShareGroupStateResponse = writeShareGroupState.message({
  results: arrayOf({
    topicId: uuid,
    partitions: arrayOf({
      partition: int32,
      errorCode: int16,
      errorMessage: defaulted(nullableString, null),
    }),
  }),
});

export type WriteShareGroupStateRequest = BodyOf<typeof writeShareGroupStateRequest>;
export type WriteShareGroupStateResponse = BodyOf<typeof writeShareGroupStateResponse>;
