/** GetTelemetrySubscriptions (key 71). */
import { api, type BodyOf } from '../../schema/api.ts';
import { arrayOf, bool, int8, int16, int32, string, uuid } from '../../schema/types.ts';

const getTelemetrySubscriptions = api({
  key: 71,
  name: 'GetTelemetrySubscriptions',
  versions: [0, 0],
  flexibleSince: 0,
});

export const getTelemetrySubscriptionsRequest = getTelemetrySubscriptions.message({
  clientInstanceId: uuid,
});

export const getTelemetrySubscriptionsResponse = getTelemetrySubscriptions.message({
  throttleTimeMs: int32,
  errorCode: int16,
  clientInstanceId: uuid,
  subscriptionId: int32,
  acceptedCompressionTypes: arrayOf(int8),
  pushIntervalMs: int32,
  telemetryMaxBytes: int32,
  deltaTemporality: bool,
  requestedMetrics: arrayOf(string),
});

export type GetTelemetrySubscriptionsRequest = BodyOf<typeof getTelemetrySubscriptionsRequest>;
export type GetTelemetrySubscriptionsResponse = BodyOf<typeof getTelemetrySubscriptionsResponse>;
