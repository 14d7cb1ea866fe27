/** JoinGroup: a member asks to be in the next generation; the answer waits until that has begun. */
import { apis, errorCodes } from '@odradek/protocol';
import type { Random } from '@odradek/runtime';
import { MEMBER_ID_PREFIX_MAX_CHARS } from '../core/group/limits.ts';
import type { GroupCoordinator } from '../group/group-coordinator-host.ts';
import { handler, type RegisteredHandler } from './registry.ts';

const KNOWN_MEMBER_ID_SINCE = 4;
const SKIP_ASSIGNMENT_SINCE = 9;
const NULLABLE_PROTOCOL_NAME_SINCE = 7;

export function joinGroupHandler(coordinator: GroupCoordinator, random: Random): RegisteredHandler {
  return handler(apis.joinGroup, [0, 9], async (request, context) => {
    const { groupInstanceId, memberId, sessionTimeoutMs, rebalanceTimeoutMs } = request;
    const clientId = context.clientId ?? '';
    const result = await coordinator.join(request.groupId, {
      memberId,
      instanceId: groupInstanceId,
      freshMemberId: freshMemberId(groupInstanceId ?? clientId, random),
      clientId,
      clientHost: `/${context.peerHost}`,
      sessionTimeoutMs,
      rebalanceTimeoutMs: rebalanceTimeoutMs < 0 ? sessionTimeoutMs : rebalanceTimeoutMs,
      protocolType: request.protocolType,
      // Copied: what the group keeps must not hold on to the frame that it came in.
      protocols: request.protocols.map(({ name, metadata }) => ({
        name,
        metadata: Buffer.from(metadata),
      })),
      requiresKnownMemberId: context.apiVersion >= KNOWN_MEMBER_ID_SINCE,
      canSkipAssignment: context.apiVersion >= SKIP_ASSIGNMENT_SINCE,
    });
    return {
      throttleTimeMs: 0,
      errorCode: errorCodes[result.error],
      generationId: result.generationId,
      protocolType: result.protocolType,
      protocolName:
        result.protocolName ?? (context.apiVersion < NULLABLE_PROTOCOL_NAME_SINCE ? '' : null),
      leader: result.leader,
      skipAssignment: result.skipAssignment,
      memberId: result.memberId,
      members: [...result.members],
    };
  });
}

/** Begins with the name that the client goes by, for those who read logs; of a long name only so much. */
function freshMemberId(name: string, random: Random): string {
  const prefix = name.slice(0, MEMBER_ID_PREFIX_MAX_CHARS).replace(/[\uD800-\uDBFF]$/, '');
  return `${prefix}-${uuidOf(random)}`;
}

/** A random UUID in its usual spelling (RFC 4122, version 4). */
function uuidOf(random: Random): string {
  const bytes = random.bytes(16);
  bytes.writeUInt8((bytes.readUInt8(6) & 0x0f) | 0x40, 6);
  bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8);
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}
