/** CreatePartitions (key 37). v2: flexible. */
import { api, type BodyOf } from '../../schema/api.ts';
import {
  arrayOf,
  bool,
  defaulted,
  int16,
  int32,
  nullableArrayOf,
  nullableString,
  string,
} from '../../schema/types.ts';

const createPartitions = api({
  key: 37,
  name: 'CreatePartitions',
  versions: [0, 3],
  flexibleSince: 2,
});

export const createPartitionsRequest = createPartitions.message({
  topics: arrayOf({
    name: string,
    count: int32,
    assignments: nullableArrayOf({ brokerIds: arrayOf(int32) }),
  }),
  timeoutMs: int32,
  validateOnly: bool,
});

export const createPartitionsResponse = createPartitions.message({
  throttleTimeMs: int32,
  results: arrayOf({
    name: string,
    errorCode: int16,
    errorMessage: defaulted(nullableString, null),
  }),
});

export type CreatePartitionsRequest = BodyOf<typeof createPartitionsRequest>;
export type CreatePartitionsResponse = BodyOf<typeof createPartitionsResponse>;
