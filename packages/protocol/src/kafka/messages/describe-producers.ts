/** DescribeProducers (key 61). */
import { api, type BodyOf } from '../../schema/api.ts';
import {
  arrayOf,
  bigint64,
  defaulted,
  int16,
  int32,
  int64,
  nullableString,
  string,
} from '../../schema/types.ts';

const describeProducers = api({
  key: 61,
  name: 'DescribeProducers',
  versions: [0, 0],
  flexibleSince: 0,
});

export const describeProducersRequest = describeProducers.message({
  topics: arrayOf({ name: string, partitionIndexes: arrayOf(int32) }),
});

export const describeProducersResponse = describeProducers.message({
  throttleTimeMs: int32,
  topics: arrayOf({
    name: string,
    partitions: arrayOf({
      partitionIndex: int32,
      errorCode: int16,
      errorMessage: defaulted(nullableString, null),
      activeProducers: arrayOf({
        producerId: bigint64,
        producerEpoch: int32,
        lastSequence: defaulted(int32, -1),
        lastTimestamp: defaulted(int64, -1),
        coordinatorEpoch: int32,
        currentTxnStartOffset: defaulted(int64, -1),
      }),
    }),
  }),
});

export type DescribeProducersRequest = BodyOf<typeof describeProducersRequest>;
export type DescribeProducersResponse = BodyOf<typeof describeProducersResponse>;
