/**
 * The admin: what the tools ask of a cluster. Each call is one request to whom it concerns (the
 * controller, each leader, each coordinator, any broker) with retries where they help; results of
 * several things asked for at once carry their errors one by one.
 */
import { apis, errorCodes, KafkaError, type MetadataResponse, ZERO_UUID } from '@odradek/protocol';
import type { Cluster } from '../cluster/cluster-host.ts';
import type { TopicView } from '../cluster/cluster-view.ts';
import { updateOfMetadata } from '../discovery/metadata-answer.ts';
import { comparePartitions, type TopicPartition } from '../topic-partition.ts';
import { describeConfigs } from './configs-host.ts';
import { deleteRecords } from './deletions-host.ts';
import { failureOf, firstRetriable } from './failures.ts';
import { deleteGroups, describeGroups, groupOffsets, listGroups } from './groups-host.ts';
import { alterReplicaLogDirs, describeLogDirs } from './log-dirs-host.ts';
import { listOffsets } from './offsets-host.ts';
import type {
  Admin,
  BrokerLogDirs,
  ClusterDescription,
  ConfigResource,
  CreatedTopic,
  DeletedRecords,
  GroupDescription,
  GroupListing,
  ListedOffset,
  MovedReplica,
  NewTopic,
  OffsetSpec,
  Outcome,
  ReplicaPlace,
  ResourceConfigs,
  TopicDescription,
  TopicListing,
} from './types.ts';

/** How long the controller may take until all leaders are there. */
const TOPIC_TIMEOUT_MS = 30_000;
/** How long replicas may take to delete records. */
const DELETION_TIMEOUT_MS = 30_000;
const METADATA_VERSION_MAX = 12;
const DEFAULT_COUNT = -1;

