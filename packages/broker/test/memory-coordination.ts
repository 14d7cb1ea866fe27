/**
 * The coordination service in memory: one tree, sessions with ephemeral nodes, one-shot watches,
 * multi, expiry, and on demand a lost answer or withheld watch events. Everything happens in
 * microtasks, so a test waits for nothing but its own conditions.
 */
import {
  type CreateOptions,
  MultiFailed,
  type MultiOperation,
  type MultiResult,
  type SessionEvent,
  type Stat,
  type Watcher,
} from '@odradek/client';
import { ZooKeeperError, type ZooKeeperErrorName } from '@odradek/protocol';
import type { Coordination } from '../src/metadata/coordination.ts';

interface Node {
  data: Buffer;
  version: number;
  cversion: number;
  readonly czxid: bigint;
  mzxid: bigint;
  readonly ctime: number;
  readonly ephemeralOwner: bigint;
  nextSequence: number;
}

type WatchKind = 'data' | 'children';

export class MemoryCoordinationService {
  readonly nodes = new Map<string, Node>();
  readonly #watches: { kind: WatchKind; path: string; watcher: Watcher; session: MemorySession }[] =
    [];
  #zxid = 0n;
  #sessions = 0n;
  wallTimeMs = 1_700_000_000_000;

  constructor() {
    this.nodes.set('/', this.#node(null, 0n));
  }

  openSession(): MemorySession {
    return new MemorySession(this, this.nextSessionId());
  }

  nextSessionId(): bigint {
    this.#sessions += 1n;
    return this.#sessions;
  }

  /** Text of a node, for tests. */
  text(path: string): string | null {
    return this.nodes.get(path)?.data.toString('utf8') ?? null;
  }

  childrenOf(path: string): string[] {
    const prefix = path === '/' ? '/' : `${path}/`;
    return [...this.nodes.keys()]
      .filter((other) => other.startsWith(prefix) && other !== '/')
      .map((other) => other.slice(prefix.length))
      .filter((name) => name !== '' && !name.includes('/'))
      .sort();
  }

  watch(kind: WatchKind, path: string, watcher: Watcher | undefined, session: MemorySession): void {
    if (watcher === undefined) return;
    const known = this.#watches.some(
      (watch) => watch.kind === kind && watch.path === path && watch.watcher === watcher,
    );
    if (!known) this.#watches.push({ kind, path, watcher, session });
  }

