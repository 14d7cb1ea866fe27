/**
 * DescribeConfigs (key 32): the settings of topics, and those of this broker. Another broker's have
 * to be asked for there.
 */
import {
  apis,
  type DescribeConfigsRequest,
  type DescribeConfigsResponse,
  errorCodes,
  KafkaError,
} from '@odradek/protocol';
import { reasonOf } from '../controller/topic-admin.ts';
import { topicNameProblem } from '../core/controller/topic-names.ts';
import type { ConfigOverrides } from '../metadata/config-overrides.ts';
import type { MetadataView } from '../metadata/metadata-cache.ts';
import { type ConfigDescriber, DEFAULT_SOURCE, type DescribedConfig } from './described-config.ts';
import { handler, type RegisteredHandler } from './registry.ts';

export interface DescribeConfigsDependencies {
  readonly brokerId: number;
  readonly metadata: MetadataView;
  readonly overrides: ConfigOverrides;
  readonly describer: ConfigDescriber;
}

type Resource = DescribeConfigsRequest['resources'][number];
type Answer = DescribeConfigsResponse['results'][number];

/** Kafka's numbers for kinds of resources. */
export const TOPIC_RESOURCE = 2;
export const BROKER_RESOURCE = 4;
/** Before this version an answer only says whether a value is the default. */
const SOURCES_SINCE = 1;

export function describeConfigsHandler(
  dependencies: DescribeConfigsDependencies,
): RegisteredHandler {
  return handler(apis.describeConfigs, [0, 4], async (request, { apiVersion }) => ({
    throttleTimeMs: 0,
    results: await Promise.all(
      request.resources.map((resource) => describeOne(resource, request, apiVersion, dependencies)),
    ),
  }));
}

async function describeOne(
  resource: Resource,
  request: DescribeConfigsRequest,
  apiVersion: number,
  dependencies: DescribeConfigsDependencies,
): Promise<Answer> {
  const { resourceType, resourceName, configurationKeys } = resource;
  try {
    const described = await settingsOf(resource, dependencies);
    const wanted =
      configurationKeys === null
        ? described
        : described.filter(({ name }) => configurationKeys.includes(name));
    return {
      errorCode: errorCodes.NONE,
      errorMessage: null,
      resourceType,
      resourceName,
      configs: wanted.map((config) => shown(config, request, apiVersion)),
    };
  } catch (error) {
    if (!(error instanceof KafkaError)) throw error;
    const { wire: errorCode } = error;
    return { errorCode, errorMessage: reasonOf(error), resourceType, resourceName, configs: [] };
  }
}

async function settingsOf(
  { resourceType, resourceName }: Resource,
  { brokerId, metadata, overrides, describer }: DescribeConfigsDependencies,
): Promise<readonly DescribedConfig[]> {
  if (resourceType === TOPIC_RESOURCE) {
    const problem = topicNameProblem(resourceName);
    if (problem !== null) throw new KafkaError('INVALID_TOPIC_EXCEPTION', problem);
    if (metadata.topic(resourceName) === undefined)
      throw new KafkaError(
        'UNKNOWN_TOPIC_OR_PARTITION',
        `The topic '${resourceName}' does not exist.`,
      );
    await overrides.prepare([resourceName]);
    return describer.topic(overrides.ofTopic(resourceName));
  }
  if (resourceType === BROKER_RESOURCE) {
    if (resourceName === '') return describer.allBrokers();
    if (resourceName === String(brokerId)) return describer.broker();
    throw new KafkaError(
      'INVALID_REQUEST',
      `Unexpected broker id, expected ${brokerId} or empty string, but received ${resourceName}`,
    );
  }
  throw new KafkaError('INVALID_REQUEST', `Unsupported resource type: ${resourceType}`);
}

function shown(
  config: DescribedConfig,
  request: DescribeConfigsRequest,
  apiVersion: number,
): Answer['configs'][number] {
  const { name, value, readOnly, isSensitive, synonyms, configType, documentation } = config;
  const source = synonyms[0]?.source ?? DEFAULT_SOURCE;
  return {
    name,
    value: isSensitive ? null : value,
    readOnly,
    isDefault: apiVersion < SOURCES_SINCE && source === DEFAULT_SOURCE,
    configSource: source,
    isSensitive,
    synonyms: request.includeSynonyms
      ? synonyms.map((synonym) => (isSensitive ? { ...synonym, value: null } : synonym))
      : [],
    configType,
    documentation: request.includeDocumentation ? documentation : null,
  };
}
