/**
 * The control plane of one broker, put together: its place in the cluster, what it knows of the
 * others, the settings that hold, and its turn at being controller. The data plane gets what it
 * needs from here and hands its request handlers back, so that the controller can reach this broker
 * like any other.
 *
 * In order: open (connects, settles ids, reads settings), attach, register, startElection; at the
 * end controlledShutdown and stop. Survives the expiry of its session by itself.
 */
import type { CoordinatorSession, SessionEvent } from '@odradek/client';
import {
  type AlterPartitionResponse,
  apis,
  errorCodes,
  KafkaError,
  kafkaErrorOf,
} from '@odradek/protocol';
import { type Disarm, type Environment, millis } from '@odradek/runtime';
import { allocateProducerIdsHandler } from '../api/allocate-producer-ids.ts';
import { alterConfigsHandler, incrementalAlterConfigsHandler } from '../api/alter-configs.ts';
import { alterPartitionHandler } from '../api/alter-partition.ts';
import { controlledShutdownHandler } from '../api/controlled-shutdown.ts';
import { createPartitionsHandler } from '../api/create-partitions.ts';
import { createTopicsHandler } from '../api/create-topics.ts';
import { deleteTopicsHandler } from '../api/delete-topics.ts';
import { describeClusterHandler } from '../api/describe-cluster.ts';
import { describeConfigsHandler } from '../api/describe-configs.ts';
import { ConfigDescriber } from '../api/described-config.ts';
import { metadataHandler } from '../api/metadata.ts';
import type { ApiRegistry, RegisteredHandler } from '../api/registry.ts';
import { updateMetadataHandler } from '../api/update-metadata.ts';
import type { BrokerConfig } from '../config/broker-config.ts';
import { cleanerSettingsOf } from '../config/cleaner-config.ts';
import { EffectiveConfig } from '../config/effective-config.ts';
import { MOVE_RATE_KEY, rateOf } from '../config/quota-keys.ts';
import type { TopicValues } from '../config/topic-config.ts';
import type { InternalTopic } from '../core/controller/topic-names.ts';
import type { CleanerSettings } from '../log/compaction/log-cleaner.ts';
import type { LogConfig } from '../log/log-config.ts';
import { createTopLevelNodes, settleBrokerId, settleClusterId } from '../metadata/cluster.ts';
import { ConfigOverrides } from '../metadata/config-overrides.ts';
import { ControlFence } from '../metadata/control-fence.ts';
import { type Coordination, persist } from '../metadata/coordination.ts';
import { MetadataCache } from '../metadata/metadata-cache.ts';
import { AlreadyRegistered, Registration } from '../metadata/registration.ts';
import { paths } from '../metadata/znode-paths.ts';
import { encodeLogDirEvent } from '../metadata/znodes.ts';
import { type AlterPartitionInput, alterPartitionMessage } from './alter-partition-message.ts';
import { AutomaticTopics } from './automatic-topics.ts';
import { ControllerHost } from './controller-host.ts';
import { ControllerLink } from './controller-link.ts';
import { TopicAdmin } from './topic-admin.ts';

/** Pause before registering again in a new session is tried once more. */
const REJOIN_BACKOFF_MS = 1_000;
/** How much longer than its session time-out the registration of an earlier life is waited for. */
const REGISTRATION_GRACE_MS = 2_000;

export interface ControlPlaneOptions {
  readonly session: Coordination & Partial<Pick<CoordinatorSession, 'sessionTimeoutMs'>>;
  readonly config: BrokerConfig;
  readonly environment: Environment;
  /** The broker id that the log directories belong to; null when they are new. */
  readonly storedBrokerId: number | null;
}

/** A listener that is bound: its port may have been chosen by the system. */
export interface BoundListener {
  readonly name: string;
  readonly port: number;
}

export class ControlPlane {
  readonly clusterId: string;
  readonly brokerId: number;
  readonly metadata = new MetadataCache();
  /** To be asked first by the handlers of LeaderAndIsr and StopReplica. */
  readonly fence: ControlFence;
  /** Metadata, UpdateMetadata, CreateTopics and the others of the control plane. */
  readonly handlers: readonly RegisteredHandler[];
  readonly #options: ControlPlaneOptions;
  readonly #environment: Environment;
  readonly #overrides: ConfigOverrides;
  readonly #effective: EffectiveConfig;
  readonly #automatic: AutomaticTopics;
  readonly #admin: TopicAdmin;
  #registration: Registration | null = null;
  #host: ControllerHost | null = null;
  #link: ControllerLink | null = null;
  #isStopped = false;
  #rejoining = false;
  #disarm: Disarm | null = null;
  readonly #forget: (() => void)[] = [];

