/**
 * The members of a classic group: who they are, what they can speak, until when they are believed alive.
 * Plain data and questions about it; group.ts decides.
 */
import type { Millis } from '@odradek/runtime';

/** Names one request that waits for its answer. */
export type ReplyId = number;

/** One assignment strategy that a member offers, with what it wants the leader to know. */
export interface MemberProtocol {
  readonly name: string;
  readonly metadata: Buffer;
}

export interface Member {
  readonly memberId: string;
  /** Set for static members (KIP-345). */
  readonly instanceId: string | null;
  readonly clientId: string;
  /** `/1.2.3.4`, as Java writes an address without a name. */
  readonly clientHost: string;
  sessionTimeoutMs: number;
  rebalanceTimeoutMs: number;
  protocols: readonly MemberProtocol[];
  assignment: Buffer;
  /** The parked JoinGroup, or null. */
  join: ReplyId | null;
  /** The parked SyncGroup, or null. */
  sync: ReplyId | null;
  /** Has not been through a completed join yet. */
  isNew: boolean;
  /** When it is given up, unless it is heard of before. */
  expiresAt: Millis;
}

export const NO_ASSIGNMENT: Buffer = Buffer.alloc(0);

/** Members in the order in which they joined: the order decides who follows a leader that left. */
export class Members {
  readonly #byId = new Map<string, Member>();
  readonly #byInstance = new Map<string, string>();

  get size(): number {
    return this.#byId.size;
  }

  get(memberId: string): Member | undefined {
    return this.#byId.get(memberId);
  }

  has(memberId: string): boolean {
    return this.#byId.has(memberId);
  }

  /** The member that an instance id stands for now. */
  ofInstance(instanceId: string | null): string | undefined {
    return instanceId === null ? undefined : this.#byInstance.get(instanceId);
  }

  all(): IterableIterator<Member> {
    return this.#byId.values();
  }

  add(member: Member): void {
    this.#byId.set(member.memberId, member);
    if (member.instanceId !== null) this.#byInstance.set(member.instanceId, member.memberId);
  }

  remove(memberId: string): Member | undefined {
    const member = this.#byId.get(memberId);
    if (member === undefined) return undefined;
    this.#byId.delete(memberId);
    if (member.instanceId !== null && this.#byInstance.get(member.instanceId) === memberId) {
      this.#byInstance.delete(member.instanceId);
    }
    return member;
  }

  /** The longest time that a member asked for to finish its work before a rebalance; 0 without members. */
  rebalanceTimeoutMs(): number {
    let longest = 0;
    for (const { rebalanceTimeoutMs } of this.#byId.values()) {
      longest = Math.max(longest, rebalanceTimeoutMs);
    }
    return longest;
  }

  /** Strategies that every member offers, in the order of the first member's list. */
  commonProtocols(): string[] {
    const [first, ...others] = this.#byId.values();
    if (first === undefined) return [];
    return first.protocols
      .map(({ name }) => name)
      .filter((name) => others.every(({ protocols }) => protocols.some((p) => p.name === name)));
  }

  /**
   * The strategy of the next generation: each member votes for the first of its own list that all can speak,
   * most votes win, and the earlier candidate wins a tie. null when there is none.
   */
  electProtocol(): string | null {
    const candidates = this.commonProtocols();
    const votes = new Map(candidates.map((name) => [name, 0]));
    for (const { protocols } of this.#byId.values()) {
      const choice = protocols.find(({ name }) => votes.has(name))?.name;
      if (choice !== undefined) votes.set(choice, (votes.get(choice) ?? 0) + 1);
    }
    let winner: string | null = null;
    for (const [name, count] of votes) {
      if (winner === null || count > (votes.get(winner) ?? 0)) winner = name;
    }
    return winner;
  }
}

/** What a member says about a strategy; empty when it does not offer it. */
export function metadataFor(member: Member, protocolName: string | null): Buffer {
  return member.protocols.find(({ name }) => name === protocolName)?.metadata ?? NO_ASSIGNMENT;
}

/** Tells whether a member offers the same strategies with the same metadata as before, in the same order. */
export function sameProtocols(a: readonly MemberProtocol[], b: readonly MemberProtocol[]): boolean {
  return (
    a.length === b.length &&
    a.every(({ name, metadata }, index) => {
      const other = b[index];
      return other !== undefined && other.name === name && other.metadata.equals(metadata);
    })
  );
}
