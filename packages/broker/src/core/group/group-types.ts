/**
 * What goes into a group, what comes out, and what is stored and shown of it. group.ts decides.
 */
import type { KafkaErrorName } from '@odradek/protocol';
import type { GroupLimits, Room } from './limits.ts';
import type { MemberProtocol, ReplyId } from './members.ts';

export type GroupState = 'Empty' | 'PreparingRebalance' | 'CompletingRebalance' | 'Stable' | 'Dead';

/** The part of the configuration that groups need; all times in milliseconds. */
export interface GroupOptions {
  readonly initialRebalanceDelayMs: number;
  /** Most members of a group. */
  readonly maxSize: number;
  readonly limits: GroupLimits;
  /** Shared by the groups of a coordinator. */
  readonly room: Room;
}

export interface JoinRequest {
  readonly memberId: string;
  readonly instanceId: string | null;
  /** What a new member will be called: chosen outside, because chance is an input. */
  readonly freshMemberId: string;
  readonly clientId: string;
  readonly clientHost: string;
  readonly sessionTimeoutMs: number;
  readonly rebalanceTimeoutMs: number;
  readonly protocolType: string;
  readonly protocols: readonly MemberProtocol[];
  /** JoinGroup v4+: a dynamic member is given its id first and joins with it afterwards (KIP-394). */
  readonly requiresKnownMemberId: boolean;
  /** JoinGroup v9+: a static leader that came back may be told to keep the assignment (KIP-814). */
  readonly canSkipAssignment: boolean;
}

export interface SyncRequest {
  readonly memberId: string;
  readonly instanceId: string | null;
  readonly generationId: number;
  /** null: not given (before v5). */
  readonly protocolType: string | null;
  readonly protocolName: string | null;
  readonly assignments: readonly { readonly memberId: string; readonly assignment: Buffer }[];
}

export interface MemberIdentity {
  readonly memberId: string;
  readonly instanceId: string | null;
}

export type GroupInput = Readonly<
  | { kind: 'join'; reply: ReplyId; request: JoinRequest }
  | { kind: 'sync'; reply: ReplyId; request: SyncRequest }
  | { kind: 'leave'; reply: ReplyId; members: readonly MemberIdentity[] }
  | { kind: 'stored'; store: number; error: KafkaErrorName | null }
  /** Another broker is the coordinator now. */
  | { kind: 'unload' }
  /** The group was deleted, or has nothing left to remember. */
  | { kind: 'die' }
>;

export interface JoinResult {
  readonly error: KafkaErrorName;
  readonly generationId: number;
  readonly protocolType: string | null;
  readonly protocolName: string | null;
  readonly leader: string;
  readonly memberId: string;
  readonly skipAssignment: boolean;
  /** For the leader: everybody; for the others: nobody. */
  readonly members: readonly {
    readonly memberId: string;
    readonly groupInstanceId: string | null;
    readonly metadata: Buffer;
  }[];
}

export interface SyncResult {
  readonly error: KafkaErrorName;
  readonly protocolType: string | null;
  readonly protocolName: string | null;
  readonly assignment: Buffer;
}

/** What is stored of a group, and shown of it. */
export interface GroupSnapshot {
  readonly state: GroupState;
  readonly protocolType: string | null;
  readonly generation: number;
  readonly protocolName: string | null;
  readonly leader: string | null;
  readonly members: readonly {
    readonly memberId: string;
    readonly instanceId: string | null;
    readonly clientId: string;
    readonly clientHost: string;
    readonly sessionTimeoutMs: number;
    readonly rebalanceTimeoutMs: number;
    readonly metadata: Buffer;
    readonly assignment: Buffer;
  }[];
}

export type GroupEffect = Readonly<
  | { kind: 'joined'; reply: ReplyId; result: JoinResult }
  | { kind: 'synced'; reply: ReplyId; result: SyncResult }
  | { kind: 'left'; reply: ReplyId; errors: readonly KafkaErrorName[] }
  /** Write the group record; `stored` with this number must follow. */
  | { kind: 'store'; store: number; snapshot: GroupSnapshot }
>;
