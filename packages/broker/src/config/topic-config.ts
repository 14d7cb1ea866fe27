/**
 * What holds for a topic: its own settings, and for the rest what the broker says under another
 * name, in another unit even (`retention.ms` comes from log.retention.ms, or .minutes, or .hours).
 *
 * The broker's side is asked through {@link BrokerSettings}, because some of its keys can be changed
 * while it runs. Where topics' own settings are stored is `metadata/config-overrides.ts`.
 */
import {
  ConfigError,
  type ConfigType,
  type ConfigValue,
  type ConfigValues,
  configText,
  type PropertyEntry,
  parseConfigValue,
  readConfig,
  type ValueRule,
} from '@odradek/runtime';
import type { LogConfig } from '../log/log-config.ts';
import type { BrokerKey } from './broker-config.ts';
import { topicKeys } from './topic-keys.ts';

export type TopicKey = keyof typeof topicKeys;
export type TopicValues = ConfigValues<typeof topicKeys>;

/** The broker's values as they hold now, dynamic ones included. */
export interface BrokerSettings {
  value(key: BrokerKey): ConfigValue | null;
}

const HOUR_MS = 3_600_000;
const MINUTE_MS = 60_000;

/** A broker key that gives a topic's default, if it is set; numbers are multiplied by `unit`. */
interface Synonym {
  readonly key: BrokerKey;
  readonly unit: number;
}

const as = (key: BrokerKey, unit = 1): Synonym => ({ key, unit });

/** By topic key, in the order in which they count. */
const synonyms: Readonly<Record<TopicKey, readonly Synonym[]>> = {
  'segment.bytes': [as('log.segment.bytes')],
  'segment.ms': [as('log.roll.ms'), as('log.roll.hours', HOUR_MS)],
  'segment.jitter.ms': [as('log.roll.jitter.ms'), as('log.roll.jitter.hours', HOUR_MS)],
  'segment.index.bytes': [as('log.index.size.max.bytes')],
  'flush.messages': [as('log.flush.interval.messages')],
  'flush.ms': [as('log.flush.interval.ms'), as('log.flush.scheduler.interval.ms')],
  'retention.bytes': [as('log.retention.bytes')],
  'retention.ms': [
    as('log.retention.ms'),
    as('log.retention.minutes', MINUTE_MS),
    as('log.retention.hours', HOUR_MS),
  ],
  'max.message.bytes': [as('message.max.bytes')],
  'index.interval.bytes': [as('log.index.interval.bytes')],
  'delete.retention.ms': [as('log.cleaner.delete.retention.ms')],
  'min.compaction.lag.ms': [as('log.cleaner.min.compaction.lag.ms')],
  'max.compaction.lag.ms': [as('log.cleaner.max.compaction.lag.ms')],
  'file.delete.delay.ms': [as('log.segment.delete.delay.ms')],
  'min.cleanable.dirty.ratio': [as('log.cleaner.min.cleanable.ratio')],
  'cleanup.policy': [as('log.cleanup.policy')],
  'unclean.leader.election.enable': [as('unclean.leader.election.enable')],
  'min.insync.replicas': [as('min.insync.replicas')],
  'compression.type': [as('compression.type')],
  'compression.gzip.level': [as('compression.gzip.level')],
  'compression.lz4.level': [as('compression.lz4.level')],
  'compression.zstd.level': [as('compression.zstd.level')],
  preallocate: [as('log.preallocate')],
  'message.format.version': [as('log.message.format.version')],
  'message.timestamp.type': [as('log.message.timestamp.type')],
  'message.timestamp.difference.max.ms': [as('log.message.timestamp.difference.max.ms')],
  'message.timestamp.before.max.ms': [as('log.message.timestamp.before.max.ms')],
  'message.timestamp.after.max.ms': [as('log.message.timestamp.after.max.ms')],
  'leader.replication.throttled.replicas': [],
  'follower.replication.throttled.replicas': [],
  'message.downconversion.enable': [as('log.message.downconversion.enable')],
  'remote.storage.enable': [],
  'local.retention.ms': [as('log.local.retention.ms')],
  'local.retention.bytes': [as('log.local.retention.bytes')],
  'remote.log.copy.disable': [],
  'remote.log.delete.on.disable': [],
};

export const isTopicKey = (key: string): key is TopicKey => Object.hasOwn(topicKeys, key);

/** The broker keys a topic key's default comes from, in the order in which they count. */
export const brokerSynonymsOf = (key: TopicKey): readonly BrokerKey[] =>
  synonyms[key].map((synonym) => synonym.key);

