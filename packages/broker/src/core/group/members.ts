/**
 * The members of a classic group: who they are, what they can speak, until when they are believed alive, and how much
 * memory they take. Plain data and questions about it; group.ts decides.
 */
import type { Millis } from '@odradek/runtime';
import {
  BYTES_PER_CHAR,
  MEMBER_OVERHEAD_BYTES,
  PROTOCOL_OVERHEAD_BYTES,
  type Room,
} from './limits.ts';

/** Names one request that waits for its answer. */
export type ReplyId = number;

/** One assignment strategy that a member offers, with what it wants the leader to know. */
export interface MemberProtocol {
  readonly name: string;
  readonly metadata: Buffer;
}

/** What a member says of itself when it joins. */
export interface MemberProfile {
  readonly memberId: string;
  /** Set for static members (KIP-345). */
  readonly instanceId: string | null;
  readonly clientId: string;
  /** `/1.2.3.4`, as Java writes an address without a name. */
  readonly clientHost: string;
  readonly sessionTimeoutMs: number;
  readonly rebalanceTimeoutMs: number;
  readonly protocols: readonly MemberProtocol[];
}

/** What is read-only here is changed through {@link Members.change}, which counts its size. */
export interface Member extends MemberProfile {
  readonly assignment: Buffer;
  /** The parked JoinGroup, or null. */
  join: ReplyId | null;
  /** The parked SyncGroup, or null. */
  sync: ReplyId | null;
  /** Has not been through a completed join yet. */
  isNew: boolean;
  /** When it is given up, unless it is heard of before. */
  expiresAt: Millis;
}

export type MemberChange = Partial<
  Pick<Member, 'protocols' | 'sessionTimeoutMs' | 'rebalanceTimeoutMs' | 'assignment'>
>;

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };

export const NO_ASSIGNMENT: Buffer = Buffer.alloc(0);

/** Members in the order in which they joined: the order decides who follows a leader that left. */
export class Members {
  readonly #byId = new Map<string, Mutable<Member>>();
  readonly #byInstance = new Map<string, string>();
  /** How many members offer each strategy. */
  readonly #offering = new Map<string, number>();
  readonly #room: Room;
  #sizeBytes = 0;

  constructor(room: Room) {
    this.#room = room;
  }

  get size(): number {
    return this.#byId.size;
  }

  /** Memory of all, as estimated. */
  get sizeBytes(): number {
    return this.#sizeBytes;
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

  /** @param member not one of them yet; its object is theirs from now on */
  add(member: Member): void {
    this.#byId.set(member.memberId, member);
    if (member.instanceId !== null) this.#byInstance.set(member.instanceId, member.memberId);
    this.#count(member, 1);
  }

  change({ memberId }: Member, change: MemberChange): void {
    const member = this.#byId.get(memberId);
    if (member === undefined) return;
    this.#count(member, -1);
    Object.assign(member, change);
    this.#count(member, 1);
  }

  remove(memberId: string): Member | undefined {
    const member = this.#byId.get(memberId);
    if (member === undefined) return undefined;
    this.#byId.delete(memberId);
    if (member.instanceId !== null && this.#byInstance.get(member.instanceId) === memberId) {
      this.#byInstance.delete(member.instanceId);
    }
    this.#count(member, -1);
    return member;
  }

  /** Members whose JoinGroup waits. */
  joining(): Member[] {
    return [...this.#byId.values()].filter(({ join }) => join !== null);
  }

  /** The longest time that a member asked for to finish its work before a rebalance; 0 without members. */
  rebalanceTimeoutMs(): number {
    let longest = 0;
    for (const { rebalanceTimeoutMs } of this.#byId.values()) {
      longest = Math.max(longest, rebalanceTimeoutMs);
    }
    return longest;
  }

  /** When the first is given up that does not wait for an answer; null for never. */
  firstExpiry(): Millis | null {
    let first: Millis | null = null;
    for (const member of this.#byId.values()) {
      if (isParked(member)) continue;
      if (first === null || member.expiresAt < first) first = member.expiresAt;
    }
    return first;
  }

  /** Tells whether every member offers the strategy; without members: yes. */
  allOffer(name: string): boolean {
    return (this.#offering.get(name) ?? 0) === this.#byId.size;
  }

  /**
   * The strategy of the next generation: each member votes for the first of its own list that all can speak,
   * most votes win, and of as many those that were cast first. null when there is nothing that all can speak.
   */
  electProtocol(): string | null {
    const votes = new Map<string, number>();
    for (const { protocols } of this.#byId.values()) {
      const choice = protocols.find(({ name }) => this.allOffer(name))?.name;
      if (choice !== undefined) votes.set(choice, (votes.get(choice) ?? 0) + 1);
    }
    let winner: string | null = null;
    for (const [name, count] of votes) {
      if (winner === null || count > (votes.get(winner) ?? 0)) winner = name;
    }
    return winner;
  }

  #count(member: Member, sign: 1 | -1): void {
    const bytes = sign * sizeBytesOf(member);
    this.#sizeBytes += bytes;
    this.#room.take(bytes);
    for (const name of new Set(member.protocols.map((protocol) => protocol.name))) {
      const count = (this.#offering.get(name) ?? 0) + sign;
      if (count === 0) this.#offering.delete(name);
      else this.#offering.set(name, count);
    }
  }
}

/** Tells whether a member waits for an answer, so that its silence means nothing. */
export function isParked(member: Member): boolean {
  // A new member's join is given up after a while: the client behind it may be gone, and no session would tell.
  return member.sync !== null || (member.join !== null && !member.isNew);
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

/** Memory that a member takes, as estimated. */
export function sizeBytesOf(member: MemberProfile & { readonly assignment?: Buffer }): number {
  const { memberId, instanceId, clientId, clientHost, protocols, assignment } = member;
  const chars = memberId.length + (instanceId?.length ?? 0) + clientId.length + clientHost.length;
  let bytes = MEMBER_OVERHEAD_BYTES + chars * BYTES_PER_CHAR + (assignment?.length ?? 0);
  for (const { name, metadata } of protocols)
    bytes += PROTOCOL_OVERHEAD_BYTES + name.length * BYTES_PER_CHAR + metadata.length;
  return bytes;
}
