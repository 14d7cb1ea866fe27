/**
 * AlterConfigs (key 33: these settings and no others) and IncrementalAlterConfigs (key 44: these
 * changes), for topics and for brokers. What is asked for is checked as a whole, stored, and
 * announced to all brokers; nothing of a resource is changed when one of its settings is wrong.
 *
 * Of the brokers' settings those can be changed that are defaults of topics, and the quota on moves
 * between log directories: they take effect at once. The others are refused, since they would not.
 */
import {
  type AlterConfigsRequest,
  apis,
  errorCodes,
  type IncrementalAlterConfigsRequest,
  KafkaError,
} from '@odradek/protocol';
import { ConfigError, type ConfigType, parseConfigValue, type ValueRule } from '@odradek/runtime';
import { brokerKeys, isBrokerKey } from '../config/broker-config.ts';
import { cleanerKeys } from '../config/cleaner-config.ts';
import type { EffectiveConfig } from '../config/effective-config.ts';
import { quotaKeys } from '../config/quota-keys.ts';
import {
  brokerSynonymsOf,
  checkTopicSettings,
  inheritedText,
  isTopicKey,
  type TopicKey,
} from '../config/topic-config.ts';
import { topicKeys } from '../config/topic-keys.ts';
import { reasonOf } from '../controller/topic-admin.ts';
import type { ConfigOverrides, Settings } from '../metadata/config-overrides.ts';
import type { MetadataView } from '../metadata/metadata-cache.ts';
import { DEFAULT_ENTITY } from '../metadata/znode-paths.ts';
import { BROKER_RESOURCE, TOPIC_RESOURCE } from './describe-configs.ts';
import { handler, type RegisteredHandler } from './registry.ts';

export interface AlterConfigsDependencies {
  readonly brokerId: number;
  readonly metadata: MetadataView;
  readonly overrides: ConfigOverrides;
  readonly effective: EffectiveConfig;
}

/** Kafka's numbers for the ways to change a setting. */
const operations = { set: 0, delete: 1, append: 2, subtract: 3 } as const;

type Change = IncrementalAlterConfigsRequest['resources'][number]['configs'][number];

interface Resource {
  readonly resourceType: number;
  readonly resourceName: string;
}

export function alterConfigsHandler(dependencies: AlterConfigsDependencies): RegisteredHandler {
  return handler(apis.alterConfigs, [0, 2], async ({ resources, validateOnly }) => ({
    throttleTimeMs: 0,
    responses: await Promise.all(
      resources.map((resource) =>
        alter(resource, validateOnly, dependencies, () => replaced(resource.configs)),
      ),
    ),
  }));
}

export function incrementalAlterConfigsHandler(
  dependencies: AlterConfigsDependencies,
): RegisteredHandler {
  return handler(apis.incrementalAlterConfigs, [0, 1], async ({ resources, validateOnly }) => ({
    throttleTimeMs: 0,
    responses: await Promise.all(
      resources.map((resource) =>
        alter(resource, validateOnly, dependencies, (before) =>
          changed(before, resource, dependencies.effective),
        ),
      ),
    ),
  }));
}

async function alter(
  { resourceType, resourceName }: Resource,
  validateOnly: boolean,
  dependencies: AlterConfigsDependencies,
  change: (before: Settings) => Settings,
) {
  const answer = { resourceType, resourceName, errorCode: 0, errorMessage: null };
  try {
    const { type, name, before, check } = await target(resourceType, resourceName, dependencies);
    const after = change(before);
    check(after);
    if (!validateOnly) await dependencies.overrides.store(type, name, after);
    return { ...answer, errorCode: errorCodes.NONE as number };
  } catch (error) {
    const refused =
      error instanceof ConfigError ? new KafkaError('INVALID_CONFIG', error.message) : error;
    if (!(refused instanceof KafkaError)) throw error;
    return { ...answer, errorCode: refused.wire, errorMessage: reasonOf(refused) };
  }
}

