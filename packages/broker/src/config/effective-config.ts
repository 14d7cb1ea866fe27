/**
 * The settings that hold now, level over level: a topic's own, this broker's dynamic ones, those of
 * all brokers, the file, the built-in defaults. Topics' effective settings are computed once per
 * change, since every new segment and every append asks for them.
 *
 * Of the broker's dynamic settings those take effect that are defaults of topics, and the log
 * cleaner's; the others, which only another writer can have stored, are shown and have no effect.
 */
import {
  type ConfigType,
  type ConfigValue,
  parseConfigValue,
  type ValueRule,
} from '@odradek/runtime';
import type { LogConfig } from '../log/log-config.ts';
import type { ConfigOverrides } from '../metadata/config-overrides.ts';
import { type BrokerConfig, type BrokerKey, brokerKeys } from './broker-config.ts';
import {
  type BrokerSettings,
  logConfigOf,
  type TopicValues,
  topicValuesOf,
} from './topic-config.ts';

export class EffectiveConfig implements BrokerSettings {
  readonly #config: BrokerConfig;
  readonly #overrides: ConfigOverrides;
  readonly #topics = new Map<string, { readonly values: TopicValues; readonly log: LogConfig }>();
  readonly #listeners = new Set<(topic: string, config: LogConfig) => void>();
  readonly #forget: () => void;

  constructor(config: BrokerConfig, overrides: ConfigOverrides) {
    this.#config = config;
    this.#overrides = overrides;
    this.#forget = overrides.onChange((change) => {
      if (change.kind === 'topic') this.#changed([change.topic]);
      else this.#changed([...this.#topics.keys()]);
    });
  }

  /** The broker's value now. */
  value(key: BrokerKey): ConfigValue | null {
    for (const settings of [this.#overrides.ofBroker, this.#overrides.ofAllBrokers]) {
      const text = settings.get(key);
      if (text === undefined) continue;
      const outcome = parseConfigValue(brokerKeys[key] as ValueRule<ConfigType>, text, '');
      if ('value' in outcome) return outcome.value;
    }
    return this.#config.values[key];
  }

  topicValues(topic: string): TopicValues {
    return this.#of(topic).values;
  }

  logConfigOf(topic: string): LogConfig {
    return this.#of(topic).log;
  }

  /** Called when what holds for a topic's logs may have changed. */
  onTopicConfig(listener: (topic: string, config: LogConfig) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** A topic is gone. */
  forget(topic: string): void {
    this.#topics.delete(topic);
    this.#overrides.forget(topic);
  }

  close(): void {
    this.#forget();
    this.#listeners.clear();
  }

  #of(topic: string): { readonly values: TopicValues; readonly log: LogConfig } {
    const known = this.#topics.get(topic);
    if (known !== undefined) return known;
    const values = topicValuesOf(this, this.#overrides.ofTopic(topic));
    const fresh = { values, log: logConfigOf(values) };
    this.#topics.set(topic, fresh);
    return fresh;
  }

  #changed(topics: readonly string[]): void {
    for (const topic of topics) {
      this.#topics.delete(topic);
      const { log } = this.#of(topic);
      for (const listener of this.#listeners) listener(topic, log);
    }
  }
}
