/**
 * Votes and their order: the candidate with the newest history wins, the greatest id among equals.
 *
 * The order of ZooKeeper's fast leader election: epoch, then zxid, then id. A leader whose vote is
 * the greatest of a quorum has every transaction that a quorum has acknowledged.
 */

/** What a server is at present. */
export type Role = 'looking' | 'leading' | 'following' | 'observing';

/** A candidate: its current epoch, its last logged zxid and its id, compared in that order. */
export interface Vote {
  readonly leaderId: number;
  readonly epoch: number;
  readonly zxid: bigint;
}

/** What a server says in an election, and what one that is settled answers. */
export interface Notification {
  readonly state: Role;
  readonly round: number;
  readonly vote: Vote;
  /** An empty disk that nobody has said to trust: its vote is not counted unless all voters are such. */
  readonly isNew: boolean;
  /** Version of the members it goes by. */
  readonly ensembleVersion: bigint;
}

/** Negative, 0 or positive, for sorting: the greatest is to lead. */
export function compareVotes(one: Vote, other: Vote): number {
  if (one.epoch !== other.epoch) return one.epoch - other.epoch;
  if (one.zxid !== other.zxid) return one.zxid < other.zxid ? -1 : 1;
  return one.leaderId - other.leaderId;
}

export function isSameVote(one: Vote, other: Vote): boolean {
  return compareVotes(one, other) === 0;
}

/** For logs and people. */
export function describeVote({ leaderId, epoch, zxid }: Vote): string {
  return `server ${leaderId} (epoch ${epoch}, zxid 0x${zxid.toString(16)})`;
}
