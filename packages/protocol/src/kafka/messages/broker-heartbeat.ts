/** BrokerHeartbeat (key 63). v1: offlineLogDirs; v2: cordonedLogDirs. */
import { api, type BodyOf } from '../../schema/api.ts';
import {
  arrayOf,
  bool,
  defaulted,
  int16,
  int32,
  int64,
  nullableArrayOf,
  tagged,
  uuid,
} from '../../schema/types.ts';

const brokerHeartbeat = api({
  key: 63,
  name: 'BrokerHeartbeat',
  versions: [0, 2],
  flexibleSince: 0,
});

export const brokerHeartbeatRequest = brokerHeartbeat.message({
  brokerId: int32,
  brokerEpoch: defaulted(int64, -1),
  currentMetadataOffset: int64,
  wantFence: bool,
  wantShutDown: bool,
  offlineLogDirs: tagged(0, 1, arrayOf(uuid), []),
  cordonedLogDirs: tagged(1, 2, nullableArrayOf(uuid), null),
});

export const brokerHeartbeatResponse = brokerHeartbeat.message({
  throttleTimeMs: int32,
  errorCode: int16,
  isCaughtUp: defaulted(bool, false),
  isFenced: defaulted(bool, true),
  shouldShutDown: bool,
});

export type BrokerHeartbeatRequest = BodyOf<typeof brokerHeartbeatRequest>;
export type BrokerHeartbeatResponse = BodyOf<typeof brokerHeartbeatResponse>;
