/**
 * The tree of nodes: what a server knows, as of the last applied transaction.
 *
 * Mutators take results, not wishes: every value that a request leaves open (times, versions,
 * sequence numbers) was fixed when its transaction was prepared. They are idempotent, because a
 * snapshot is taken while the tree moves on: replaying transactions that it already contains must
 * end in the same tree. So a create of what exists, a change of what is gone, and a second delete do
 * nothing but keep the parent's counters at least as high as the transaction says; and what was made
 * after a transaction, under the same name, is none of its business.
 * Not here: permission and version checks (../transaction/), watches (../watch/).
 */
import { type Acl, type AclEntry, AclTable, openAcl, openEntries } from './acl.ts';
import { Children, kindOfOwner, Node } from './node.ts';
import { NumberStore } from './number-store.ts';
import { parentOf } from './path.ts';
import { Quotas } from './quota.ts';

const ROOT = '/';

/** Tells the members of the ensemble. */
export const CONFIG_PATH = '/zookeeper/config';

/** Nodes that are there on a fresh server and cannot be deleted. */
export const systemPaths = ['/zookeeper', '/zookeeper/quota', CONFIG_PATH] as const;

const undeletable: ReadonlySet<string> = new Set([ROOT, ...systemPaths]);

/** Whether a delete of this path is refused whatever its version. */
export const isSystemPath = (path: string): boolean => undeletable.has(path);

const configEntries: readonly AclEntry[] = [{ perms: 1, id: { scheme: 'world', id: 'anyone' } }];

/** A node as a snapshot holds it. */
export interface StoredNode {
  readonly path: string;
  readonly data: Buffer | null;
  /** null for the open list. */
  readonly acl: readonly AclEntry[] | null;
  readonly owner: bigint;
  readonly czxid: bigint;
  readonly mzxid: bigint;
  readonly pzxid: bigint;
  readonly ctime: number;
  readonly mtime: number;
  readonly version: number;
  readonly aversion: number;
  readonly creationCount: number;
}

