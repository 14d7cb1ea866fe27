/**
 * A broker from start to stop, in Kafka's order.
 *
 *   coordinator session -> who we are, settings -> logs (loaded, recovered) -> replicas and groups
 *   -> ports bound, nobody read from -> registered, standing for election -> doors open
 *
 * Each step that was done is undone in reverse when a later one fails, and at the stop; before that
 * the controller is asked to move the leaders away. The session is closed last, since with it the
 * broker's registration goes.
 */
import path from 'node:path';
import type { CoordinatorSession } from '@odradek/client';
import { crc32cImplementation, zstdReady } from '@odradek/protocol';
import {
  BufferPool,
  DiskError,
  type Environment,
  Lifecycle,
  limitWorkers,
  type Metrics,
  OdradekError,
  poisonsReleasedMemory,
  type Service,
} from '@odradek/runtime';
import { apiVersionsHandler } from '../api/api-versions.ts';
import { ApiRegistry } from '../api/registry.ts';
import type { BrokerConfig } from '../config/broker-config.ts';
import { ControlPlane } from '../controller/control-plane.ts';
import { NO_CLEANER } from '../log/compaction/cleaner-stats.ts';
import { sumOfFlushes } from '../log/flush/group-commit.ts';
import { LoadProgress } from '../log/load-progress.ts';
import { LogManager } from '../log/log-manager.ts';
import { recordedBrokerId } from '../log/meta-properties.ts';
import { awaitMetadata } from '../metadata/await-metadata.ts';
import { Acceptor } from '../network/acceptor.ts';
import { ByteBudget } from '../network/byte-budget.ts';
import { declareBrokerMetrics } from './broker-metrics.ts';
import { groupSettings, logSettings, networkSettings } from './broker-settings.ts';
import { openCoordinatorSession } from './coordinator-link.ts';
import { type DataPlane, dataPlane } from './data-plane.ts';
import { type GroupModule, groupModule } from './group-module.ts';
import { openLogFilesMax } from './open-files.ts';

/** How long a broker waits for the controller's first word before it calls itself ready anyway. */
const ACQUAINTED_MS = 10_000;
/** How long requests that are running may go on when the broker stops. */
const ANSWER_GRACE_MS = 1_000;
/** Closing logs forces them to the medium: that may take its time, and is worth waiting for. */
const LOG_CLOSE_TIMEOUT_MS = 300_000;

const NO_PARTITIONS = { led: 0, followed: 0, offline: 0, underReplicated: 0 } as const;
const NO_FETCHES = {
  waiting: 0,
  sessions: 0,
  sessionPartitions: 0,
  sessionEvictions: 0,
  consumerBytes: 0,
  followerBytes: 0,
} as const;

/** Every log directory has failed: nothing is left to serve. */
export class NoLogDirectoryLeft extends OdradekError {
  override readonly name = 'NoLogDirectoryLeft';
  readonly code = 'NO_LOG_DIRECTORY_LEFT';
  readonly retriable = false;
}

/** A part that exists between its start and its stop. */
class Slot<Part> {
  #part: Part | null = null;
  readonly #name: string;

  constructor(name: string) {
    this.#name = name;
  }

  set(part: Part): Part {
    this.#part = part;
    return part;
  }

  /** Null before its start. */
  get orNull(): Part | null {
    return this.#part;
  }

  get now(): Part {
    if (this.#part === null) throw new Error(`${this.#name} is not there yet`);
    return this.#part;
  }
}

export interface ServerOptions {
  /** Calls the start off while it waits for the coordination service or loads logs. */
  readonly interrupted?: AbortSignal | undefined;
  /** Files and connections that the process may have open; null when that is not known. */
  readonly openFilesLimit?: number | null | undefined;
}

export class BrokerServer {
  readonly #environment: Environment;
  readonly #config: BrokerConfig;
  readonly #interrupted: AbortSignal | undefined;
  readonly #openLogFilesMax: number;
  readonly #loading = new LoadProgress();
  readonly #lifecycle: Lifecycle;
  readonly #registry = new ApiRegistry();
  readonly #requests: ByteBudget;
  readonly #answers: ByteBudget;
  readonly #buffers = new BufferPool({ poison: poisonsReleasedMemory });
  readonly #network: ReturnType<typeof networkSettings>;
  readonly #session = new Slot<CoordinatorSession>('the session');
  readonly #plane = new Slot<ControlPlane>('the control plane');
  readonly #logs = new Slot<LogManager>('the logs');
  readonly #data = new Slot<DataPlane>('the data plane');
  readonly #groups = new Slot<GroupModule>('the groups');
  readonly #acceptor = new Slot<Acceptor>('the acceptor');
  /** Resolves when the broker had to give up by itself. */
  readonly failure: Promise<OdradekError>;
  #fail: (error: OdradekError) => void = () => {};