async function target(
  resourceType: number,
  resourceName: string,
  { brokerId, metadata, overrides, effective }: AlterConfigsDependencies,
) {
  if (resourceType === TOPIC_RESOURCE) {
    if (metadata.topic(resourceName) === undefined)
      throw new KafkaError(
        'UNKNOWN_TOPIC_OR_PARTITION',
        `The topic '${resourceName}' does not exist.`,
      );
    await overrides.prepare([resourceName]);
    return {
      type: 'topics',
      name: resourceName,
      before: overrides.ofTopic(resourceName),
      check: (settings: Settings) => checkTopicSettings(effective, settings),
    } as const;
  }
  if (resourceType !== BROKER_RESOURCE)
    throw new KafkaError('INVALID_REQUEST', `Unsupported resource type: ${resourceType}`);
  const isForAll = resourceName === '';
  if (!isForAll && resourceName !== String(brokerId))
    throw new KafkaError(
      'INVALID_REQUEST',
      `Unexpected broker id, expected ${brokerId} or empty string, but received ${resourceName}`,
    );
  return {
    type: 'brokers',
    name: isForAll ? DEFAULT_ENTITY : resourceName,
    before: isForAll ? overrides.ofAllBrokers : overrides.ofBroker,
    check: checkBrokerSettings,
  } as const;
}

/** @throws KafkaError for a setting that is unknown, wrong, or cannot be changed while brokers run */
function checkBrokerSettings(settings: Settings): void {
  for (const [key, text] of settings) {
    const rule =
      isBrokerKey(key) && effectiveAtOnce.has(key) ? brokerKeys[key] : quotaKeys.get(key);
    if (rule === undefined)
      throw new KafkaError('INVALID_REQUEST', `Cannot update ${key} while brokers run.`);
    const outcome = parseConfigValue(rule as ValueRule<ConfigType>, text, '');
    if ('allowed' in outcome)
      throw new KafkaError(
        'INVALID_CONFIG',
        `Invalid value ${text} for configuration ${key}: must be ${outcome.allowed}`,
      );
  }
}

const effectiveAtOnce: ReadonlySet<string> = new Set([
  ...Object.keys(topicKeys).filter(isTopicKey).flatMap(brokerSynonymsOf),
  ...cleanerKeys,
]);

function replaced(configs: AlterConfigsRequest['resources'][number]['configs']): Settings {
  return new Map(configs.map(({ name, value }) => [name, required(name, value)]));
}

function changed(
  before: Settings,
  { resourceType, configs }: Resource & { readonly configs: readonly Change[] },
  effective: EffectiveConfig,
): Settings {
  const names = configs.map(({ name }) => name);
  if (new Set(names).size !== names.length)
    throw new KafkaError('INVALID_REQUEST', 'A setting is to be changed twice.');
  const after = new Map(before);
  for (const { name, configOperation, value } of configs) {
    if (configOperation === operations.set) after.set(name, required(name, value));
    else if (configOperation === operations.delete) after.delete(name);
    else if (configOperation === operations.append || configOperation === operations.subtract) {
      const inherited = resourceType === TOPIC_RESOURCE && isTopicKey(name) ? name : null;
      const now = after.get(name) ?? (inherited === null ? '' : defaultOf(effective, inherited));
      const wanted = required(name, value);
      after.set(name, listChange(name, now, wanted, configOperation === operations.append));
    } else throw new KafkaError('INVALID_REQUEST', `Unknown operation ${configOperation}.`);
  }
  return after;
}

const defaultOf = (effective: EffectiveConfig, key: TopicKey): string =>
  inheritedText(effective, key) ?? '';

/** Adds to a list, or takes from it. */
function listChange(name: string, now: string, wanted: string, adds: boolean): string {
  const type = isTopicKey(name)
    ? topicKeys[name].type
    : isBrokerKey(name)
      ? brokerKeys[name].type
      : null;
  if (type !== 'list')
    throw new KafkaError(
      'INVALID_CONFIG',
      `Config value append is not allowed for config key: ${name}`,
    );
  const items = (text: string): string[] => text.split(',').filter((item) => item !== '');
  const current = items(now);
  const given = items(wanted);
  return (
    adds
      ? [...current, ...given.filter((item) => !current.includes(item))]
      : current.filter((item) => !given.includes(item))
  ).join(',');
}

function required(name: string, value: string | null): string {
  if (value === null)
    throw new KafkaError('INVALID_REQUEST', `Null value not supported for : ${name}`);
  return value;
}