export class Tree {
  /** By path, parents before children. The root has two names, as in the original: `/` and the empty text. */
  readonly #nodes = new Map<string, Node>();
  readonly #numbers = new NumberStore();
  readonly #acls = new AclTable();
  readonly #ephemerals = new Map<bigint, Set<string>>();
  /** Containers and TTL nodes: those that somebody must look after. */
  readonly #mortals = new Set<Node>();
  #dataSizeBytes = 0;
  /** Most nodes ever made under one parent. */
  creationCountMax = 0;
  readonly quotas = new Quotas(this.#nodes, (node, data) => this.#replaceData(node, data));

  constructor() {
    const root = this.#node(ROOT, Buffer.alloc(0), openAcl, 0n, 0n, 0);
    this.#nodes.set(ROOT, root);
    this.#nodes.set('', root);
    this.#dataSizeBytes = ROOT.length;
    for (const path of systemPaths) {
      const entries = path === CONFIG_PATH ? configEntries : openEntries;
      const node = this.#node(path, Buffer.alloc(0), this.#acls.acquire(entries), 0n, 0n, 0);
      this.#insert(node, this.get(parentOf(path)));
    }
    const config = this.get(CONFIG_PATH);
    if (config !== undefined) config.aversion = -1;
  }

  /** The node, or undefined. The empty path is the root. */
  get(path: string): Node | undefined {
    return this.#nodes.get(path);
  }

  /** As reported: the root counts twice. */
  get nodeCount(): number {
    return this.#nodes.size;
  }

  get ephemeralCount(): number {
    let count = 0;
    for (const paths of this.#ephemerals.values()) count += paths.size;
    return count;
  }

  /** Bytes of paths and data, without what holding them costs. */
  get dataSizeBytes(): number {
    return this.#dataSizeBytes;
  }

  /** Paths that end with the session. */
  ephemeralsOf(sessionId: bigint): ReadonlySet<string> {
    return this.#ephemerals.get(sessionId) ?? none;
  }

  /** Sessions that own nodes, with the nodes. */
  ephemeralOwners(): IterableIterator<[bigint, ReadonlySet<string>]> {
    return this.#ephemerals.entries();
  }

  /** Containers and TTL nodes. */
  mortals(): Iterable<Node> {
    return this.#mortals;
  }

  /** Descendants, the node itself not counted. */
  countDescendants(node: Node): number {
    if (node.path === ROOT) return this.#nodes.size - 2;
    let count = 0;
    const pending = [node];
    for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
      if (next.children === null) continue;
      count += next.children.size;
      for (const child of next.children.nodes()) if (child.children !== null) pending.push(child);
    }
    return count;
  }

  /** @returns the new node; undefined when it is there already or its parent is gone (replay) */
  create(
    path: string,
    data: Buffer | null,
    entries: readonly AclEntry[] | null,
    owner: bigint,
    parentCreationCount: number,
    zxid: bigint,
    timeMs: number,
  ): Node | undefined {
    const parent = this.#nodes.get(parentOf(path));
    if (parent !== undefined && parent.czxid > zxid) return undefined;
    if (parent !== undefined) {
      parent.creationCount = Math.max(parent.creationCount, parentCreationCount);
      if (parentCreationCount > this.creationCountMax) this.creationCountMax = parentCreationCount;
      if (zxid > parent.pzxid) parent.pzxid = zxid;
    }
    if (parent === undefined) return undefined;
    const known = this.#nodes.get(path);
    if (known !== undefined) {
      // The parent may have been made anew since the snapshot met this child.
      link(known, parent);
      return undefined;
    }
    const acl = entries === null ? openAcl : this.#acls.acquire(entries);
    const node = this.#node(path, data, acl, owner, zxid, timeMs);
    this.#insert(node, parent);
    this.quotas.created(node);
    return node;
  }

  /** @returns the node that went; undefined when there was none (replay) */
  delete(path: string, zxid: bigint): Node | undefined {
    const node = this.#nodes.get(path);
    const parent = this.#nodes.get(parentOf(path));
    if (parent !== undefined && zxid > parent.pzxid) parent.pzxid = zxid;
    if (node === undefined || node.czxid > zxid) return undefined;
    this.#nodes.delete(path);
    this.#acls.release(node.acl);
    this.#dataSizeBytes -= path.length + node.dataLength;
    if (parent !== undefined) unlink(node, parent);
    if (node.children !== null) disband(node);
    this.#disown(node);
    this.quotas.deleted(node);
    node.leave(this.#numbers);
    return node;
  }

  /** @returns the changed node; undefined when it is gone (replay) */
  setData(
    path: string,
    data: Buffer | null,
    version: number,
    zxid: bigint,
    timeMs: number,
  ): Node | undefined {
    const node = this.#nodes.get(path);
    if (node === undefined || node.czxid > zxid) return undefined;
    const sizeBefore = node.dataLength;
    this.#replaceData(node, data);
    node.version = version;
    node.mzxid = zxid;
    node.mtime = timeMs;
    this.quotas.changed(node, node.dataLength - sizeBefore);
    return node;
  }

  /** @returns the changed node; undefined when it is gone (replay) */
  setAcl(
    path: string,
    entries: readonly AclEntry[] | null,
    version: number,
    zxid: bigint,
  ): Node | undefined {
    const node = this.#nodes.get(path);
    if (node === undefined || node.czxid > zxid) return undefined;
    const old = node.acl;
    node.acl = entries === null ? openAcl : this.#acls.acquire(entries);
    this.#acls.release(old);
    node.aversion = version;
    return node;
  }

  /**
   * Every node, parents before children. May be read in slices while the tree changes: each node
   * comes as it is when it is reached, and replay from the first transaction after the start mends
   * the rest.
   */
  *all(): IterableIterator<Node> {
    for (const [path, node] of this.#nodes) if (path !== '') yield node;
  }

  /** The same, as a snapshot holds them. */
  *stored(): IterableIterator<StoredNode> {
    for (const node of this.all()) yield storedForm(node);
  }

  /** Takes a node of a snapshot; a second one of the same path replaces the first and keeps its children. */
  restore(stored: StoredNode): void {
    const acl = stored.acl === null ? openAcl : this.#acls.acquire(stored.acl);
    const node = this.#node(
      stored.path,
      stored.data,
      acl,
      stored.owner,
      stored.czxid,
      stored.ctime,
    );
    const replaced = this.#nodes.get(stored.path);
    if (replaced !== undefined) {
      node.children = replaced.children;
      const parent = this.#nodes.get(parentOf(stored.path));
      if (parent !== undefined && parent !== replaced) unlink(replaced, parent);
      this.#dataSizeBytes -= stored.path.length + replaced.dataLength;
      this.#acls.release(replaced.acl);
      this.#disown(replaced);
    }
    replaced?.leave(this.#numbers);
    node.mzxid = stored.mzxid;
    node.mtime = stored.mtime;
    node.pzxid = stored.pzxid;
    node.version = stored.version;
    node.aversion = stored.aversion;
    node.creationCount = stored.creationCount;
    this.creationCountMax = Math.max(this.creationCountMax, stored.creationCount);
    this.#insert(node, stored.path === ROOT ? undefined : this.#nodes.get(parentOf(stored.path)));
    if (stored.path === ROOT) this.#nodes.set('', node);
    this.quotas.restored(node);
  }

  /** All of a snapshot and of the log behind it is in: what is only counted can be counted. */
  recovered(): void {
    this.quotas.recountAll();
  }

  #node(
    path: string,
    data: Buffer | null,
    acl: Acl,
    owner: bigint,
    zxid: bigint,
    timeMs: number,
  ): Node {
    return new Node(path, data, acl, owner, zxid, timeMs, this.#numbers);
  }

  #replaceData(node: Node, data: Buffer | null): void {
    this.#dataSizeBytes += (data === null ? 0 : data.length) - node.dataLength;
    node.data = data;
  }

  #insert(node: Node, parent: Node | undefined): void {
    this.#nodes.set(node.path, node);
    this.#dataSizeBytes += node.path.length + node.dataLength;
    if (parent !== undefined) link(node, parent);
    switch (kindOfOwner(node.owner)) {
      case 'persistent':
        return;
      case 'ephemeral': {
        const owned = this.#ephemerals.get(node.owner);
        if (owned === undefined) this.#ephemerals.set(node.owner, new Set([node.path]));
        else owned.add(node.path);
        return;
      }
      case 'container':
      case 'ttl':
        this.#mortals.add(node);
    }
  }

  #disown(node: Node): void {
    if (node.owner === 0n) return;
    this.#mortals.delete(node);
    const owned = this.#ephemerals.get(node.owner);
    if (owned?.delete(node.path) && owned.size === 0) this.#ephemerals.delete(node.owner);
  }
}

const none: ReadonlySet<string> = new Set();

/** Makes the node one of its parent's children, if it is not yet. */
function link(node: Node, parent: Node): void {
  if (node.next !== undefined) return;
  parent.children ??= new Children();
  parent.children.append(node);
}

function unlink(node: Node, parent: Node): void {
  const { children } = parent;
  if (children === null || node.next === undefined) return;
  children.remove(node);
  if (children.size === 0) parent.children = null;
}

/** A parent goes before its children only in a replay, where they are of a later life of it: they wait for that. */
function disband(parent: Node): void {
  for (const child of [...(parent.children?.nodes() ?? [])]) unlink(child, parent);
}

/** The node as a snapshot holds it. */
export const storedForm = (node: Node): StoredNode => ({
  path: node.path,
  data: node.data,
  acl: node.acl.isOpen ? null : node.acl.entries,
  owner: node.owner,
  czxid: node.czxid,
  mzxid: node.mzxid,
  pzxid: node.pzxid,
  ctime: node.ctime,
  mtime: node.mtime,
  version: node.version,
  aversion: node.aversion,
  creationCount: node.creationCount,
});
