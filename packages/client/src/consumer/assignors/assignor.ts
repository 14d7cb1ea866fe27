/**
 * How a group's partitions are dealt to its members: what an assignor is given and gives. The leader
 * of the group runs it; every client knows the same ones by name. The assignors themselves are beside.
 */
import type { TopicPartition } from '../../topic-partition.ts';

export interface GroupMemberSubscription {
  readonly memberId: string;
  readonly groupInstanceId: string | null;
  readonly topics: readonly string[];
  /** What it had, as far as it still counts. */
  readonly owned: readonly TopicPartition[];
  /** The generation in which it had that; -1 unknown. */
  readonly generation: number;
  readonly userData: Buffer | null;
}

export interface Assignor {
  /** As in the group's protocol list. */
  readonly name: string;
  /** Members keep what they have during a rebalance and give up only what moves (KIP-429). */
  readonly isCooperative: boolean;
  /**
   * @param partitionCounts of every subscribed topic that exists
   * @returns the partitions by member id; every member has an entry
   */
  assign(
    members: readonly GroupMemberSubscription[],
    partitionCounts: ReadonlyMap<string, number>,
  ): ReadonlyMap<string, readonly TopicPartition[]>;
  /** What a member tells the leader besides its topics, given what it owns. */
  userData?(owned: readonly TopicPartition[], generation: number): Buffer | null;
}

/** The order in which members are served: by instance id where both have one, else by member id. */
export function inMemberOrder(
  members: readonly GroupMemberSubscription[],
): readonly GroupMemberSubscription[] {
  return [...members].sort((a, b) => {
    // A member with an instance id stands before one without, or the order would not be one.
    if (a.groupInstanceId !== null && b.groupInstanceId !== null)
      return compare(a.groupInstanceId, b.groupInstanceId);
    if (a.groupInstanceId !== null) return -1;
    if (b.groupInstanceId !== null) return 1;
    return compare(a.memberId, b.memberId);
  });
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
