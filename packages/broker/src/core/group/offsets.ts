/**
 * The committed offsets of one group, and which of them have outlived their use.
 *
 * Pure; a commit gets here once it is written and replicated. Where two commits of one partition cross, the one
 * that lies later in the offsets topic counts, whatever the order in which they were acknowledged.
 */
export interface CommittedOffset {
  readonly offset: number;
  /** -1 when the client did not say. */
  readonly leaderEpoch: number;
  readonly metadata: string;
  readonly commitTimestampMs: number;
  /** Set by old clients that asked for a retention of their own. */
  readonly expireTimestampMs: number | null;
  /** Where the commit lies in its partition of the offsets topic. */
  readonly logOffset: number;
}

export interface TopicOffset {
  readonly topic: string;
  readonly partition: number;
  readonly committed: CommittedOffset;
}

/** What expiry needs to know about the group. */
export interface GroupForExpiry {
  readonly protocolType: string | null;
  readonly isEmpty: boolean;
  readonly isStable: boolean;
  /** Since when the group is empty; null when nobody knows. */
  readonly emptySinceMs: number | null;
  /** Topics that its members read; null when that is not known. */
  readonly subscribed: ReadonlySet<string> | null;
}

export class OffsetTable {
  readonly #topics = new Map<string, Map<number, CommittedOffset>>();

  get isEmpty(): boolean {
    return this.#topics.size === 0;
  }

  get(topic: string, partition: number): CommittedOffset | undefined {
    return this.#topics.get(topic)?.get(partition);
  }

  set(topic: string, partition: number, committed: CommittedOffset): void {
    let partitions = this.#topics.get(topic);
    if (partitions === undefined) {
      partitions = new Map();
      this.#topics.set(topic, partitions);
    }
    const before = partitions.get(partition);
    if (before !== undefined && before.logOffset > committed.logOffset) return;
    partitions.set(partition, committed);
  }

  remove(topic: string, partition: number): void {
    const partitions = this.#topics.get(topic);
    if (partitions === undefined) return;
    partitions.delete(partition);
    if (partitions.size === 0) this.#topics.delete(topic);
  }

  *all(): IterableIterator<TopicOffset> {
    for (const [topic, partitions] of this.#topics) {
      for (const [partition, committed] of partitions) yield { topic, partition, committed };
    }
  }

  /** Offsets of a topic; of a deleted one they go. */
  ofTopic(topic: string): TopicOffset[] {
    return [...(this.#topics.get(topic) ?? [])].map(([partition, committed]) => ({
      topic,
      partition,
      committed,
    }));
  }

  /** Offsets that nobody will ask for any more, by the rules of KIP-211. */
  expired(group: GroupForExpiry, nowMs: number, retentionMs: number): TopicOffset[] {
    return [...this.all()].filter(({ topic, committed }) => {
      if (committed.expireTimestampMs !== null) return nowMs >= committed.expireTimestampMs;
      const since = retainedSince(group, topic, committed);
      return since !== null && nowMs - since >= retentionMs;
    });
  }
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
