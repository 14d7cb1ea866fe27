/**
 * All that one term of the controller knows: brokers, topics, partitions with their stored state,
 * and the phase each partition and replica is in. Filled from the coordination service at the start
 * of the term, then kept in step by the procedures of this folder; only they change it.
 */
import { InvariantViolation } from '@odradek/runtime';
import {
  keyOf,
  NO_LEADER,
  type PartitionKey,
  type PartitionState,
  type RegisteredBroker,
  type ReplicaAssignment,
  type TopicAssignment,
  type TopicPartition,
} from './state.ts';

/** new → online ⇄ offline → nonExistent; a partition without a state is new. */
export type PartitionPhase = 'nonExistent' | 'new' | 'online' | 'offline';

/** See replica-states.ts for the permitted ways between them. */
export type ReplicaPhase =
  | 'nonExistent'
  | 'new'
  | 'online'
  | 'offline'
  | 'deletionStarted'
  | 'deletionSuccessful'
  | 'deletionIneligible';

export interface PartitionRecord extends TopicPartition {
  readonly key: PartitionKey;
  assignment: ReplicaAssignment;
  phase: PartitionPhase;
  /** What is stored, as far as we know; null when there is nothing yet. */
  stored: PartitionState | null;
  /** Phase by broker id. */
  readonly replicas: Map<number, ReplicaPhase>;
}

export interface TopicRecord {
  readonly name: string;
  topicId: string | null;
  readonly partitions: Map<number, PartitionRecord>;
}

export interface Replica {
  readonly partition: PartitionRecord;
  readonly brokerId: number;
}

export class ControllerContext {
  readonly controllerId: number;
  readonly epoch: number;
  /** Live brokers, those that are shutting down among them. */
  readonly brokers = new Map<number, RegisteredBroker>();
  readonly shuttingDown = new Set<number>();
  readonly topics = new Map<string, TopicRecord>();
  /** Topics that somebody wants deleted. */
  readonly deleting = new Set<string>();
  /** Of those: the ones that have to wait until a broker or directory is back. */
  readonly deletionHalted = new Set<string>();
  /** Of those: the ones whose partitions were taken out of service. */
  readonly deletionBegun = new Set<string>();
  readonly #nameById = new Map<string, string>();
  /** Replicas on failed log directories, by broker. */
  readonly #failedReplicas = new Map<number, Set<PartitionKey>>();

  constructor(controllerId: number, epoch: number) {
    this.controllerId = controllerId;
    this.epoch = epoch;
  }

  /** Ids of brokers that are alive and stay so. */
  get liveBrokerIds(): readonly number[] {
    return [...this.brokers.keys()].filter((id) => !this.shuttingDown.has(id));
  }

  isLive(brokerId: number): boolean {
    return this.brokers.has(brokerId) && !this.shuttingDown.has(brokerId);
  }

  /** The broker is alive, is not about to stop, and the replica's directory works. */
  isOnline(brokerId: number, key: PartitionKey): boolean {
    return this.isLive(brokerId) && !this.isFailed(brokerId, key);
  }

  isOnlineOrStopping(brokerId: number, key: PartitionKey): boolean {
    return this.brokers.has(brokerId) && !this.isFailed(brokerId, key);
  }

  isFailed(brokerId: number, key: PartitionKey): boolean {
    return this.#failedReplicas.get(brokerId)?.has(key) ?? false;
  }

  /** Notes which replicas of a broker are on failed directories; returns those that newly are. */
  noteDirectories(
    brokerId: number,
    failed: readonly PartitionKey[],
    working: readonly PartitionKey[],
  ): readonly PartitionKey[] {
    const known = this.#failedReplicas.get(brokerId) ?? new Set<PartitionKey>();
    for (const key of working) known.delete(key);
    const fresh = failed.filter((key) => !known.has(key));
    for (const key of fresh) known.add(key);
    if (known.size > 0) this.#failedReplicas.set(brokerId, known);
    else this.#failedReplicas.delete(brokerId);
    return fresh;
  }

