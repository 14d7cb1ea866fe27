/** DeleteShareGroupOffsets (key 92). */
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

const deleteShareGroupOffsets = api({
  key: 92,
  name: 'DeleteShareGroupOffsets',
  versions: [0, 0],
  flexibleSince: 0,
});

export const deleteShareGroupOffsetsRequest = deleteShareGroupOffsets.message({
  groupId: string,
  topics: arrayOf({ topicName: string }),
});

export const deleteShareGroupOffsetsResponse = deleteShareGroupOffsets.message({
  throttleTimeMs: int32,
  errorCode: int16,
  errorMessage: defaulted(nullableString, null),
  responses: arrayOf({
    topicName: string,
    topicId: uuid,
    errorCode: int16,
    errorMessage: defaulted(nullableString, null),
  }),
});

export type DeleteShareGroupOffsetsRequest = BodyOf<typeof deleteShareGroupOffsetsRequest>;
export type DeleteShareGroupOffsetsResponse = BodyOf<typeof deleteShareGroupOffsetsResponse>;
