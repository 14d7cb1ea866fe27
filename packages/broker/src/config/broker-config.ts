/**
 * The broker's configuration: all keys of the five tables in this folder, and what follows from
 * several of them together (listeners, folders, which listener brokers use). A combination that
 * cannot work is refused here, before anything is started, with file, line, key and reason.
 *
 * Settings of topics are in topic-config.ts; what changes while the broker runs comes from
 * `metadata/config-overrides.ts`.
 */
import {
  type Config,
  type ConfigOptions,
  type ConfigValue,
  type ConfigValues,
  configText,
  defineConfig,
  type PropertyEntry,
  readConfig,
  Secret,
} from '@odradek/runtime';
import type { SecurityProtocol } from '../core/controller/security-protocol.ts';
import { clusterKeys } from './cluster-keys.ts';
import {
  type ControlVersions,
  controlVersionsOf,
  parseInterBrokerProtocol,
} from './inter-broker-protocol.ts';
import {
  type ListenerAddress,
  type ListenerProblem,
  parseListeners,
  parseProtocolMap,
  portConflict,
} from './listeners.ts';
import { logKeys } from './log-keys.ts';
import { networkKeys } from './network-keys.ts';
import { replicationKeys } from './replication-keys.ts';
import { securityKeys } from './security-keys.ts';

/** Every key of a broker's configuration file. */
export const brokerKeys = defineConfig({
  ...clusterKeys,
  ...networkKeys,
  ...logKeys,
  ...replicationKeys,
  ...securityKeys,
});

export type BrokerKey = keyof typeof brokerKeys;
export type BrokerValues = ConfigValues<typeof brokerKeys>;

export interface BrokerConfig {
  readonly values: BrokerValues;
  /** Keys that stand in the file or on the command line. */
  readonly explicit: ReadonlySet<string>;
  /** Sentences for the log. */
  readonly warnings: readonly string[];
  /** host:port list of the coordination service, with the chroot if there is one. */
  readonly coordinators: string;
  /** Where to listen. */
  readonly listeners: readonly ListenerAddress[];
  /** What to register; a port of 0 stands for the one that was bound. */
  readonly advertisedListeners: readonly ListenerAddress[];
  /** The listener that brokers fetch from each other on. */
  readonly interBrokerListener: string;
  /** The listener for the controller's requests; the same when there is no special one. */
  readonly controlListener: string;
  readonly controlVersions: ControlVersions;
  readonly logDirectories: readonly string[];
}

export interface BrokerConfigOptions extends ConfigOptions {
  /** What is advertised for a listener on all interfaces; 'localhost' when not given. */
  readonly hostName?: string;
}

/** @throws ConfigError for wrong, missing or contradictory settings */
export function readBrokerConfig(
  entries: readonly PropertyEntry[],
  options: BrokerConfigOptions,
): BrokerConfig {
  const config = readConfig(brokerKeys, entries, {
    ...options,
    isForeign: (key) => key.startsWith('listener.name.') || options.isForeign?.(key) === true,
  });
  checkCombinations(config);
  const listeners = listenersOf(config);
  const advertisedListeners = advertisedOf(config, listeners, options.hostName ?? 'localhost');
  const interBrokerListener = interBrokerListenerOf(config, advertisedListeners);
  const { values } = config;
  return {
    values,
    explicit: config.explicit,
    warnings: config.warnings,
    coordinators: coordinatorsOf(config),
    listeners,
    advertisedListeners,
    interBrokerListener,
    controlListener: controlListenerOf(config, listeners, interBrokerListener),
    controlVersions: controlVersions(config),
    logDirectories: values['log.dirs'] ?? [values['log.dir']],
  };
}

/** A key's value as text, as it would stand in a file; null for none, and for a password. */
export function brokerText(key: BrokerKey, value: ConfigValue | null): string | null {
  return value instanceof Secret ? null : configText(brokerKeys[key], value);
}

export const isBrokerKey = (key: string): key is BrokerKey => Object.hasOwn(brokerKeys, key);

type Raw = Config<typeof brokerKeys>;

function checkCombinations(config: Raw): void {
  const { values } = config;
  const wait = values['replica.fetch.wait.max.ms'];
  if (wait > values['replica.lag.time.max.ms'])
    throw config.refuse('replica.fetch.wait.max.ms', 'must not exceed replica.lag.time.max.ms');
  if (wait > values['replica.socket.timeout.ms'])
    throw config.refuse('replica.fetch.wait.max.ms', 'must not exceed replica.socket.timeout.ms');
  const acks = values['offsets.commit.required.acks'];
  if (acks < -1 || acks > values['offsets.topic.replication.factor'])
    throw config.refuse(
      'offsets.commit.required.acks',
      'must be -1, or from 0 to offsets.topic.replication.factor',
    );
  // Whoever asks for protection must not be served without it.
  if (values['zookeeper.set.acl'])
    throw config.refuse('zookeeper.set.acl', 'protected znodes are not supported yet');
  if (values['authorizer.class.name'] !== '')
    throw config.refuse('authorizer.class.name', 'access control is not supported yet');
  if (values['log.dirs']?.length === 0)
    throw config.refuse('log.dirs', 'must name at least one folder');
  if (values['group.min.session.timeout.ms'] > values['group.max.session.timeout.ms'])
    throw config.refuse(
      'group.min.session.timeout.ms',
      'must not exceed group.max.session.timeout.ms',
    );
  const brokerId = values['broker.id'];
  if (values['broker.id.generation.enable'] && brokerId > values['reserved.broker.max.id'])
    throw config.refuse(
      'broker.id',
      `must not exceed reserved.broker.max.id (${values['reserved.broker.max.id']}): larger ids are generated`,
    );
}

