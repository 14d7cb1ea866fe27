/**
 * Produce (key 0). Appends batches to partitions. v1: throttling; v2: logAppendTimeMs; v3:
 * transactionalId and batches of magic 2 (KIP-98); v4: KAFKA_STORAGE_ERROR may be answered; v5:
 * logStartOffset; v7: zstd (KIP-110); v8: errors of single records (KIP-467); v9: flexible; v10:
 * currentLeader and its address (KIP-951); v11: TRANSACTION_ABORTABLE may be answered (KIP-890);
 * v12: partitions join the transaction by being written to (KIP-890); v13: topics by id (KIP-516).
 */
import { api, type BodyOf } from '../../schema/api.ts';
import {
  arrayOf,
  defaulted,
  ignorable,
  int16,
  int32,
  int64,
  nullableRecords,
  nullableString,
  since,
  string,
  struct,
  tagged,
  uuid,
} from '../../schema/types.ts';
import { ZERO_UUID } from '../../wire/text.ts';

const produce = api({ key: 0, name: 'Produce', versions: [0, 13], flexibleSince: 9 });

export const produceRequest = produce.message({
  transactionalId: since(3, nullableString, null),
  acks: int16,
  timeoutMs: int32,
  topicData: arrayOf({
    name: since([0, 12], string, '', ignorable),
    topicId: since(13, uuid, ZERO_UUID, ignorable),
    partitionData: arrayOf({ index: int32, records: nullableRecords }),
  }),
});

export const produceResponse = produce.message({
  responses: arrayOf({
    name: since([0, 12], string, '', ignorable),
    topicId: since(13, uuid, ZERO_UUID, ignorable),
    partitionResponses: arrayOf({
      index: int32,
      errorCode: int16,
      baseOffset: int64,
      logAppendTimeMs: since(2, int64, -1, ignorable),
      logStartOffset: since(5, int64, -1, ignorable),
      recordErrors: since(
        8,
        arrayOf({ batchIndex: int32, batchIndexErrorMessage: defaulted(nullableString, null) }),
        [],
        ignorable,
      ),
      errorMessage: since(8, nullableString, null, ignorable),
      currentLeader: tagged(
        0,
        10,
        struct({ leaderId: defaulted(int32, -1), leaderEpoch: defaulted(int32, -1) }),
      ),
    }),
  }),
  throttleTimeMs: since(1, int32, 0, ignorable),
  nodeEndpoints: tagged(
    0,
    10,
    arrayOf({ nodeId: int32, host: string, port: int32, rack: defaulted(nullableString, null) }),
    [],
  ),
});

export type ProduceRequest = BodyOf<typeof produceRequest>;
export type ProduceResponse = BodyOf<typeof produceResponse>;
