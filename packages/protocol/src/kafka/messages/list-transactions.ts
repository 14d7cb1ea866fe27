/** ListTransactions (key 66). v1: durationFilter; v2: transactionalIdPattern. */
import { api, type BodyOf } from '../../schema/api.ts';
import {
  arrayOf,
  bigint64,
  int16,
  int32,
  int64,
  nullableString,
  since,
  string,
} from '../../schema/types.ts';

const listTransactions = api({
  key: 66,
  name: 'ListTransactions',
  versions: [0, 2],
  flexibleSince: 0,
});

export const listTransactionsRequest = listTransactions.message({
  stateFilters: arrayOf(string),
  producerIdFilters: arrayOf(bigint64),
  durationFilter: since(1, int64, -1),
  transactionalIdPattern: since(2, nullableString, null),
});

export const listTransactionsResponse = listTransactions.message({
  throttleTimeMs: int32,
  errorCode: int16,
  unknownStateFilters: arrayOf(string),
  transactionStates: arrayOf({
    transactionalId: string,
    producerId: bigint64,
    transactionState: string,
  }),
});

export type ListTransactionsRequest = BodyOf<typeof listTransactionsRequest>;
export type ListTransactionsResponse = BodyOf<typeof listTransactionsResponse>;
