/** AddOffsetsToTxn (key 25). v3: flexible. */
import { api, type BodyOf } from '../../schema/api.ts';
import { bigint64, int16, int32, string } from '../../schema/types.ts';

const addOffsetsToTxn = api({
  key: 25,
  name: 'AddOffsetsToTxn',
  versions: [0, 4],
  flexibleSince: 3,
});

export const addOffsetsToTxnRequest = addOffsetsToTxn.message({
  transactionalId: string,
  producerId: bigint64,
  producerEpoch: int16,
  groupId: string,
});

export const addOffsetsToTxnResponse = addOffsetsToTxn.message({
  throttleTimeMs: int32,
  errorCode: int16,
});

export type AddOffsetsToTxnRequest = BodyOf<typeof addOffsetsToTxnRequest>;
export type AddOffsetsToTxnResponse = BodyOf<typeof addOffsetsToTxnResponse>;