export class KafkaAdmin implements Admin {
  readonly #cluster: Cluster;

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
  }

  async createTopics(
    topics: readonly NewTopic[],
    options: { readonly validateOnly?: boolean; readonly timeoutMs?: number } = {},
  ): Promise<readonly CreatedTopic[]> {
    const response = await this.#cluster.call({
      target: { kind: 'controller' },
      api: apis.createTopics,
      body: (version) => ({
        topics: topics.map(wireTopic),
        timeoutMs: options.timeoutMs ?? TOPIC_TIMEOUT_MS,
        ...(version >= 1 ? { validateOnly: options.validateOnly ?? false } : {}),
      }),
      codeOf: ({ topics: results }) => onlyControllerMoved(results),
    });
    return response.topics.map((topic) => ({
      name: topic.name,
      error: failureOf(topic.errorCode, topic.errorMessage),
      topicId: topic.topicId === ZERO_UUID ? null : topic.topicId,
      partitionCount: topic.numPartitions,
      replicationFactor: topic.replicationFactor,
    }));
  }

  async createTopic(topic: NewTopic): Promise<CreatedTopic> {
    const [created] = await this.createTopics([topic]);
    if (created === undefined) throw new KafkaError('UNKNOWN_SERVER_ERROR', 'an empty answer');
    if (created.error !== null) throw created.error;
    return created;
  }

  async deleteTopics(
    names: readonly string[],
    options: { readonly timeoutMs?: number } = {},
  ): Promise<readonly Outcome[]> {
    const timeoutMs = options.timeoutMs ?? TOPIC_TIMEOUT_MS;
    const { responses } = await this.#cluster.call({
      target: { kind: 'controller' },
      api: apis.deleteTopics,
      body: (version) =>
        version >= 6
          ? { topics: names.map((name) => ({ name, topicId: ZERO_UUID })), timeoutMs }
          : { topicNames: names, timeoutMs },
      codeOf: ({ responses: results }) => onlyControllerMoved(results),
    });
    return responses.map(({ name, errorCode, errorMessage }) => ({
      name: name ?? '',
      error: failureOf(errorCode, errorMessage),
    }));
  }

  async createPartitions(
    topics: readonly {
      readonly name: string;
      readonly totalCount: number;
      readonly assignments?: readonly (readonly number[])[];
    }[],
    options: { readonly validateOnly?: boolean; readonly timeoutMs?: number } = {},
  ): Promise<readonly Outcome[]> {
    const { results } = await this.#cluster.call({
      target: { kind: 'controller' },
      api: apis.createPartitions,
      body: () => ({
        topics: topics.map(({ name, totalCount, assignments }) => ({
          name,
          count: totalCount,
          assignments: assignments?.map((brokerIds) => ({ brokerIds })) ?? null,
        })),
        timeoutMs: options.timeoutMs ?? TOPIC_TIMEOUT_MS,
        validateOnly: options.validateOnly ?? false,
      }),
      codeOf: (response) => onlyControllerMoved(response.results),
    });
    return results.map(({ name, errorCode, errorMessage }) => ({
      name,
      error: failureOf(errorCode, errorMessage),
    }));
  }

  async listTopics(): Promise<readonly TopicListing[]> {
    const { topics } = updateOfMetadata(await this.#metadata(null));
    return topics
      .filter(({ error }) => error === null)
      .map(({ name, topicId, isInternal }) => ({ name, topicId, isInternal }))
      .sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  async describeTopics(
    names: readonly string[],
  ): Promise<readonly (TopicDescription | KafkaError)[]> {
    const response = await this.#metadata(names);
    const views = new Map(updateOfMetadata(response).topics.map((topic) => [topic.name, topic]));
    return names.map((name) => descriptionOf(name, views.get(name)));
  }

  async describeCluster(): Promise<ClusterDescription> {
    const { brokers, clusterId, controllerId } = updateOfMetadata(await this.#metadata([]));
    return {
      clusterId,
      controllerId: controllerId ?? -1,
      brokers: [...(brokers ?? [])].sort((a, b) => a.id - b.id),
    };
  }

  describeConfigs(
    resources: readonly ConfigResource[],
    options: { readonly includeSynonyms?: boolean; readonly includeDocumentation?: boolean } = {},
  ): Promise<readonly ResourceConfigs[]> {
    return describeConfigs(this.#cluster, resources, options);
  }

  async listOffsets(
    partitions: readonly (TopicPartition & { readonly at: OffsetSpec })[],
    options: { readonly isolation?: 'read_uncommitted' | 'read_committed' } = {},
  ): Promise<readonly ListedOffset[]> {
    const listed = await listOffsets(this.#cluster, partitions, options.isolation);
    return [...listed].sort(comparePartitions);
  }

  async deleteRecords(
    partitions: readonly (TopicPartition & { readonly before: number | 'high-watermark' })[],
    options: { readonly timeoutMs?: number } = {},
  ): Promise<readonly DeletedRecords[]> {
    const timeoutMs = options.timeoutMs ?? DELETION_TIMEOUT_MS;
    const deleted = await deleteRecords(this.#cluster, partitions, timeoutMs);
    return [...deleted].sort(comparePartitions);
  }

  describeLogDirs(brokerIds: readonly number[]): Promise<readonly BrokerLogDirs[]> {
    return describeLogDirs(this.#cluster, brokerIds);
  }

  alterReplicaLogDirs(places: readonly ReplicaPlace[]): Promise<readonly MovedReplica[]> {
    return alterReplicaLogDirs(this.#cluster, places);
  }

  listGroups(): Promise<readonly GroupListing[]> {
    return listGroups(this.#cluster);
  }

  describeGroups(groupIds: readonly string[]): Promise<readonly GroupDescription[]> {
    return describeGroups(this.#cluster, groupIds);
  }

  deleteGroups(groupIds: readonly string[]): Promise<readonly Outcome[]> {
    return deleteGroups(this.#cluster, groupIds);
  }

  groupOffsets(
    groupId: string,
    partitions?: readonly TopicPartition[],
  ): Promise<readonly (TopicPartition & { readonly offset: number; readonly metadata: string })[]> {
    return groupOffsets(this.#cluster, groupId, partitions ?? null);
  }

  async close(): Promise<void> {
    // The connections are the client's.
  }

  /** @param names null for all topics */
  #metadata(names: readonly string[] | null): Promise<MetadataResponse> {
    return this.#cluster.call({
      target: { kind: 'any' },
      api: apis.metadata,
      maxVersion: METADATA_VERSION_MAX,
      body: (version) => ({
        topics: names?.map((name) => ({ name })) ?? null,
        ...(version >= 4 ? { allowAutoTopicCreation: false } : {}),
      }),
    });
  }
}

/** The whole request went to the wrong broker: worth another try, at another. */
function onlyControllerMoved(results: readonly { readonly errorCode: number }[]): number {
  return firstRetriable(results, [errorCodes.NOT_CONTROLLER]);
}

function wireTopic({ name, partitions, replicationFactor, assignments, configs }: NewTopic) {
  return {
    name,
    numPartitions: assignments === undefined ? (partitions ?? DEFAULT_COUNT) : DEFAULT_COUNT,
    replicationFactor:
      assignments === undefined ? (replicationFactor ?? DEFAULT_COUNT) : DEFAULT_COUNT,
    assignments: (assignments ?? []).map((brokerIds, partitionIndex) => ({
      partitionIndex,
      brokerIds,
    })),
    configs: Object.entries(configs ?? {}).map(([key, value]) => ({ name: key, value })),
  };
}

function descriptionOf(name: string, topic: TopicView | undefined): TopicDescription | KafkaError {
  if (topic === undefined || topic.error !== null)
    return new KafkaError(topic?.error ?? 'UNKNOWN_TOPIC_OR_PARTITION', `topic ${name}`);
  const { topicId, isInternal, partitions } = topic;
  return { name, topicId, isInternal, partitions };
}
