/**
 * A simulated client of the coordination service: holds a session over whatever servers there are, takes
 * it up again after each loss, sets its watches again, and goes on until its work is done. What the work is
 * stands in workload.ts.
 */
import { type Environment, millis } from '@odradek/runtime';
import type { Draw } from '../world/draw.ts';
import type { Exchange, KeeperRequest, SeenEvent, SessionHistory, WatchMode } from './history.ts';
import { KeeperLink } from './keeper-link.ts';

export interface KeeperServer {
  readonly name: string;
  readonly port: number;
}

export interface KeeperClientOptions {
  readonly name: string;
  readonly servers: readonly KeeperServer[];
  readonly sessionTimeoutMs: number;
  readonly environment: Environment;
  readonly draw: Draw;
  /** The world's time. */
  readonly nowUs: () => number;
}

/** Until a server is tried again. */
const RETRY_MS = 40;
const NO_NODE = -101;

/** Watches that the client believes to be set; the tables of the server, seen from outside. */
interface HeldWatches {
  readonly data: Set<string>;
  readonly exist: Set<string>;
  readonly child: Set<string>;
  readonly persistent: Set<string>;
  readonly recursive: Set<string>;
}

const noWatches = (): HeldWatches => ({
  data: new Set(),
  exist: new Set(),
  child: new Set(),
  persistent: new Set(),
  recursive: new Set(),
});

export class KeeperClient {
  readonly name: string;
  readonly sessions: SessionHistory[] = [];
  readonly #options: KeeperClientOptions;
  #link: KeeperLink | null = null;
  #held = noWatches();
  /** Never goes back, whatever the session. */
  #lastZxid = 0n;
  #password: Buffer = Buffer.alloc(16);
  #isStopped = false;

  constructor(options: KeeperClientOptions) {
    this.name = options.name;
    this.#options = options;
  }

  /** The session that is alive as far as the client knows. */
  get session(): SessionHistory | null {
    const session = this.sessions.at(-1);
    if (session === undefined || session.refusedAtUs !== null) return null;
    return session.closeAskedAtUs === null ? session : null;
  }

  get isConnected(): boolean {
    return this.#link?.isOpen === true;
  }

  /** Asks nothing any more and lets its connection go; its session falls silent. */
  stop(): void {
    this.#isStopped = true;
    this.#link?.destroy();
  }

  sleep(ms: number): Promise<void> {
    const { clock, timers } = this.#options.environment;
    return new Promise((resolve) => {
      timers.wakeAt(millis(clock.now() + ms), resolve);
    });
  }

  /** Resolves when there is a connection with a session, the old one or a new one; null: stopped. */
  async connected(): Promise<KeeperLink | null> {
    const { draw, servers } = this.#options;
    while (!this.#isStopped) {
      const link = this.#link;
      if (link?.isOpen) return link;
      const opened = await this.#open(draw.oneOf(servers));
      if (opened !== null) return opened;
      await this.sleep(RETRY_MS * (0.5 + draw.fraction()));
    }
    return null;
  }

  /** Asks once there is a connection; the answer is null when it was lost. */
  async ask(request: KeeperRequest): Promise<Exchange | null> {
    const link = await this.connected();
    return link === null ? null : this.askOn(link, request);
  }

  async askOn(link: KeeperLink, request: KeeperRequest): Promise<Exchange> {
    const session = this.session;
    if (request.kind === 'closeSession' && session !== null) {
      session.closeAskedAtUs = this.#options.nowUs();
    }
    return link.ask(request);
  }

  /** Goes to another server, with the same session. */
  leave(): void {
    this.#link?.destroy();
  }

  /** Says nothing for a while, not even that it is alive. */
  async beSilent(ms: number): Promise<void> {
    const link = this.#link;
    if (link !== null) link.isSilent = true;
    await this.sleep(ms);
    if (link !== null) link.isSilent = false;
  }

  async #open(server: KeeperServer): Promise<KeeperLink | null> {
    const { name, environment, nowUs, sessionTimeoutMs } = this.#options;
    const session = this.session;
    if (session === null) this.#held = noWatches();
    const link = new KeeperLink(
      environment,
      nowUs,
      {
        client: name,
        server: server.name,
        port: server.port,
        sessionId: session?.sessionId ?? 0n,
        password: this.#password,
        timeoutMs: sessionTimeoutMs,
        lastZxidSeen: this.#lastZxid,
        connectTimeoutMs: sessionTimeoutMs / 3,
      },
      {
        event: (event) => this.#heard(event),
        answered: (exchange) => this.#answered(exchange),
        lost: () => undefined,
      },
    );
    this.#link = link;
    const greeting = await link.open();
    if (greeting === 'refused' && session !== null) session.refusedAtUs = nowUs();
    if (greeting !== 'established' || link.history === null) return null;
    if (session === null) {
      this.#password = link.password;
      this.sessions.push({
        client: name,
        sessionId: link.sessionId,
        timeoutMs: link.timeoutMs,
        openedAtUs: nowUs(),
        links: [link.history],
        refusedAtUs: null,
        closeAskedAtUs: null,
      });
      return link;
    }
    session.links.push(link.history);
    await this.#setWatchesAgain(link);
    return link.isOpen ? link : null;
  }

  async #setWatchesAgain(link: KeeperLink): Promise<void> {
    const held = this.#held;
    const count = Object.values(held).reduce((sum, set: Set<string>) => sum + set.size, 0);
    if (count === 0) return;
    await this.askOn(link, {
      kind: 'setWatches',
      relativeZxid: this.#lastZxid,
      data: [...held.data],
      exist: [...held.exist],
      child: [...held.child],
      persistent: [...held.persistent],
      recursive: [...held.recursive],
    });
  }

  /** Notes what an answer leaves behind, as a client library does. */
  #answered({ request, answer }: Exchange): void {
    if (answer === null) return;
    if (answer.zxid > this.#lastZxid) this.#lastZxid = answer.zxid;
    const { data, exist, child } = this.#held;
    switch (request.kind) {
      case 'getData':
        if (request.watch && answer.err === 0) data.add(request.path);
        return;
      case 'exists':
        if (!request.watch) return;
        if (answer.err === 0) data.add(request.path);
        else if (answer.err === NO_NODE) exist.add(request.path);
        return;
      case 'getChildren':
        if (request.watch && answer.err === 0) child.add(request.path);
        return;
      case 'addWatch':
        if (answer.err === 0) this.#heldOf(request.mode).add(request.path);
        return;
      default:
        return;
    }
  }

  #heldOf(mode: WatchMode): Set<string> {
    return mode === 'persistent' ? this.#held.persistent : this.#held.recursive;
  }

  #heard({ type, path, zxid }: SeenEvent): void {
    const { data, exist, child } = this.#held;
    if (zxid > this.#lastZxid) this.#lastZxid = zxid;
    const isChildrenChanged = type === 4;
    const isDeleted = type === 2;
    if (!isChildrenChanged) {
      data.delete(path);
      exist.delete(path);
    }
    if (isChildrenChanged || isDeleted) child.delete(path);
  }
}
