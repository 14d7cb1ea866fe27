/** AlterShareGroupOffsets (key 91). */
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

const alterShareGroupOffsets = api({
  key: 91,
  name: 'AlterShareGroupOffsets',
  versions: [0, 0],
  flexibleSince: 0,
});

export const alterShareGroupOffsetsRequest = alterShareGroupOffsets.message({
  groupId: string,
  topics: arrayOf({
    topicName: string,
    partitions: arrayOf({ partitionIndex: int32, startOffset: int64 }),
  }),
});

export const alterShareGroupOffsetsResponse = alterShareGroupOffsets.message({
  throttleTimeMs: int32,
  errorCode: int16,
  errorMessage: defaulted(nullableString, null),
  responses: arrayOf({
    topicName: string,
    topicId: uuid,
    partitions: arrayOf({
      partitionIndex: int32,
      errorCode: int16,
      errorMessage: defaulted(nullableString, null),
    }),
  }),
});

export type AlterShareGroupOffsetsRequest = BodyOf<typeof alterShareGroupOffsetsRequest>;
export type AlterShareGroupOffsetsResponse = BodyOf<typeof alterShareGroupOffsetsResponse>;
