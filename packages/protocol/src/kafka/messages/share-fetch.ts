/**
 * ShareFetch (key 78). v1: maxRecords, batchSize, no partitionMaxBytes, acquisitionLockTimeoutMs;
 * v2: shareAcquireMode, isRenewAck. v0 is in no release.
 */
import { api, type BodyOf } from '../../schema/api.ts';
import {
  arrayOf,
  bool,
  defaulted,
  ignorable,
  int8,
  int16,
  int32,
  int64,
  nullableIn,
  nullableString,
  records,
  since,
  string,
  struct,
  uuid,
} from '../../schema/types.ts';

const shareFetch = api({
  key: 78,
  name: 'ShareFetch',
  versions: [0, 2],
  flexibleSince: 0,
  unstable: [0],
});

export const shareFetchRequest = shareFetch.message({
  groupId: defaulted(nullableString, null),
  memberId: nullableString,
  shareSessionEpoch: int32,
  maxWaitMs: int32,
  minBytes: int32,
  maxBytes: defaulted(int32, 0x7fffffff),
  maxRecords: since(1, int32, 0),
  batchSize: since(1, int32, 0),
  shareAcquireMode: since(2, int8, 0, ignorable),
  isRenewAck: since(2, bool, false),
  topics: arrayOf({
    topicId: uuid,
    partitions: arrayOf({
      partitionIndex: int32,
      partitionMaxBytes: since([0, 0], int32, 0),
      acknowledgementBatches: arrayOf({
        firstOffset: int64,
        lastOffset: int64,
        acknowledgeTypes: arrayOf(int8),
      }),
    }),
  }),
  forgottenTopicsData: arrayOf({ topicId: uuid, partitions: arrayOf(int32) }),
});

export const shareFetchResponse = shareFetch.message({
  throttleTimeMs: int32,
  errorCode: int16,
  errorMessage: defaulted(nullableString, null),
  acquisitionLockTimeoutMs: since(1, int32, 0),
  responses: arrayOf({
    topicId: uuid,
    partitions: arrayOf({
      partitionIndex: int32,
      errorCode: int16,
      errorMessage: defaulted(nullableString, null),
      acknowledgeErrorCode: int16,
      acknowledgeErrorMessage: defaulted(nullableString, null),
      currentLeader: struct({ leaderId: int32, leaderEpoch: int32 }),
      records: nullableIn([0, 0], records),
      acquiredRecords: arrayOf({ firstOffset: int64, lastOffset: int64, deliveryCount: int16 }),
    }),
  }),
  nodeEndpoints: arrayOf({
    nodeId: int32,
    host: string,
    port: int32,
    rack: defaulted(nullableString, null),
  }),
});

export type ShareFetchRequest = BodyOf<typeof shareFetchRequest>;
export type ShareFetchResponse = BodyOf<typeof shareFetchResponse>;