  /** One operation that changes the tree; throws without changing it. */
  apply(operation: MultiOperation, session: MemorySession): MultiResult {
    switch (operation.kind) {
      case 'check': {
        this.#expect(operation.path, operation.version);
        return { kind: 'check' };
      }
      case 'create':
        return { kind: 'create', path: this.#create(operation, session) };
      case 'set': {
        const node = this.#expect(operation.path, operation.version);
        this.#zxid += 1n;
        node.data = bytesOf(operation.data);
        node.version += 1;
        node.mzxid = this.#zxid;
        this.#fire('data', operation.path, 'changed');
        return { kind: 'set', stat: this.stat(operation.path) };
      }
      case 'remove':
        this.#expect(operation.path, operation.version);
        if (this.childrenOf(operation.path).length > 0) throw failure('NOT_EMPTY');
        this.#remove(operation.path);
        return { kind: 'remove' };
    }
  }

  /** All or nothing. */
  multi(operations: readonly MultiOperation[], session: MemorySession): MultiResult[] {
    const before = new Map([...this.nodes].map(([path, node]) => [path, { ...node }]));
    const fired = this.#fired;
    this.#fired = [];
    try {
      const results = operations.map((operation, index) => {
        try {
          return this.apply(operation, session);
        } catch (error) {
          if (!(error instanceof ZooKeeperError)) throw error;
          throw new MultiFailed(error.code, index, operation.path);
        }
      });
      const now = this.#fired;
      this.#fired = fired;
      for (const [kind, path, event] of now) this.#fire(kind, path, event);
      return results;
    } catch (error) {
      this.#fired = fired;
      this.nodes.clear();
      for (const [path, node] of before) this.nodes.set(path, node);
      throw error;
    }
  }

  /** Ends what belongs to a session id. */
  expire(sessionId: bigint, session: MemorySession): void {
    for (const [path, { ephemeralOwner }] of [...this.nodes])
      if (ephemeralOwner === sessionId) this.#remove(path);
    const lost = this.#watches.filter((watch) => watch.session === session);
    for (const watch of lost) this.#watches.splice(this.#watches.indexOf(watch), 1);
    for (const { watcher, path } of lost) session.deliver(watcher, { kind: 'session', path });
  }

  stat(path: string): Stat {
    const node = this.#existing(path);
    return {
      czxid: node.czxid,
      mzxid: node.mzxid,
      pzxid: node.mzxid,
      ephemeralOwner: node.ephemeralOwner,
      ctime: node.ctime,
      mtime: node.ctime,
      version: node.version,
      cversion: node.cversion,
      aversion: 0,
      dataLength: node.data.length,
      numChildren: this.childrenOf(path).length,
    };
  }

  #create(
    { path: asked, data, ephemeral, sequential }: Extract<MultiOperation, { kind: 'create' }>,
    session: MemorySession,
  ): string {
    const parentPath = asked.slice(0, asked.lastIndexOf('/')) || '/';
    const parent = this.nodes.get(parentPath);
    if (parent === undefined) throw failure('NO_NODE');
    if (parent.ephemeralOwner !== 0n) throw failure('NO_CHILDREN_FOR_EPHEMERALS');
    const path = sequential === true ? `${asked}${pad(parent.nextSequence)}` : asked;
    if (this.nodes.has(path)) throw failure('NODE_EXISTS');
    if (sequential === true) parent.nextSequence += 1;
    parent.cversion += 1;
    this.nodes.set(path, this.#node(data, ephemeral === true ? session.sessionId : 0n));
    this.#fire('data', path, 'created');
    this.#fire('children', parentPath, 'children');
    return path;
  }

  #remove(path: string): void {
    this.nodes.delete(path);
    this.#zxid += 1n;
    this.#fire('data', path, 'deleted');
    this.#fire('children', path, 'deleted');
    this.#fire('children', path.slice(0, path.lastIndexOf('/')) || '/', 'children');
  }

  #node(data: Buffer | string | null, ephemeralOwner: bigint): Node {
    this.#zxid += 1n;
    const zxids = { czxid: this.#zxid, mzxid: this.#zxid };
    const versions = { version: 0, cversion: 0, nextSequence: 0 };
    return { data: bytesOf(data), ctime: this.wallTimeMs, ephemeralOwner, ...zxids, ...versions };
  }

  #existing(path: string): Node {
    const node = this.nodes.get(path);
    if (node === undefined) throw failure('NO_NODE');
    return node;
  }

  #expect(path: string, version: number | undefined): Node {
    const node = this.#existing(path);
    if (version !== undefined && version !== -1 && node.version !== version)
      throw failure('BAD_VERSION');
    return node;
  }

  /** While a multi runs its events are kept, because it may still fail. */
  #fired: [WatchKind, string, 'created' | 'deleted' | 'changed' | 'children'][] | null = null;

  #fire(
    kind: WatchKind,
    path: string,
    event: 'created' | 'deleted' | 'changed' | 'children',
  ): void {
    if (this.#fired !== null) {
      this.#fired.push([kind, path, event]);
      return;
    }
    const woken = this.#watches.filter((watch) => watch.kind === kind && watch.path === path);
    for (const watch of woken) {
      this.#watches.splice(this.#watches.indexOf(watch), 1);
      watch.session.deliver(watch.watcher, { kind: event, path });
    }
  }
}

/** One broker's session; after an expiry the same object goes on with a new session id. */
export class MemorySession implements Coordination {
  sessionId: bigint;
  state: 'connecting' | 'connected' | 'doubtful' | 'closed' = 'connected';
  inDoubt = false;
  readonly #service: MemoryCoordinationService;
  readonly #listeners = new Set<(event: SessionEvent) => void>();
  readonly #losses: ('request' | 'answer')[] = [];
  #withheld: (() => void)[] | null = null;
  readonly #reconnected: (() => void)[] = [];

  constructor(service: MemoryCoordinationService, sessionId: bigint) {
    this.#service = service;
    this.sessionId = sessionId;
  }

  /** The next writes: lost before they arrive, or carried out with the answer lost. */
  lose(...what: ('request' | 'answer')[]): void {
    this.#losses.push(...what);
  }

