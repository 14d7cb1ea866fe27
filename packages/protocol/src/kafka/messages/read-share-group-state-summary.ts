/** ReadShareGroupStateSummary (key 87). v1: deliveryCompleteCount. */
import { api, type BodyOf } from '../../schema/api.ts';
import {
  arrayOf,
  defaulted,
  ignorable,
  int16,
  int32,
  int64,
  nullableString,
  since,
  string,
  uuid,
} from '../../schema/types.ts';

const readShareGroupStateSummary = api({
  key: 87,
  name: 'ReadShareGroupStateSummary',
  versions: [0, 1],
  flexibleSince: 0,
});

export const readShareGroupStateSummaryRequest = readShareGroupStateSummary.message({
  groupId: string,
  topics: arrayOf({ topicId: uuid, partitions: arrayOf({ partition: int32, leaderEpoch: int32 }) }),
});

export const readShareGroupStateSummaryResponse = readShareGroupStateSummary.message({
  results: arrayOf({
    topicId: uuid,
    partitions: arrayOf({
      partition: int32,
      errorCode: int16,
      errorMessage: defaulted(nullableString, null),
      stateEpoch: int32,
      leaderEpoch: int32,
      startOffset: int64,
      deliveryCompleteCount: since(1, int32, -1, ignorable),
    }),
  }),
});

export type ReadShareGroupStateSummaryRequest = BodyOf<typeof readShareGroupStateSummaryRequest>;
export type ReadShareGroupStateSummaryResponse = BodyOf<typeof readShareGroupStateSummaryResponse>;
