/**
 * OffsetCommit (key 8). v1: the member and its generation, commitTimestamp; v2: retentionTimeMs in
 * place of commitTimestamp; v3: throttling; v5: no retentionTimeMs (KIP-211); v6:
 * committedLeaderEpoch (KIP-320); v7: groupInstanceId (KIP-345); v8: flexible; v9:
 * STALE_MEMBER_EPOCH may be answered (KIP-848); v10: topics by id (KIP-848).
 */
import { api, type BodyOf } from '../../schema/api.ts';
import {
  arrayOf,
  ignorable,
  int16,
  int32,
  int64,
  nullableString,
  since,
  string,
  uuid,
} from '../../schema/types.ts';
import { ZERO_UUID } from '../../wire/text.ts';

const offsetCommit = api({ key: 8, name: 'OffsetCommit', versions: [0, 10], flexibleSince: 8 });

export const offsetCommitRequest = offsetCommit.message({
  groupId: string,
  generationIdOrMemberEpoch: since(1, int32, -1, ignorable),
  memberId: since(1, string, '', ignorable),
  groupInstanceId: since(7, nullableString, null),
  retentionTimeMs: since([2, 4], int64, -1, ignorable),
  topics: arrayOf({
    name: since([0, 9], string, '', ignorable),
    topicId: since(10, uuid, ZERO_UUID, ignorable),
    partitions: arrayOf({
      partitionIndex: int32,
      committedOffset: int64,
      committedLeaderEpoch: since(6, int32, -1, ignorable),
      commitTimestamp: since([1, 1], int64, -1),
      committedMetadata: nullableString,
    }),
  }),
});

export const offsetCommitResponse = offsetCommit.message({
  throttleTimeMs: since(3, int32, 0, ignorable),
  topics: arrayOf({
    name: since([0, 9], string, '', ignorable),
    topicId: since(10, uuid, ZERO_UUID, ignorable),
    partitions: arrayOf({ partitionIndex: int32, errorCode: int16 }),
  }),
});

export type OffsetCommitRequest = BodyOf<typeof offsetCommitRequest>;
export type OffsetCommitResponse = BodyOf<typeof offsetCommitResponse>;
