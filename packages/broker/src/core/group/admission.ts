/**
 * What a request may do in a group as it is now: who may speak as a member, and who may become one. Questions only;
 * group.ts acts on the answers.
 */
import type { KafkaErrorName } from '@odradek/protocol';
import type { Generation } from './generation.ts';
import type {
  GroupOptions,
  GroupState,
  JoinRequest,
  MemberIdentity,
  SyncRequest,
} from './group-types.ts';
import { type Member, type Members, sizeBytesOf } from './members.ts';

/** A group as requests find it. */
export interface GroupView {
  readonly state: GroupState;
  readonly agreed: Generation;
  readonly members: Members;
}

/** The member that is meant, or why nobody is. */
export function identify(
  members: Members,
  { memberId, instanceId }: MemberIdentity,
): Member | KafkaErrorName {
  if (instanceId !== null) {
    const known = members.ofInstance(instanceId);
    if (known === undefined) return 'UNKNOWN_MEMBER_ID';
    if (known !== memberId) return 'FENCED_INSTANCE_ID';
  }
  return members.get(memberId) ?? 'UNKNOWN_MEMBER_ID';
}

/** The member, if it knows the current generation. */
export function memberOfGeneration(
  { state, agreed, members }: GroupView,
  identity: MemberIdentity,
  generationId: number,
): Member | KafkaErrorName {
  if (state === 'Dead') return 'COORDINATOR_NOT_AVAILABLE';
  const member = identify(members, identity);
  if (typeof member === 'string') return member;
  return generationId === agreed.id ? member : 'ILLEGAL_GENERATION';
}

/** Who may take part in this generation's assignment. */
export function syncingMember(group: GroupView, request: SyncRequest): Member | KafkaErrorName {
  const member = memberOfGeneration(group, request, request.generationId);
  if (typeof member === 'string') return member;
  const { protocolType, protocolName } = request;
  const speaksOtherwise =
    (protocolType !== null && protocolType !== group.agreed.protocolType) ||
    (protocolName !== null && protocolName !== group.agreed.protocolName);
  if (speaksOtherwise) return 'INCONSISTENT_GROUP_PROTOCOL';
  return group.state === 'PreparingRebalance' ? 'REBALANCE_IN_PROGRESS' : member;
}

/** Who may commit offsets; null: somebody who is no member, and need not be. */
export function committingMember(
  group: GroupView,
  identity: MemberIdentity,
  generationId: number,
): Member | KafkaErrorName | null {
  // Consumers that assign themselves, and operators, name no generation: that is for groups without members.
  if (generationId < 0 && group.state === 'Empty') return null;
  const anonymous = identity.memberId === '' && identity.instanceId === null;
  if (generationId < 0 && anonymous && group.state !== 'Dead') return 'UNKNOWN_MEMBER_ID';
  const member = memberOfGeneration(group, identity, generationId);
  if (typeof member === 'string') return member;
  return group.state === 'CompletingRebalance' ? 'REBALANCE_IN_PROGRESS' : member;
}

/** Why nobody of that description may join now; null when it may. */
export function joinRefusal(
  group: GroupView,
  request: JoinRequest,
  { maxSize, limits, room }: GroupOptions,
): KafkaErrorName | null {
  const { state, members } = group;
  const { memberId, instanceId, freshMemberId } = request;
  if (state === 'Dead') return 'COORDINATOR_NOT_AVAILABLE';
  const neededBytes = sizeBytesOf({ ...request, memberId: memberId || freshMemberId });
  const known = members.get(members.ofInstance(instanceId) ?? memberId);
  const growthBytes = neededBytes - (known === undefined ? 0 : sizeBytesOf(known));
  const tooLarge =
    neededBytes > limits.memberMaxBytes || members.sizeBytes + growthBytes > limits.groupMaxBytes;
  if (tooLarge || !hasPlace(group, request, maxSize)) return 'GROUP_MAX_SIZE_REACHED';
  if (!canWorkTogether(group, request)) return 'INCONSISTENT_GROUP_PROTOCOL';
  return room.has(growthBytes) ? null : 'COORDINATOR_NOT_AVAILABLE';
}

/**
 * Tells whether one more may join a group of at most `maxSize` members. While a rebalance waits for members, those count
 * that have joined again, so that a group that is too large (the limit was lowered) sheds those who come last.
 */
function hasPlace(
  { state, members }: GroupView,
  { memberId, instanceId }: MemberIdentity,
  maxSize: number,
): boolean {
  if (state === 'Empty') return true;
  if (state === 'PreparingRebalance') {
    const waits = members.get(memberId)?.join ?? null;
    return waits !== null || members.joining().length < maxSize;
  }
  // A static member that comes back takes its own place.
  const known = members.has(memberId) || members.ofInstance(instanceId) !== undefined;
  return known || members.size < maxSize;
}

/**
 * Tells whether who joins can work with those that are there: the same protocol type, and a strategy that all of them
 * offer; what the member itself offered before counts among them.
 */
function canWorkTogether(
  { state, agreed, members }: GroupView,
  { protocolType, protocols }: JoinRequest,
): boolean {
  if (state === 'Empty') return protocolType !== '' && protocols.length > 0;
  return (
    protocolType === agreed.protocolType && protocols.some(({ name }) => members.allOffer(name))
  );
}
