/**
 * A supervised session with the coordination service: what a broker, the client's discovery and the
 * command line hold while they live.
 *
 * It connects for ever, keeps the session across links, opens a new one after expiry, and knows at
 * any instant whether the session may be dying unseen. The decisions are the Supervisor's, the wire
 * is LibrarySession's; here are the sockets, the queue of requests and the promises.
 *
 * While no server is connected, requests wait (bounded). When a link breaks, reads in flight are
 * asked again by themselves; writes fail with CONNECTION_LOSS, for only the caller can tell whether
 * repeating them is right. When the session expires, all that waits fails with SESSION_EXPIRED.
 */
import { ZooKeeperError } from '@odradek/protocol';
import {
  type Connection,
  type Deliver,
  drive,
  type Environment,
  InvariantViolation,
  type Log,
} from '@odradek/runtime';
import type { RequestRecord, ResponseRecord } from 'node-zookeeper-client/lib/jute/index.js';
import { type ConnectString, parseConnectString, withoutChroot } from './connect-string.ts';
import { FrameCutter } from './frames.ts';
import { LibrarySession, OP_CODES } from './library-session.ts';
import {
  createRecord,
  deleteRecord,
  failure,
  multiRecord,
  multiResults,
  type NodeData,
  readRecord,
  serverPath,
  setDataRecord,
  statOf,
} from './records.ts';
import { type QueuedRequest, RequestQueue, WAITING_REQUESTS_MAX } from './request-queue.ts';
import { Supervisor, type SupervisorEffect, type SupervisorInput } from './supervisor.ts';
import type {
  CreateOptions,
  MultiOperation,
  MultiResult,
  SessionEvent,
  SessionState,
  Stat,
  WatchEvent,
  Watcher,
} from './types.ts';
import { type WatchEventType, WatchTable } from './watch-table.ts';

/** Path text in one setWatches request: Java's client uses the same. */
const SET_WATCHES_PORTION_BYTES = 128 * 1024;
/** The least time one server gets to answer a dial and the handshake. */
const ATTEMPT_TIMEOUT_MS_MIN = 250;
const JITTER_MS_MAX = 100;
const CONNECTION_LOSS = -4;
const NO_NODE = -101;

const EVENT_KINDS: Readonly<Record<WatchEventType, WatchEvent['kind']>> = {
  1: 'created',
  2: 'deleted',
  3: 'changed',
  4: 'children',
};

export interface CoordinatorSessionOptions {
  /** `host:port,host:port/chroot` */
  readonly connect: string;
  /** What we ask for; the server may grant less or more. */
  readonly sessionTimeoutMs: number;
  /** One round through all servers may take this long; the session time-out unless given. */
  readonly connectTimeoutMs?: number;
  readonly environment: Environment;
  /** Names the session in the log. */
  readonly name?: string;
}

export class CoordinatorSession {
  readonly #environment: Environment;
  readonly #log: Log;
  readonly #address: ConnectString;
  readonly #sessionTimeoutMs: number;
  readonly #supervisor: Supervisor;
  readonly #deliver: Deliver<SupervisorInput>;
  readonly #watches = new WatchTable();
  readonly #listeners = new Set<(event: SessionEvent) => void>();
  readonly #queue: RequestQueue;
  #library: LibrarySession;
  #connection: Connection | null = null;
  /** Rises when a link is begun or given up: what an older link still says is ignored. */
  #linkNumber = 0;

