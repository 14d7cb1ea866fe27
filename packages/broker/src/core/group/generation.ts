/**
 * What the members of a group agreed on last, and the answers that follow from it. Decides nothing.
 */
import type { KafkaErrorName } from '@odradek/protocol';
import type { GroupSnapshot, GroupState, JoinResult, SyncResult } from './group-types.ts';
import { type Member, type Members, metadataFor, NO_ASSIGNMENT } from './members.ts';

export interface Generation {
  /** 0 before the first. */
  readonly id: number;
  /** Outlives generations: what kind of group it is, since its first member said so. */
  readonly protocolType: string | null;
  /** The strategy that was elected; null in an empty group. */
  readonly protocolName: string | null;
  readonly leader: string | null;
}

export const NO_GENERATION: Generation = {
  id: 0,
  protocolType: null,
  protocolName: null,
  leader: null,
};

const REFUSED_GENERATION_ID = -1;

/** @param roster whom the member is told of: everybody for the leader, nobody for the others */
export function joinAnswer(
  { id, protocolType, protocolName, leader }: Generation,
  member: Member,
  roster: Iterable<Member>,
): JoinResult {
  return {
    error: 'NONE',
    generationId: id,
    protocolType,
    protocolName,
    leader: leader ?? '',
    memberId: member.memberId,
    skipAssignment: false,
    members: [...roster].map((each) => ({
      memberId: each.memberId,
      groupInstanceId: each.instanceId,
      metadata: metadataFor(each, protocolName),
    })),
  };
}

/** @param memberId the id that the client is to go on with; '' for none */
export function refusedJoin(error: KafkaErrorName, memberId: string): JoinResult {
  return {
    error,
    generationId: REFUSED_GENERATION_ID,
    protocolType: null,
    protocolName: null,
    leader: '',
    memberId,
    skipAssignment: false,
    members: [],
  };
}

export function syncAnswer(
  { protocolType, protocolName }: Generation,
  { assignment }: Member,
): SyncResult {
  return { error: 'NONE', protocolType, protocolName, assignment };
}

export function refusedSync(error: KafkaErrorName): SyncResult {
  return { error, protocolType: null, protocolName: null, assignment: NO_ASSIGNMENT };
}

/** @param assignments in place of what the members own; null: what they own */
export function snapshotOfGroup(
  state: GroupState,
  { id, protocolType, protocolName, leader }: Generation,
  members: Members,
  assignments: ReadonlyMap<string, Buffer> | null,
): GroupSnapshot {
  return {
    state,
    protocolType,
    generation: id,
    protocolName,
    leader,
    members: [...members.all()].map((member) => ({
      memberId: member.memberId,
      instanceId: member.instanceId,
      clientId: member.clientId,
      clientHost: member.clientHost,
      sessionTimeoutMs: member.sessionTimeoutMs,
      rebalanceTimeoutMs: member.rebalanceTimeoutMs,
      metadata: metadataFor(member, protocolName),
      assignment: assignments?.get(member.memberId) ?? member.assignment,
    })),
  };
}
