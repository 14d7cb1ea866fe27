/**
 * OffsetForLeaderEpoch (key 23). Where an epoch ended (KIP-101). v1: the epoch found; v2:
 * currentLeaderEpoch (KIP-320); v3: replicaId; v4: flexible.
 */
import { api, type BodyOf } from '../../schema/api.ts';
import {
  arrayOf,
  defaulted,
  ignorable,
  int16,
  int32,
  int64,
  since,
  string,
} from '../../schema/types.ts';

const offsetForLeaderEpoch = api({
  key: 23,
  name: 'OffsetForLeaderEpoch',
  versions: [0, 4],
  flexibleSince: 4,
});

export const offsetForLeaderEpochRequest = offsetForLeaderEpoch.message({
  replicaId: since(3, int32, -2, ignorable),
  topics: arrayOf({
    topic: string,
    partitions: arrayOf({
      partition: int32,
      currentLeaderEpoch: since(2, int32, -1, ignorable),
      leaderEpoch: int32,
    }),
  }),
});

export const offsetForLeaderEpochResponse = offsetForLeaderEpoch.message({
  throttleTimeMs: since(2, int32, 0, ignorable),
  topics: arrayOf({
    topic: string,
    partitions: arrayOf({
      errorCode: int16,
      partition: int32,
      leaderEpoch: since(1, int32, -1, ignorable),
      endOffset: defaulted(int64, -1),
    }),
  }),
});

export type OffsetForLeaderEpochRequest = BodyOf<typeof offsetForLeaderEpochRequest>;
export type OffsetForLeaderEpochResponse = BodyOf<typeof offsetForLeaderEpochResponse>;
