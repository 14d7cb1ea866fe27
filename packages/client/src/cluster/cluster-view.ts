/**
 * What a client knows of its cluster: brokers, controller, topics, leaders. Updates come from Metadata
 * answers or from the coordinator's nodes and may overtake each other; a partition's leader is only
 * replaced by one of the same or a later leader epoch of the same topic (KIP-320). Pure.
 */
import type { KafkaErrorName } from '@odradek/protocol';
import type { TopicPartition } from '../topic-partition.ts';

export interface Broker {
  readonly id: number;
  readonly host: string;
  readonly port: number;
  readonly rack: string | null;
}

export interface PartitionView {
  readonly partition: number;
  /** -1: none. */
  readonly leader: number;
  /** -1: not told. */
  readonly leaderEpoch: number;
  readonly replicas: readonly number[];
  readonly isr: readonly number[];
  readonly offlineReplicas: readonly number[];
}

export interface TopicView {
  readonly name: string;
  /** null when it has none or the source does not tell. */
  readonly topicId: string | null;
  readonly isInternal: boolean;
  /** Set when the topic could not be described; then there are no partitions. */
  readonly error: KafkaErrorName | null;
  /** Ascending, from 0 on without gaps. */
  readonly partitions: readonly PartitionView[];
}

export interface ClusterUpdate {
  /** null: nothing new about them. */
  readonly brokers: readonly Broker[] | null;
  readonly controllerId: number | null;
  readonly clusterId: string | null;
  readonly topics: readonly TopicView[];
}

export class ClusterView {
  readonly #brokers = new Map<number, Broker>();
  readonly #topics = new Map<string, TopicView>();
  readonly #available = new WeakMap<TopicView, readonly number[]>();
  #controllerId = -1;
  #clusterId: string | null = null;

  get controllerId(): number {
    return this.#controllerId;
  }

  get clusterId(): string | null {
    return this.#clusterId;
  }

  /** Ascending by id. */
  get brokers(): readonly Broker[] {
    return [...this.#brokers.values()].sort((a, b) => a.id - b.id);
  }

  broker(id: number): Broker | undefined {
    return this.#brokers.get(id);
  }

  topic(name: string): TopicView | undefined {
    return this.#topics.get(name);
  }

  topicNames(): Iterable<string> {
    return this.#topics.keys();
  }

  partition({ topic, partition }: TopicPartition): PartitionView | undefined {
    return this.#topics.get(topic)?.partitions[partition];
  }

  /** Partitions of the topic that have a leader, ascending. */
  available(topic: TopicView): readonly number[] {
    const known = this.#available.get(topic);
    if (known !== undefined) return known;
    const available = topic.partitions
      .filter(({ leader }) => leader >= 0)
      .map(({ partition }) => partition);
    this.#available.set(topic, available);
    return available;
  }

  apply(update: ClusterUpdate): void {
    if (update.brokers !== null) {
      this.#brokers.clear();
      for (const broker of update.brokers) this.#brokers.set(broker.id, broker);
    }
    this.#controllerId = update.controllerId ?? this.#controllerId;
    this.#clusterId = update.clusterId ?? this.#clusterId;
    for (const topic of update.topics)
      this.#topics.set(topic.name, merged(this.#topics.get(topic.name), topic));
  }

  forget(topic: string): void {
    this.#topics.delete(topic);
  }
}

function merged(known: TopicView | undefined, told: TopicView): TopicView {
  if (known === undefined || known.topicId !== told.topicId || told.error !== null) return told;
  const partitions = told.partitions.map((partition, index) => {
    const before = known.partitions[index];
    const isOlder =
      before !== undefined &&
      partition.leaderEpoch >= 0 &&
      partition.leaderEpoch < before.leaderEpoch;
    return isOlder ? before : partition;
  });
  return { ...told, partitions };
}
