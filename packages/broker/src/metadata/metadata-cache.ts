/**
 * What this broker knows of the cluster: live brokers, topics, leaders. Filled by the controller's
 * UpdateMetadata requests only, so every broker answers clients from memory, and may lag behind.
 *
 * A request always carries the complete list of live brokers; its partitions are merged into what
 * is known, and a partition whose leader is -2 is forgotten. Topics, partitions and brokers handed
 * out are never changed afterwards: an update puts new ones in their place.
 */
import type { UpdateMetadataRequest } from '@odradek/protocol';
import { type SecurityProtocol, securityProtocolOf } from '../core/controller/security-protocol.ts';
import { NO_TOPIC_ID } from '../core/controller/state.ts';

/** The leader that says "this partition is being deleted" in UpdateMetadata and StopReplica. */
export const LEADER_DURING_DELETE = -2;

export interface BrokerEndpoint {
  readonly host: string;
  readonly port: number;
  readonly securityProtocol: SecurityProtocol;
}

export interface LiveBroker {
  readonly id: number;
  readonly rack: string | null;
  /** By listener name. */
  readonly endpoints: ReadonlyMap<string, BrokerEndpoint>;
}

export interface PartitionMetadata {
  readonly controllerEpoch: number;
  /** -1 for none. */
  readonly leader: number;
  readonly leaderEpoch: number;
  readonly isr: readonly number[];
  /** The version of the partition's state znode. */
  readonly partitionEpoch: number;
  readonly replicas: readonly number[];
  readonly offlineReplicas: readonly number[];
}

export interface TopicMetadata {
  readonly name: string;
  /** 22 characters; null for a topic that has no id (yet). */
  readonly topicId: string | null;
  readonly partitions: ReadonlyMap<number, PartitionMetadata>;
}

export interface MetadataChange {
  /** Topics that are new or differ in some partition. */
  readonly topics: readonly string[];
  readonly deleted: readonly string[];
  /** The set of live brokers, or an endpoint or rack of one, differs. */
  readonly brokers: boolean;
}

/** The reading side, for everything that answers clients or follows leaders. */
export interface MetadataView {
  /** The sender of the last UpdateMetadata; -1 before the first. */
  readonly controllerId: number;
  liveBroker(id: number): LiveBroker | undefined;
  liveBrokers(): Iterable<LiveBroker>;
  topic(name: string): TopicMetadata | undefined;
  topicNameById(topicId: string): string | undefined;
  topicIdByName(name: string): string | undefined;
  topicNames(): Iterable<string>;
  /** Called after each update that changed something; returns the way to stop listening. */
  onChange(listener: (change: MetadataChange) => void): () => void;
}

type BrokerUpdate = UpdateMetadataRequest['liveBrokers'][number];
type PartitionUpdate = UpdateMetadataRequest['topicStates'][number]['partitionStates'][number];

export class MetadataCache implements MetadataView {
  #controllerId = -1;
  #brokers = new Map<number, LiveBroker>();
  readonly #topics = new Map<string, TopicMetadata>();
  readonly #nameById = new Map<string, string>();
  readonly #listeners = new Set<(change: MetadataChange) => void>();

  get controllerId(): number {
    return this.#controllerId;
  }

  liveBroker(id: number): LiveBroker | undefined {
    return this.#brokers.get(id);
  }

  liveBrokers(): Iterable<LiveBroker> {
    return this.#brokers.values();
  }

  topic(name: string): TopicMetadata | undefined {
    return this.#topics.get(name);
  }

  topicNameById(topicId: string): string | undefined {
    return this.#nameById.get(topicId);
  }

  topicIdByName(name: string): string | undefined {
    return this.#topics.get(name)?.topicId ?? undefined;
  }

  topicNames(): Iterable<string> {
    return this.#topics.keys();
  }

