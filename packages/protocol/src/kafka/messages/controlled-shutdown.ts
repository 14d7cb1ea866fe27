/**
 * ControlledShutdown (key 7). A broker asks the controller to take its leaderships. v0 has request
 * header v0. v2: brokerEpoch (KIP-380); v3: flexible.
 */
import { api, type BodyOf } from '../../schema/api.ts';
import { arrayOf, ignorable, int16, int32, int64, since, string } from '../../schema/types.ts';

const controlledShutdown = api({
  key: 7,
  name: 'ControlledShutdown',
  versions: [0, 3],
  flexibleSince: 3,
});

export const controlledShutdownRequest = controlledShutdown.message({
  brokerId: int32,
  brokerEpoch: since(2, int64, -1, ignorable),
});

export const controlledShutdownResponse = controlledShutdown.message({
  errorCode: int16,
  remainingPartitions: arrayOf({ topicName: string, partitionIndex: int32 }),
});

export type ControlledShutdownRequest = BodyOf<typeof controlledShutdownRequest>;
export type ControlledShutdownResponse = BodyOf<typeof controlledShutdownResponse>;
