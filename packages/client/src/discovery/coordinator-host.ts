/**
 * Discovery through the coordinator: reads Kafka's nodes and watches them, so a new leader or broker
 * is known before a request to the old one fails.
 *
 * What was asked for once is kept fresh: each watch that fires reads its part again (once, however many
 * fire meanwhile) and tells the listener. Creating topics is the brokers' business: where that is
 * wanted, one of them is asked as discovery through brokers would.
 */
import type { Log } from '@odradek/runtime';
import type { Broker, ClusterUpdate, TopicView } from '../cluster/cluster-view.ts';
import type { CoordinatorSession, Watcher } from '../coordinator-session/index.ts';
import type { MetadataQuery, MetadataSource } from './source.ts';
import {
  parseBroker,
  parseClusterId,
  parseController,
  parsePartitionState,
  parseTopic,
  partitionView,
} from './znodes.ts';

const INTERNAL_TOPICS: ReadonlySet<string> = new Set(['__consumer_offsets', '__transaction_state']);
const NOTHING_NEW: ClusterUpdate = {
  brokers: null,
  controllerId: null,
  clusterId: null,
  topics: [],
};

interface Brokers {
  readonly brokers: readonly Broker[];
  readonly controllerId: number;
  readonly clusterId: string | null;
}

/** Something read and watched: the reading under way or done, until a watch fires. */
interface Watched<T> {
  reading: Promise<T> | null;
  readonly watcher: Watcher;
}

export class CoordinatorSource implements MetadataSource {
  readonly #session: CoordinatorSession;
  readonly #createThrough: (query: MetadataQuery) => Promise<unknown>;
  readonly #log: Log;
  readonly #brokers: Watched<Brokers>;
  readonly #topics = new Map<string, Watched<TopicView>>();
  #listener: (update: ClusterUpdate) => void = () => undefined;

  /** @param createThrough asks a broker for metadata of topics that do not exist yet */
  constructor(
    session: CoordinatorSession,
    createThrough: (query: MetadataQuery) => Promise<unknown>,
    log: Log,
  ) {
    this.#session = session;
    this.#createThrough = createThrough;
    this.#log = log;
    this.#brokers = {
      reading: null,
      watcher: () => this.#again(this.#brokers, () => this.#readBrokers(), brokersUpdate),
    };
  }

  async fetch({ topics, allowAutoTopicCreation }: MetadataQuery): Promise<ClusterUpdate> {
    const brokers = await this.brokers();
    const names = topics ?? (await this.#session.children('/brokers/topics'))?.names ?? [];
    const views = await Promise.all(names.map((name) => this.#topic(name)));
    const missing = views.filter(({ error }) => error !== null).map(({ name }) => name);
    if (topics !== null && allowAutoTopicCreation && missing.length > 0)
      await this.#createThrough({ topics: missing, allowAutoTopicCreation });
    return { ...brokersUpdate(brokers), topics: views };
  }

  onUpdate(listener: (update: ClusterUpdate) => void): void {
    this.#listener = listener;
  }

  async close(): Promise<void> {
    await this.#session.close();
  }

  /** The live brokers, from memory while nothing has changed. */
  brokers(): Promise<Brokers> {
    return this.#once(this.#brokers, () => this.#readBrokers());
  }

  #topic(name: string): Promise<TopicView> {
    let watched = this.#topics.get(name);
    if (watched === undefined) {
      const created: Watched<TopicView> = {
        reading: null,
        watcher: () =>
          this.#again(
            created,
            () => this.#readTopic(name, created.watcher),
            (topic) => ({ ...NOTHING_NEW, topics: [topic] }),
          ),
      };
      watched = created;
      this.#topics.set(name, watched);
    }
    const { watcher } = watched;
    return this.#once(watched, () => this.#readTopic(name, watcher));
  }

  /** One reading for all who ask, kept until a watch fires or it fails. */
  #once<T>(watched: Watched<T>, read: () => Promise<T>): Promise<T> {
    if (watched.reading !== null) return watched.reading;
    const reading = read();
    watched.reading = reading;
    reading.catch(() => {
      if (watched.reading === reading) watched.reading = null;
    });
    return reading;
  }

  #again<T>(
    watched: Watched<T>,
    read: () => Promise<T>,
    toUpdate: (value: T) => ClusterUpdate,
  ): void {
    watched.reading = null;
    if (this.#session.state === 'closed') return;
    // The next turn: a broker that dies fires the watches of all its partitions at once.
    queueMicrotask(() => {
      if (watched.reading !== null) return;
      this.#once(watched, read).then(
        (value) => this.#listener(toUpdate(value)),
        (error: unknown) =>
          this.#log.debug('metadata could not be read again', { reason: String(error) }),
      );
    });
  }

  async #readBrokers(): Promise<Brokers> {
    const { watcher } = this.#brokers;
    const [ids, controller, cluster] = await Promise.all([
      this.#session.children('/brokers/ids', watcher),
      this.#session.get('/controller', watcher),
      this.#session.get('/cluster/id'),
    ]);
    const brokers = await Promise.all(
      (ids?.names ?? []).map(async (name) => {
        const node = await this.#session.get(`/brokers/ids/${name}`, watcher);
        return node === null ? null : parseBroker(Number(name), node.data);
      }),
    );
    return {
      brokers: brokers.filter((broker) => broker !== null),
      controllerId: (controller === null ? null : parseController(controller.data)) ?? -1,
      clusterId: cluster === null ? null : parseClusterId(cluster.data),
    };
  }

  async #readTopic(name: string, watcher: Watcher): Promise<TopicView> {
    const path = `/brokers/topics/${name}`;
    const isInternal = INTERNAL_TOPICS.has(name);
    const node = await this.#session.get(path, watcher);
    const topic = node === null ? null : parseTopic(node.data);
    if (topic === null)
      return {
        name,
        topicId: null,
        isInternal,
        error: 'UNKNOWN_TOPIC_OR_PARTITION',
        partitions: [],
      };
    const alive = new Set((await this.brokers()).brokers.map(({ id }) => id));
    const partitions = await Promise.all(
      [...topic.replicas]
        .sort(([a], [b]) => a - b)
        .map(async ([partition, replicas]) => {
          const state = await this.#session.get(`${path}/partitions/${partition}/state`, watcher);
          return partitionView(
            partition,
            replicas,
            state === null ? null : parsePartitionState(state.data),
            (id) => alive.has(id),
          );
        }),
    );
    return { name, topicId: topic.topicId, isInternal, error: null, partitions };
  }
}

function brokersUpdate(brokers: Brokers): ClusterUpdate {
  return { ...brokers, topics: [] };
}
