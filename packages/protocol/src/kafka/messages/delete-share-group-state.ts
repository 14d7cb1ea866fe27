/** DeleteShareGroupState (key 86). */
import { api, type BodyOf } from '../../schema/api.ts';
import {
  arrayOf,
  defaulted,
  int16,
  int32,
  nullableString,
  string,
  uuid,
} from '../../schema/types.ts';

const deleteShareGroupState = api({
  key: 86,
  name: 'DeleteShareGroupState',
  versions: [0, 0],
  flexibleSince: 0,
});

export const deleteShareGroupStateRequest = deleteShareGroupState.message({
  groupId: string,
  topics: arrayOf({ topicId: uuid, partitions: arrayOf({ partition: int32 }) }),
});

export const deleteShareGroupStateResponse = deleteShareGroupState.message({
  results: arrayOf({
    topicId: uuid,
    partitions: arrayOf({
      partition: int32,
      errorCode: int16,
      errorMessage: defaulted(nullableString, null),
    }),
  }),
});

export type DeleteShareGroupStateRequest = BodyOf<typeof deleteShareGroupStateRequest>;
export type DeleteShareGroupStateResponse = BodyOf<typeof deleteShareGroupStateResponse>;
