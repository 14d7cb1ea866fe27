/**
 * One coordination server: the ports that clients come to, the state that is served, and the role that
 * says how. Alone it recovers what its storage has and serves; in an ensemble it binds its ports, and
 * serves whenever it has a role.
 *
 * Wires the pure parts (../core/) to connections and time; nothing is decided here.
 */
import { eventTypes } from '@odradek/protocol/zookeeper';
import type {
  Environment,
  HttpServer,
  Metrics,
  OdradekError,
  ServeHttp,
  ServerTls,
} from '@odradek/runtime';
import { permission, permits } from '../core/tree/acl.ts';
import { WatchTable } from '../core/watch/watch-table.ts';
import type { Storage } from '../storage/types.ts';
import { Acceptor, type AcceptorOptions } from './acceptor.ts';
import {
  type AdminOptions,
  type MetricsOptions,
  serveAdmin,
  servePrometheus,
} from './admin/admin-host.ts';
import { Admission } from './admission.ts';
import type { AuthenticationOptions } from './authentication.ts';
import type { ClientConnection } from './client-connection.ts';
import type { EnsembleView } from './ensemble-view.ts';
import { FourLetterWords } from './four-letter-words.ts';
import { UNREPLICATED_BYTES_MAX } from './limits.ts';
import { monitor } from './monitoring.ts';
import { type NumberNotices, numberNotices } from './notices.ts';
import { EventFrames } from './notifications.ts';
import type { CoordinatorObserver } from './observer.ts';
import { OutboxPool } from './outbox.ts';
import { ReplyLimits } from './reply-limits.ts';
import { type RoleOptions, Roles } from './roles.ts';
import type { Named, ServerInfo } from './server-info.ts';
import { ServerState } from './server-state.ts';
import { ServerStats } from './server-stats.ts';
import { Doorway } from './serving.ts';
import { SlowReaders } from './slow-readers.ts';
import { type SnapshotOptions, Snapshots } from './snapshots.ts';
import type { Replication } from './write-path.ts';

export interface ServerOptions extends AcceptorOptions, RoleOptions, SnapshotOptions {
  readonly minSessionTimeoutMs: number;
  readonly maxSessionTimeoutMs: number;
  /** The longest frame a client may send. */
  readonly maxFrameBytes: number;
  /** Requests that may wait before connections are held back. */
  readonly outstandingMax: number;
  /** Whether digests of the tree are kept for the word `hash`. */
  readonly keepsDigests: boolean;
  /** Whether sessions read so until they ask for something else. */
  readonly linearizableReads: boolean;
  /** A connection that has not opened a session by then is closed. */
  readonly handshakeMs: number;
  /** The longest answer with data or names, in bytes; 0: any. */
  readonly replyBytesMax: number;
  readonly authentication: AuthenticationOptions;
  /** The words that are answered. */
  readonly words: readonly string[];
  /** null: no such pages. */
  readonly admin: AdminOptions | null;
  readonly prometheus: MetricsOptions | null;
  /** Lines of `conf`. */
  readonly configuration: (ports: BoundPorts) => Promise<readonly Named[]>;
  /** The file as it was at the start, passwords hidden. */
  readonly initialConfiguration: string;
  readonly folderSizes: () => Promise<{ readonly dataBytes: number; readonly logBytes: number }>;
  /** Lines of `envi`. */
  readonly environment: () => readonly Named<string>[];
  readonly slowSyncMs: number;
}

/** What a server is given besides the environment. */
export interface ServerServices {
  readonly metrics: Metrics;
  /** null: pages cannot be served here. */
  readonly serveHttp: ServeHttp | null;
  readonly observer: CoordinatorObserver | null;
}

/** The ports that are bound; null: there is none of that kind. */
export interface BoundPorts {
  readonly plain: number | null;
  readonly secure: number | null;
}

/** Alone, our own log decides. */
export function quorumOfOne({ log }: Storage): Replication {
  return {
    propose: (record, zxid, committed) => log.append(record, zxid, committed),
    confirm: (confirmed) => confirmed(),
  };
}

