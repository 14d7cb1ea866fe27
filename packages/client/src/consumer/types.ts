/** What a user of the consumer gives and gets. The consumer itself is consumer-host.ts. */
import type { RecordHeader, TimestampType } from '@odradek/protocol';
import type { TopicPartition } from '../topic-partition.ts';
import type { Assignor } from './assignors/assignor.ts';

export interface ConsumerOptions {
  /** Needed to subscribe and to commit. */
  readonly groupId?: string;
  /** Static membership: a member of this name that returns in time keeps its partitions. */
  readonly groupInstanceId?: string;
  /** In order of preference; default range, then cooperative-sticky. */
  readonly assignors?: readonly Assignor[];
  /** Without a heartbeat for this long the member is thrown out, ms. Default 45 000. */
  readonly sessionTimeoutMs?: number;
  /** Time for all members to rejoin, and the longest pause between two polls, ms. Default 300 000. */
  readonly rebalanceTimeoutMs?: number;
  /** Default 3 000. */
  readonly heartbeatIntervalMs?: number;
  /** Commit what was handed out and taken up by a further poll. Default true with a group. */
  readonly autoCommit?: boolean;
  /** Default 5 000. */
  readonly autoCommitIntervalMs?: number;
  /** Where to begin without a committed offset, or when it is out of range. Default 'latest'. */
  readonly offsetReset?: 'earliest' | 'latest' | 'none';
  /** The broker answers a fetch when it has this many bytes. Default 1. */
  readonly minBytes?: number;
  /** At most this much in one fetch response. Default 50 MiB. */
  readonly maxBytes?: number;
  /** At most this much for one partition in one response; a larger batch is returned alone. Default 1 MiB. */
  readonly maxPartitionBytes?: number;
  /** The broker waits this long for `minBytes`, ms. Default 500. */
  readonly maxWaitMs?: number;
  /** Fetched and not yet handed out; fetching pauses beyond it. Default 32 MiB. */
  readonly prefetchBytes?: number;
  /** Default 'read_uncommitted'. */
  readonly isolation?: 'read_uncommitted' | 'read_committed';
  /** Most records that one poll hands out. Default 10 000. */
  readonly maxPollRecords?: number;
  /** Told to the brokers, which may serve from a nearby replica. */
  readonly rackId?: string;
  /** Let brokers create subscribed topics that do not exist. Default false. */
  readonly allowAutoTopicCreation?: boolean;
  /** After partitions were given to this member. */
  readonly onAssigned?: (partitions: readonly TopicPartition[]) => void;
  /** Before partitions are taken from this member; with `lost`, they may be another's already. */
  readonly onRevoked?: (partitions: readonly TopicPartition[], lost: boolean) => void;
}

export interface ConsumedRecord {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  /** ms since 1970; -1 for none. */
  readonly timestamp: number;
  readonly timestampType: TimestampType;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: readonly RecordHeader[];
}

/** Records of one partition, in order. */
export interface ConsumedBatch {
  readonly topic: string;
  readonly partition: number;
  readonly records: readonly ConsumedRecord[];
  /** The partition's end as of this fetch. */
  readonly highWatermark: number;
}

export interface CommittedOffset extends TopicPartition {
  /** The next offset to be read. */
  readonly offset: number;
  readonly metadata?: string;
  readonly leaderEpoch?: number;
}

/** A user's position in a partition. */
export type SeekTarget = number | 'beginning' | 'end' | { readonly timestamp: number };

export interface Consumer extends AsyncIterable<ConsumedRecord> {
  /** Joins the group for these topics, or for all whose whole name matches. Replaces an earlier subscription. */
  subscribe(topics: readonly string[] | RegExp): void;
  /** Takes exactly these partitions, without group membership. */
  assign(partitions: readonly TopicPartition[]): void;
  assignment(): readonly TopicPartition[];
  /** Where the next record of the partition will be read from. */
  seek(partition: TopicPartition, target: SeekTarget): void;
  /** The offset of the next record to be handed out; null while it is not known. */
  position(partition: TopicPartition): number | null;
  pause(partitions: readonly TopicPartition[]): void;
  resume(partitions: readonly TopicPartition[]): void;
  /**
   * The next records, as soon as there are any; empty after `timeoutMs`. What an earlier poll handed
   * out counts as done and may be committed.
   * @throws KafkaError for what no retry helps, such as OFFSET_OUT_OF_RANGE with offsetReset 'none'
   */
  poll(timeoutMs: number): Promise<readonly ConsumedBatch[]>;
  /** Polls for ever, until the signal is aborted or the consumer closed. */
  batches(options?: { readonly signal?: AbortSignal }): AsyncIterable<ConsumedBatch>;
  /** Commits what was handed out, or the offsets given. */
  commit(offsets?: readonly CommittedOffset[]): Promise<void>;
  /** null for a partition without a committed offset. */
  committed(partitions: readonly TopicPartition[]): Promise<readonly (CommittedOffset | null)[]>;
  /** Commits (with autoCommit), leaves the group and lets go of everything. */
  close(): Promise<void>;
}
