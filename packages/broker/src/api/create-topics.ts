/**
 * CreateTopics (key 19), served by the controller: checks each topic, writes it, and waits until
 * all its partitions have leaders. Topics are judged one by one; one that is refused does not keep
 * the others from being created.
 */
import {
  apis,
  type CreateTopicsRequest,
  type CreateTopicsResponse,
  errorCodes,
  KafkaError,
  type KafkaErrorName,
} from '@odradek/protocol';
import type { Environment } from '@odradek/runtime';
import type { TermHost } from '../controller/term-host.ts';
import { type PlannedTopic, reasonOf, type TopicAdmin } from '../controller/topic-admin.ts';
import { NO_TOPIC_ID } from '../core/controller/state.ts';
import { awaitMetadata, isServed } from '../metadata/await-metadata.ts';
import type { MetadataView } from '../metadata/metadata-cache.ts';
import { DEFAULT_SOURCE, type DescribedConfig } from './described-config.ts';
import { handler, type RegisteredHandler } from './registry.ts';

export interface CreateTopicsDependencies {
  readonly controller: { readonly term: TermHost | null };
  readonly admin: TopicAdmin;
  readonly metadata: MetadataView;
  readonly environment: Environment;
  /** All settings of a topic that has these of its own. */
  readonly describeTopic: (settings: ReadonlyMap<string, string>) => readonly DescribedConfig[];
}

type WantedTopic = CreateTopicsRequest['topics'][number];
type TopicAnswer = CreateTopicsResponse['topics'][number];

/** Stands for the broker's own default. Clients say so from version 4 on, kafkajs in older ones too, and Kafka takes it. */
const BY_DEFAULT = -1;

export function createTopicsHandler(dependencies: CreateTopicsDependencies): RegisteredHandler {
  return handler(apis.createTopics, [0, 7], async (request) => {
    const names = request.topics.map(({ name }) => name);
    const twice = new Set(names.filter((name, index) => names.indexOf(name) !== index));
    const answers = request.topics
      .filter(({ name }, index) => names.indexOf(name) === index)
      .map(async (wanted) => {
        if (dependencies.controller.term === null)
          return refusal(wanted.name, 'NOT_CONTROLLER', 'This is not the correct controller.');
        if (twice.has(wanted.name))
          return refusal(wanted.name, 'INVALID_REQUEST', 'Duplicate topic in the request.');
        return createOne(wanted, request, dependencies);
      });
    return { throttleTimeMs: 0, topics: await Promise.all(answers) };
  });
}

async function createOne(
  wanted: WantedTopic,
  request: CreateTopicsRequest,
  { admin, metadata, environment, describeTopic }: CreateTopicsDependencies,
): Promise<TopicAnswer> {
  const { name } = wanted;
  try {
    const planned = await admin.plan(asked(wanted));
    if (!request.validateOnly) {
      await admin.create(planned);
      const partitionCount = planned.partitions.size;
      const isThere = await awaitMetadata(metadata, environment, request.timeoutMs, () =>
        isServed(metadata, name, partitionCount),
      );
      if (!isThere)
        return refusal(name, 'REQUEST_TIMED_OUT', 'Timed out while waiting for the new topic.');
    }
    return created(planned, request.validateOnly, describeTopic(planned.settings));
  } catch (error) {
    if (!(error instanceof KafkaError)) throw error;
    return refusal(name, error.code, reasonOf(error));
  }
}

function asked(wanted: WantedTopic) {
  const { name, numPartitions, replicationFactor, assignments, configs } = wanted;
  const empty = configs.filter(({ value }) => value === null).map((config) => config.name);
  if (empty.length > 0)
    throw new KafkaError(
      'INVALID_CONFIG',
      `Null value not supported for topic configs: ${empty.join(',')}`,
    );
  const settings = new Map(configs.map((config) => [config.name, config.value ?? '']));
  const byDefault = (count: number): number | null => (count === BY_DEFAULT ? null : count);
  if (assignments.length === 0)
    return {
      name,
      partitionCount: byDefault(numPartitions),
      replicationFactor: byDefault(replicationFactor),
      assignments: null,
      settings,
    };
  if (numPartitions !== BY_DEFAULT || replicationFactor !== BY_DEFAULT)
    throw new KafkaError(
      'INVALID_REQUEST',
      'Both numPartitions or replicationFactor and replicasAssignments were set. Both cannot be used at the same time.',
    );
  const chosen = new Map(
    assignments.map(({ partitionIndex, brokerIds }) => [partitionIndex, brokerIds]),
  );
  if (chosen.size !== assignments.length)
    throw new KafkaError('INVALID_REPLICA_ASSIGNMENT', 'A partition is assigned twice.');
  return { name, partitionCount: null, replicationFactor: null, assignments: chosen, settings };
}

function created(
  { name, topicId, partitions }: PlannedTopic,
  validateOnly: boolean,
  described: readonly DescribedConfig[],
): TopicAnswer {
  return {
    name,
    topicId: validateOnly ? NO_TOPIC_ID : topicId,
    errorCode: errorCodes.NONE,
    errorMessage: null,
    topicConfigErrorCode: errorCodes.NONE,
    numPartitions: partitions.size,
    replicationFactor: [...partitions.values()][0]?.length ?? -1,
    configs: described.map((config) => ({
      name: config.name,
      value: config.value,
      readOnly: config.readOnly,
      configSource: config.synonyms[0]?.source ?? DEFAULT_SOURCE,
      isSensitive: config.isSensitive,
    })),
  };
}

const refusal = (name: string, error: KafkaErrorName, reason: string): TopicAnswer => ({
  name,
  topicId: NO_TOPIC_ID,
  errorCode: errorCodes[error],
  errorMessage: reason,
  topicConfigErrorCode: errorCodes.NONE,
  numPartitions: -1,
  replicationFactor: -1,
  configs: [],
});
