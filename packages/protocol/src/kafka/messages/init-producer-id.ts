/**
 * InitProducerId (key 22). v2: flexible; v3: an own id and epoch to go on with (KIP-360); v4:
 * PRODUCER_FENCED may be answered (KIP-588); v5: TRANSACTION_ABORTABLE may be answered (KIP-890);
 * v6: two-phase commit (KIP-939). v6 is in no release.
 */
import { api, type BodyOf } from '../../schema/api.ts';
import {
  bigint64,
  bool,
  defaulted,
  int16,
  int32,
  nullableString,
  since,
} from '../../schema/types.ts';

const initProducerId = api({
  key: 22,
  name: 'InitProducerId',
  versions: [0, 6],
  flexibleSince: 2,
  unstable: [6],
});

export const initProducerIdRequest = initProducerId.message({
  transactionalId: nullableString,
  transactionTimeoutMs: int32,
  producerId: since(3, bigint64, -1n),
  producerEpoch: since(3, int16, -1),
  enable2Pc: since(6, bool, false),
  keepPreparedTxn: since(6, bool, false),
});

export const initProducerIdResponse = initProducerId.message({
  throttleTimeMs: int32,
  errorCode: int16,
  producerId: defaulted(bigint64, -1n),
  producerEpoch: int16,
  ongoingTxnProducerId: since(6, bigint64, -1n),
  ongoingTxnProducerEpoch: since(6, int16, -1),
});

export type InitProducerIdRequest = BodyOf<typeof initProducerIdRequest>;
export type InitProducerIdResponse = BodyOf<typeof initProducerIdResponse>;
