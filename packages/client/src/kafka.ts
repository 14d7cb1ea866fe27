/**
 * The way in: one client for one cluster, found through its coordinator or through some of its brokers.
 * Producers, consumers and admins of one client share its connections and what it knows of the cluster.
 */
import { ConfigError, type Environment, nodeEnvironment } from '@odradek/runtime';
import { KafkaAdmin } from './admin/admin-host.ts';
import type { Admin } from './admin/types.ts';
import { Cluster } from './cluster/cluster-host.ts';
import { type Address, Connections } from './cluster/connections-host.ts';
import { KafkaConsumer } from './consumer/consumer-host.ts';
import type { Consumer, ConsumerOptions } from './consumer/types.ts';
import { CoordinatorSession } from './coordinator-session/index.ts';
import { BootstrapSource } from './discovery/bootstrap-host.ts';
import { CoordinatorSource } from './discovery/coordinator-host.ts';
import type { MetadataSource } from './discovery/source.ts';
import { KafkaProducer } from './producer/producer-host.ts';
import type { Producer, ProducerOptions } from './producer/types.ts';

const DEFAULT_PORT = 9092;

interface CommonOptions {
  /** Told to the brokers, which log it and may limit it. */
  readonly clientId?: string;
  /** The outside world; Node's own unless given. */
  readonly environment?: Environment;
  /** For one request, ms. Default 30 000. */
  readonly requestTimeoutMs?: number;
  /** For a connection and its first answer, ms. Default 10 000. */
  readonly connectTimeoutMs?: number;
  /** For a call with all its retries, ms. Default 60 000. */
  readonly callTimeoutMs?: number;
  /** Of the session with the coordinator, ms. Default 18 000. */
  readonly sessionTimeoutMs?: number;
}

/** One of the two ways to a cluster. */
export type KafkaOptions = CommonOptions &
  (
    | {
        /** `host:port,host:port/chroot` of ZooKeeper or Odradek's coordination service. */
        readonly coordinator: string;
        readonly bootstrapServers?: never;
      }
    | {
        /** `host:port,host:port` of some brokers. */
        readonly bootstrapServers: string;
        readonly coordinator?: never;
      }
  );

export class Kafka {
  readonly #environment: Environment;
  readonly #cluster: Cluster;
  readonly #open = new Set<{ close(): Promise<void> }>();

  /**
   * Connects when it is first needed.
   * @throws ConfigError when addresses cannot be read
   */
  constructor(options: KafkaOptions) {
    this.#environment = options.environment ?? nodeEnvironment({ holdsProcess: true });
    const connections = new Connections({
      environment: this.#environment,
      clientId: options.clientId ?? 'odradek',
      requestTimeoutMs: options.requestTimeoutMs ?? 30_000,
      connectTimeoutMs: options.connectTimeoutMs ?? 10_000,
    });
    this.#cluster = new Cluster({
      environment: this.#environment,
      source: this.#sourceOf(options, connections),
      connections,
      callTimeoutMs: options.callTimeoutMs ?? 60_000,
    });
  }

  producer(options: ProducerOptions = {}): Producer {
    const producer: KafkaProducer = new KafkaProducer(this.#cluster, options, () =>
      this.#open.delete(producer),
    );
    this.#open.add(producer);
    return producer;
  }

  consumer(options: ConsumerOptions = {}): Consumer {
    const consumer: KafkaConsumer = new KafkaConsumer(this.#cluster, options, () =>
      this.#open.delete(consumer),
    );
    this.#open.add(consumer);
    return consumer;
  }

  admin(): Admin {
    return new KafkaAdmin(this.#cluster);
  }

  /** Closes what is still open of it: producers are flushed, consumers leave their groups. */
  async close(): Promise<void> {
    await Promise.all([...this.#open].map((client) => client.close()));
    await this.#cluster.close();
  }

  #sourceOf(options: KafkaOptions, connections: Connections): MetadataSource {
    const { random, log } = this.#environment;
    if (options.coordinator === undefined) {
      const seeds = parseBootstrapServers(options.bootstrapServers);
      return new BootstrapSource(() => Promise.resolve(seeds), connections, random);
    }
    const session = CoordinatorSession.open({
      connect: options.coordinator,
      sessionTimeoutMs: options.sessionTimeoutMs ?? 18_000,
      environment: this.#environment,
      name: 'client',
    });
    const brokers = new BootstrapSource(
      async () => (await source.brokers()).brokers,
      connections,
      random,
    );
    const source: CoordinatorSource = new CoordinatorSource(
      session,
      (query) => brokers.fetch(query),
      log.child('discovery'),
    );
    return source;
  }
}

/** @throws ConfigError naming the part that cannot be read */
export function parseBootstrapServers(text: string): readonly Address[] {
  const parts = text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
  if (parts.length === 0)
    throw new ConfigError('no bootstrap server is given: host:port,host:port');
  return parts.map((part) => {
    const match = /^(?:\w+:\/\/)?(?:\[([^\]]+)\]|([^:/[\]]+))(?::(\d{1,5}))?$/.exec(part);
    const host = match?.[1] ?? match?.[2];
    const port = match?.[3] === undefined ? DEFAULT_PORT : Number(match[3]);
    if (host === undefined || port < 1 || port > 65_535)
      throw new ConfigError(`${JSON.stringify(part)} in the bootstrap servers is not host:port`);
    return { host, port };
  });
}
