/**
 * One coordination server over a storage: recovers what is there, then serves.
 *
 * Wires the pure parts (../core/) to connections, the log and time. Nothing is decided here but when
 * a snapshot is due.
 */
import { type Disarm, DiskError, type Environment, type OdradekError } from '@odradek/runtime';
import { SessionTable } from '../core/session/session-table.ts';
import { apply, nobody } from '../core/transaction/apply.ts';
import { Preparer } from '../core/transaction/prepare.ts';
import { permission, permits } from '../core/tree/acl.ts';
import { Tree } from '../core/tree/tree.ts';
import { WatchTable } from '../core/watch/watch-table.ts';
import type { Storage } from '../storage/types.ts';
import { Acceptor, type AcceptorOptions } from './acceptor.ts';
import { Admission } from './admission.ts';
import type { AuthenticationOptions } from './authentication.ts';
import type { ClientConnection } from './client-connection.ts';
import { FourLetterWords } from './four-letter-words.ts';
import { serverInfo } from './monitoring.ts';
import { EventFrames } from './notifications.ts';
import { LastZxid, OutboxPool } from './outbox.ts';
import { Reads } from './reads.ts';
import { type ReaperOptions, startReaper } from './reaper-host.ts';
import { decodeEntry, decodeRecord, encodeEntry } from './record-codec.ts';
import { ServerStats } from './server-stats.ts';
import { SessionHost } from './session-host.ts';
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
  readonly authentication: AuthenticationOptions;
  /** The words that are answered. */
  readonly words: readonly string[];
  /** A snapshot is taken after between half as many and as many transactions. */
  readonly snapshotRecords: number;
  /** The same in bytes of log; null: not by size. */
  readonly snapshotBytes: number | null;
  readonly reaper: ReaperOptions;
  /** Lines of `conf` and `envi`. */
  readonly configuration: (
    port: number,
  ) => Promise<readonly (readonly [string, string | number])[]>;
  readonly folderSizes: () => Promise<{ readonly dataBytes: number; readonly logBytes: number }>;
  readonly environmentLines: readonly (readonly [string, string])[];
}

/** The last word of the server's own identities: it may do everything it asks for. */
const ownRequester = { sessionId: 0n, identities: [] };

/** Alone, our own log decides. */
function quorumOfOne({ log }: Storage): Replication {
  return { propose: (record, zxid, committed) => log.append(record, zxid, committed) };
}

export class CoordinatorServer {
  readonly #environment: Environment;
  readonly #options: ServerOptions;
  readonly #storage: Storage;
  readonly #tree = new Tree();
  readonly #sessions = new SessionTable();
  readonly #lastZxid = new LastZxid();
  readonly #stats = new ServerStats();
  readonly #acceptor: Acceptor;
  #stopReaper: Disarm | null = null;
  #sessionHost: SessionHost | null = null;
  #dueRecords: number;
  #dueBytes: number;
  /** Transactions applied since the newest snapshot began. */
  #appliedSince = 0;
  #runningSnapshot: Promise<void> | null = null;

  constructor(environment: Environment, options: ServerOptions, storage: Storage) {
    this.#environment = environment;
    this.#options = options;
    this.#storage = storage;
    this.#acceptor = new Acceptor(options, environment, this.#stats);
    this.#dueRecords = 0;
    this.#dueBytes = 0;
    this.#drawDue();
  }

  /** The client port that is bound. */
  get port(): number {
    return this.#acceptor.port;
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
    await this.#serve(startedAtMs);
    this.#environment.log.info('serving clients', {
      port: this.port,
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
    await this.#acceptor.close();
    await this.#runningSnapshot;
    if (this.#appliedSince > 0) await this.#snapshot();
  }

  /** The log cannot be written: what is not acknowledged never will be. */
  async failed(error: OdradekError): Promise<void> {
    this.#environment.log.error('the transaction log failed; this server stops serving', { error });
    this.#stopReaper?.();
    this.#sessionHost?.stop();
    await this.#acceptor.close();
  }

  /** @returns how many records were replayed */
  async #recover(): Promise<number> {
    const { snapshot, records, recoveredZxid } = this.#storage;
    if (snapshot !== null) {
      for await (const bytes of snapshot) {
        const entry = decodeEntry(bytes);
        if (entry.kind === 'node') this.#tree.restore(entry.node);
        else this.#sessions.open(entry.session);
      }
    }
    let count = 0;
    for await (const { payload } of records) {
      apply(decodeRecord(payload), this.#tree, this.#sessions, nobody);
      count += 1;
    }
    this.#tree.recovered();
    this.#lastZxid.set(recoveredZxid);
    this.#appliedSince = count;
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
    const watches = new WatchTable<ClientConnection>((client, event, path, acl) => {
      const mayKnow = acl.isOpen || skipAcl || permits(acl, permission.read, client.identities);
      if (mayKnow) client.notify(frames.frame(event, path, lastZxid.value));
    });
    const preparer = new Preparer(tree, sessions, options);
    const admission = new Admission(options.outstandingMax, this.#storage.log);
    const sessionHost = new SessionHost({
      environment,
      sessions,
      preparer,
      tickMs: options.tickMs,
      serverId: options.serverId,
      stats,
      submit: (request, requester, waiter) => writePath.submit(request, requester, waiter),
    });
    const writePath = new WritePath({
      tree,
      sessions,
      preparer,
      replication: quorumOfOne(this.#storage),
      mutations: watches,
      lastZxid,
      clock,
      stats,
      onApplied: (record) => {
        sessionHost.applied(record);
        this.#appliedSince += 1;
        this.#snapshotWhenDue();
      },
    });
    sessionHost.resumeAll();
    this.#sessionHost = sessionHost;
    const info = serverInfo({
      tree,
      sessions,
      watches,
      stats,
      admission,
      acceptor: this.#acceptor,
      lastZxid,
      disk: environment.disk,
      uptimeMs: () => clock.now() - startedAtMs,
      configuration: () => options.configuration(this.port),
      environment: options.environmentLines,
      dueSessions: () => sessionHost.due(),
      folderSizes: options.folderSizes,
    });
    await this.#acceptor.listen({
      environment,
      outboxes: new OutboxPool(lastZxid),
      reads: new Reads({ tree, watches, skipAcl }),
      writePath,
      sessions: sessionHost,
      admission,
      stats,
      words: new FourLetterWords(info, options.words),
      authentication: options.authentication,
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
  }

  #snapshotWhenDue(): void {
    if (this.#runningSnapshot !== null) return;
    const { bytes } = this.#storage.sinceSnapshot;
    if (this.#appliedSince < this.#dueRecords && bytes < this.#dueBytes) return;
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
    try {
      await this.#storage.writeSnapshot(this.#lastZxid.value, this.#entries());
      this.#stats.snapshots += 1;
    } catch (error) {
      // The older snapshots and the whole log are still there: nothing is lost but time.
      if (!(error instanceof DiskError)) throw error;
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
