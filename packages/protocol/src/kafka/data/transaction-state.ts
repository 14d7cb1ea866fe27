/**
 * Records of the __transaction_state topic. Keys and values begin with an int16 version.
 */
import { type BodyOf, data } from '../../schema/api.ts';
import {
  arrayOf,
  bigint64,
  int8,
  int16,
  int32,
  int64,
  nullableArrayOf,
  string,
  tagged,
} from '../../schema/types.ts';

export const transactionLogKey = data(
  { name: 'TransactionLogKey', versions: [0, 0], flexibleSince: null },
  { transactionalId: string },
);

/** v1: previousProducerId, nextProducerId, nextProducerEpoch, and more, flexible. */
export const transactionLogValue = data(
  { name: 'TransactionLogValue', versions: [0, 1], flexibleSince: 1 },
  {
    producerId: bigint64,
    previousProducerId: tagged(0, 1, bigint64, -1n),
    nextProducerId: tagged(1, 1, bigint64, -1n),
    producerEpoch: int16,
    nextProducerEpoch: tagged(3, 1, int16, -1),
    transactionTimeoutMs: int32,
    transactionStatus: int8,
    transactionPartitions: nullableArrayOf({ topic: string, partitionIds: arrayOf(int32) }),
    transactionLastUpdateTimestampMs: int64,
    transactionStartTimestampMs: int64,
    clientTransactionVersion: tagged(2, 1, int16, 0),
  },
);

export type TransactionLogKey = BodyOf<typeof transactionLogKey>;
export type TransactionLogValue = BodyOf<typeof transactionLogValue>;
