/** Heartbeat (key 12). v1: throttling; v3: groupInstanceId (KIP-345); v4: flexible. */
import { api, type BodyOf } from '../../schema/api.ts';
import { ignorable, int16, int32, nullableString, since, string } from '../../schema/types.ts';

const heartbeat = api({ key: 12, name: 'Heartbeat', versions: [0, 4], flexibleSince: 4 });

export const heartbeatRequest = heartbeat.message({
  groupId: string,
  generationId: int32,
  memberId: string,
  groupInstanceId: since(3, nullableString, null),
});

export const heartbeatResponse = heartbeat.message({
  throttleTimeMs: since(1, int32, 0, ignorable),
  errorCode: int16,
});

export type HeartbeatRequest = BodyOf<typeof heartbeatRequest>;
export type HeartbeatResponse = BodyOf<typeof heartbeatResponse>;
