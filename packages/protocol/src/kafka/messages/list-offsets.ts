/**
 * ListOffsets (key 2). Offsets by timestamp; -1 asks for the latest, -2 for the earliest. v1: one
 * offset with its timestamp in place of a list (KIP-79); v2: isolation level (KIP-98); v4: leader
 * epochs (KIP-320); v6: flexible; v7: timestamp -3: offset of the largest timestamp (KIP-734); v8:
 * timestamp -4: earliest local offset (KIP-405); v9: timestamp -5: latest tiered offset
 * (KIP-1005); v10: timeoutMs for remote storage (KIP-1075); v11: timestamp -6: earliest offset
 * pending upload (KIP-1023).
 */
import { api, type BodyOf } from '../../schema/api.ts';
import {
  arrayOf,
  ignorable,
  int8,
  int16,
  int32,
  int64,
  since,
  string,
} from '../../schema/types.ts';

const listOffsets = api({ key: 2, name: 'ListOffsets', versions: [0, 11], flexibleSince: 6 });

export const listOffsetsRequest = listOffsets.message({
  replicaId: int32,
  isolationLevel: since(2, int8, 0),
  topics: arrayOf({
    name: string,
    partitions: arrayOf({
      partitionIndex: int32,
      currentLeaderEpoch: since(4, int32, -1, ignorable),
      timestamp: int64,
      maxNumOffsets: since([0, 0], int32, 1),
    }),
  }),
  timeoutMs: since(10, int32, 0, ignorable),
});

export const listOffsetsResponse = listOffsets.message({
  throttleTimeMs: since(2, int32, 0, ignorable),
  topics: arrayOf({
    name: string,
    partitions: arrayOf({
      partitionIndex: int32,
      errorCode: int16,
      oldStyleOffsets: since([0, 0], arrayOf(int64), []),
      timestamp: since(1, int64, -1),
      offset: since(1, int64, -1),
      leaderEpoch: since(4, int32, -1),
    }),
  }),
});

export type ListOffsetsRequest = BodyOf<typeof listOffsetsRequest>;
export type ListOffsetsResponse = BodyOf<typeof listOffsetsResponse>;
