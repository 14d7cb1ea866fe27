/**
 * One coordination server over a storage: recovers what is there, then serves.
 *
 * Wires the pure parts (../core/) to connections, the log and time. Nothing is decided here but when
 * a snapshot is due.
 */
import { eventTypes } from '@odradek/protocol';
import {
  type Disarm,
  DiskError,
  type Environment,
  type HttpServer,
  type Metrics,
  type OdradekError,
  type ServeHttp,
  type ServerTls,
} from '@odradek/runtime';
import { SessionTable } from '../core/session/session-table.ts';
import { apply, nobody } from '../core/transaction/apply.ts';
import { counterOf, ZxidWatch } from '../core/transaction/number-spaces.ts';
import { Preparer } from '../core/transaction/prepare.ts';
import { type AclSchemes, permission, permits } from '../core/tree/acl.ts';
import { Tree } from '../core/tree/tree.ts';
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
import { FourLetterWords } from './four-letter-words.ts';
import { monitor } from './monitoring.ts';
import { numberNotices } from './notices.ts';
import { EventFrames } from './notifications.ts';
import { LastZxid, OutboxPool } from './outbox.ts';
import { Reads } from './reads.ts';
import { type ReaperOptions, startReaper } from './reaper-host.ts';
import { decodeEntry, decodeRecord, encodeEntry } from './record-codec.ts';
import { ReplyLimits } from './reply-limits.ts';
import type { Named, ServerInfo } from './server-info.ts';
import { ServerStats } from './server-stats.ts';
import { type LocalSessionOptions, SessionHost } from './session-host.ts';
import { SlowReaders } from './slow-readers.ts';
import { type Replication, WritePath } from './write-path.ts';

export interface ServerOptions extends AcceptorOptions {
  /** 1 when alone. */
  readonly serverId: number;
  readonly tickMs: number;
  readonly minSessionTimeoutMs: number;
  readonly maxSessionTimeoutMs: number;
  /** The longest frame a client may send. */
  readonly maxFrameBytes: number;
  /** Requests that may wait before connections are held back. */
  readonly outstandingMax: number;
  readonly skipAcl: boolean;
  readonly extendedTypes: boolean;
  /** What access control lists may name. */
  readonly schemes: AclSchemes;
  readonly enforceQuota: boolean;
  readonly reconfigEnabled: boolean;
  readonly localSessions: LocalSessionOptions;
  /** Whether sessions read so until they ask for something else. */
  readonly linearizableReads: boolean;
  /** A connection that has not opened a session by then is closed. */
  readonly handshakeMs: number;
  /** The longest answer with data or names, in bytes; 0: any. */
  readonly replyBytesMax: number;
  readonly authentication: AuthenticationOptions;
  /** The words that are answered. */
  readonly words: readonly string[];
  /** A snapshot is taken after between half as many and as many transactions. */
  readonly snapshotRecords: number;
  /** The same in bytes of log; null: not by size. */
  readonly snapshotBytes: number | null;
  readonly reaper: ReaperOptions;
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
  /** Decides what is committed. */
  readonly replication: (storage: Storage) => Replication;
}

/** The ports that are bound; null: there is none of that kind. */
export interface BoundPorts {
  readonly plain: number | null;
  readonly secure: number | null;
}

/** The last word of the server's own identities: it may do everything it asks for. */
const ownRequester = { sessionId: 0n, identities: [] };

/** Alone, our own log decides. */
export function quorumOfOne({ log }: Storage): Replication {
  return {
    propose: (record, zxid, committed) => log.append(record, zxid, committed),
    confirm: (confirmed) => confirmed(),
  };
}

/**
 * A big tree is not written again before so many transactions per node: so a write never costs more than
 * writing four nodes, and what a start has to replay stays in proportion to what it has to load.
 */
const CHANGED_PART_MIN = 0.25;

export class CoordinatorServer {
  readonly #environment: Environment;
  readonly #options: ServerOptions;
  readonly #storage: Storage;
  readonly #tree = new Tree();
  readonly #sessions = new SessionTable();
  readonly #lastZxid = new LastZxid();
  readonly #stats: ServerStats;
  readonly #services: ServerServices;
  #pages: HttpServer[] = [];
  #lastSnapshot: { readonly zxid: bigint; readonly atMs: number };
  readonly #acceptor: Acceptor;
  #stopReaper: Disarm | null = null;
  #sessionHost: SessionHost | null = null;
  #dueRecords: number;
  #dueBytes: number;
  /** Transactions applied since the newest snapshot began. */
  #appliedSince = 0;
  #runningSnapshot: Promise<void> | null = null;

