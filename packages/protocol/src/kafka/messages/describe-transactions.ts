/** DescribeTransactions (key 65). */
import { api, type BodyOf } from '../../schema/api.ts';
import { arrayOf, bigint64, int16, int32, int64, string } from '../../schema/types.ts';

const describeTransactions = api({
  key: 65,
  name: 'DescribeTransactions',
  versions: [0, 0],
  flexibleSince: 0,
});

export const describeTransactionsRequest = describeTransactions.message({
  transactionalIds: arrayOf(string),
});

export const describeTransactionsResponse = describeTransactions.message({
  throttleTimeMs: int32,
  transactionStates: arrayOf({
    errorCode: int16,
    transactionalId: string,
    transactionState: string,
    transactionTimeoutMs: int32,
    transactionStartTimeMs: int64,
    producerId: bigint64,
    producerEpoch: int16,
    topics: arrayOf({ topic: string, partitions: arrayOf(int32) }),
  }),
});

export type DescribeTransactionsRequest = BodyOf<typeof describeTransactionsRequest>;
export type DescribeTransactionsResponse = BodyOf<typeof describeTransactionsResponse>;
