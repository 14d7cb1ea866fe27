/**
 * Fetch (key 1). Reads batches, for consumers and for followers. v1: throttling; v2: messages of
 * magic 1; v3: maxBytes for the whole answer (KIP-74); v4: isolation level, aborted transactions
 * (KIP-98); v5: logStartOffset (KIP-107); v7: fetch sessions (KIP-227); v9: currentLeaderEpoch
 * (KIP-320); v10: zstd (KIP-110); v11: rackId and preferredReadReplica (KIP-392); v12:
 * lastFetchedEpoch and divergingEpoch (KIP-595), flexible; v13: topics by id (KIP-516); v14:
 * OFFSET_MOVED_TO_TIERED_STORAGE may be answered (KIP-405); v15: replicaState in place of
 * replicaId (KIP-903); v16: addresses of new leaders (KIP-951); v17: replicaDirectoryId (KIP-853);
 * v18: the follower's high watermark (KIP-1166).
 */
import { api, type BodyOf } from '../../schema/api.ts';
import {
  arrayOf,
  bigint64,
  defaulted,
  ignorable,
  int8,
  int16,
  int32,
  int64,
  nullableArrayOf,
  nullableRecords,
  nullableString,
  since,
  string,
  struct,
  tagged,
  uuid,
} from '../../schema/types.ts';
import { ZERO_UUID } from '../../wire/text.ts';

const fetch = api({ key: 1, name: 'Fetch', versions: [0, 18], flexibleSince: 12 });

export const fetchRequest = fetch.message({
  clusterId: tagged(0, 12, nullableString, null, ignorable),
  replicaId: since([0, 14], int32, -1),
  replicaState: tagged(
    1,
    15,
    struct({ replicaId: defaulted(int32, -1), replicaEpoch: defaulted(int64, -1) }),
  ),
  maxWaitMs: int32,
  minBytes: int32,
  maxBytes: since(3, int32, 0x7fffffff, ignorable),
  isolationLevel: since(4, int8, 0, ignorable),
  sessionId: since(7, int32, 0, ignorable),
  sessionEpoch: since(7, int32, -1, ignorable),
  topics: arrayOf({
    topic: since([0, 12], string, '', ignorable),
    topicId: since(13, uuid, ZERO_UUID, ignorable),
    partitions: arrayOf({
      partition: int32,
      currentLeaderEpoch: since(9, int32, -1, ignorable),
      fetchOffset: int64,
      lastFetchedEpoch: since(12, int32, -1),
      logStartOffset: since(5, int64, -1, ignorable),
      partitionMaxBytes: int32,
      replicaDirectoryId: tagged(0, 17, uuid, ZERO_UUID, ignorable),
      highWatermark: tagged(1, 18, bigint64, 9223372036854775807n, ignorable),
    }),
  }),
  forgottenTopicsData: since(
    7,
    arrayOf({
      topic: since([7, 12], string, '', ignorable),
      topicId: since(13, uuid, ZERO_UUID, ignorable),
      partitions: arrayOf(int32),
    }),
    [],
  ),
  rackId: since(11, string, '', ignorable),
});

export const fetchResponse = fetch.message({
  throttleTimeMs: since(1, int32, 0, ignorable),
  errorCode: since(7, int16, 0, ignorable),
  sessionId: since(7, int32, 0),
  responses: arrayOf({
    topic: since([0, 12], string, '', ignorable),
    topicId: since(13, uuid, ZERO_UUID, ignorable),
    partitions: arrayOf({
      partitionIndex: int32,
      errorCode: int16,
      highWatermark: int64,
      lastStableOffset: since(4, int64, -1, ignorable),
      logStartOffset: since(5, int64, -1, ignorable),
      divergingEpoch: tagged(
        0,
        12,
        struct({ epoch: defaulted(int32, -1), endOffset: defaulted(int64, -1) }),
      ),
      currentLeader: tagged(
        1,
        12,
        struct({ leaderId: defaulted(int32, -1), leaderEpoch: defaulted(int32, -1) }),
      ),
      snapshotId: tagged(
        2,
        12,
        struct({ endOffset: defaulted(int64, -1), epoch: defaulted(int32, -1) }),
      ),
      abortedTransactions: since(
        4,
        nullableArrayOf({ producerId: bigint64, firstOffset: int64 }),
        [],
        ignorable,
      ),
      preferredReadReplica: since(11, int32, -1),
      records: nullableRecords,
    }),
  }),
  nodeEndpoints: tagged(
    0,
    16,
    arrayOf({ nodeId: int32, host: string, port: int32, rack: defaulted(nullableString, null) }),
    [],
  ),
});

export type FetchRequest = BodyOf<typeof fetchRequest>;
export type FetchResponse = BodyOf<typeof fetchResponse>;