  constructor(
    environment: Environment,
    options: ServerOptions,
    storage: Storage,
    services: ServerServices,
  ) {
    this.#environment = environment;
    this.#options = options;
    this.#storage = storage;
    this.#services = services;
    this.#stats = new ServerStats(services.metrics);
    this.#lastSnapshot = { zxid: storage.snapshotZxid, atMs: environment.clock.wallTime() };
    this.#acceptor = new Acceptor(options, environment, this.#stats);
    this.#dueRecords = 0;
    this.#dueBytes = 0;
    this.#drawDue();
  }

  get ports(): BoundPorts {
    return { plain: this.#acceptor.port, secure: this.#acceptor.securePort };
  }

  /** New connections over TLS see these certificates. @throws UnusableTls */
  renewTls(tls: ServerTls): void {
    this.#acceptor.renewTls(tls);
  }

  /**
   * Recovers and begins to serve.
   * @throws DamagedLog and its like from the storage, AddressInUse
   */
  async start(): Promise<void> {
    const { clock } = this.#environment;
    const startedAtMs = clock.now();
    const records = await this.#recover();
    const recoveredAtMs = clock.now();
    this.#stats.meters.dbinittime.observe(recoveredAtMs - startedAtMs);
    await this.#serve(startedAtMs);
    this.#environment.log.info('serving clients', {
      port: this.ports.plain,
      securePort: this.ports.secure,
      zxid: `0x${this.#lastZxid.value.toString(16)}`,
      nodes: this.#tree.nodeCount,
      sessions: this.#sessions.size,
      replayed: records,
      recoveryMs: Math.round(recoveredAtMs - startedAtMs),
    });
  }

  /** Ends all connections and writes what makes the next start quick. Sessions live on. */
  async stop(): Promise<void> {
    this.#stopReaper?.();
    this.#sessionHost?.stop();
    for (const page of this.#pages.splice(0)) await page.close();
    await this.#acceptor.close();
    await this.#runningSnapshot;
    if (this.#appliedSince > 0) await this.#snapshot();
  }

  /** The log cannot be written: what is not acknowledged never will be. */
  async failed(error: OdradekError): Promise<void> {
    this.#stats.meters.unrecoverable_error_count.add();
    this.#environment.log.error('the transaction log failed; this server stops serving', { error });
    this.#stopReaper?.();
    this.#sessionHost?.stop();
    await this.#acceptor.close();
  }

  /** A group of the log was made durable. */
  synced(syncMs: number, records: number): void {
    const { meters } = this.#stats;
    meters.fsynctime.observe(syncMs);
    meters.sync_processor_batch_size.observe(records);
    if (syncMs >= this.#options.slowSyncMs) this.#stats.slowSyncs += 1;
  }

  /** @returns how many records were replayed */
  async #recover(): Promise<number> {
    const { clock } = this.#environment;
    const { meters } = this.#stats;
    const startedAtMs = clock.now();
    const { snapshot, records, recoveredZxid } = this.#storage;
    if (snapshot !== null) {
      for await (const bytes of snapshot) {
        const entry = decodeEntry(bytes);
        if (entry.kind === 'node') this.#tree.restore(entry.node);
        else this.#sessions.open(entry.session);
      }
    }
    const loadedAtMs = clock.now();
    meters.startup_snap_load_time.observe(loadedAtMs - startedAtMs);
    let count = 0;
    for await (const { payload } of records) {
      apply(decodeRecord(payload), this.#tree, this.#sessions, nobody);
      count += 1;
    }
    this.#tree.recovered();
    this.#lastZxid.set(recoveredZxid);
    this.#appliedSince = count;
    meters.startup_txns_loaded.observe(count);
    meters.startup_txns_load_time.observe(clock.now() - loadedAtMs);
    return count;
  }

  async #serve(startedAtMs: number): Promise<void> {
    const environment = this.#environment;
    const { clock } = environment;
    const options = this.#options;
    const [tree, sessions, lastZxid, stats] = [
      this.#tree,
      this.#sessions,
      this.#lastZxid,
      this.#stats,
    ];
    const { skipAcl } = options;
    const frames = new EventFrames();
    const { meters } = stats;
    const firedMeters = {
      [eventTypes.created]: meters.node_created_watch_count,
      [eventTypes.deleted]: meters.node_deleted_watch_count,
      [eventTypes.dataChanged]: meters.node_changed_watch_count,
      [eventTypes.childrenChanged]: meters.node_children_watch_count,
    };
    const watches = new WatchTable<ClientConnection>(
      (client, event, path, acl) => {
        const mayKnow = acl.isOpen || skipAcl || permits(acl, permission.read, client.identities);
        if (mayKnow) client.notify(frames.frame(event, path, lastZxid.value));
      },
      (event, count) => firedMeters[event].observe(count),
    );
    const notices = numberNotices(environment, stats);
    const zxidWatch = new ZxidWatch(counterOf(lastZxid.value));
    const slowReaders = new SlowReaders();
    const replyLimits = new ReplyLimits(options.replyBytesMax);
    const preparer = new Preparer(tree, sessions, { ...options, notices });
    const admission = new Admission(options.outstandingMax, this.#storage.log);
    const sessionHost = new SessionHost({
      environment,
      sessions,
      preparer,
      tickMs: options.tickMs,
      serverId: options.serverId,
      stats,
      localSessions: options.localSessions,
      ended: (sessionId) => replyLimits.forget(sessionId),
      submit: (request, requester, waiter) => writePath.submit(request, requester, waiter),
    });
    const writePath = new WritePath({
      tree,
      sessions,
      preparer,
      replication: this.#services.replication(this.#storage),
      mutations: watches,
      lastZxid,
      clock,
      stats,
      onApplied: (record) => {
        sessionHost.applied(record);
        this.#appliedSince += 1;
        const notice = zxidWatch.applied(lastZxid.low >>> 0);
        if (notice !== null) notices.zxid(notice, record.zxid);
        this.#snapshotWhenDue();
      },
    });
    sessionHost.resumeAll();
    this.#sessionHost = sessionHost;
    const { info, refresh } = monitor({
      clock,
      tree,
      sessions,
      watches,
      stats,
      admission,
      acceptor: this.#acceptor,
      slowReaders,
      log: this.#storage.log,
      lastZxid,
      metrics: this.#services.metrics,
      disk: environment.disk,
      startedAtMs,
      configuration: () => options.configuration(this.ports),
      initialConfiguration: options.initialConfiguration,
      environment: options.environment,
      dueSessions: () => sessionHost.due(),
      folderSizes: options.folderSizes,
      lastSnapshot: () => this.#lastSnapshot,
    });
    await this.#acceptor.listen({
      environment,
      outboxes: new OutboxPool(lastZxid),
      reads: new Reads({ tree, watches, skipAcl }),
      writePath,
      sessions: sessionHost,
      admission,
      stats,
      words: new FourLetterWords(info, options.words, environment.log),
      slowReaders,
      replyLimits,
      handshakeMs: options.handshakeMs,
      credentials: {
        authentication: options.authentication,
        linearizableReads: options.linearizableReads,
        random: environment.random,
        log: environment.log,
        stats,
      },
      maxFrameBytes: options.maxFrameBytes,
      minSessionTimeoutMs: options.minSessionTimeoutMs,
      maxSessionTimeoutMs: options.maxSessionTimeoutMs,
      closed: (connection) => {
        watches.removeWatcher(connection);
        this.#acceptor.closed(connection);
      },
    });
    this.#stopReaper = startReaper(tree, options.reaper, environment, (request) =>
      writePath.submit(request, ownRequester, null),
    );
    await this.#servePages(info, refresh);
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

  /** Ports of the admin and metrics pages that are served, in this order. */
  get pagePorts(): readonly number[] {
    return this.#pages.map(({ port }) => port);
  }

  #snapshotWhenDue(): void {
    if (this.#runningSnapshot !== null) return;
    const { bytes } = this.#storage.sinceSnapshot;
    const due = Math.max(this.#dueRecords, this.#tree.nodeCount * CHANGED_PART_MIN);
    if (this.#appliedSince < due && bytes < this.#dueBytes) return;
    this.#drawDue();
    this.#runningSnapshot = this.#snapshot();
  }

  /** By chance, so that the servers of an ensemble do not all write at the same time. */
  #drawDue(): void {
    const { snapshotRecords, snapshotBytes } = this.#options;
    const { random } = this.#environment;
    const drawn = (max: number): number => {
      const half = Math.floor(max / 2);
      return half + 1 + random.below(Math.max(1, max - half));
    };
    this.#dueRecords = drawn(snapshotRecords);
    this.#dueBytes = snapshotBytes === null ? Number.POSITIVE_INFINITY : drawn(snapshotBytes);
  }

  async #snapshot(): Promise<void> {
    this.#appliedSince = 0;
    const { clock } = this.#environment;
    const startedAtMs = clock.now();
    const zxid = this.#lastZxid.value;
    try {
      await this.#storage.writeSnapshot(zxid, this.#entries());
      this.#stats.meters.snapshottime.observe(clock.now() - startedAtMs);
      this.#lastSnapshot = { zxid, atMs: clock.wallTime() };
    } catch (error) {
      // The older snapshots and the whole log are still there: nothing is lost but time.
      if (!(error instanceof DiskError)) throw error;
      this.#stats.meters.snapshot_error_count.add();
      this.#environment.log.error('a snapshot could not be written', { error });
    } finally {
      this.#runningSnapshot = null;
    }
  }

  /** Sessions first, so that replay knows them; both as they are when they are reached. */
  *#entries(): Iterable<Uint8Array> {
    for (const session of this.#sessions.all()) yield encodeEntry({ kind: 'session', session });
    for (const node of this.#tree.stored()) yield encodeEntry({ kind: 'node', node });
  }
}
