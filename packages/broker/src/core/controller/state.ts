/**
 * The values the controller decides about: partitions, replicas, registered brokers, and the stored
 * leader and ISR of a partition. Plain data; how it looks in znodes is in `metadata/znodes.ts`.
 */
import type { SecurityProtocol } from './security-protocol.ts';

/** The uuid of all zeros: "no id". */
export const NO_TOPIC_ID = 'AAAAAAAAAAAAAAAAAAAAAA';
/** No broker leads. */
export const NO_LEADER = -1;

export interface TopicPartition {
  readonly topic: string;
  readonly partition: number;
}

/** `topic-partition`, the key of maps and Kafka's own way to write it; the last dash separates. */
export type PartitionKey = string;

export const keyOf = (topic: string, partition: number): PartitionKey => `${topic}-${partition}`;

/** Kafka: 0 = the log is whole, 1 = the leader was elected uncleanly and has not said so is mended. */
export const RECOVERED = 0;
export const RECOVERING = 1;

/** What `/brokers/topics/T/partitions/P/state` says. */
export interface LeaderAndIsr {
  /** A broker id, or {@link NO_LEADER}. */
  readonly leader: number;
  readonly leaderEpoch: number;
  readonly isr: readonly number[];
  readonly leaderRecoveryState: number;
}

/** A stored state with what was stored around it. */
export interface PartitionState extends LeaderAndIsr {
  /** Epoch of the controller that wrote it. */
  readonly controllerEpoch: number;
  /** The znode's version. */
  readonly partitionEpoch: number;
}

export interface Endpoint {
  readonly listener: string;
  readonly host: string;
  readonly port: number;
  readonly securityProtocol: SecurityProtocol;
}

/** A live broker as it registered itself. */
export interface RegisteredBroker {
  readonly id: number;
  /** The czxid of its registration: larger for every new life. */
  readonly epoch: number;
  readonly rack: string | null;
  readonly endpoints: readonly Endpoint[];
}

/** The replicas of one topic, as its znode says. */
export interface TopicAssignment {
  /** Null until the controller has given one. */
  readonly topicId: string | null;
  readonly partitions: ReadonlyMap<number, ReplicaAssignment>;
}

/** Replicas in order of preference; during a reassignment also which of them come and go. */
export interface ReplicaAssignment {
  readonly replicas: readonly number[];
  readonly adding: readonly number[];
  readonly removing: readonly number[];
}

export const replicasOnly = (replicas: readonly number[]): ReplicaAssignment => ({
  replicas,
  adding: [],
  removing: [],
});
