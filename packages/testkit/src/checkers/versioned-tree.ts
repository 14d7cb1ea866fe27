/**
 * The tree as it must be after each transaction: a second, naive implementation, that remembers every state
 * of every node, so that any answer can be held against the state at its zxid.
 *
 * While it is built it also judges the transactions themselves: what cannot be (a child without a parent, a
 * version that jumps, an ephemeral of a session that has ended) is a breach.
 */
import type { Change } from '@odradek/coord';
import { type Committed, hex } from './committed-order.ts';

export interface NodeState {
  readonly data: string;
  readonly czxid: bigint;
  readonly mzxid: bigint;
  readonly pzxid: bigint;
  readonly version: number;
  readonly owner: bigint;
  readonly created: number;
  readonly childCount: number;
  /** Of the children's names, whatever their order. */
  readonly childrenDigest: number;
}

interface Version {
  readonly zxid: bigint;
  /** null: there is no such node. */
  readonly state: NodeState | null;
}

/** What a watch hears. The numbers are those of the wire. */
export interface Mutation {
  readonly zxid: bigint;
  readonly type: 1 | 2 | 3 | 4;
  readonly path: string;
}

export interface EndedSession {
  readonly zxid: bigint;
  readonly appliedAtUs: number;
}

const SYSTEM = '/zookeeper';
const SEQUENCE_DIGITS = 10;

/** Sums over names are the same whatever the order. */
export function digestOfName(name: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < name.length; index++) {
    hash = Math.imul(hash ^ name.charCodeAt(index), 0x01000193);
  }
  return hash >>> 0;
}

export const parentOf = (path: string): string =>
  path.lastIndexOf('/') <= 0 ? '/' : path.slice(0, path.lastIndexOf('/'));

const nameOf = (path: string): string => path.slice(path.lastIndexOf('/') + 1);

export class VersionedTree {
  readonly breaches: string[] = [];
  /** In the order in which servers tell of them. */
  readonly mutations: Mutation[] = [];
  readonly openSessions = new Map<bigint, bigint>();
  /** When a server first applied the beginning of a session. */
  readonly openedAtUs = new Map<bigint, number>();
  readonly endedSessions = new Map<bigint, EndedSession>();
  readonly #versions = new Map<string, Version[]>();
  readonly #now = new Map<string, NodeState>();
  readonly #ephemerals = new Map<bigint, Set<string>>();
  /** The greatest number in a name so far, by parent. */
  readonly #sequences = new Map<string, number>();
  /** Zxids in which a path changed for a data watch, and for a child watch. */
  readonly #forData = new Map<string, Mutation[]>();
  readonly #forChildren = new Map<string, Mutation[]>();

