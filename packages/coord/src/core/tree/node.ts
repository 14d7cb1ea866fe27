/**
 * One node, and what clients are told about it.
 *
 * A node is its own Stat: replies are encoded from its getters, without a copy. Stored is the
 * number of children ever created (`creationCount`), from which the visible `cversion` follows and
 * from which sequential names are drawn; it does not wrap at 2^31 as the original's does.
 *
 * A million nodes are ordinary, so a node is kept small: its numbers lie in a store of the tree's
 * (number-store.ts), small data is a text, and the children of a parent are a list that runs through
 * them, in the order in which they were made.
 */
import type { Acl } from './acl.ts';
import {
  gonePage,
  type NumberPage,
  type NumberStore,
  WORDS_PER_NODE,
  word,
} from './number-store.ts';
import { nameOf } from './path.ts';

/** What every reply about a node carries (ZooKeeper Programmer's Guide, Stat). */
export interface Stat {
  readonly czxid: bigint;
  readonly mzxid: bigint;
  readonly ctime: number;
  readonly mtime: number;
  readonly version: number;
  readonly cversion: number;
  readonly aversion: number;
  readonly ephemeralOwner: bigint;
  readonly dataLength: number;
  readonly numChildren: number;
  readonly pzxid: bigint;
}

/** The owner field of a container node; such a number is never a session's. */
export const CONTAINER_OWNER = -(2n ** 63n);

/** The top 16 bits of the owner field of a TTL node; its time to live in ms stands below. */
const TTL_MARK = 0xff00n;
const TTL_SHIFT = 48n;

/** The longest time to live: 2^40 - 1 ms. */
export const TTL_MS_MAX = 2 ** 40 - 1;

/** The owner field of a node that may live `ttlMs` without children and changes. */
export const ttlOwner = (ttlMs: number): bigint =>
  BigInt.asIntN(64, (TTL_MARK << TTL_SHIFT) | BigInt(ttlMs));

/** What ends a node: nothing, its session, its emptiness, or its age. */
export type NodeKind = 'persistent' | 'ephemeral' | 'container' | 'ttl';

/** Reads the owner field. */
export function kindOfOwner(owner: bigint): NodeKind {
  if (owner === 0n) return 'persistent';
  if (owner === CONTAINER_OWNER) return 'container';
  return BigInt.asUintN(16, owner >> TTL_SHIFT) === TTL_MARK ? 'ttl' : 'ephemeral';
}

/** The time to live that a TTL node's owner field holds. */
export const ttlMsOf = (owner: bigint): number => Number(BigInt.asUintN(40, owner));

/** Data of up to this many bytes is kept as a text of one byte each; see `Node.data`. */
export const SMALL_DATA_BYTES = 1023;

/** The children of a node, which has at least one: their names, in the order in which they were made. */
export class Children implements Iterable<string> {
  first: Node | null = null;
  last: Node | null = null;
  size = 0;

  *[Symbol.iterator](): IterableIterator<string> {
    for (const node of this.nodes()) yield nameOf(node.path);
  }

  *nodes(): IterableIterator<Node> {
    for (let node = this.first; node !== null; node = node.next ?? null) yield node;
  }

  append(node: Node): void {
    node.previous = this.last;
    node.next = null;
    if (this.last === null) this.first = node;
    else this.last.next = node;
    this.last = node;
    this.size += 1;
  }

  remove(node: Node): void {
    const { previous } = node;
    const next = node.next ?? null;
    if (previous === null) this.first = next;
    else previous.next = next;
    if (next === null) this.last = previous;
    else next.previous = previous;
    node.previous = null;
    node.next = undefined;
    this.size -= 1;
  }
}

/** A node of the tree. Only the tree changes it. */
export class Node implements Stat {
  readonly path: string;
  #data: Buffer | string | null = null;
  acl: Acl;
  /** null while there are none, which most nodes have. */
  children: Children | null = null;
  /** Among its parent's children; undefined while it is not one of them, null at their end. */
  next: Node | null | undefined;
  previous: Node | null = null;
  #page: NumberPage;
  /** Of its first word in the page. */
  #at: number;

