/**
 * OffsetFetch (key 9). v2: null asks for all topics; errorCode for the group; v3: throttling; v5:
 * committedLeaderEpoch (KIP-320); v6: flexible; v7: requireStable (KIP-447); v8: several groups in
 * one request (KIP-709); v9: member id and epoch (KIP-848); v10: topics by id (KIP-848).
 */
import { api, type BodyOf } from '../../schema/api.ts';
import {
  arrayOf,
  bool,
  defaulted,
  ignorable,
  int16,
  int32,
  int64,
  nullableArrayOf,
  nullableIn,
  nullableString,
  since,
  string,
  uuid,
} from '../../schema/types.ts';
import { ZERO_UUID } from '../../wire/text.ts';

const offsetFetch = api({ key: 9, name: 'OffsetFetch', versions: [0, 10], flexibleSince: 6 });

export const offsetFetchRequest = offsetFetch.message({
  groupId: since([0, 7], string, ''),
  topics: since(
    [0, 7],
    nullableIn(2, arrayOf({ name: string, partitionIndexes: arrayOf(int32) })),
    [],
  ),
  groups: since(
    8,
    arrayOf({
      groupId: string,
      memberId: since(9, nullableString, null, ignorable),
      memberEpoch: since(9, int32, -1, ignorable),
      topics: nullableArrayOf({
        name: since([8, 9], string, '', ignorable),
        topicId: since(10, uuid, ZERO_UUID, ignorable),
        partitionIndexes: arrayOf(int32),
      }),
    }),
    [],
  ),
  requireStable: since(7, bool, false),
});

export const offsetFetchResponse = offsetFetch.message({
  throttleTimeMs: since(3, int32, 0, ignorable),
  topics: since(
    [0, 7],
    arrayOf({
      name: string,
      partitions: arrayOf({
        partitionIndex: int32,
        committedOffset: int64,
        committedLeaderEpoch: since(5, int32, -1, ignorable),
        metadata: nullableString,
        errorCode: int16,
      }),
    }),
    [],
  ),
  errorCode: since([2, 7], int16, 0, ignorable),
  groups: since(
    8,
    arrayOf({
      groupId: string,
      topics: arrayOf({
        name: since([8, 9], string, '', ignorable),
        topicId: since(10, uuid, ZERO_UUID, ignorable),
        partitions: arrayOf({
          partitionIndex: int32,
          committedOffset: int64,
          committedLeaderEpoch: defaulted(int32, -1),
          metadata: nullableString,
          errorCode: int16,
        }),
      }),
      errorCode: defaulted(int16, 0),
    }),
    [],
  ),
});

export type OffsetFetchRequest = BodyOf<typeof offsetFetchRequest>;
export type OffsetFetchResponse = BodyOf<typeof offsetFetchResponse>;
