/**
 * Watches: each event once, of the right kind, in the order of the transactions and before any answer that
 * shows what it tells of; none is missed, also across a loss of the connection (I11).
 *
 * Walks through what arrived on a link, with the watches that the server must have at each moment, and asks
 * the tree of all versions what they must have heard by then.
 */
import type { Exchange, KeeperAnswer, LinkHistory, SeenEvent } from '../keeper/history.ts';
import { hex } from './committed-order.ts';
import type { Mutation, VersionedTree } from './versioned-tree.ts';

const NO_NODE = -101;
const names: Readonly<Record<number, string>> = {
  1: 'NodeCreated',
  2: 'NodeDeleted',
  3: 'NodeDataChanged',
  4: 'NodeChildrenChanged',
};

type Table = 'data' | 'child';

/** What a setWatches must tell at once, before its answer. */
interface Owed {
  readonly path: string;
  readonly type: Mutation['type'];
}

class WatchedLink {
  readonly breaches: string[] = [];
  readonly #tree: VersionedTree;
  readonly #link: LinkHistory;
  /** Standard watches, with what each will hear first; null: nothing yet to come. */
  readonly #standard = new Map<string, { readonly due: Mutation | null }>();
  /** By path: from which zxid on. */
  readonly #persistent = new Map<string, bigint>();
  readonly #recursive = new Map<string, bigint>();
  /** Of persistent watches: where in the list of mutations we are. */
  #mutationIndex = 0;
  #lastZxid: bigint;
  /** Events without a zxid, until the answer to setWatches explains them. */
  #unexplained: SeenEvent[] = [];

  constructor(link: LinkHistory, tree: VersionedTree) {
    this.#link = link;
    this.#tree = tree;
    this.#lastZxid = link.lastZxidSeen;
  }

  walk(): void {
    for (const arrival of this.#link.arrivals) {
      if (this.breaches.length > 3) return;
      if (arrival.kind === 'event') this.#event(arrival.event);
      else if (arrival.exchange.answer !== null) {
        this.#answer(arrival.exchange, arrival.exchange.answer);
      }
    }
  }

  #event(event: SeenEvent): void {
    if (event.zxid < 0n) {
      this.#unexplained.push(event);
      return;
    }
    if (event.zxid < this.#lastZxid) {
      this.#breach(`${told(event)} came after zxid ${hex(this.#lastZxid)} was seen`);
    }
    if (event.zxid > this.#lastZxid) this.#lastZxid = event.zxid;
    const isOfStandard = this.#takeStandard(event);
    const isOfLasting = this.#takeLasting(event);
    if (!isOfStandard && !isOfLasting)
      this.#breach(`${told(event)} came, and nobody waited for it`);
  }

