/**
 * The rules about leader epochs: who is up to date, where two logs part, and how far a follower has
 * to cut its own back (KIP-101, KIP-320, KIP-595's truncation on fetch). Pure.
 */

/** The end of an epoch in some log; (-1, -1) when the log cannot tell. */
export interface EpochEndOffset {
  readonly epoch: number;
  readonly endOffset: number;
}

/** An epoch or offset that is not known. */
export const UNKNOWN = -1;

/**
 * Compares the leader epoch a request was made under with ours.
 * @param requested -1 when the requester does not say: then nothing is checked
 */
export function fencing(
  requested: number,
  current: number,
): 'FENCED_LEADER_EPOCH' | 'UNKNOWN_LEADER_EPOCH' | null {
  if (requested < 0 || requested === current) return null;
  return requested < current ? 'FENCED_LEADER_EPOCH' : 'UNKNOWN_LEADER_EPOCH';
}

/**
 * Leader's side of truncation on fetch: does the follower's log go another way than ours?
 * @param followerEpoch epoch of the last batch the follower has
 * @param fetchOffset end of the follower's log
 * @param ours where `followerEpoch`, or the largest one below it, ends in our log
 * @returns what the follower must cut back to, null when it is a prefix of our log, or
 *   'out-of-range' when we cannot tell
 */
export function divergence(
  followerEpoch: number,
  fetchOffset: number,
  ours: EpochEndOffset,
): EpochEndOffset | 'out-of-range' | null {
  if (ours.epoch === UNKNOWN || ours.endOffset === UNKNOWN) return 'out-of-range';
  return ours.epoch < followerEpoch || ours.endOffset < fetchOffset ? ours : null;
}

/**
 * Follower's side: the offset its log has to end at after the leader answered with `leader`.
 * The result may still be too much, when the epochs differ: the next fetch narrows it further.
 * @param fetchOffset where it asked to read on
 * @param logEndOffset its own end
 * @param own where `leader.epoch`, or the largest one below it, ends in its own log
 */
export function truncationOffset(
  leader: EpochEndOffset,
  fetchOffset: number,
  logEndOffset: number,
  own: EpochEndOffset,
): number {
  if (leader.endOffset === UNKNOWN) return Math.min(fetchOffset, logEndOffset);
  if (leader.epoch === UNKNOWN || own.endOffset === UNKNOWN)
    return Math.min(leader.endOffset, logEndOffset);
  if (own.epoch !== leader.epoch) return Math.min(own.endOffset, logEndOffset);
  return Math.min(own.endOffset, leader.endOffset, logEndOffset);
}

/**
 * Where a follower reads on after the leader said that its offset is out of range: it ran ahead of
 * the leader's log, or fell behind its start.
 */
export function afterOutOfRange(
  leaderLatest: number,
  leaderEarliest: number,
  logEndOffset: number,
): Readonly<{ kind: 'truncate' | 'start-anew' | 'continue'; offset: number }> {
  if (leaderLatest < logEndOffset) return { kind: 'truncate', offset: leaderLatest };
  if (leaderEarliest > logEndOffset) return { kind: 'start-anew', offset: leaderEarliest };
  return { kind: 'continue', offset: logEndOffset };
}
