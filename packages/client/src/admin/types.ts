/** What a user of the admin gives and gets. The admin itself is admin-host.ts. */
import type { KafkaError } from '@odradek/protocol';
import type { TopicPartition } from '../topic-partition.ts';

export interface NewTopic {
  readonly name: string;
  /** The broker's default unless given. */
  readonly partitions?: number;
  /** The broker's default unless given. */
  readonly replicationFactor?: number;
  /** Broker ids by partition, the preferred leader first; instead of the two counts. */
  readonly assignments?: readonly (readonly number[])[];
  readonly configs?: Readonly<Record<string, string>>;
}

/** What became of one of several things asked for at once; `error` null is success. */
export interface Outcome {
  readonly name: string;
  readonly error: KafkaError | null;
}

export interface CreatedTopic extends Outcome {
  /** null from brokers that have no topic ids. */
  readonly topicId: string | null;
  /** -1 where the broker does not tell. */
  readonly partitionCount: number;
  readonly replicationFactor: number;
}

export interface TopicListing {
  readonly name: string;
  readonly topicId: string | null;
  readonly isInternal: boolean;
}

export interface PartitionDescription {
  readonly partition: number;
  /** -1: none. */
  readonly leader: number;
  readonly leaderEpoch: number;
  readonly replicas: readonly number[];
  readonly isr: readonly number[];
  readonly offlineReplicas: readonly number[];
}

export interface TopicDescription extends TopicListing {
  /** Ascending. */
  readonly partitions: readonly PartitionDescription[];
}

export interface BrokerDescription {
  readonly id: number;
  readonly host: string;
  readonly port: number;
  readonly rack: string | null;
}

export interface ClusterDescription {
  readonly clusterId: string | null;
  /** -1: none known. */
  readonly controllerId: number;
  readonly brokers: readonly BrokerDescription[];
}

export interface ConfigResource {
  readonly type: 'topic' | 'broker' | 'broker-logger';
  readonly name: string;
}

export type ConfigSource =
  | 'topic'
  | 'dynamic-broker'
  | 'dynamic-default-broker'
  | 'static-broker'
  | 'default'
  | 'broker-logger'
  | 'other';

export interface ConfigEntry {
  readonly name: string;
  /** null when unset or secret. */
  readonly value: string | null;
  readonly source: ConfigSource;
  readonly isReadOnly: boolean;
  readonly isSensitive: boolean;
  readonly documentation: string | null;
  readonly synonyms: readonly {
    readonly name: string;
    readonly value: string | null;
    readonly source: ConfigSource;
  }[];
}

export interface ResourceConfigs {
  readonly resource: ConfigResource;
  readonly error: KafkaError | null;
  readonly entries: readonly ConfigEntry[];
}

/** A place in a log: its beginning, its end, its largest timestamp, or the first record at or after a time. */
export type OffsetSpec = 'earliest' | 'latest' | 'max-timestamp' | { readonly timestamp: number };

export interface ListedOffset extends TopicPartition {
  readonly error: KafkaError | null;
  /** -1: there is no such record. */
  readonly offset: number;
  readonly timestamp: number;
  readonly leaderEpoch: number;
}

/** What became of records that were to be deleted. */
export interface DeletedRecords extends TopicPartition {
  readonly error: KafkaError | null;
  /** Where the partition begins now, on all replicas that are alive; -1 with an error. */
  readonly lowWatermark: number;
}

/** A replica as it lies in a log directory. */
export interface ReplicaLog extends TopicPartition {
  readonly sizeBytes: number;
  /** How far its end is behind the high watermark; of a future log, behind the log it will replace. */
  readonly offsetLag: number;
  /** It is being copied here and will take the place of the one in another directory. */
  readonly isFuture: boolean;
}

export interface LogDirDescription {
  readonly path: string;
  /** Why nothing is known of it: KAFKA_STORAGE_ERROR when it has failed. */
  readonly error: KafkaError | null;
  /** Sorted. */
  readonly replicas: readonly ReplicaLog[];
  /** Of the volume; null where the broker does not tell. */
  readonly totalBytes: number | null;
  readonly usableBytes: number | null;
}

export interface BrokerLogDirs {
  readonly brokerId: number;
  readonly logDirs: readonly LogDirDescription[];
}

