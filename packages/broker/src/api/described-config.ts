/**
 * Settings as DescribeConfigs shows them: the value that holds, where it comes from, and the chain
 * of other places it would come from if that one were not there.
 */
import { type ConfigDefinition, type ConfigType, configText } from '@odradek/runtime';
import {
  type BrokerConfig,
  type BrokerKey,
  brokerKeys,
  brokerText,
  isBrokerKey,
} from '../config/broker-config.ts';
import type { EffectiveConfig } from '../config/effective-config.ts';
import {
  brokerSynonymsOf,
  inheritedText,
  isTopicKey,
  type TopicKey,
} from '../config/topic-config.ts';
import { topicKeys } from '../config/topic-keys.ts';
import type { ConfigOverrides, Settings } from '../metadata/config-overrides.ts';

/** Kafka's numbers for where a value comes from. */
const TOPIC_SOURCE = 1;
const BROKER_SOURCE = 2;
const ALL_BROKERS_SOURCE = 3;
const FILE_SOURCE = 4;
export const DEFAULT_SOURCE = 5;

/** Kafka's numbers for types; paths are texts to clients. */
const typeNumbers: Readonly<Record<ConfigType, number>> = {
  boolean: 1,
  string: 2,
  path: 2,
  int: 3,
  short: 4,
  long: 5,
  double: 6,
  list: 7,
  pathList: 7,
  class: 8,
  password: 9,
};

export interface DescribedSynonym {
  readonly name: string;
  readonly value: string | null;
  readonly source: number;
}

export interface DescribedConfig {
  readonly name: string;
  readonly value: string | null;
  readonly readOnly: boolean;
  readonly isSensitive: boolean;
  /** The one that counts first; empty when the key is not set anywhere and has no default. */
  readonly synonyms: readonly DescribedSynonym[];
  readonly configType: number;
  readonly documentation: string;
}

/** Broker keys that stand in for each other, the first that is set counts. */
const chains: readonly (readonly BrokerKey[])[] = [
  ['log.roll.ms', 'log.roll.hours'],
  ['log.roll.jitter.ms', 'log.roll.jitter.hours'],
  ['log.flush.interval.ms', 'log.flush.scheduler.interval.ms'],
  ['log.retention.ms', 'log.retention.minutes', 'log.retention.hours'],
];

export class ConfigDescriber {
  readonly #config: BrokerConfig;
  readonly #effective: EffectiveConfig;
  readonly #overrides: ConfigOverrides;

  constructor(config: BrokerConfig, effective: EffectiveConfig, overrides: ConfigOverrides) {
    this.#config = config;
    this.#effective = effective;
    this.#overrides = overrides;
  }

  /** All settings of a topic with these of its own. */
  topic(settings: Settings): readonly DescribedConfig[] {
    return Object.keys(topicKeys)
      .filter(isTopicKey)
      .map((key) => this.#topicKey(key, settings));
  }

  /** All settings of this broker. */
  broker(): readonly DescribedConfig[] {
    return Object.keys(brokerKeys)
      .filter(isBrokerKey)
      .map((key) => this.#brokerKey(key));
  }

  /** What was set for all brokers at run time, and nothing else. */
  allBrokers(): readonly DescribedConfig[] {
    return [...this.#overrides.ofAllBrokers].map(([name, text]) => {
      const definition = isBrokerKey(name) ? brokerKeys[name] : null;
      const isSensitive = definition === null || definition.type === 'password';
      const value = isSensitive ? null : text;
      return {
        name,
        value,
        readOnly: false,
        isSensitive,
        synonyms: [{ name, value, source: ALL_BROKERS_SOURCE }],
        configType: definition === null ? 0 : typeNumbers[definition.type],
        documentation: definition?.doc ?? '',
      };
    });
  }

  #topicKey(key: TopicKey, settings: Settings): DescribedConfig {
    const definition: ConfigDefinition = topicKeys[key];
    const own = settings.get(key);
    const ownSynonym = own === undefined ? [] : [{ name: key, value: own, source: TOPIC_SOURCE }];
    const inherited = inheritedText(this.#effective, key);
    return {
      name: key,
      value: own ?? inherited ?? configText(definition, definition.default ?? null),
      readOnly: false,
      isSensitive: false,
      synonyms: [...ownSynonym, ...this.#synonyms(brokerSynonymsOf(key))],
      configType: typeNumbers[definition.type],
      documentation: definition.doc,
    };
  }

  #brokerKey(key: BrokerKey): DescribedConfig {
    const definition: ConfigDefinition = brokerKeys[key];
    const chain = chains.find((keys) => keys.includes(key));
    return {
      name: key,
      value: brokerText(key, this.#effective.value(key)),
      readOnly: definition.dynamic === undefined,
      isSensitive: definition.type === 'password',
      synonyms: this.#synonyms(chain === undefined ? [key] : chain.slice(chain.indexOf(key))),
      configType: typeNumbers[definition.type],
      documentation: definition.doc,
    };
  }

  /** Level by level: what this broker was told, what all were told, the file, the defaults. */
  #synonyms(keys: readonly BrokerKey[]): readonly DescribedSynonym[] {
    const { ofBroker, ofAllBrokers } = this.#overrides;
    return [
      ...keys.flatMap((key) => told(key, ofBroker, BROKER_SOURCE)),
      ...keys.flatMap((key) => told(key, ofAllBrokers, ALL_BROKERS_SOURCE)),
      ...keys.flatMap((key) =>
        this.#config.explicit.has(key)
          ? [{ name: key, value: brokerText(key, this.#config.values[key]), source: FILE_SOURCE }]
          : [],
      ),
      ...keys.flatMap((key) => {
        const value = defaultText(key);
        return value === null ? [] : [{ name: key, value, source: DEFAULT_SOURCE }];
      }),
    ];
  }
}

function told(key: BrokerKey, settings: Settings, source: number): DescribedSynonym[] {
  const text = settings.get(key);
  if (text === undefined) return [];
  return [{ name: key, value: brokerKeys[key].type === 'password' ? null : text, source }];
}

function defaultText(key: BrokerKey): string | null {
  const definition: ConfigDefinition = brokerKeys[key];
  return configText(definition, definition.default ?? null);
}