  constructor(transactions: readonly Committed[]) {
    this.#put('/', 0n, {
      data: '',
      czxid: 0n,
      mzxid: 0n,
      pzxid: 0n,
      version: 0,
      owner: 0n,
      created: 0,
      childCount: 0,
      childrenDigest: 0,
    });
    for (const transaction of transactions) this.#apply(transaction);
  }

  /** The node as it is after everything up to `zxid`; null: there is none. */
  at(path: string, zxid: bigint): NodeState | null {
    const versions = this.#versions.get(path);
    if (versions === undefined) return null;
    let low = 0;
    let high = versions.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const version = versions[middle];
      if (version !== undefined && version.zxid <= zxid) low = middle + 1;
      else high = middle;
    }
    return versions[low - 1]?.state ?? null;
  }

  /** All nodes at the end. */
  now(): ReadonlyMap<string, NodeState> {
    return this.#now;
  }

  ephemeralsOf(sessionId: bigint): readonly string[] {
    return [...(this.#ephemerals.get(sessionId) ?? [])].sort();
  }

  /** What a standard watch on `path` hears first after `zxid`; null: nothing. */
  nextFor(kind: 'data' | 'child', path: string, zxid: bigint): Mutation | null {
    const all = (kind === 'data' ? this.#forData : this.#forChildren).get(path) ?? [];
    let low = 0;
    let high = all.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const mutation = all[middle];
      if (mutation !== undefined && mutation.zxid <= zxid) low = middle + 1;
      else high = middle;
    }
    return all[low] ?? null;
  }

  #apply({ record, appliedAtUs }: Committed): void {
    const { zxid, sessionId, change } = record;
    const breach = (text: string): void => {
      this.breaches.push(`transaction ${hex(zxid)} of session ${hex(sessionId)}: ${text}`);
    };
    if (change.kind === 'createSession') {
      if (this.endedSessions.has(sessionId)) breach('opens a session that had ended');
      this.openSessions.set(sessionId, zxid);
      this.openedAtUs.set(sessionId, appliedAtUs);
      return;
    }
    if (change.kind === 'closeSession') {
      if (!this.openSessions.delete(sessionId)) {
        breach('ends a session that is not open');
        return;
      }
      this.endedSessions.set(sessionId, { zxid, appliedAtUs });
      const own = this.ephemeralsOf(sessionId);
      if (own.join() !== [...change.paths].sort().join()) {
        breach(`ends with the nodes [${change.paths}], but it owns [${own}]`);
      }
      for (const path of own) this.#delete(path, zxid, breach);
      return;
    }
    const changes = change.kind === 'multi' ? change.changes : [change];
    for (const each of changes) this.#applyToNode(each, zxid, sessionId, breach);
  }

  #applyToNode(
    change: Change,
    zxid: bigint,
    sessionId: bigint,
    breach: (text: string) => void,
  ): void {
    switch (change.kind) {
      case 'create':
        this.#create(change, zxid, sessionId, breach);
        return;
      case 'delete':
        this.#delete(change.path, zxid, breach);
        return;
      case 'setData': {
        const state = this.#now.get(change.path);
        if (change.path.startsWith(SYSTEM)) return;
        if (state === undefined) {
          breach(`sets ${change.path}, which is not there`);
          return;
        }
        if (change.version !== state.version + 1) {
          breach(`takes ${change.path} from version ${state.version} to ${change.version}`);
        }
        const data = change.data?.toString() ?? '';
        this.#put(change.path, zxid, { ...state, data, version: change.version, mzxid: zxid });
        this.#tell(zxid, 3, change.path);
        return;
      }
      case 'multi':
        breach('holds a multi in a multi');
        return;
      default:
        return;
    }
  }

  #create(
    change: Extract<Change, { kind: 'create' }>,
    zxid: bigint,
    sessionId: bigint,
    breach: (text: string) => void,
  ): void {
    const { path, owner } = change;
    const parentPath = parentOf(path);
    const parent = this.#now.get(parentPath);
    if (this.#now.has(path)) breach(`makes ${path}, which is there`);
    if (parent === undefined) {
      breach(`makes ${path} without a parent`);
      return;
    }
    if (parent.owner !== 0n) breach(`makes ${path} below an ephemeral node`);
    if (owner !== 0n) {
      if (owner !== sessionId) breach(`makes ${path} for session ${hex(owner)}`);
      if (!this.openSessions.has(owner)) breach(`makes ${path} for a session that is not open`);
      const own = this.#ephemerals.get(owner);
      if (own === undefined) this.#ephemerals.set(owner, new Set([path]));
      else own.add(path);
    }
    // What the root has had since before the first transaction is not known here.
    const isFirstOfRoot = parentPath === '/' && parent.childCount === 0;
    if (!isFirstOfRoot && change.parentCreationCount !== parent.created + 1) {
      breach(`makes ${path} as the ${change.parentCreationCount}th child after ${parent.created}`);
    }
    this.#numberName(path, parentPath, parent, breach);
    this.#put(path, zxid, {
      data: change.data?.toString() ?? '',
      czxid: zxid,
      mzxid: zxid,
      pzxid: zxid,
      version: 0,
      owner,
      created: 0,
      childCount: 0,
      childrenDigest: 0,
    });
    this.#put(parentPath, zxid, {
      ...parent,
      pzxid: zxid,
      created: change.parentCreationCount,
      childCount: parent.childCount + 1,
      childrenDigest: (parent.childrenDigest + digestOfName(nameOf(path))) | 0,
    });
    this.#tell(zxid, 1, path);
    this.#tell(zxid, 4, parentPath);
  }

  /** Numbers in names only ever rise. */
  #numberName(
    path: string,
    parentPath: string,
    parent: NodeState,
    breach: (text: string) => void,
  ): void {
    const digits = /-(\d{10})$/.exec(path)?.[1];
    if (digits?.length !== SEQUENCE_DIGITS) return;
    const key = `${parentPath} ${parent.czxid}`;
    const number = Number(digits);
    const greatest = this.#sequences.get(key) ?? -1;
    if (number <= greatest) breach(`makes ${path} after the number ${greatest} was given`);
    this.#sequences.set(key, Math.max(number, greatest));
  }

  #delete(path: string, zxid: bigint, breach: (text: string) => void): void {
    const state = this.#now.get(path);
    const parentPath = parentOf(path);
    const parent = this.#now.get(parentPath);
    if (state === undefined || parent === undefined) {
      breach(`deletes ${path}, which is not there`);
      return;
    }
    if (state.childCount > 0) breach(`deletes ${path}, which has children`);
    if (state.owner !== 0n) this.#ephemerals.get(state.owner)?.delete(path);
    this.#put(path, zxid, null);
    this.#put(parentPath, zxid, {
      ...parent,
      pzxid: zxid,
      childCount: parent.childCount - 1,
      childrenDigest: (parent.childrenDigest - digestOfName(nameOf(path))) | 0,
    });
    this.#tell(zxid, 2, path);
    this.#tell(zxid, 4, parentPath);
  }

  #put(path: string, zxid: bigint, state: NodeState | null): void {
    if (state === null) this.#now.delete(path);
    else this.#now.set(path, state);
    const versions = this.#versions.get(path);
    if (versions === undefined) this.#versions.set(path, [{ zxid, state }]);
    else if (versions.at(-1)?.zxid === zxid) versions[versions.length - 1] = { zxid, state };
    else versions.push({ zxid, state });
  }

  #tell(zxid: bigint, type: Mutation['type'], path: string): void {
    const mutation = { zxid, type, path };
    this.mutations.push(mutation);
    if (type !== 4) add(this.#forData, path, mutation);
    if (type === 2 || type === 4) add(this.#forChildren, path, mutation);
  }
}

function add(lists: Map<string, Mutation[]>, path: string, mutation: Mutation): void {
  const list = lists.get(path);
  if (list === undefined) lists.set(path, [mutation]);
  else list.push(mutation);
}