/** Everything that holds for a topic; stored settings that make no sense are left out. */
export function topicValuesOf(
  broker: BrokerSettings,
  overrides: ReadonlyMap<string, string>,
): TopicValues {
  const entries: PropertyEntry[] = [];
  for (const key of Object.keys(synonyms)) {
    if (!isTopicKey(key)) continue;
    const text = overrides.get(key);
    const own = text !== undefined && topicValueProblem(key, text) === null ? text : null;
    const value = own ?? inheritedText(broker, key);
    if (value !== null) entries.push({ key, value, line: null, source: 'topic' });
  }
  return readConfig(topicKeys, entries, { source: 'topic', homeDirectory: '' }).values;
}

/** What the broker gives a topic that does not set `key`, as text; null for the built-in default. */
export function inheritedText(broker: BrokerSettings, key: TopicKey): string | null {
  for (const synonym of synonyms[key]) {
    const value = broker.value(synonym.key);
    if (value === null) continue;
    const scaled =
      typeof value === 'number' && synonym.unit !== 1
        ? Math.max(value * synonym.unit, -1) // Any negative retention means "for ever".
        : value;
    return configText(topicKeys[key], scaled);
  }
  return null;
}

/** Says what is wrong with a setting for a topic; null when it is fine. */
export function topicValueProblem(key: TopicKey, text: string): string | null {
  const rule: ValueRule<ConfigType> = topicKeys[key] as ValueRule<ConfigType>;
  const outcome = parseConfigValue(rule, text, '');
  return 'value' in outcome
    ? null
    : `Invalid value ${text} for configuration ${key}: must be ${outcome.allowed}`;
}

/**
 * Checks settings that somebody wants for a topic.
 * @throws ConfigError naming the first that is unknown or wrong
 */
export function checkTopicSettings(
  broker: BrokerSettings,
  settings: ReadonlyMap<string, string>,
): void {
  for (const [key, text] of settings) {
    if (!isTopicKey(key)) throw new ConfigError(`Unknown topic config name: ${key}`);
    const problem = topicValueProblem(key, text);
    if (problem !== null) throw new ConfigError(problem);
  }
  const values = topicValuesOf(broker, settings);
  if (values['min.compaction.lag.ms'] > values['max.compaction.lag.ms'])
    throw new ConfigError(
      'conflict topic config setting: min.compaction.lag.ms must not exceed max.compaction.lag.ms',
    );
}

/** The part of a topic's settings that its logs act on. */
export function logConfigOf(values: TopicValues): LogConfig {
  // The old symmetric limit counts where the new ones were left alone.
  const difference = values['message.timestamp.difference.max.ms'];
  const within = (limit: number): number => (isUnlimited(limit) ? difference : limit);
  return {
    segmentBytes: values['segment.bytes'],
    segmentMs: values['segment.ms'],
    segmentJitterMs: values['segment.jitter.ms'],
    segmentIndexBytes: values['segment.index.bytes'],
    indexIntervalBytes: values['index.interval.bytes'],
    retentionMs: values['retention.ms'],
    retentionBytes: values['retention.bytes'],
    maxMessageBytes: values['max.message.bytes'],
    cleanupPolicy: values['cleanup.policy'].filter(isCleanupPolicy),
    minCleanableDirtyRatio: values['min.cleanable.dirty.ratio'],
    minCompactionLagMs: values['min.compaction.lag.ms'],
    maxCompactionLagMs: values['max.compaction.lag.ms'],
    deleteRetentionMs: values['delete.retention.ms'],
    messageTimestampType:
      values['message.timestamp.type'] === 'LogAppendTime' ? 'LogAppendTime' : 'CreateTime',
    messageTimestampBeforeMaxMs: within(values['message.timestamp.before.max.ms']),
    messageTimestampAfterMaxMs: within(values['message.timestamp.after.max.ms']),
    flushIntervalMessages: values['flush.messages'],
    flushIntervalMs: values['flush.ms'],
    fileDeleteDelayMs: values['file.delete.delay.ms'],
    compressionType: values['compression.type'],
    compressionGzipLevel: values['compression.gzip.level'],
    compressionZstdLevel: values['compression.zstd.level'],
    messageDownconversionEnable: values['message.downconversion.enable'],
    preallocate: values.preallocate,
  };
}

const isUnlimited = (value: number): boolean => value >= Number.MAX_SAFE_INTEGER;

const isCleanupPolicy = (policy: string): policy is 'delete' | 'compact' =>
  policy === 'delete' || policy === 'compact';