  /** @throws ConfigError for settings that cannot be served */
  constructor(
    environment: Environment,
    config: BrokerConfig,
    { interrupted, openFilesLimit = null }: ServerOptions = {},
  ) {
    const threadsMax = config.values['background.threads'];
    const { workers } = environment;
    this.#environment = {
      ...environment,
      workers: limitWorkers(workers, () => this.#plane.orNull?.backgroundThreads() ?? threadsMax),
    };
    this.#config = config;
    this.#interrupted = interrupted;
    this.#openLogFilesMax = openLogFilesMax(
      config.values['odradek.log.open.files.max'],
      openFilesLimit,
      environment.log,
    );
    this.#lifecycle = new Lifecycle(environment, environment.log);
    this.#network = networkSettings(config);
    this.#requests = new ByteBudget(
      this.#network.requestBytesMax,
      () => this.#logs.orNull?.overLimit ?? false, // A disk that does not keep up.
    );
    this.#answers = new ByteBudget(this.#network.answerBytesMax);
    this.failure = new Promise((resolve) => {
      this.#fail = resolve;
    });
  }

  /** Resolves when the broker serves. */
  async start(): Promise<void> {
    const { log, clock } = this.#environment;
    const began = clock.now();
    for (const warning of this.#config.warnings) log.warn(warning);
    if (crc32cImplementation === 'javascript')
      log.warn('no native CRC-32C on this machine: checksums will cost a multiple');
    await this.#lifecycle.start([
      this.#sessionService(),
      this.#planeService(),
      this.#logService(),
      this.#replicaService(),
      this.#doorService(),
      this.#membershipService(),
    ]);
    this.#acceptor.now.open();
    await this.#acquainted();
    log.info('ready', {
      brokerId: this.brokerId,
      clusterId: this.clusterId,
      listeners: [...this.ports].map(([name, port]) => `${name}:${port}`).join(','),
      tookMs: Math.round(clock.now() - began),
    });
  }

  /** A broker that has not heard of itself yet would tell its first clients that nobody is there. */
  async #acquainted(): Promise<void> {
    const { metadata, brokerId } = this.#plane.now;
    const knowsItself = (): boolean => metadata.liveBroker(brokerId) !== undefined;
    if (await awaitMetadata(metadata, this.#environment, ACQUAINTED_MS, knowsItself)) return;
    this.#environment.log.warn('the controller has not introduced this broker to the cluster yet');
  }

  /** Before the start all of them are 0. */
  declareMetrics(metrics: Metrics): void {
    declareBrokerMetrics(metrics, {
      connections: () => this.#acceptor.orNull?.connectionCount ?? 0,
      requestBytes: () => this.#requests.usedBytes,
      answerBytes: () => this.#answers.usedBytes,
      logPendingBytes: () => this.#logs.orNull?.pendingBytes ?? 0,
      flushes: () => sumOfFlushes(this.#logs.orNull?.flushCounts ?? []),
      partitions: () => this.#data.orNull?.replicas.counts() ?? NO_PARTITIONS,
      fetches: () => this.#data.orNull?.replicas.fetchCounts() ?? NO_FETCHES,
      cleaner: () => this.#logs.orNull?.cleanerStats ?? NO_CLEANER,
      isController: () => this.#plane.orNull?.isController ?? false,
      loading: this.#config.logDirectories.map((directory) =>
        this.#loading.of(path.resolve(directory)),
      ),
    });
  }

  stop(): Promise<void> {
    return this.#lifecycle.stop();
  }

  get brokerId(): number {
    return this.#plane.now.brokerId;
  }

  get clusterId(): string {
    return this.#plane.now.clusterId;
  }

  /** The ports really bound, by listener name. */
  get ports(): ReadonlyMap<string, number> {
    return this.#acceptor.now.ports;
  }

  #sessionService(): Service {
    return {
      name: 'coordinator session',
      start: async () => {
        this.#session.set(
          await openCoordinatorSession(this.#config, this.#environment, this.#interrupted),
        );
      },
      stop: () => this.#session.now.close(),
    };
  }

  #planeService(): Service {
    return {
      name: 'control plane',
      start: async () => {
        this.#plane.set(
          await ControlPlane.open({
            session: this.#session.now,
            config: this.#config,
            environment: this.#environment,
            storedBrokerId: await this.#storedBrokerId(),
          }),
        );
      },
      stop: () => this.#plane.now.stop(),
    };
  }

  /** The id that the log directories were written by; one that cannot be read is passed over. */
  async #storedBrokerId(): Promise<number | null> {
    for (const directory of this.#config.logDirectories) {
      try {
        const id = await recordedBrokerId(this.#environment.disk, directory);
        if (id !== null) return id;
      } catch (error) {
        if (!(error instanceof DiskError)) throw error;
      }
    }
    return null;
  }

  #logService(): Service {
    return {
      name: 'logs',
      stopTimeoutMs: LOG_CLOSE_TIMEOUT_MS,
      start: async () => {
        await zstdReady; // Recovery and validation decompress synchronously.
        const plane = this.#plane.now;
        const logs = this.#logs.set(
          await LogManager.open({
            ...logSettings(this.#config),
            clusterId: plane.clusterId,
            brokerId: plane.brokerId,
            logConfigOf: (topic) => plane.logConfigOf(topic),
            cleaner: this.#config.values['log.cleaner.enable']
              ? () => plane.cleanerSettings()
              : undefined,
            environment: this.#environment,
            buffers: this.#buffers,
            openFilesLimit: this.#openLogFilesMax,
            progress: this.#loading,
            interrupted: this.#interrupted,
          }),
        );
        plane.onTopicConfig((topic, config) => logs.reconfigure(topic, config));
        logs.onBelowLimit(() => this.#requests.reconsider());
        logs.onDirectoryFailure(() => this.#directoryFailed());
      },
      stop: () => this.#logs.now.close(),
    };
  }

  #replicaService(): Service {
    return {
      name: 'replicas',
      start: () => {
        const environment = this.#environment;
        const plane = this.#plane.now;
        const data = this.#data.set(
          dataPlane({
            environment,
            config: this.#config,
            session: this.#session.now,
            plane,
            logs: this.#logs.now,
            answers: this.#answers,
            buffers: this.#buffers,
          }),
        );
        const groups = this.#groups.set(
          groupModule(environment, groupSettings(this.#config), data.replicas, plane),
        );
        this.#registry.register(
          ...data.handlers,
          ...groups.handlers,
          ...plane.handlers,
          apiVersionsHandler(this.#registry),
        );
        plane.attach(this.#registry);
        return Promise.resolve();
      },
      stop: () => this.#data.now.replicas.close(),
    };
  }

  #doorService(): Service {
    const { network, clock, timers, log } = this.#environment;
    return {
      name: 'listeners',
      start: async () => {
        this.#acceptor.set(
          await Acceptor.bind(this.#network.addresses, {
            ...this.#network,
            network,
            clock,
            timers,
            log: log.child('network'),
            registry: this.#registry,
            requests: this.#requests,
            answers: this.#answers,
            buffers: this.#buffers,
          }),
        );
      },
      stop: async () => {
        await this.#acceptor.now.stopListening();
        this.#groups.now.stop(); // Members that wait are told to look for another coordinator.
        await this.#acceptor.now.close(ANSWER_GRACE_MS);
      },
    };
  }

  #membershipService(): Service {
    const { values } = this.#config;
    const attempts = Math.max(1, values['controlled.shutdown.max.retries']);
    const attemptMs =
      values['controller.socket.timeout.ms'] + values['controlled.shutdown.retry.backoff.ms'];
    return {
      name: 'membership',
      stopTimeoutMs: attempts * attemptMs,
      start: async () => {
        const plane = this.#plane.now;
        await plane.register([...this.ports].map(([name, port]) => ({ name, port })));
        plane.startElection();
      },
      stop: async () => {
        await this.#plane.now.controlledShutdown();
      },
    };
  }

  #directoryFailed(): void {
    const { log } = this.#environment;
    if (this.#logs.now.onlineDirectories.length === 0) {
      this.#fail(new NoLogDirectoryLeft('every folder of log.dirs has failed'));
      return;
    }
    this.#plane.now.announceDirectoryFailure().catch((error: unknown) =>
      log.error('the controller could not be told of a failed log directory', {
        error: error instanceof Error ? error : new Error(String(error)),
      }),
    );
  }
}