  /** Keeps watch events back until the returned function is called: a client that is behind. */
  withholdEvents(): () => void {
    this.#withheld = [];
    return () => {
      const events = this.#withheld ?? [];
      this.#withheld = null;
      for (const event of events) event();
    };
  }

  /** The service gives the session up; `reconnects` false leaves this side cut off. */
  expire({ reconnects = true } = {}): void {
    this.#service.expire(this.sessionId, this);
    this.state = 'connecting';
    this.#emit({ kind: 'expired' });
    if (reconnects) this.reconnect();
  }

  reconnect(): void {
    this.sessionId = this.#service.nextSessionId();
    this.state = 'connected';
    for (const resolve of this.#reconnected.splice(0)) resolve();
    this.#emit({ kind: 'connected', newSession: true, sessionId: this.sessionId });
  }

  close(): Promise<void> {
    this.#service.expire(this.sessionId, this);
    this.state = 'closed';
    this.#emit({ kind: 'closed' });
    return Promise.resolve();
  }

  deliver(watcher: Watcher, event: Parameters<Watcher>[0]): void {
    const run = () => queueMicrotask(() => watcher(event));
    if (this.#withheld === null) run();
    else this.#withheld.push(run);
  }

  onEvent(listener: (event: SessionEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  whenConnected(): Promise<void> {
    if (this.state === 'connected') return Promise.resolve();
    return new Promise((resolve) => this.#reconnected.push(resolve));
  }

  async get(path: string, watcher?: Watcher): Promise<{ data: Buffer; stat: Stat } | null> {
    await this.#turn();
    this.#service.watch('data', path, watcher, this);
    const node = this.#service.nodes.get(path);
    return node === undefined ? null : { data: node.data, stat: this.#service.stat(path) };
  }

  async exists(path: string, watcher?: Watcher): Promise<Stat | null> {
    return (await this.get(path, watcher))?.stat ?? null;
  }

  async children(path: string, watcher?: Watcher): Promise<{ names: string[]; stat: Stat } | null> {
    await this.#turn();
    if (!this.#service.nodes.has(path)) return null;
    this.#service.watch('children', path, watcher, this);
    return { names: this.#service.childrenOf(path), stat: this.#service.stat(path) };
  }

  async create(path: string, data: Buffer | string | null, options: CreateOptions = {}) {
    const [result] = await this.#write([{ kind: 'create', path, data, ...options }], false);
    return result?.kind === 'create' ? result.path : path;
  }

  async set(path: string, data: Buffer | string | null, version = -1): Promise<Stat> {
    await this.#write([{ kind: 'set', path, data, version }], false);
    return this.#service.stat(path);
  }

  async remove(path: string, version = -1): Promise<void> {
    await this.#write([{ kind: 'remove', path, version }], false);
  }

  multi(operations: readonly MultiOperation[]): Promise<MultiResult[]> {
    return this.#write(operations, true);
  }

  async ensurePath(path: string): Promise<void> {
    const parts = path.split('/').filter((part) => part !== '');
    for (const [index] of parts.entries()) {
      const partial = `/${parts.slice(0, index + 1).join('/')}`;
      await this.create(partial, null).catch((error: unknown) => {
        if (!(error instanceof ZooKeeperError && error.code === 'NODE_EXISTS')) throw error;
      });
    }
  }

  async #write(operations: readonly MultiOperation[], isMulti: boolean): Promise<MultiResult[]> {
    await this.#turn();
    const loss = this.#losses.shift();
    if (loss === 'request') throw failure('CONNECTION_LOSS');
    const results = isMulti
      ? this.#service.multi(operations, this)
      : operations.map((operation) => this.#service.apply(operation, this));
    if (loss === 'answer') throw failure('CONNECTION_LOSS');
    return results;
  }

  async #turn(): Promise<void> {
    await this.whenConnected();
    if (this.state === 'closed') throw failure('SESSION_EXPIRED');
  }

  #emit(event: SessionEvent): void {
    for (const listener of [...this.#listeners]) listener(event);
  }
}

const failure = (code: ZooKeeperErrorName): ZooKeeperError => new ZooKeeperError(code);
const pad = (sequence: number): string => String(sequence).padStart(10, '0');
const bytesOf = (data: Buffer | string | null): Buffer => Buffer.from(data ?? '');
