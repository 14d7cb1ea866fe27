/**
 * One node, and what clients are told about it.
 *
 * A node is its own Stat: replies are encoded from its getters, without a copy. Stored is the
 * number of children ever created (`creationCount`), from which the visible `cversion` follows and
 * from which sequential names are drawn; it does not wrap at 2^31 as the original's does.
 */
import type { Acl } from './acl.ts';

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

/** A node of the tree. Only the tree changes it. */
export class Node implements Stat {
  readonly path: string;
  #data: Buffer | string | null = null;
  acl: Acl;
  /** Session id, 0, or one of the marks above. */
  readonly owner: bigint;
  /** What Stat shows of the owner: only a session. */
  readonly ephemeralOwner: bigint;
  readonly czxid: bigint;
  readonly ctime: number;
  mzxid: bigint;
  mtime: number;
  pzxid: bigint;
  version = 0;
  aversion = 0;
  /** Direct children ever created, whether they still exist or not. */
  creationCount = 0;
  /** Names of the children; null while there are none, which most nodes have. */
  children: Set<string> | null = null;

  constructor(
    path: string,
    data: Buffer | null,
    acl: Acl,
    owner: bigint,
    zxid: bigint,
    timeMs: number,
  ) {
    this.path = path;
    this.data = data;
    this.acl = acl;
    this.owner = owner;
    this.ephemeralOwner = kindOfOwner(owner) === 'ephemeral' ? owner : 0n;
    this.czxid = zxid;
    this.mzxid = zxid;
    this.pzxid = zxid;
    this.ctime = timeMs;
    this.mtime = timeMs;
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