  private constructor(options: CoordinatorSessionOptions) {
    const { environment, sessionTimeoutMs } = options;
    this.#environment = environment;
    this.#log = environment.log.child(options.name ?? 'coordinator-session');
    const address = parseConnectString(options.connect);
    this.#address = { ...address, servers: shuffled(address.servers, environment) };
    this.#sessionTimeoutMs = sessionTimeoutMs;
    this.#library = this.#blankSession();
    this.#queue = new RequestQueue(({ opCode, payload }, reply) =>
      this.#library.request(opCode, payload, reply),
    );
    const roundMs = options.connectTimeoutMs ?? sessionTimeoutMs;
    this.#supervisor = new Supervisor(
      {
        serverCount: address.servers.length,
        attemptTimeoutMs: Math.max(ATTEMPT_TIMEOUT_MS_MIN, roundMs / address.servers.length),
        jitterMs: environment.random.below(JITTER_MS_MAX),
      },
      sessionTimeoutMs,
    );
    this.#deliver = drive(this.#supervisor, environment, (effect) => this.#perform(effect));
  }

  /**
   * Opens a session and returns at once; it goes on connecting until it is closed.
   * @throws ConfigError when the connect string cannot be read
   */
  static open(options: CoordinatorSessionOptions): CoordinatorSession {
    const session = new CoordinatorSession(options);
    session.#deliver({ kind: 'open' });
    return session;
  }

  get state(): SessionState {
    if (this.#supervisor.isClosing) return 'closed';
    if (this.#supervisor.isConnected && !this.inDoubt) return 'connected';
    return this.sessionId === null ? 'connecting' : 'doubtful';
  }

  /** null before the first handshake, and between an expired session and the next. */
  get sessionId(): bigint | null {
    const id = this.#library.sessionId;
    return id === 0n ? null : id;
  }

  /** As the server granted it; as asked before that. */
  get sessionTimeoutMs(): number {
    return this.#library.sessionTimeoutMs;
  }

  /**
   * No session, or no proof that the server heard of us for two thirds of its time-out: make no promise
   * that rests on it. A link that broke a moment ago is no doubt yet: the session is alive without it.
   * Right at every call, even if the event loop was blocked.
   */
  get inDoubt(): boolean {
    return this.#supervisor.inDoubt(this.#environment.clock.now());
  }

  /** @returns a function that takes the listener away */
  onEvent(listener: (event: SessionEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Resolves as soon as a server is connected; rejects when the session is closed before. */
  whenConnected(): Promise<void> {
    if (this.state === 'connected') return Promise.resolve();
    if (this.state === 'closed') return Promise.reject(closedError());
    return new Promise((resolve, reject) => {
      const forget = this.onEvent(({ kind }) => {
        if (kind === 'connected') resolve();
        else if (kind === 'closed') reject(closedError());
        else return;
        forget();
      });
    });
  }

  /**
   * null when there is no such node. A watcher is set in either case: on a missing node it is woken
   * when the node is created.
   */
  async get(path: string, watcher?: Watcher): Promise<{ data: Buffer; stat: Stat } | null> {
    for (;;) {
      const full = serverPath(this.#address.chroot, path);
      const payload = readRecord('GetDataRequest', full, watcher !== undefined);
      const { wireError, response } = await this.#read(OP_CODES.getData, payload, path, () =>
        this.#watch('data', full, watcher),
      );
      if (wireError !== NO_NODE)
        return {
          data: response?.data ?? Buffer.alloc(0),
          stat: statOf(response?.stat, path),
        };
      // A read leaves no watch on a missing node; exists does. It may have appeared in between.
      if (watcher === undefined || (await this.exists(path, watcher)) === null) return null;
    }
  }

  /** null when there is no such node; a watcher is set in either case. */
  async exists(path: string, watcher?: Watcher): Promise<Stat | null> {
    const full = serverPath(this.#address.chroot, path);
    const payload = readRecord('ExistsRequest', full, watcher !== undefined);
    const { wireError, response } = await this.#read(OP_CODES.exists, payload, path, (isThere) =>
      this.#watch(isThere ? 'data' : 'exist', full, watcher),
    );
    return wireError === NO_NODE ? null : statOf(response?.stat, path);
  }

  /** Names of the children, sorted. null when there is no such node, and then no watch is set. */
  async children(path: string, watcher?: Watcher): Promise<{ names: string[]; stat: Stat } | null> {
    const full = serverPath(this.#address.chroot, path);
    const payload = readRecord('GetChildren2Request', full, watcher !== undefined);
    const { wireError, response } = await this.#read(
      OP_CODES.getChildren2,
      payload,
      path,
      (isThere) => {
        if (isThere) this.#watch('child', full, watcher);
      },
    );
    if (wireError === NO_NODE) return null;
    return { names: (response?.children ?? []).sort(), stat: statOf(response?.stat, path) };
  }

  /** @returns the path of the node, with its number when sequential */
  async create(path: string, data: NodeData, options: CreateOptions = {}): Promise<string> {
    const full = serverPath(this.#address.chroot, path);
    const response = await this.#write(OP_CODES.create, createRecord(full, data, options), path);
    return withoutChroot(this.#address.chroot, response?.path ?? full);
  }

  /** @param version the node's version as last seen; any unless given */
  async set(path: string, data: NodeData, version = -1): Promise<Stat> {
    const full = serverPath(this.#address.chroot, path);
    const response = await this.#write(OP_CODES.setData, setDataRecord(full, data, version), path);
    return statOf(response?.stat, path);
  }

  async remove(path: string, version = -1): Promise<void> {
    const full = serverPath(this.#address.chroot, path);
    await this.#write(OP_CODES.remove, deleteRecord(full, version), path);
  }

  /**
   * All operations or none, as one change.
   * @throws MultiFailed with the failing operation's code and index
   */
  async multi(operations: readonly MultiOperation[]): Promise<MultiResult[]> {
    const payload = multiRecord(this.#address.chroot, operations);
    const response = await this.#write(OP_CODES.multi, payload, 'multi');
    return multiResults(this.#address.chroot, operations, response);
  }

  /** Creates what is missing of the path, the chroot included, with null data. */
  async ensurePath(path: string): Promise<void> {
    const full = serverPath(this.#address.chroot, path);
    if (full !== '/') await this.#ensure(full);
  }

  /** Ends the session at the server (its ephemeral nodes go at once) and the link. */
  close(): Promise<void> {
    if (this.#supervisor.hasEnded) return Promise.resolve();
    return new Promise((resolve) => {
      const forget = this.onEvent(({ kind }) => {
        if (kind !== 'closed') return;
        forget();
        resolve();
      });
      this.#deliver({ kind: 'close' });
    });
  }

  async #ensure(full: string): Promise<void> {
    for (;;) {
      try {
        await this.#write(OP_CODES.create, createRecord(full, null, {}), full);
        return;
      } catch (error) {
        if (!(error instanceof ZooKeeperError)) throw error;
        if (error.code === 'NODE_EXISTS') return;
        const parent = full.slice(0, full.lastIndexOf('/'));
        if (error.code === 'NO_NODE' && parent !== '') await this.#ensure(parent);
        else if (error.code !== 'CONNECTION_LOSS') throw error;
      }
    }
  }

  #watch(kind: 'data' | 'exist' | 'child', full: string, watcher: Watcher | undefined): void {
    if (watcher !== undefined) this.#watches.add(kind, full, watcher);
  }

  /** `found` runs when the reply comes in, before any later frame, so that no event is missed. */
  #read(
    opCode: number,
    payload: RequestRecord,
    path: string,
    found: (isThere: boolean) => void,
  ): Promise<{ wireError: number; response: ResponseRecord | null }> {
    return new Promise((resolve, reject) =>
      this.#submit({
        opCode,
        payload,
        isRead: true,
        reject,
        answer: (wireError, response) => {
          const isThere = wireError === 0;
          if (!isThere && wireError !== NO_NODE) reject(failure(wireError, path));
          else {
            if (isThere || opCode === OP_CODES.exists) found(isThere);
            resolve({ wireError, response });
          }
        },
      }),
    );
  }

  #write(opCode: number, payload: RequestRecord, detail: string): Promise<ResponseRecord | null> {
    return new Promise((resolve, reject) =>
      this.#submit({
        opCode,
        payload,
        isRead: false,
        reject,
        answer: (wireError, response) => {
          if (wireError === 0) resolve(response);
          else reject(failure(wireError, detail));
        },
      }),
    );
  }

  #submit(request: QueuedRequest): void {
    if (this.#supervisor.isClosing) request.reject(closedError());
    else if (!this.#queue.add(request))
      request.reject(
        new ZooKeeperError('THROTTLED_OP', `${WAITING_REQUESTS_MAX} requests wait already`),
      );
  }

  #perform(effect: SupervisorEffect): void {
    switch (effect.kind) {
      case 'dial':
        this.#dial(effect.serverIndex, effect.timeoutMs);
        break;
      case 'ping':
        this.#library.ping();
        break;
      case 'dropLink':
        this.#dropLink();
        break;
      case 'announceConnected':
        this.#connected(effect.newSession);
        break;
      case 'announceDoubtful':
        this.#log.warn('the coordinator session is in doubt: no sign of life', {
          session: sessionName(this.#library.sessionId),
        });
        this.#emit({ kind: 'doubtful' });
        break;
      case 'replaceSession':
        this.#replaceSession();
        break;
      case 'sendClose':
        this.#queue.end(closedError);
        this.#library.request(OP_CODES.closeSession, null, () =>
          this.#deliver({ kind: 'closeConfirmed' }),
        );
        break;
      case 'announceClosed':
        this.#queue.end(closedError);
        this.#watches.clear();
        this.#emit({ kind: 'closed' });
        this.#listeners.clear();
        break;
    }
  }

  #dial(serverIndex: number, timeoutMs: number): void {
    const server = this.#address.servers[serverIndex];
    if (server === undefined) return;
    this.#linkNumber += 1;
    const linkNumber = this.#linkNumber;
    const isCurrent = (): boolean => linkNumber === this.#linkNumber;
    const cutter = new FrameCutter((frame) => {
      if (isCurrent()) this.#library.receive(frame);
    });
    this.#environment.network
      .connect({ ...server, timeoutMs }, () => ({
        data: (chunk) => {
          try {
            // Frames are slices of it, and data that was read is handed on as a slice of its frame.
            if (isCurrent()) cutter.push(Buffer.from(chunk));
          } catch (error) {
            this.#linkBroken(linkNumber, String(error));
          }
        },
        drain: () => {
          if (isCurrent()) this.#library.drained();
        },
        close: (error) => this.#linkBroken(linkNumber, error?.message ?? 'closed by the server'),
      }))
      .then(
        (connection) => {
          if (!isCurrent()) return connection.destroy();
          this.#connection = connection;
          this.#deliver({ kind: 'linkUp' });
          this.#library.attach((bytes) => connection.write(bytes));
        },
        (error: unknown) => this.#linkBroken(linkNumber, String(error)),
      );
  }

  #linkBroken(linkNumber: number, reason: string): void {
    if (linkNumber !== this.#linkNumber) return;
    this.#log.debug('the link to the coordinator broke', { reason });
    this.#dropLink();
    this.#deliver({ kind: 'linkDown' });
  }

  #dropLink(): void {
    this.#linkNumber += 1;
    const connection = this.#connection;
    this.#connection = null;
    this.#queue.shut(); // Before `detach`, which fails requests whose turn would come again at once.
    if (connection === null) return;
    connection.destroy();
    this.#library.detach();
  }

  #connected(newSession: boolean): void {
    const sessionId = this.#library.sessionId;
    this.#log.info(newSession ? 'coordinator session opened' : 'coordinator session renewed', {
      session: sessionName(sessionId),
      sessionTimeoutMs: this.#library.sessionTimeoutMs,
    });
    for (const paths of this.#watches.portions(SET_WATCHES_PORTION_BYTES))
      this.#library.setWatches(paths, (wireError) => {
        if (wireError !== 0 && wireError !== CONNECTION_LOSS)
          this.#linkBroken(this.#linkNumber, `watches were refused with ${wireError}`);
      });
    this.#queue.open();
    this.#emit({ kind: 'connected', newSession, sessionId });
  }

  #replaceSession(): void {
    this.#log.warn('the coordinator session expired', {
      session: sessionName(this.#library.sessionId),
    });
    const lostWatches = this.#watches.clear();
    this.#library = this.#blankSession();
    this.#queue.refuseWaiting(() => new ZooKeeperError('SESSION_EXPIRED', 'the session expired'));
    this.#emit({ kind: 'expired' });
    for (const { path, watcher } of lostWatches) this.#wake(watcher, 'session', path);
  }

  #blankSession(): LibrarySession {
    const session = new LibrarySession(this.#sessionTimeoutMs, {
      established: (newSession) =>
        this.#deliver({
          kind: 'established',
          newSession,
          sessionTimeoutMs: session.sessionTimeoutMs,
        }),
      expired: () => this.#deliver({ kind: 'expired' }),
      pong: () => this.#deliver({ kind: 'pong' }),
      watch: (type, path) => {
        for (const watcher of this.#watches.fire(type, path))
          this.#wake(watcher, EVENT_KINDS[type], path);
      },
      broken: (reason) => this.#linkBroken(this.#linkNumber, reason),
    });
    return session;
  }

  #wake(watcher: Watcher, kind: WatchEvent['kind'], path: string): void {
    this.#guard(() => watcher({ kind, path: withoutChroot(this.#address.chroot, path) }));
  }

  #emit(event: SessionEvent): void {
    for (const listener of [...this.#listeners]) this.#guard(() => listener(event));
  }

  /** A caller's mistake must not stop the session or reach the socket's handler. */
  #guard(run: () => void): void {
    try {
      run();
    } catch (error) {
      if (error instanceof InvariantViolation)
        queueMicrotask(() => {
          throw error; // A bug of ours ends the process; only not from inside the library.
        });
      this.#log.error('a listener of the coordinator session threw', {
        error: error instanceof Error ? error : new Error(String(error)),
      });
    }
  }
}

function closedError(): ZooKeeperError {
  return new ZooKeeperError('SESSION_EXPIRED', 'the session is closed');
}

/** As ZooKeeper's own log and tools write it. */
function sessionName(sessionId: bigint): string {
  return `0x${BigInt.asUintN(64, sessionId).toString(16)}`;
}

function shuffled<T>(items: readonly T[], { random }: Environment): readonly T[] {
  const shuffling = [...items];
  for (let last = shuffling.length - 1; last > 0; last -= 1) {
    const chosen = random.below(last + 1);
    [shuffling[last], shuffling[chosen]] = [shuffling[chosen] as T, shuffling[last] as T];
  }
  return shuffling;
}
