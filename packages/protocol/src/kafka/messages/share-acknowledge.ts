/** ShareAcknowledge (key 79). v2: isRenewAck, acquisitionLockTimeoutMs. v0 is in no release. */
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
  nullableString,
  since,
  string,
  struct,
  uuid,
} from '../../schema/types.ts';

const shareAcknowledge = api({
  key: 79,
  name: 'ShareAcknowledge',
  versions: [0, 2],
  flexibleSince: 0,
  unstable: [0],
});

export const shareAcknowledgeRequest = shareAcknowledge.message({
  groupId: defaulted(nullableString, null),
  memberId: nullableString,
  shareSessionEpoch: int32,
  isRenewAck: since(2, bool, false),
  topics: arrayOf({
    topicId: uuid,
    partitions: arrayOf({
      partitionIndex: int32,
      acknowledgementBatches: arrayOf({
        firstOffset: int64,
        lastOffset: int64,
        acknowledgeTypes: arrayOf(int8),
      }),
    }),
  }),
});

export const shareAcknowledgeResponse = shareAcknowledge.message({
  throttleTimeMs: int32,
  errorCode: int16,
  errorMessage: defaulted(nullableString, null),
  acquisitionLockTimeoutMs: since(2, int32, 0, ignorable),
  responses: arrayOf({
    topicId: uuid,
    partitions: arrayOf({
      partitionIndex: int32,
      errorCode: int16,
      errorMessage: defaulted(nullableString, null),
      currentLeader: struct({ leaderId: int32, leaderEpoch: int32 }),
    }),
  }),
  nodeEndpoints: arrayOf({
    nodeId: int32,
    host: string,
    port: int32,
    rack: defaulted(nullableString, null),
  }),
});

export type ShareAcknowledgeRequest = BodyOf<typeof shareAcknowledgeRequest>;
export type ShareAcknowledgeResponse = BodyOf<typeof shareAcknowledgeResponse>;
