/** PushTelemetry (key 72). */
import { api, type BodyOf } from '../../schema/api.ts';
import { bool, bytes, int8, int16, int32, uuid } from '../../schema/types.ts';

const pushTelemetry = api({ key: 72, name: 'PushTelemetry', versions: [0, 0], flexibleSince: 0 });

export const pushTelemetryRequest = pushTelemetry.message({
  clientInstanceId: uuid,
  subscriptionId: int32,
  terminating: bool,
  compressionType: int8,
  metrics: bytes,
});

export const pushTelemetryResponse = pushTelemetry.message({
  throttleTimeMs: int32,
  errorCode: int16,
});

export type PushTelemetryRequest = BodyOf<typeof pushTelemetryRequest>;
export type PushTelemetryResponse = BodyOf<typeof pushTelemetryResponse>;