  #takeStandard({ type, path, zxid }: SeenEvent): boolean {
    const tables: Table[] = type === 4 ? ['child'] : type === 2 ? ['data', 'child'] : ['data'];
    let isTaken = false;
    for (const table of tables) {
      const due = this.#standard.get(`${table} ${path}`)?.due;
      if (due?.zxid !== zxid || due.type !== type) continue;
      this.#standard.delete(`${table} ${path}`);
      isTaken = true;
    }
    return isTaken;
  }

  /** Persistent and recursive watches hear every mutation, each once. */
  #takeLasting({ type, path, zxid }: SeenEvent): boolean {
    const { mutations } = this.#tree;
    for (; this.#mutationIndex < mutations.length; this.#mutationIndex++) {
      const mutation = mutations[this.#mutationIndex];
      if (mutation === undefined || mutation.zxid > zxid) return false;
      if (!this.#hearsLastingly(mutation)) continue;
      if (mutation.zxid === zxid && mutation.type === type && mutation.path === path) {
        this.#mutationIndex += 1;
        return true;
      }
      if (mutation.zxid < zxid) this.#breach(`${told(mutation)} was not told by ${hex(zxid)}`);
      else return false;
    }
    return false;
  }

  #hearsLastingly({ type, path, zxid }: Mutation): boolean {
    const since = this.#persistent.get(path);
    if (since !== undefined && zxid > since) return true;
    if (type === 4) return false;
    for (const [root, from] of this.#recursive) {
      if (zxid > from && (path === root || path.startsWith(`${root}/`))) return true;
    }
    return false;
  }

  #answer({ request }: Exchange, answer: KeeperAnswer): void {
    const { zxid } = answer;
    if (zxid > 0n) this.#nothingOwed(zxid);
    if (zxid > this.#lastZxid) this.#lastZxid = zxid;
    switch (request.kind) {
      case 'getData':
        if (request.watch && answer.err === 0) this.#set('data', request.path, zxid);
        return;
      case 'exists':
        if (request.watch && (answer.err === 0 || answer.err === NO_NODE)) {
          this.#set('data', request.path, zxid);
        }
        return;
      case 'getChildren':
        if (request.watch && answer.err === 0) this.#set('child', request.path, zxid);
        return;
      case 'addWatch':
        if (answer.err === 0) this.#setLasting(request.mode, request.path, zxid);
        return;
      case 'setWatches': {
        const owed = this.#owedBy(request, zxid);
        this.#explain(owed);
        for (const path of request.persistent) this.#setLasting('persistent', path, zxid);
        for (const path of request.recursive) this.#setLasting('recursive', path, zxid);
        return;
      }
      default:
        return;
    }
  }

  #owedBy(
    request: Extract<Exchange['request'], { kind: 'setWatches' }>,
    zxid: bigint,
  ): readonly Owed[] {
    const { relativeZxid } = request;
    const owed: Owed[] = [];
    const decide = (table: Table, path: string, type: Mutation['type'] | null): void => {
      if (type === null) this.#set(table, path, zxid);
      else owed.push({ path, type });
    };
    for (const path of request.data) {
      const node = this.#tree.at(path, zxid);
      decide('data', path, node === null ? 2 : node.mzxid > relativeZxid ? 3 : null);
    }
    for (const path of request.exist) {
      decide('data', path, this.#tree.at(path, zxid) === null ? null : 1);
    }
    for (const path of request.child) {
      const node = this.#tree.at(path, zxid);
      decide('child', path, node === null ? 2 : node.pzxid > relativeZxid ? 4 : null);
    }
    return owed;
  }

  /** What came without a zxid must be what is owed, each once. */
  #explain(owed: readonly Owed[]): void {
    const came = this.#unexplained;
    this.#unexplained = [];
    const text = ({ type, path }: Owed | SeenEvent): string => `${names[type]} ${path}`;
    const left = came.map(text);
    for (const each of owed) {
      const at = left.indexOf(text(each));
      if (at < 0) this.#breach(`after the reconnection ${text(each)} was not told`);
      else left.splice(at, 1);
    }
    for (const each of left) this.#breach(`after the reconnection ${each} was told for nothing`);
  }

  #set(table: Table, path: string, zxid: bigint): void {
    const key = `${table} ${path}`;
    if (this.#standard.has(key)) return;
    this.#standard.set(key, { due: this.#tree.nextFor(table, path, zxid) });
  }

  #setLasting(mode: 'persistent' | 'recursive', path: string, zxid: bigint): void {
    const watches = mode === 'persistent' ? this.#persistent : this.#recursive;
    if (!watches.has(path)) watches.set(path, zxid);
  }

  /** An answer shows `zxid`: every event up to there must have come. */
  #nothingOwed(zxid: bigint): void {
    for (const [key, { due }] of this.#standard) {
      if (due !== null && due.zxid <= zxid) {
        this.#breach(`${told(due)} was not told before an answer of ${hex(zxid)}`);
        this.#standard.delete(key);
      }
    }
    if (this.#persistent.size === 0 && this.#recursive.size === 0) return;
    const { mutations } = this.#tree;
    for (; this.#mutationIndex < mutations.length; this.#mutationIndex++) {
      const mutation = mutations[this.#mutationIndex];
      if (mutation === undefined || mutation.zxid > zxid) return;
      if (this.#hearsLastingly(mutation)) {
        this.#breach(`${told(mutation)} was not told before an answer of ${hex(zxid)}`);
      }
    }
  }

  #breach(text: string): void {
    const { client, server, establishedAtUs } = this.#link;
    const since = (establishedAtUs / 1_000).toFixed(3);
    this.breaches.push(`${client} at ${server} since ${since} ms: ${text}`);
  }
}

const told = ({ type, path, zxid }: Mutation | SeenEvent): string =>
  `${names[type]} ${path} of ${hex(zxid)}`;

export function checkWatches(links: readonly LinkHistory[], tree: VersionedTree): string[] {
  return links.flatMap((link) => {
    const watched = new WatchedLink(link, tree);
    watched.walk();
    return watched.breaches;
  });
}
