/**
 * Where a client learns about its cluster. Two sources fit: brokers that were named at the start and
 * answer Metadata (bootstrap-host.ts), and the coordinator's nodes (coordinator-host.ts).
 */
import type { ClusterUpdate } from '../cluster/cluster-view.ts';

export interface MetadataQuery {
  /** null: all topics. */
  readonly topics: readonly string[] | null;
  /** Let the cluster create topics that do not exist, if it does so. */
  readonly allowAutoTopicCreation: boolean;
}

export interface MetadataSource {
  /** Brokers, controller and the topics asked for; a topic that cannot be described carries its error. */
  fetch(query: MetadataQuery): Promise<ClusterUpdate>;
  /** What the source learns by itself. */
  onUpdate(listener: (update: ClusterUpdate) => void): void;
  close(): Promise<void>;
}
