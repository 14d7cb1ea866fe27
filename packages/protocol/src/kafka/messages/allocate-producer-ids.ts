/** AllocateProducerIds (key 67). */
import { api, type BodyOf } from '../../schema/api.ts';
import { bigint64, defaulted, int16, int32, int64 } from '../../schema/types.ts';

const allocateProducerIds = api({
  key: 67,
  name: 'AllocateProducerIds',
  versions: [0, 0],
  flexibleSince: 0,
});

export const allocateProducerIdsRequest = allocateProducerIds.message({
  brokerId: int32,
  brokerEpoch: defaulted(int64, -1),
});

export const allocateProducerIdsResponse = allocateProducerIds.message({
  throttleTimeMs: int32,
  errorCode: int16,
  producerIdStart: bigint64,
  producerIdLen: int32,
});

export type AllocateProducerIdsRequest = BodyOf<typeof allocateProducerIdsRequest>;
export type AllocateProducerIdsResponse = BodyOf<typeof allocateProducerIdsResponse>;