/** Where the replica of a partition on a broker is to lie. */
export interface ReplicaPlace extends TopicPartition {
  readonly brokerId: number;
  /** One of the broker's log.dirs, as an absolute path. */
  readonly path: string;
}

/** What became of the wish for a place; `error` null: the replica is there, or on its way. */
export interface MovedReplica extends ReplicaPlace {
  readonly error: KafkaError | null;
}

export interface GroupListing {
  readonly groupId: string;
  readonly protocolType: string;
  /** Empty where the broker does not tell. */
  readonly state: string;
}

export interface GroupMember {
  readonly memberId: string;
  readonly groupInstanceId: string | null;
  readonly clientId: string;
  readonly clientHost: string;
  /** Of a consumer: what it reads. */
  readonly assignment: readonly TopicPartition[];
}

export interface GroupDescription {
  readonly groupId: string;
  readonly error: KafkaError | null;
  readonly state: string;
  readonly protocolType: string;
  /** The assignor's name, for consumers. */
  readonly protocol: string;
  readonly members: readonly GroupMember[];
  readonly coordinatorId: number;
}

export interface Admin {
  createTopics(
    topics: readonly NewTopic[],
    options?: { readonly validateOnly?: boolean; readonly timeoutMs?: number },
  ): Promise<readonly CreatedTopic[]>;
  /** @throws KafkaError */
  createTopic(topic: NewTopic): Promise<CreatedTopic>;
  deleteTopics(
    names: readonly string[],
    options?: { readonly timeoutMs?: number },
  ): Promise<readonly Outcome[]>;
  /** @param totalCount partitions afterwards; with `assignments`, those of the new partitions only */
  createPartitions(
    topics: readonly {
      readonly name: string;
      readonly totalCount: number;
      readonly assignments?: readonly (readonly number[])[];
    }[],
    options?: { readonly validateOnly?: boolean; readonly timeoutMs?: number },
  ): Promise<readonly Outcome[]>;
  /** Sorted by name. */
  listTopics(): Promise<readonly TopicListing[]>;
  /** In the order of the names; a topic that is not there has an error in its place. */
  describeTopics(names: readonly string[]): Promise<readonly (TopicDescription | KafkaError)[]>;
  describeCluster(): Promise<ClusterDescription>;
  describeConfigs(
    resources: readonly ConfigResource[],
    options?: {
      readonly includeSynonyms?: boolean;
      readonly includeDocumentation?: boolean;
    },
  ): Promise<readonly ResourceConfigs[]>;
  listOffsets(
    partitions: readonly (TopicPartition & { readonly at: OffsetSpec })[],
    options?: { readonly isolation?: 'read_uncommitted' | 'read_committed' },
  ): Promise<readonly ListedOffset[]>;
  /**
   * Deletes the records before an offset, for good. Resolves when all live replicas have.
   * @param options `timeoutMs`: how long they may take, 30 seconds unless given
   */
  deleteRecords(
    partitions: readonly (TopicPartition & { readonly before: number | 'high-watermark' })[],
    options?: { readonly timeoutMs?: number },
  ): Promise<readonly DeletedRecords[]>;
  /** In the order of the ids. @throws KafkaError when a broker cannot be asked */
  describeLogDirs(brokerIds: readonly number[]): Promise<readonly BrokerLogDirs[]>;
  /**
   * Has brokers move replicas between their log directories; resolves when the moves have begun.
   * `describeLogDirs` tells how they get on: a replica on its way is there twice, the second time as
   * `isFuture`. Naming the directory that a replica is in ends its move. In the order of the places;
   * REPLICA_NOT_AVAILABLE for a replica that the broker does not hold yet: it will be made there.
   * @throws KafkaError when a broker cannot be asked
   */
  alterReplicaLogDirs(places: readonly ReplicaPlace[]): Promise<readonly MovedReplica[]>;
  listGroups(): Promise<readonly GroupListing[]>;
  describeGroups(groupIds: readonly string[]): Promise<readonly GroupDescription[]>;
  deleteGroups(groupIds: readonly string[]): Promise<readonly Outcome[]>;
  /** All committed offsets of a group, or those of the partitions given. */
  groupOffsets(
    groupId: string,
    partitions?: readonly TopicPartition[],
  ): Promise<readonly (TopicPartition & { readonly offset: number; readonly metadata: string })[]>;
  close(): Promise<void>;
}