  private constructor(
    options: ControlPlaneOptions,
    clusterId: string,
    brokerId: number,
    overrides: ConfigOverrides,
  ) {
    const { session, config, environment } = options;
    this.#options = options;
    this.#environment = { ...environment, log: environment.log.child('controller') };
    this.clusterId = clusterId;
    this.brokerId = brokerId;
    this.#overrides = overrides;
    this.#effective = new EffectiveConfig(config, overrides);
    const { metadata } = this;
    const effective = this.#effective;
    this.fence = new ControlFence(() => this.brokerEpoch());
    this.#admin = new TopicAdmin({ session, config, effective, overrides, metadata, environment });
    this.#automatic = new AutomaticTopics({
      config,
      metadata,
      admin: this.#admin,
      environment: this.#environment,
    });
    this.handlers = this.#createHandlers();
    this.#forget.push(
      metadata.onChange(({ topics, deleted }) => this.#followTopics(topics, deleted)),
      effective.onTopicConfig((topic) => this.#followTopicConfig(topic)),
      session.onEvent((event) => this.#sessionEvent(event)),
    );
  }

  /**
   * Waits for the coordination service, makes the cluster's folders there, settles who we are, and
   * reads all settings.
   * @throws ConfigError when the broker's id cannot be settled
   */
  static async open(options: ControlPlaneOptions): Promise<ControlPlane> {
    const { session, config, environment, storedBrokerId } = options;
    await session.whenConnected();
    await createTopLevelNodes(session);
    const clusterId = await settleClusterId(session, environment.random);
    const brokerId = await settleBrokerId(session, config, storedBrokerId);
    const { clock, log } = environment;
    const overrides = new ConfigOverrides({ brokerId, session, clock, log: log.child('config') });
    await overrides.load();
    return new ControlPlane(options, clusterId, brokerId, overrides);
  }

  /** The registration's epoch; null while this broker is not registered. */
  brokerEpoch(): number | null {
    return this.#registration?.epoch ?? null;
  }

  /** The controller as far as known; null while there is none. */
  get controllerId(): number | null {
    return this.#host?.controllerId ?? null;
  }

  /** Whether this broker is the controller. */
  get isController(): boolean {
    return this.#host?.term != null;
  }

  /** What a topic's logs go by, its own settings before the broker's. */
  /** The log cleaner's settings as they hold now. */
  cleanerSettings(): CleanerSettings {
    return cleanerSettingsOf(this.#effective);
  }

  logConfigOf(topic: string): LogConfig {
    return this.#effective.logConfigOf(topic);
  }

  /** All settings of a topic. */
  topicConfig(topic: string): TopicValues {
    return this.#effective.topicValues(topic);
  }

  minInsyncReplicasOf(topic: string): number {
    return this.#effective.topicValues(topic)['min.insync.replicas'];
  }

  /** background.threads: worker threads that this broker keeps busy with short tasks at once. */
  backgroundThreads(): number {
    return Number(this.#effective.value('background.threads'));
  }

  /** How fast replicas may be copied between log directories; Infinity: as fast as it goes. */
  moveBytesPerSecond(): number {
    const { ofBroker, ofAllBrokers } = this.#overrides;
    return rateOf(MOVE_RATE_KEY, ofBroker, ofAllBrokers);
  }

  /** Called when what holds for a topic's logs may have changed. */
  onTopicConfig(listener: (topic: string, config: LogConfig) => void): () => void {
    return this.#effective.onTopicConfig(listener);
  }

  /** Reads the settings of topics that are new to this broker; before their logs are made. */
  prepareTopics(topics: readonly string[]): Promise<void> {
    return this.#overrides.prepare(topics);
  }

  /** Takes the broker's handlers, complete. */
  attach(registry: Pick<ApiRegistry, 'find'>): void {
    const { session, config } = this.#options;
    const { brokerId, metadata } = this;
    const environment = this.#environment;
    const host = new ControllerHost({
      brokerId,
      session,
      config,
      environment,
      registry,
      uncleanAllowed: (topics) =>
        new Set(topics.filter((topic) => this.#allowsUncleanElection(topic))),
    });
    this.#host = host;
    this.#link = new ControllerLink({
      brokerId,
      config,
      environment,
      metadata,
      registry,
      controllerId: () => host.controllerId,
    });
  }

  /**
   * Makes the broker known, and again whenever its session was replaced.
   * @throws AlreadyRegistered naming who holds our id or address
   */
  async register(bound: readonly BoundListener[]): Promise<void> {
    const { session, config, environment } = this.#options;
    const sessionTimeoutMs =
      session.sessionTimeoutMs ?? config.values['zookeeper.session.timeout.ms'];
    this.#registration = new Registration({
      brokerId: this.brokerId,
      rack: config.values['broker.rack'],
      endpoints: config.advertisedListeners.map(({ name, host, port, securityProtocol }) => ({
        listener: name,
        host,
        port: port === 0 ? portOf(bound, name) : port,
        securityProtocol,
      })),
      session,
      environment,
      patienceMs: sessionTimeoutMs + REGISTRATION_GRACE_MS,
    });
    await this.#registration.register();
  }

  /** Begins to stand for election; the listeners need not be open yet. */
  startElection(): void {
    this.#host?.start();
  }

  /** Asks the controller for another ISR; see AlterPartition. Rejects when it cannot be reached. */
  alterPartition(request: AlterPartitionInput): Promise<AlterPartitionResponse> {
    const { alterPartition: maxVersion } = this.#options.config.controlVersions;
    return this.#requireLink().send(apis.alterPartition, maxVersion, (version) =>
      alterPartitionMessage(request, version),
    );
  }

  /**
   * A block of producer ids from the controller.
   * @throws KafkaError or a connection's error when none can be had now
   */
  async allocateProducerIds(): Promise<{ readonly first: bigint; readonly count: number }> {
    const response = await this.#requireLink().send(apis.allocateProducerIds, 0, () => ({
      brokerId: this.brokerId,
      brokerEpoch: this.brokerEpoch() ?? -1,
    }));
    const failure = KafkaError.ofCode(response.errorCode, 'AllocateProducerIds');
    if (failure !== null) throw failure;
    return { first: response.producerIdStart, count: response.producerIdLen };
  }

  /** See to it that one of the cluster's own topics is there. */
  ensureInternalTopic(topic: InternalTopic): Promise<'ready' | 'creating' | 'too-few-brokers'> {
    return this.#automatic.ensureInternal(topic);
  }

  /** Tells the controller that a log directory of this broker failed. */
  async announceDirectoryFailure(): Promise<void> {
    const data = encodeLogDirEvent(this.brokerId);
    const { session } = this.#options;
    // Announcing twice does no harm; not at all would leave leaders where nothing can be read.
    await persist(session, () =>
      session.create(paths.logDirEventPrefix, data, { sequential: true }),
    );
  }

  /**
   * Has the controller move leaders away, as often as configured.
   * @returns whether nothing is led here any more that others could lead
   */
  async controlledShutdown(): Promise<boolean> {
    const { values, controlVersions } = this.#options.config;
    if (!values['controlled.shutdown.enable'] || this.#link === null) return false;
    const { log } = this.#environment;
    const attempts = Math.max(1, values['controlled.shutdown.max.retries']);
    for (let attempt = 1; attempt <= attempts; attempt += 1) {
      const brokerEpoch = this.brokerEpoch();
      if (brokerEpoch === null || this.#isAlone()) return false;
      const reason = await this.#askForShutdown(brokerEpoch, controlVersions.controlledShutdown);
      if (reason === null) return true;
      log.warn('controlled shutdown did not succeed', { attempt, reason });
      if (attempt < attempts && !this.#isAlone())
        await this.#untilNewController(values['controlled.shutdown.retry.backoff.ms']);
    }
    return false;
  }

  /** Gives office back and leaves the cluster; the session is the caller's to close. */
  async stop(): Promise<void> {
    if (this.#isStopped) return;
    this.#isStopped = true;
    this.#disarm?.();
    for (const forget of this.#forget) forget();
    await this.#host?.stop();
    this.#link?.close();
    this.#registration?.withdraw();
    this.#overrides.close();
    this.#effective.close();
  }

  async #askForShutdown(brokerEpoch: number, version: number): Promise<string | null> {
    try {
      const { brokerId } = this;
      const response = await this.#requireLink().send(apis.controlledShutdown, version, () => ({
        brokerId,
        brokerEpoch,
      }));
      if (response.errorCode !== errorCodes.NONE) return kafkaErrorOf(response.errorCode);
      const count = response.remainingPartitions.length;
      return count === 0 ? null : `still leading ${count} partitions`;
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  }

  #requireLink(): ControllerLink {
    if (this.#link === null)
      throw new KafkaError('NOT_CONTROLLER', 'this broker has not joined the cluster yet');
    return this.#link;
  }

  #createHandlers(): readonly RegisteredHandler[] {
    const { metadata, clusterId, brokerId, fence } = this;
    const { session, config } = this.#options;
    const environment = this.#environment;
    const overrides = this.#overrides;
    const admin = this.#admin;
    const automatic = this.#automatic;
    const describer = new ConfigDescriber(config, this.#effective, overrides);
    const term = () => this.#host?.term ?? null;
    const controller = {
      get term() {
        return term();
      },
    };
    const describeTopic: ConfigDescriber['topic'] = (settings) => describer.topic(settings);
    const effective = this.#effective;
    const settings = { brokerId, metadata, overrides, effective };
    const topicAdmin = { controller, admin, metadata, environment };
    return [
      metadataHandler({ metadata, clusterId, automatic }),
      updateMetadataHandler({ metadata, fence }),
      controlledShutdownHandler({ controller }),
      createTopicsHandler({ ...topicAdmin, describeTopic }),
      deleteTopicsHandler(topicAdmin),
      describeConfigsHandler({ brokerId, metadata, overrides, describer }),
      alterConfigsHandler(settings),
      createPartitionsHandler(topicAdmin),
      incrementalAlterConfigsHandler(settings),
      alterPartitionHandler({ controller }),
      describeClusterHandler({ metadata, clusterId }),
      allocateProducerIdsHandler({ controller, session }),
    ];
  }

  #followTopics(topics: readonly string[], deleted: readonly string[]): void {
    for (const topic of deleted) this.#effective.forget(topic);
    this.prepareTopics(topics).catch((error: unknown) =>
      this.#environment.log.warn('reading settings of topics failed', { reason: String(error) }),
    );
  }

  #followTopicConfig(topic: string): void {
    const term = this.#host?.term;
    if (term != null && this.#allowsUncleanElection(topic))
      term.signal({ kind: 'uncleanElectionEnabled' });
  }

  #allowsUncleanElection(topic: string): boolean {
    return this.#effective.topicValues(topic)['unclean.leader.election.enable'];
  }

  #sessionEvent(event: SessionEvent): void {
    if (event.kind === 'expired') this.#registration?.lost();
    if (event.kind === 'connected' && event.newSession) this.#rejoin();
  }

  /** In a new session nothing of ours is left: registration, watches, candidacy. */
  #rejoin(): void {
    if (this.#isStopped || this.#rejoining || this.#registration === null) return;
    this.#rejoining = true;
    this.#environment.log.warn('the session expired: registering again', {
      brokerId: this.brokerId,
    });
    this.#registerAgain(this.#registration).then(
      () => {
        this.#rejoining = false;
        this.#host?.rejoin();
      },
      (error: unknown) => {
        this.#rejoining = false;
        const level = error instanceof AlreadyRegistered ? 'error' : 'warn';
        this.#environment.log[level]('registering again failed', { reason: String(error) });
        const { clock, timers } = this.#environment;
        this.#disarm = timers.wakeAt(millis(clock.now() + REJOIN_BACKOFF_MS), () => this.#rejoin());
      },
    );
  }

  async #registerAgain(registration: Registration): Promise<void> {
    await registration.register();
    await this.#overrides.load();
  }

  /** There is nobody who could take anything over. */
  #isAlone(): boolean {
    for (const { id } of this.metadata.liveBrokers()) if (id !== this.brokerId) return false;
    return true;
  }

  /** A pause that ends early when somebody becomes controller. */
  #untilNewController(durationMs: number): Promise<void> {
    const { clock, timers } = this.#environment;
    return new Promise((resolve) => {
      const finish = (): void => {
        disarm();
        forget?.();
        resolve();
      };
      const disarm = timers.wakeAt(millis(clock.now() + durationMs), finish);
      const forget = this.#host?.onController((controllerId) => {
        if (controllerId !== null) finish();
      });
    });
  }
}

function portOf(bound: readonly BoundListener[], name: string): number {
  const listener = bound.find((candidate) => candidate.name === name);
  if (listener === undefined) throw new RangeError(`listener ${name} is not bound`);
  return listener.port;
}
