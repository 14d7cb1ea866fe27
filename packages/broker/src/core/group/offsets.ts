/**
 * The committed offsets of one group.
 *
 * A commit gets here once it is written and replicated. Where two commits of one partition cross, the one that lies later
 * in the offsets topic counts, whatever the order in which they were acknowledged. The table also knows what is on its
 * way: commits that are being written, and offsets that belong to a transaction which has not ended.
 *
 * Pure. Which offsets have outlived their use is in offset-expiry.ts.
 */
import {
  BYTES_PER_CHAR,
  OFFSET_OVERHEAD_BYTES,
  type Room,
  TOPIC_OVERHEAD_BYTES,
} from './limits.ts';

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

export interface TopicPartition {
  readonly topic: string;
  readonly partition: number;
}

export interface TopicOffset extends TopicPartition {
  readonly committed: CommittedOffset;
}

/** Partitions that something is on its way for, with how many times. */
type Counted = Map<string, TopicPartition & { count: number }>;

export class OffsetTable {
  readonly #topics = new Map<string, Map<number, CommittedOffset>>();
  readonly #beingWritten: Counted = new Map();
  /** Offsets of open transactions by producer id. */
  readonly #held = new Map<bigint, TopicOffset[]>();
  readonly #heldPartitions: Counted = new Map();
  readonly #room: Room;
  #size = 0;

  /** @param room shared by the tables of a coordinator */
  constructor(room: Room) {
    this.#room = room;
  }

  /** Nothing is committed, and nothing is on its way. */
  get isEmpty(): boolean {
    return this.#topics.size === 0 && this.#beingWritten.size === 0 && this.#held.size === 0;
  }

  /** Partitions with an offset. */
  get size(): number {
    return this.#size;
  }

  get(topic: string, partition: number): CommittedOffset | undefined {
    return this.#topics.get(topic)?.get(partition);
  }

  set(topic: string, partition: number, committed: CommittedOffset): void {
    const before = this.get(topic, partition);
    if (before !== undefined && before.logOffset > committed.logOffset) return;
    this.#room.take(this.growthBytes(topic, partition, committed.metadata));
    let partitions = this.#topics.get(topic);
    if (partitions === undefined) {
      partitions = new Map();
      this.#topics.set(topic, partitions);
    }
    partitions.set(partition, committed);
    if (before === undefined) this.#size += 1;
  }

  /** The removal of an offset lies at `logOffset`: what was committed before it is gone. */
  remove(topic: string, partition: number, logOffset: number): void {
    const before = this.get(topic, partition);
    if (before === undefined || before.logOffset > logOffset) return;
    this.#room.take(-offsetBytes(before.metadata));
    const partitions = this.#topics.get(topic);
    partitions?.delete(partition);
    this.#size -= 1;
    if (partitions?.size !== 0) return;
    this.#room.take(-topicBytes(topic));
    this.#topics.delete(topic);
  }

  *all(): IterableIterator<TopicOffset> {
    for (const [topic, partitions] of this.#topics) {
      for (const [partition, committed] of partitions) yield { topic, partition, committed };
    }
  }

  /** Partitions with an offset, or with a plain commit on its way. */
  *known(): IterableIterator<TopicPartition> {
    yield* this.all();
    for (const place of this.#beingWritten.values()) {
      if (this.get(place.topic, place.partition) === undefined) yield place;
    }
  }

  /** Memory that one more commit takes beyond what there is, as estimated. */
  growthBytes(topic: string, partition: number, metadata: string): number {
    const partitions = this.#topics.get(topic);
    const before = partitions?.get(partition);
    return (
      offsetBytes(metadata) -
      (before === undefined ? 0 : offsetBytes(before.metadata)) +
      (partitions === undefined ? topicBytes(topic) : 0)
    );
  }

  // ---- on its way --------------------------------------------------------------------------------------------

  /** A commit is being written. */
  beginWrite(topic: string, partition: number): void {
    count(this.#beingWritten, topic, partition, 1);
  }

  /** It was written, and set, or it failed. */
  endWrite(topic: string, partition: number): void {
    count(this.#beingWritten, topic, partition, -1);
  }

  /** An offset was committed in a transaction, and counts if that is committed. */
  hold(producerId: bigint, { topic, partition, committed }: TopicOffset): void {
    const held = this.#held.get(producerId);
    const offset = { topic, partition, committed };
    if (held === undefined) this.#held.set(producerId, [offset]);
    else held.push(offset);
    count(this.#heldPartitions, topic, partition, 1);
    this.#room.take(offsetBytes(committed.metadata));
  }

  endTransaction(producerId: bigint, outcome: 'abort' | 'commit'): void {
    const held = this.#held.get(producerId) ?? [];
    this.#held.delete(producerId);
    for (const { topic, partition, committed } of held) {
      count(this.#heldPartitions, topic, partition, -1);
      this.#room.take(-offsetBytes(committed.metadata));
      if (outcome === 'commit') this.set(topic, partition, committed);
    }
  }

  /** Tells whether an open transaction will decide on the offset. */
  isUndecided(topic: string, partition: number): boolean {
    return this.#heldPartitions.has(keyOf(topic, partition));
  }

  /** Tells whether any commit, plain or of a transaction, is on its way. */
  isPending(topic: string, partition: number): boolean {
    return this.#beingWritten.has(keyOf(topic, partition)) || this.isUndecided(topic, partition);
  }

  /** Forgets all and gives the room back. */
  clear(): void {
    for (const producerId of [...this.#held.keys()]) this.endTransaction(producerId, 'abort');
    for (const { topic, partition, committed } of [...this.all()])
      this.remove(topic, partition, committed.logOffset);
    this.#beingWritten.clear();
  }
}

const keyOf = (topic: string, partition: number): string => `${topic}:${partition}`;

function count(counted: Counted, topic: string, partition: number, by: 1 | -1): void {
  const key = keyOf(topic, partition);
  const place = counted.get(key);
  if (place === undefined) {
    if (by > 0) counted.set(key, { topic, partition, count: by });
    return;
  }
  place.count += by;
  if (place.count === 0) counted.delete(key);
}

const offsetBytes = (metadata: string): number =>
  OFFSET_OVERHEAD_BYTES + metadata.length * BYTES_PER_CHAR;

const topicBytes = (topic: string): number => TOPIC_OVERHEAD_BYTES + topic.length * BYTES_PER_CHAR;