  /** A broker that starts again has looked at its directories afresh. */
  forgetFailedReplicas(brokerId: number): void {
    this.#failedReplicas.delete(brokerId);
  }

  /** Takes in a topic, or the partitions it has more than before; returns the new partitions. */
  addTopic(name: string, assignment: TopicAssignment): readonly PartitionRecord[] {
    const topic = this.topics.get(name) ?? { name, topicId: null, partitions: new Map() };
    this.topics.set(name, topic);
    if (topic.topicId === null && assignment.topicId !== null) {
      topic.topicId = assignment.topicId;
      this.#nameById.set(assignment.topicId, name);
    }
    const added: PartitionRecord[] = [];
    for (const [partition, replicas] of assignment.partitions) {
      if (topic.partitions.has(partition)) continue;
      const record: PartitionRecord = {
        topic: name,
        partition,
        key: keyOf(name, partition),
        assignment: replicas,
        phase: 'nonExistent',
        stored: null,
        replicas: new Map(),
      };
      topic.partitions.set(partition, record);
      added.push(record);
    }
    return added;
  }

  removeTopic(name: string): void {
    const topic = this.topics.get(name);
    if (topic === undefined) return;
    for (const { key } of topic.partitions.values())
      for (const failed of this.#failedReplicas.values()) failed.delete(key);
    this.topics.delete(name);
    if (topic.topicId !== null) this.#nameById.delete(topic.topicId);
    this.deleting.delete(name);
    this.deletionHalted.delete(name);
    this.deletionBegun.delete(name);
  }

  partition(topic: string, partition: number): PartitionRecord | undefined {
    return this.topics.get(topic)?.partitions.get(partition);
  }

  /** A partition that must be known. */
  knownPartition({ topic, partition }: TopicPartition): PartitionRecord {
    const record = this.partition(topic, partition);
    if (record === undefined) throw new InvariantViolation(`unknown ${keyOf(topic, partition)}`);
    return record;
  }

  topicNameOfId(topicId: string): string | undefined {
    return this.#nameById.get(topicId);
  }

  *partitions(): Iterable<PartitionRecord> {
    for (const topic of this.topics.values()) yield* topic.partitions.values();
  }

  *partitionsOf(topics: Iterable<string>): Iterable<PartitionRecord> {
    for (const name of topics) yield* this.topics.get(name)?.partitions.values() ?? [];
  }

  /** The replicas that are placed on these brokers. */
  replicasOn(brokerIds: ReadonlySet<number>): readonly Replica[] {
    const replicas: Replica[] = [];
    for (const partition of this.partitions())
      for (const brokerId of partition.assignment.replicas)
        if (brokerIds.has(brokerId)) replicas.push({ partition, brokerId });
    return replicas;
  }

  replicasOf(partitions: Iterable<PartitionRecord>): readonly Replica[] {
    const replicas: Replica[] = [];
    for (const partition of partitions)
      for (const brokerId of partition.assignment.replicas) replicas.push({ partition, brokerId });
    return replicas;
  }

  replicasInPhase(topic: string, phase: ReplicaPhase): readonly Replica[] {
    return this.replicasOf(this.partitionsOf([topic])).filter(
      ({ partition, brokerId }) => partition.replicas.get(brokerId) === phase,
    );
  }

  /** Led by a broker that is not there, or whose directory failed. */
  hasLostLeader(partition: PartitionRecord): boolean {
    const leader = partition.stored?.leader;
    return leader !== undefined && !this.isOnline(leader, partition.key);
  }

  /** Without a leader although a member of its ISR is there. */
  couldBeLed({ phase, key, stored, topic }: PartitionRecord): boolean {
    if (phase !== 'offline' || stored === null || this.deleting.has(topic)) return false;
    return stored.isr.some((id) => this.isOnline(id, key));
  }

  leads(brokerId: number, partition: PartitionRecord): boolean {
    return brokerId !== NO_LEADER && partition.stored?.leader === brokerId;
  }
}
