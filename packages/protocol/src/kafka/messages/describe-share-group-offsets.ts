/** DescribeShareGroupOffsets (key 90). v1: lag. */
import { api, type BodyOf } from '../../schema/api.ts';
import {
  arrayOf,
  defaulted,
  ignorable,
  int16,
  int32,
  int64,
  nullableArrayOf,
  nullableString,
  since,
  string,
  uuid,
} from '../../schema/types.ts';

const describeShareGroupOffsets = api({
  key: 90,
  name: 'DescribeShareGroupOffsets',
  versions: [0, 1],
  flexibleSince: 0,
});

export const describeShareGroupOffsetsRequest = describeShareGroupOffsets.message({
  groups: arrayOf({
    groupId: string,
    topics: nullableArrayOf({ topicName: string, partitions: arrayOf(int32) }),
  }),
});

export const describeShareGroupOffsetsResponse = describeShareGroupOffsets.message({
  throttleTimeMs: int32,
  groups: arrayOf({
    groupId: string,
    topics: arrayOf({
      topicName: string,
      topicId: uuid,
      partitions: arrayOf({
        partitionIndex: int32,
        startOffset: int64,
        leaderEpoch: int32,
        lag: since(1, int64, -1, ignorable),
        errorCode: int16,
        errorMessage: defaulted(nullableString, null),
      }),
    }),
    errorCode: int16,
    errorMessage: defaulted(nullableString, null),
  }),
});

export type DescribeShareGroupOffsetsRequest = BodyOf<typeof describeShareGroupOffsetsRequest>;
export type DescribeShareGroupOffsetsResponse = BodyOf<typeof describeShareGroupOffsetsResponse>;
