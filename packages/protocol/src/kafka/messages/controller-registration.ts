/** ControllerRegistration (key 70). */
import { api, type BodyOf } from '../../schema/api.ts';
import {
  arrayOf,
  bool,
  int16,
  int32,
  nullableString,
  string,
  uint16,
  uuid,
} from '../../schema/types.ts';

const controllerRegistration = api({
  key: 70,
  name: 'ControllerRegistration',
  versions: [0, 0],
  flexibleSince: 0,
});

export const controllerRegistrationRequest = controllerRegistration.message({
  controllerId: int32,
  incarnationId: uuid,
  zkMigrationReady: bool,
  listeners: arrayOf({ name: string, host: string, port: uint16, securityProtocol: int16 }),
  features: arrayOf({ name: string, minSupportedVersion: int16, maxSupportedVersion: int16 }),
});

export const controllerRegistrationResponse = controllerRegistration.message({
  throttleTimeMs: int32,
  errorCode: int16,
  errorMessage: nullableString,
});

export type ControllerRegistrationRequest = BodyOf<typeof controllerRegistrationRequest>;
export type ControllerRegistrationResponse = BodyOf<typeof controllerRegistrationResponse>;