  constructor(
    path: string,
    data: Buffer | null,
    acl: Acl,
    owner: bigint,
    zxid: bigint,
    timeMs: number,
    numbers: NumberStore,
  ) {
    this.path = path;
    this.data = data;
    this.acl = acl;
    this.next = undefined;
    const place = numbers.take();
    const page = numbers.pageOf(place);
    const at = (place - page.firstPlace) * WORDS_PER_NODE;
    this.#page = page;
    this.#at = at;
    const { integers, floats } = page;
    integers[at + word.czxid] = zxid;
    integers[at + word.mzxid] = zxid;
    integers[at + word.pzxid] = zxid;
    integers[at + word.owner] = owner;
    floats[at + word.ctime] = timeMs;
    floats[at + word.mtime] = timeMs;
  }

  /** The node is deleted: its numbers' place goes back, and it shows zeros from now on. */
  leave(numbers: NumberStore): void {
    const page = this.#page;
    if (page === gonePage) return;
    numbers.giveBack(page, page.firstPlace + this.#at / WORDS_PER_NODE);
    this.#page = gonePage;
    this.#at = 0;
  }

  #integer(index: number): bigint {
    return this.#page.integers[this.#at + index] ?? 0n;
  }

  #float(index: number): number {
    return this.#page.floats[this.#at + index] ?? 0;
  }

  #half(index: number): number {
    return this.#page.halves[2 * this.#at + index] ?? 0;
  }

  get czxid(): bigint {
    return this.#integer(word.czxid);
  }

  get mzxid(): bigint {
    return this.#integer(word.mzxid);
  }

  set mzxid(zxid: bigint) {
    this.#page.integers[this.#at + word.mzxid] = zxid;
  }

  get pzxid(): bigint {
    return this.#integer(word.pzxid);
  }

  set pzxid(zxid: bigint) {
    this.#page.integers[this.#at + word.pzxid] = zxid;
  }

  /** Session id, 0, or one of the marks above. */
  get owner(): bigint {
    return this.#integer(word.owner);
  }

  /** What Stat shows of the owner: only a session. */
  get ephemeralOwner(): bigint {
    const { owner } = this;
    return kindOfOwner(owner) === 'ephemeral' ? owner : 0n;
  }

  get ctime(): number {
    return this.#float(word.ctime);
  }

  get mtime(): number {
    return this.#float(word.mtime);
  }

  set mtime(timeMs: number) {
    this.#page.floats[this.#at + word.mtime] = timeMs;
  }

  get version(): number {
    return this.#half(word.version);
  }

  set version(version: number) {
    this.#page.halves[2 * this.#at + word.version] = version;
  }

  get aversion(): number {
    return this.#half(word.aversion);
  }

  set aversion(version: number) {
    this.#page.halves[2 * this.#at + word.aversion] = version;
  }

  /** Direct children ever created, whether they still exist or not. */
  get creationCount(): number {
    return this.#float(word.creationCount);
  }

  set creationCount(count: number) {
    this.#page.floats[this.#at + word.creationCount] = count;
  }

  /**
   * Small data is a text inside (latin1): a Buffer of its own costs some 250 bytes besides the data, and
   * the collector twice the work. Such data comes out as a copy, bigger data as it went in.
   */
  get data(): Buffer | null {
    const data = this.#data;
    return typeof data === 'string' ? Buffer.from(data, 'latin1') : data;
  }

  set data(data: Buffer | null) {
    this.#data = data !== null && data.length <= SMALL_DATA_BYTES ? data.toString('latin1') : data;
  }

  /** The data as it lies: a text of one byte each while it is small. For who writes many nodes out. */
  get heldData(): Buffer | string | null {
    return this.#data;
  }

  /** Where its numbers lie, for the same: their page, and the index of the first word. */
  get page(): NumberPage {
    return this.#page;
  }

  get firstWord(): number {
    return this.#at;
  }

  get numChildren(): number {
    return this.children === null ? 0 : this.children.size;
  }

  /** Creations plus deletions of direct children, in 32 bits as it travels. */
  get cversion(): number {
    return (2 * this.creationCount - this.numChildren) | 0;
  }

  get dataLength(): number {
    return this.#data === null ? 0 : this.#data.length;
  }

  /** The node as a Stat field of a reply body. */
  get stat(): Stat {
    return this;
  }
}

/** The values as they are now, for a result that is encoded after the node has moved on. */
export function copyOfStat(stat: Stat): Stat {
  return {
    czxid: stat.czxid,
    mzxid: stat.mzxid,
    ctime: stat.ctime,
    mtime: stat.mtime,
    version: stat.version,
    cversion: stat.cversion,
    aversion: stat.aversion,
    ephemeralOwner: stat.ephemeralOwner,
    dataLength: stat.dataLength,
    numChildren: stat.numChildren,
    pzxid: stat.pzxid,
  };
}
