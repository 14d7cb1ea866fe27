/**
 * EndTxn (key 26). v2: PRODUCER_FENCED may be answered (KIP-588); v3: flexible; v4:
 * TRANSACTION_ABORTABLE may be answered (KIP-890); v5: the answer carries the next producer id and
 * epoch (KIP-890).
 */
import { api, type BodyOf } from '../../schema/api.ts';
import { bigint64, bool, ignorable, int16, int32, since, string } from '../../schema/types.ts';

const endTxn = api({ key: 26, name: 'EndTxn', versions: [0, 5], flexibleSince: 3 });

export const endTxnRequest = endTxn.message({
  transactionalId: string,
  producerId: bigint64,
  producerEpoch: int16,
  committed: bool,
});

export const endTxnResponse = endTxn.message({
  throttleTimeMs: int32,
  errorCode: int16,
  producerId: since(5, bigint64, -1n, ignorable),
  producerEpoch: since(5, int16, -1, ignorable),
});

export type EndTxnRequest = BodyOf<typeof endTxnRequest>;
export type EndTxnResponse = BodyOf<typeof endTxnResponse>;
