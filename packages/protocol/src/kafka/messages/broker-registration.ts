/**
 * BrokerRegistration (key 62). v1: isMigratingZkBroker; v2: logDirs; v3: previousBrokerEpoch.
 */
import { api, type BodyOf } from '../../schema/api.ts';
import {
  arrayOf,
  bool,
  defaulted,
  ignorable,
  int16,
  int32,
  int64,
  nullableString,
  since,
  string,
  uint16,
  uuid,
} from '../../schema/types.ts';

const brokerRegistration = api({
  key: 62,
  name: 'BrokerRegistration',
  versions: [0, 4],
  flexibleSince: 0,
});

export const brokerRegistrationRequest = brokerRegistration.message({
  brokerId: int32,
  clusterId: string,
  incarnationId: uuid,
  listeners: arrayOf({ name: string, host: string, port: uint16, securityProtocol: int16 }),
  features: arrayOf({ name: string, minSupportedVersion: int16, maxSupportedVersion: int16 }),
  rack: nullableString,
  isMigratingZkBroker: since(1, bool, false),
  logDirs: since(2, arrayOf(uuid), [], ignorable),
  previousBrokerEpoch: since(3, int64, -1, ignorable),
});

export const brokerRegistrationResponse = brokerRegistration.message({
  throttleTimeMs: int32,
  errorCode: int16,
  brokerEpoch: defaulted(int64, -1),
});

export type BrokerRegistrationRequest = BodyOf<typeof brokerRegistrationRequest>;
export type BrokerRegistrationResponse = BodyOf<typeof brokerRegistrationResponse>;
