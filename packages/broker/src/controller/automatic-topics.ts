/**
 * Topics that nobody creates by name: those a client asks about while auto.create.topics.enable
 * holds, and the ones the cluster keeps its own books in. Whichever broker is asked writes the
 * znodes; each topic is being created at most once at a time here.
 */
import { KafkaError, type KafkaErrorName } from '@odradek/protocol';
import type { Environment } from '@odradek/runtime';
import type { BrokerConfig } from '../config/broker-config.ts';
import {
  type InternalTopic,
  isInternalTopic,
  OFFSETS_TOPIC,
} from '../core/controller/topic-names.ts';
import { awaitMetadata, isServed } from '../metadata/await-metadata.ts';
import type { MetadataView } from '../metadata/metadata-cache.ts';
import { reasonOf, type TopicAdmin, type WantedTopic } from './topic-admin.ts';

export interface AutomaticTopicsOptions {
  readonly config: BrokerConfig;
  readonly metadata: MetadataView;
  readonly admin: TopicAdmin;
  readonly environment: Environment;
}

/**
 * How long an answer waits for the leaders of a topic that has just been created, ms. Clients that are
 * told "no leader yet" ask again only after a while (librdkafka: 1 s), and it rarely takes 50 ms.
 */
const LEADERS_WAIT_MS = 500;

export class AutomaticTopics {
  readonly #options: AutomaticTopicsOptions;
  readonly #creating = new Map<string, Promise<KafkaErrorName>>();

  constructor(options: AutomaticTopicsOptions) {
    this.#options = options;
  }

  /** Whether topics are created when somebody asks about them. */
  get isEnabled(): boolean {
    return this.#options.config.values['auto.create.topics.enable'];
  }

  /**
   * Creates a topic that a client asked about, and waits a little for its leaders.
   * @returns what to answer if it is not in the metadata then: LEADER_NOT_AVAILABLE once it is
   *   written, so that the client asks again
   */
  create(topic: string): Promise<KafkaErrorName> {
    return this.#creating.get(topic) ?? this.#start(topic);
  }

  /** See to it that the cluster's own topic is there, or comes to be when there are brokers enough. */
  async ensureInternal(topic: InternalTopic): Promise<'ready' | 'creating' | 'too-few-brokers'> {
    if (this.#options.metadata.topic(topic) !== undefined) return 'ready';
    const outcome = await (this.#creating.get(topic) ?? this.#start(topic));
    return outcome === 'INVALID_REPLICATION_FACTOR' ? 'too-few-brokers' : 'creating';
  }

  #start(topic: string): Promise<KafkaErrorName> {
    const creation = this.#create(topic).finally(() => this.#creating.delete(topic));
    this.#creating.set(topic, creation);
    return creation;
  }

  async #create(topic: string): Promise<KafkaErrorName> {
    const { admin, environment, metadata } = this.#options;
    const { log } = environment;
    try {
      const planned = await admin.plan(this.#wanted(topic));
      await admin.create(planned);
      log.info('topic created automatically', { topic });
      await awaitMetadata(metadata, environment, LEADERS_WAIT_MS, () =>
        isServed(metadata, topic, planned.partitions.size),
      );
      return 'LEADER_NOT_AVAILABLE';
    } catch (error) {
      if (!(error instanceof KafkaError)) throw error;
      if (error.code === 'TOPIC_ALREADY_EXISTS') return 'LEADER_NOT_AVAILABLE';
      log.warn('topic was not created', { topic, reason: reasonOf(error) });
      return error.code;
    }
  }

  #wanted(name: string): WantedTopic {
    const base = { name, assignments: null };
    if (!isInternalTopic(name))
      return { ...base, partitionCount: null, replicationFactor: null, settings: new Map() };
    const { values } = this.#options.config;
    return name === OFFSETS_TOPIC
      ? {
          ...base,
          partitionCount: values['offsets.topic.num.partitions'],
          replicationFactor: values['offsets.topic.replication.factor'],
          settings: new Map([
            ['cleanup.policy', 'compact'],
            ['compression.type', 'producer'],
            ['segment.bytes', String(values['offsets.topic.segment.bytes'])],
          ]),
        }
      : {
          ...base,
          partitionCount: values['transaction.state.log.num.partitions'],
          replicationFactor: values['transaction.state.log.replication.factor'],
          settings: new Map([
            ['cleanup.policy', 'compact'],
            ['compression.type', 'uncompressed'],
            ['min.insync.replicas', String(values['transaction.state.log.min.isr'])],
            ['segment.bytes', String(values['transaction.state.log.segment.bytes'])],
            ['unclean.leader.election.enable', 'false'],
          ]),
        };
  }
}
