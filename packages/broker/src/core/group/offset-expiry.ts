/** Which committed offsets nobody will ask for any more, by the rules of KIP-211. */
import type { CommittedOffset, OffsetTable, TopicPartition } from './offsets.ts';

/** What expiry needs to know about the group. */
export interface GroupForExpiry {
  /** null: consumers that assign themselves, and only keep offsets here. */
  readonly protocolType: string | null;
  readonly isEmpty: boolean;
  readonly isStable: boolean;
  /** Since when the group is empty; null when nobody knows. */
  readonly emptySinceMs: number | null;
  /** Topics that its members read; null when that is not known. */
  readonly subscribed: ReadonlySet<string> | null;
}

/** Those in use, and those with a commit on its way, never expire. */
export function expiredOffsets(
  table: OffsetTable,
  group: GroupForExpiry,
  nowMs: number,
  retentionMs: number,
): TopicPartition[] {
  const expired: TopicPartition[] = [];
  for (const { topic, partition, committed } of table.all()) {
    const since = retainedSince(group, topic, committed);
    if (since === null || table.isPending(topic, partition)) continue;
    // An old client said itself how long it wants its offset kept.
    if (nowMs >= (committed.expireTimestampMs ?? since + retentionMs))
      expired.push({ topic, partition });
  }
  return expired;
}

/** From when the retention counts; null while the offset is in use. */
function retainedSince(
  group: GroupForExpiry,
  topic: string,
  committed: CommittedOffset,
): number | null {
  if (group.protocolType === null) return committed.commitTimestampMs;
  if (group.isEmpty) return group.emptySinceMs ?? committed.commitTimestampMs;
  const unused = group.isStable && group.subscribed !== null && !group.subscribed.has(topic);
  return unused ? committed.commitTimestampMs : null;
}
