/** DeleteRecords (key 21). v2: flexible. */
import { api, type BodyOf } from '../../schema/api.ts';
import { arrayOf, int16, int32, int64, string } from '../../schema/types.ts';

const deleteRecords = api({ key: 21, name: 'DeleteRecords', versions: [0, 2], flexibleSince: 2 });

export const deleteRecordsRequest = deleteRecords.message({
  topics: arrayOf({ name: string, partitions: arrayOf({ partitionIndex: int32, offset: int64 }) }),
  timeoutMs: int32,
});

export const deleteRecordsResponse = deleteRecords.message({
  throttleTimeMs: int32,
  topics: arrayOf({
    name: string,
    partitions: arrayOf({ partitionIndex: int32, lowWatermark: int64, errorCode: int16 }),
  }),
});

export type DeleteRecordsRequest = BodyOf<typeof deleteRecordsRequest>;
export type DeleteRecordsResponse = BodyOf<typeof deleteRecordsResponse>;