function coordinatorsOf(config: Raw): string {
  const connect = config.values['zookeeper.connect'];
  if (connect === null || connect.trim() === '')
    throw config.refuse(
      'zookeeper.connect',
      'must name the coordination service, such as localhost:2181',
    );
  return connect.trim();
}

function listenersOf(config: Raw): readonly ListenerAddress[] {
  const { values, explicit } = config;
  // Files from before there were listeners say port and host.name.
  const old = !explicit.has('listeners') && (explicit.has('port') || explicit.has('host.name'));
  const text = old
    ? `PLAINTEXT://${bracketed(values['host.name'])}:${values.port}`
    : values.listeners;
  const key = old ? 'port' : 'listeners';
  const listeners = parsed(config, key, parseListeners(text, protocolsOf(config)));
  const conflict = portConflict(listeners);
  if (conflict !== null) throw config.refuse(key, conflict);
  return listeners;
}

function advertisedOf(
  config: Raw,
  listeners: readonly ListenerAddress[],
  hostName: string,
): readonly ListenerAddress[] {
  const { values, explicit } = config;
  const text = values['advertised.listeners'];
  const host = values['advertised.host.name'];
  const port = values['advertised.port'];
  const key = text !== null || (host === null && port === null) ? 'advertised.listeners' : 'port';
  const chosen =
    text !== null
      ? parsed(config, key, parseListeners(text, protocolsOf(config)))
      : listeners.map((listener) => ({
          ...listener,
          host: host ?? listener.host,
          port: port ?? listener.port,
        }));
  for (const { name, host: advertised } of chosen) {
    if (advertised === '0.0.0.0' || advertised === '::') {
      const where = text === null ? (explicit.has('listeners') ? 'listeners' : 'host.name') : key;
      throw config.refuse(
        where,
        `nobody can connect to ${advertised}: set advertised.listeners for listener ${name}`,
      );
    }
    if (!listeners.some((listener) => listener.name === name))
      throw config.refuse(key, `listener ${name} is advertised but not in listeners`);
  }
  return chosen.map((listener) =>
    listener.host === '' ? { ...listener, host: hostName } : listener,
  );
}

function interBrokerListenerOf(config: Raw, advertised: readonly ListenerAddress[]): string {
  const { values, explicit } = config;
  const named = values['inter.broker.listener.name']?.toUpperCase();
  if (named !== undefined) {
    if (explicit.has('security.inter.broker.protocol'))
      throw config.refuse(
        'inter.broker.listener.name',
        'must not be set together with security.inter.broker.protocol',
      );
    if (!advertised.some(({ name }) => name === named))
      throw config.refuse('inter.broker.listener.name', 'must be one of the advertised listeners');
    return named;
  }
  const protocol = values['security.inter.broker.protocol'];
  const speaking = advertised.find(({ securityProtocol }) => securityProtocol === protocol);
  if (speaking === undefined)
    throw config.refuse(
      'security.inter.broker.protocol',
      `no advertised listener speaks ${protocol}: brokers could not reach each other`,
    );
  return speaking.name;
}

function controlListenerOf(
  config: Raw,
  listeners: readonly ListenerAddress[],
  interBrokerListener: string,
): string {
  const named = config.values['control.plane.listener.name']?.toUpperCase();
  if (named === undefined) return interBrokerListener;
  if (!listeners.some(({ name }) => name === named))
    throw config.refuse('control.plane.listener.name', 'must be one of the listeners');
  if (named === interBrokerListener)
    throw config.refuse(
      'control.plane.listener.name',
      'must not be the listener that brokers use for everything else',
    );
  return named;
}

function controlVersions(config: Raw): ControlVersions {
  const text = config.values['inter.broker.protocol.version'];
  const release = parseInterBrokerProtocol(text);
  if (release === null)
    throw config.refuse('inter.broker.protocol.version', `${text} is not a known release`);
  return controlVersionsOf(release);
}

function protocolsOf(config: Raw): ReadonlyMap<string, SecurityProtocol> {
  const key = 'listener.security.protocol.map';
  return parsed(config, key, parseProtocolMap(config.values[key]));
}

function parsed<T extends object>(config: Raw, key: BrokerKey, outcome: T | ListenerProblem): T {
  if ('problem' in outcome) throw config.refuse(key, outcome.problem);
  return outcome;
}

const bracketed = (host: string): string => (host.includes(':') ? `[${host}]` : host);
