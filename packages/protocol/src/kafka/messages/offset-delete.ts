/** OffsetDelete (key 47). */
import { api, type BodyOf } from '../../schema/api.ts';
import { arrayOf, int16, int32, string } from '../../schema/types.ts';

const offsetDelete = api({ key: 47, name: 'OffsetDelete', versions: [0, 0], flexibleSince: null });

export const offsetDeleteRequest = offsetDelete.message({
  groupId: string,
  topics: arrayOf({ name: string, partitions: arrayOf({ partitionIndex: int32 }) }),
});

export const offsetDeleteResponse = offsetDelete.message({
  errorCode: int16,
  throttleTimeMs: int32,
  topics: arrayOf({
    name: string,
    partitions: arrayOf({ partitionIndex: int32, errorCode: int16 }),
  }),
});

export type OffsetDeleteRequest = BodyOf<typeof offsetDeleteRequest>;
export type OffsetDeleteResponse = BodyOf<typeof offsetDeleteResponse>;