export class CoordinatorServer {
  readonly state: ServerState;
  /** Whoever replicates tells it of its role. */
  readonly roles: Roles;
  readonly #environment: Environment;
  readonly #options: ServerOptions;
  readonly #storage: Storage;
  readonly #services: ServerServices;
  readonly #stats: ServerStats;
  readonly #acceptor: Acceptor;
  readonly #snapshots: Snapshots;
  readonly #doorway: Doorway;
  readonly #admission: Admission;
  readonly #watches: WatchTable<ClientConnection>;
  readonly #replyLimits: ReplyLimits;
  readonly #startedAtMs: number;
  #pages: HttpServer[] = [];

  constructor(
    environment: Environment,
    options: ServerOptions,
    storage: Storage,
    services: ServerServices,
  ) {
    const { clock } = environment;
    this.#environment = environment;
    this.#options = options;
    this.#storage = storage;
    this.#services = services;
    this.#startedAtMs = clock.now();
    const stats = new ServerStats(services.metrics);
    this.#stats = stats;
    this.#acceptor = new Acceptor(options, environment, stats);
    this.#snapshots = new Snapshots(environment, options, storage, stats);
    this.#doorway = new Doorway(environment);
    this.#replyLimits = new ReplyLimits(options.replyBytesMax);
    this.#watches = this.#makeWatches();
    const notices = numberNotices(environment, stats);
    this.state = this.#makeState(notices);
    this.roles = new Roles({
      environment,
      options,
      state: this.state,
      watches: this.#watches,
      doorway: this.#doorway,
      stats,
      notices,
      observer: services.observer,
      sessionEnded: (sessionId) => this.#replyLimits.forget(sessionId),
      dropClients: () => this.#acceptor.dropClients(),
    });
    const { log } = storage;
    const { roles } = this;
    this.#admission = new Admission(options.outstandingMax, {
      get isFull() {
        return log.isFull || roles.unreplicatedBytes >= UNREPLICATED_BYTES_MAX;
      },
      whenRoom: () => log.whenRoom(),
    });
  }

  get ports(): BoundPorts {
    return { plain: this.#acceptor.port, secure: this.#acceptor.securePort };
  }

  /** Ports of the admin and metrics pages that are served, in this order. */
  get pagePorts(): readonly number[] {
    return this.#pages.map(({ port }) => port);
  }

  /** New connections over TLS see these certificates. @throws UnusableTls */
  renewTls(tls: ServerTls): void {
    this.#acceptor.renewTls(tls);
  }

  /**
   * Recovers and begins to serve, alone.
   * @throws DamagedLog and its like from the storage, AddressInUse
   */
  async startAlone(replication: Replication): Promise<void> {
    const { clock, log } = this.#environment;
    const { snapshot, records, recoveredZxid } = this.#storage;
    await this.state.load({ snapshot, records, zxid: recoveredZxid });
    const recoveryMs = clock.now() - this.#startedAtMs;
    this.#stats.meters.dbinittime.observe(recoveryMs);
    this.roles.alone(replication);
    await this.listen(null);
    log.info('serving clients', {
      port: this.ports.plain,
      securePort: this.ports.secure,
      zxid: `0x${this.state.appliedZxid.toString(16)}`,
      nodes: this.state.tree.nodeCount,
      sessions: this.state.sessions.size,
      replayed: this.state.replayedCount,
      recoveryMs: Math.round(recoveryMs),
    });
  }

  /**
   * Binds the ports. Until there is a role, words are answered and clients are asked to wait.
   * @param ensemble null: there is none
   * @throws AddressInUse
   */
  async listen(ensemble: EnsembleView | null): Promise<void> {
    const { info, refresh } = this.#monitor(ensemble);
    const environment = this.#environment;
    const options = this.#options;
    const { state } = this;
    await this.#acceptor.listen({
      environment,
      outboxes: new OutboxPool(state.lastZxid),
      doorway: this.#doorway,
      admission: this.#admission,
      stats: this.#stats,
      words: new FourLetterWords(info, options.words, environment.log),
      slowReaders: this.#slowReaders,
      replyLimits: this.#replyLimits,
      handshakeMs: options.handshakeMs,
      credentials: {
        authentication: options.authentication,
        linearizableReads: options.linearizableReads,
        random: environment.random,
        log: environment.log,
        stats: this.#stats,
      },
      maxFrameBytes: options.maxFrameBytes,
      minSessionTimeoutMs: options.minSessionTimeoutMs,
      maxSessionTimeoutMs: options.maxSessionTimeoutMs,
      closed: (connection) => {
        this.#watches.removeWatcher(connection);
        this.#acceptor.closed(connection);
      },
    });
    await this.#servePages(info, refresh);
  }

  /** The port for clients is another one from now on; those that are there are ended. */
  async rebind(host: string | null, port: number): Promise<void> {
    await this.#acceptor.rebind(host, port);
  }

  /** Ends all connections and writes what makes the next start quick. Sessions live on. */
  async stop(): Promise<void> {
    await this.close();
    await this.#snapshots.finish(this.state);
  }

  /** Ends all connections, and no more. */
  async close(): Promise<void> {
    this.roles.stop();
    for (const page of this.#pages.splice(0)) await page.close();
    await this.#acceptor.close();
  }

  /** The log cannot be written: what is not acknowledged never will be. */
  async failed(error: OdradekError): Promise<void> {
    this.#stats.meters.unrecoverable_error_count.add();
    this.#environment.log.error('the transaction log failed; this server stops serving', { error });
    this.roles.stop();
    await this.#acceptor.close();
  }

  /** As leader, this server brings another one in line. */
  fed(how: string): void {
    const { diff_count: diffs, snap_count: snapshots } = this.#stats.meters;
    if (how === 'snapshot') snapshots.add();
    else diffs.add();
  }

  /** A group of the log was made durable. */
  synced(syncMs: number, records: number): void {
    const { meters } = this.#stats;
    meters.fsynctime.observe(syncMs);
    meters.sync_processor_batch_size.observe(records);
    if (syncMs >= this.#options.slowSyncMs) this.#stats.slowSyncs += 1;
  }

  readonly #slowReaders = new SlowReaders();

  #makeWatches(): WatchTable<ClientConnection> {
    const { meters } = this.#stats;
    const { skipAcl } = this.#options;
    const frames = new EventFrames();
    const firedMeters = {
      [eventTypes.created]: meters.node_created_watch_count,
      [eventTypes.deleted]: meters.node_deleted_watch_count,
      [eventTypes.dataChanged]: meters.node_changed_watch_count,
      [eventTypes.childrenChanged]: meters.node_children_watch_count,
    };
    return new WatchTable<ClientConnection>(
      (client, event, path, acl) => {
        const mayKnow = acl.isOpen || skipAcl || permits(acl, permission.read, client.identities);
        if (mayKnow) client.notify(frames.frame(event, path, this.state.lastZxid.value));
      },
      (event, count) => firedMeters[event].observe(count),
    );
  }

  #makeState(notices: NumberNotices): ServerState {
    return new ServerState({
      clock: this.#environment.clock,
      stats: this.#stats,
      mutations: this.#watches,
      observer: this.#services.observer,
      keepsDigests: this.#options.keepsDigests,
      snapshotZxid: () => this.#storage.snapshotZxid,
      reloading: () => this.roles.loading(),
      loaded: () => {
        this.#snapshots.loaded(this.state.replayedCount);
        this.roles.loaded();
      },
      applied: () => {
        this.#snapshots.applied(this.state);
        this.#admission.relieved();
      },
      announce: (notice, zxid) => notices.zxid(notice, zxid),
    });
  }

  #monitor(ensemble: EnsembleView | null): ReturnType<typeof monitor> {
    const options = this.#options;
    return monitor({
      clock: this.#environment.clock,
      state: this.state,
      roles: this.roles,
      ensemble,
      watches: this.#watches,
      stats: this.#stats,
      admission: this.#admission,
      acceptor: this.#acceptor,
      doorway: this.#doorway,
      slowReaders: this.#slowReaders,
      log: this.#storage.log,
      metrics: this.#services.metrics,
      disk: this.#environment.disk,
      startedAtMs: this.#startedAtMs,
      configuration: () => options.configuration(this.ports),
      initialConfiguration: options.initialConfiguration,
      environment: options.environment,
      folderSizes: options.folderSizes,
      lastSnapshot: () => this.#snapshots.last,
    });
  }

  async #servePages(info: ServerInfo, refresh: () => Promise<void>): Promise<void> {
    const { serveHttp, metrics } = this.#services;
    const { admin, prometheus } = this.#options;
    const { log } = this.#environment;
    if (serveHttp === null) return;
    const pages = [
      admin === null ? null : await serveAdmin(serveHttp, admin, info, log),
      prometheus === null
        ? null
        : await servePrometheus(serveHttp, prometheus, metrics, refresh, log),
    ];
    this.#pages = pages.filter((page) => page !== null);
  }
}
