/**
 * Metadata (key 3): brokers, topics, partitions and leaders, as this broker has them from the
 * controller. Asking about a topic that does not exist may create it.
 */
import {
  apis,
  errorCodes,
  type KafkaErrorName,
  type MetadataRequest,
  type MetadataResponse,
} from '@odradek/protocol';
import type { AutomaticTopics } from '../controller/automatic-topics.ts';
import { NO_TOPIC_ID } from '../core/controller/state.ts';
import { isInternalTopic, topicNameProblem } from '../core/controller/topic-names.ts';
import type { MetadataView, PartitionMetadata, TopicMetadata } from '../metadata/metadata-cache.ts';
import {
  CLUSTER_OPERATIONS,
  OPERATIONS_NOT_ASKED,
  TOPIC_OPERATIONS,
} from './authorized-operations.ts';
import { handler, type RegisteredHandler, type RequestContext } from './registry.ts';

export interface MetadataDependencies {
  readonly metadata: MetadataView;
  readonly clusterId: string;
  readonly automatic: AutomaticTopics;
}

type TopicAnswer = MetadataResponse['topics'][number];
type PartitionAnswer = TopicAnswer['partitions'][number];

/** Before this version an empty list asked for all topics. */
const EMPTY_MEANS_NONE_SINCE = 1;
const LISTENER_ERROR_SINCE = 6;
const TOPIC_IDS_SINCE = 12;

export function metadataHandler(dependencies: MetadataDependencies): RegisteredHandler {
  return handler(apis.metadata, [0, 12], async (request, context) => {
    const topics = await topicsOf(request, context, dependencies);
    const { metadata, clusterId } = dependencies;
    return {
      throttleTimeMs: 0,
      brokers: [...metadata.liveBrokers()].flatMap(({ id, rack, endpoints }) => {
        const endpoint = endpoints.get(context.listenerName);
        if (endpoint === undefined) return [];
        return [{ nodeId: id, host: endpoint.host, port: endpoint.port, rack }];
      }),
      clusterId,
      controllerId: metadata.controllerId,
      topics,
      clusterAuthorizedOperations: request.includeClusterAuthorizedOperations
        ? CLUSTER_OPERATIONS
        : OPERATIONS_NOT_ASKED,
      errorCode: errorCodes.NONE,
    };
  });
}

async function topicsOf(
  request: MetadataRequest,
  context: RequestContext,
  { metadata, automatic }: MetadataDependencies,
): Promise<TopicAnswer[]> {
  const { topics } = request;
  const known = (topic: TopicMetadata) => topicAnswer(topic, request, context, metadata);
  const wantsAll =
    topics === null || (topics.length === 0 && context.apiVersion < EMPTY_MEANS_NONE_SINCE);
  if (wantsAll)
    return [...metadata.topicNames()].flatMap((name) => {
      const topic = metadata.topic(name);
      return topic === undefined ? [] : [known(topic)];
    });
  const answers: TopicAnswer[] = [];
  const asked = new Set<string>();
  const mayCreate = automatic.isEnabled && request.allowAutoTopicCreation;
  for (const { name, topicId } of topics) {
    if (asked.has(`${name}/${topicId}`)) continue;
    asked.add(`${name}/${topicId}`);
    if (topicId !== NO_TOPIC_ID || name === null) {
      // By id only from v12 on; before that the whole request makes no sense.
      const found = metadata.topic(metadata.topicNameById(topicId) ?? '');
      if (context.apiVersion < TOPIC_IDS_SINCE || topicId === NO_TOPIC_ID)
        answers.push(failure(name ?? '', topicId, 'INVALID_REQUEST'));
      else
        answers.push(
          found === undefined ? failure(null, topicId, 'UNKNOWN_TOPIC_ID') : known(found),
        );
      continue;
    }
    const there = metadata.topic(name);
    const error = there === undefined ? await absent(name, mayCreate, automatic) : 'NONE';
    // One that was created just now may have its leaders already.
    const topic = there ?? metadata.topic(name);
    answers.push(topic === undefined ? failure(name, NO_TOPIC_ID, error) : known(topic));
  }
  return answers;
}

async function absent(
  name: string,
  mayCreate: boolean,
  automatic: AutomaticTopics,
): Promise<KafkaErrorName> {
  if (topicNameProblem(name) !== null) return 'INVALID_TOPIC_EXCEPTION';
  return mayCreate ? automatic.create(name) : 'UNKNOWN_TOPIC_OR_PARTITION';
}

function topicAnswer(
  topic: TopicMetadata,
  request: MetadataRequest,
  context: RequestContext,
  metadata: MetadataView,
): TopicAnswer {
  return {
    errorCode: errorCodes.NONE,
    name: topic.name,
    topicId: topic.topicId ?? NO_TOPIC_ID,
    isInternal: isInternalTopic(topic.name),
    partitions: [...topic.partitions].map(([index, partition]) =>
      partitionAnswer(index, partition, context, metadata),
    ),
    topicAuthorizedOperations: request.includeTopicAuthorizedOperations
      ? TOPIC_OPERATIONS
      : OPERATIONS_NOT_ASKED,
  };
}

function partitionAnswer(
  partitionIndex: number,
  partition: PartitionMetadata,
  { apiVersion, listenerName }: RequestContext,
  metadata: MetadataView,
): PartitionAnswer {
  const { leader, leaderEpoch, replicas, isr, offlineReplicas } = partition;
  const isAlive = (id: number): boolean =>
    metadata.liveBroker(id)?.endpoints.has(listenerName) ?? false;
  // Version 0 has no word for a dead replica: it leaves it out and says so.
  const shown = (ids: readonly number[]) => (apiVersion === 0 ? ids.filter(isAlive) : ids);
  const answer = {
    errorCode: errorCodes.NONE as number,
    partitionIndex,
    leaderId: leader,
    leaderEpoch,
    replicaNodes: shown(replicas),
    isrNodes: shown(isr),
    offlineReplicas,
  };
  const leading = metadata.liveBroker(leader);
  if (leading === undefined)
    return { ...answer, leaderId: -1, errorCode: errorCodes.LEADER_NOT_AVAILABLE };
  if (!leading.endpoints.has(listenerName)) {
    const error =
      apiVersion >= LISTENER_ERROR_SINCE ? 'LISTENER_NOT_FOUND' : 'LEADER_NOT_AVAILABLE';
    return { ...answer, leaderId: -1, errorCode: errorCodes[error] };
  }
  const isIncomplete =
    answer.replicaNodes.length < replicas.length || answer.isrNodes.length < isr.length;
  return isIncomplete ? { ...answer, errorCode: errorCodes.REPLICA_NOT_AVAILABLE } : answer;
}

const failure = (name: string | null, topicId: string, error: KafkaErrorName): TopicAnswer => ({
  errorCode: errorCodes[error],
  name,
  topicId,
  isInternal: name !== null && isInternalTopic(name),
  partitions: [],
  topicAuthorizedOperations: OPERATIONS_NOT_ASKED,
});