  onChange(listener: (change: MetadataChange) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Takes over one UpdateMetadata request of any version and tells the listeners what it changed. */
  apply(request: UpdateMetadataRequest): MetadataChange {
    this.#controllerId = request.controllerId;
    const brokers = this.#replaceBrokers(request.liveBrokers);
    const changed = new Set<string>();
    const deleted = new Set<string>();
    for (const [name, update] of groupByTopic(request)) {
      const outcome = this.#mergeTopic(name, update.topicId, update.partitions);
      if (outcome === 'changed') changed.add(name);
      if (outcome === 'deleted') deleted.add(name);
    }
    const change = { topics: [...changed], deleted: [...deleted], brokers };
    if (brokers || changed.size > 0 || deleted.size > 0)
      for (const listener of this.#listeners) listener(change);
    return change;
  }

  #replaceBrokers(updates: readonly BrokerUpdate[]): boolean {
    const next = new Map<number, LiveBroker>();
    for (const update of updates) next.set(update.id, liveBrokerOf(update));
    const same =
      next.size === this.#brokers.size &&
      [...next.values()].every((broker) => sameBroker(broker, this.#brokers.get(broker.id)));
    if (!same) this.#brokers = next;
    return !same;
  }

  #mergeTopic(
    name: string,
    topicId: string | null,
    updates: readonly PartitionUpdate[],
  ): 'changed' | 'deleted' | 'same' {
    const known = this.#topics.get(name);
    const recreated = known?.topicId != null && topicId !== null && known.topicId !== topicId;
    const partitions = new Map(recreated ? [] : known?.partitions);
    for (const update of updates) {
      if (update.leader === LEADER_DURING_DELETE) partitions.delete(update.partitionIndex);
      else partitions.set(update.partitionIndex, partitionOf(update));
    }
    if (known?.topicId != null && (recreated || partitions.size === 0))
      this.#nameById.delete(known.topicId);
    if (partitions.size === 0) return this.#topics.delete(name) ? 'deleted' : 'same';
    const id = topicId ?? known?.topicId ?? null;
    if (id !== null) this.#nameById.set(id, name);
    this.#topics.set(name, { name, topicId: id, partitions });
    return updates.length > 0 ? 'changed' : 'same';
  }
}

/** Old versions list partitions flat, each with its topic; newer ones by topic. */
function groupByTopic(
  request: UpdateMetadataRequest,
): Map<string, { topicId: string | null; partitions: PartitionUpdate[] }> {
  const topics = new Map<string, { topicId: string | null; partitions: PartitionUpdate[] }>();
  const of = (name: string) => {
    const known = topics.get(name);
    if (known !== undefined) return known;
    const fresh = { topicId: null as string | null, partitions: [] as PartitionUpdate[] };
    topics.set(name, fresh);
    return fresh;
  };
  for (const state of request.ungroupedPartitionStates) of(state.topicName).partitions.push(state);
  for (const topic of request.topicStates) {
    const entry = of(topic.topicName);
    if (topic.topicId !== NO_TOPIC_ID) entry.topicId = topic.topicId;
    for (const state of topic.partitionStates) entry.partitions.push(state);
  }
  return topics;
}

function partitionOf(update: PartitionUpdate): PartitionMetadata {
  return {
    controllerEpoch: update.controllerEpoch,
    leader: update.leader,
    leaderEpoch: update.leaderEpoch,
    isr: update.isr,
    partitionEpoch: update.zkVersion,
    replicas: update.replicas,
    offlineReplicas: update.offlineReplicas,
  };
}

function liveBrokerOf(update: BrokerUpdate): LiveBroker {
  const endpoints = new Map<string, BrokerEndpoint>();
  for (const { listener, host, port, securityProtocol: wire } of update.endpoints) {
    const securityProtocol = securityProtocolOf(wire);
    if (securityProtocol === undefined) continue; // A protocol of a later Kafka: not reachable for us.
    // Before v3 a listener had no name of its own but that of its protocol.
    endpoints.set(listener === '' ? securityProtocol : listener, { host, port, securityProtocol });
  }
  if (endpoints.size === 0 && update.v0Host !== '')
    endpoints.set('PLAINTEXT', {
      host: update.v0Host,
      port: update.v0Port,
      securityProtocol: 'PLAINTEXT',
    });
  return { id: update.id, rack: update.rack, endpoints };
}

function sameBroker(left: LiveBroker, right: LiveBroker | undefined): boolean {
  if (right === undefined || left.rack !== right.rack) return false;
  if (left.endpoints.size !== right.endpoints.size) return false;
  for (const [name, endpoint] of left.endpoints) {
    const other = right.endpoints.get(name);
    if (other === undefined) return false;
    if (
      other.host !== endpoint.host ||
      other.port !== endpoint.port ||
      other.securityProtocol !== endpoint.securityProtocol
    )
      return false;
  }
  return true;
}
