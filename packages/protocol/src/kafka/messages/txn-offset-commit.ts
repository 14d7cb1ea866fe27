/**
 * TxnOffsetCommit (key 28). v2: committedLeaderEpoch (KIP-320); v3: member and generation
 * (KIP-447), flexible; v4: TRANSACTION_ABORTABLE may be answered (KIP-890); v5: the group joins
 * the transaction by being written to (KIP-890); v6: topics by id. v6 is in no release.
 */
import { api, type BodyOf } from '../../schema/api.ts';
import {
  arrayOf,
  bigint64,
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

const txnOffsetCommit = api({
  key: 28,
  name: 'TxnOffsetCommit',
  versions: [0, 6],
  flexibleSince: 3,
  unstable: [6],
});

export const txnOffsetCommitRequest = txnOffsetCommit.message({
  transactionalId: string,
  groupId: string,
  producerId: bigint64,
  producerEpoch: int16,
  generationId: since(3, int32, -1),
  memberId: since(3, string, ''),
  groupInstanceId: since(3, nullableString, null),
  topics: arrayOf({
    name: since([0, 5], string, '', ignorable),
    topicId: since(6, uuid, ZERO_UUID, ignorable),
    partitions: arrayOf({
      partitionIndex: int32,
      committedOffset: int64,
      committedLeaderEpoch: since(2, int32, -1, ignorable),
      committedMetadata: nullableString,
    }),
  }),
});

export const txnOffsetCommitResponse = txnOffsetCommit.message({
  throttleTimeMs: int32,
  topics: arrayOf({
    name: since([0, 5], string, '', ignorable),
    topicId: since(6, uuid, ZERO_UUID, ignorable),
    partitions: arrayOf({ partitionIndex: int32, errorCode: int16 }),
  }),
});

export type TxnOffsetCommitRequest = BodyOf<typeof txnOffsetCommitRequest>;
export type TxnOffsetCommitResponse = BodyOf<typeof txnOffsetCommitResponse>;
