/**
 * Reading from the nearest replica (KIP-392): which follower a leader sends a consumer to. The rule
 * of Kafka's RackAwareReplicaSelector: a replica in the consumer's rack that is in sync and has what
 * is asked for; ourselves, if we are one; else the one that has most. Pure.
 */
import type { PartitionLeader } from './leader.ts';

/** What has to be known of a broker. */
export interface ReplicaPlace {
  /** The rack of a live broker that the consumer can reach; null otherwise. */
  rackOf(brokerId: number): string | null;
}

/**
 * @param self id of the leader
 * @param rack of the consumer; not empty
 * @returns the follower to read from, or null: the leader itself
 */
export function nearerReplica(
  leader: PartitionLeader,
  self: number,
  rack: string,
  fetchOffset: number,
  { rackOf }: ReplicaPlace,
): number | null {
  if (rackOf(self) === rack) return null;
  let best: { id: number; logEndOffset: number; caughtUpAtMs: number } | null = null;
  for (const id of leader.isr) {
    const follower = leader.follower(id);
    if (follower === undefined || rackOf(id) !== rack) continue;
    const { logEndOffset, logStartOffset, caughtUpAtMs } = follower;
    if (logEndOffset < fetchOffset || logStartOffset > fetchOffset) continue;
    const isBetter =
      best === null ||
      logEndOffset > best.logEndOffset ||
      (logEndOffset === best.logEndOffset && caughtUpAtMs > best.caughtUpAtMs);
    if (isBetter) best = { id, logEndOffset, caughtUpAtMs };
  }
  return best?.id ?? null;
}
