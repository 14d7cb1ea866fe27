/**
 * Quotas: how many nodes and bytes there are at and below a path that somebody set limits for, and
 * whether there may be more.
 *
 * A quota of `/p` is the node `/zookeeper/quota/p/zookeeper_limits`, written by clients; its twin
 * `zookeeper_stats` holds the usage and is kept up to date here, by each server for itself, without
 * a transaction and without touching that node's version or zxid. Of several quotas above a node
 * the nearest counts. Not here: refusing what goes beyond (../transaction/prepare.ts), which also
 * knows what is on its way.
 */
import type { Node } from './node.ts';
import { nameOf, parentOf } from './path.ts';

const QUOTA_ROOT = '/zookeeper/quota';
const LIMITS = 'zookeeper_limits';
const STATS = 'zookeeper_stats';

/** Replaces a node's data without anything else about it. */
type Rewrite = (node: Node, data: Buffer) => void;

/** The limits of one path; -1 where there is none. A soft limit is only talked about. */
export interface QuotaLimits {
  readonly count: number;
  readonly bytes: number;
  readonly countHard: number;
  readonly bytesHard: number;
}

/** Nodes and bytes: what there is, or what a change adds. */
export interface QuotaUsage {
  readonly count: number;
  readonly bytes: number;
}

/** A path with limits, as monitoring shows it. */
export interface Quota {
  readonly path: string;
  readonly limits: QuotaLimits;
  /** null while nobody made the node that holds it. */
  readonly usage: QuotaUsage | null;
}

export class Quotas {
  readonly #nodes: ReadonlyMap<string, Node>;
  readonly #rewrite: Rewrite;
  /** Limits by the path they are for. */
  readonly #limited = new Map<string, QuotaLimits>();

  constructor(nodes: ReadonlyMap<string, Node>, rewrite: Rewrite) {
    this.#nodes = nodes;
    this.#rewrite = rewrite;
  }

  /** Whether there are limits at all: there mostly are none. */
  get isEmpty(): boolean {
    return this.#limited.size === 0;
  }

  /** The nearest path with limits, from `path` itself upwards; null where none is, and for the quota folder. */
  pathAbove(path: string): string | null {
    if (this.#limited.size === 0 || targetOf(path) !== null) return null;
    for (let at = path; ; at = parentOf(at)) {
      if (this.#limited.has(at)) return at;
      if (at === '/') return null;
    }
  }

  /** The quota that is set for exactly this path. */
  of(path: string): Quota | null {
    const limits = this.#limited.get(path);
    if (limits === undefined) return null;
    const stats = this.#statsOf(path);
    return { path, limits, usage: stats === undefined ? null : usageIn(stats) };
  }

  *all(): IterableIterator<Quota> {
    for (const path of this.#limited.keys()) {
      const quota = this.of(path);
      if (quota !== null) yield quota;
    }
  }

  /** A node was created. */
  created(node: Node): void {
    const target = targetOf(node.path);
    if (target === null) {
      this.#charge(node.path, 1, node.dataLength);
    } else if (nameOf(node.path) === LIMITS) {
      this.#limited.set(target, limitsIn(node));
    } else if (nameOf(node.path) === STATS) {
      this.#recount(target);
    }
  }

  /** A node came out of a snapshot: usage is counted once all are there. */
  restored(node: Node): void {
    const target = targetOf(node.path);
    if (target !== null && nameOf(node.path) === LIMITS) this.#limited.set(target, limitsIn(node));
  }

  /** A node was deleted. */
  deleted(node: Node): void {
    const target = targetOf(node.path);
    if (target === null) this.#charge(node.path, -1, -node.dataLength);
    else if (nameOf(node.path) === LIMITS) this.#limited.delete(target);
  }

  /** A node has new data, longer by `bytes`, or shorter. */
  changed(node: Node, bytes: number): void {
    const target = targetOf(node.path);
    if (target === null) {
      if (bytes !== 0) this.#charge(node.path, 0, bytes);
    } else if (nameOf(node.path) === LIMITS) {
      this.#limited.set(target, limitsIn(node));
    }
  }

  /** Counts everything anew: after recovery, whose replay may have counted twice. */
  recountAll(): void {
    for (const target of this.#limited.keys()) this.#recount(target);
  }

  #charge(path: string, nodes: number, bytes: number): void {
    if (this.#limited.size === 0) return;
    const target = this.pathAbove(path);
    const stats = target === null ? undefined : this.#statsOf(target);
    if (stats === undefined) return;
    const usage = usageIn(stats);
    this.#tell(stats, usage.count + nodes, usage.bytes + bytes);
  }

  #recount(target: string): void {
    const stats = this.#statsOf(target);
    const root = this.#nodes.get(target);
    if (stats === undefined || root === undefined) return;
    let count = 0;
    let bytes = 0;
    const pending = [root];
    for (let node = pending.pop(); node !== undefined; node = pending.pop()) {
      count += 1;
      bytes += node.dataLength;
      for (const child of node.children?.nodes() ?? []) pending.push(child);
    }
    this.#tell(stats, count, bytes);
  }

  #statsOf(target: string): Node | undefined {
    return this.#nodes.get(`${QUOTA_ROOT}${target === '/' ? '' : target}/${STATS}`);
  }

  #tell(stats: Node, count: number, bytes: number): void {
    this.#rewrite(stats, Buffer.from(`count=${count},bytes=${bytes}`, 'latin1'));
  }
}

/** The path whose quota a node belongs to; null for nodes outside the quota folder. */
function targetOf(path: string): string | null {
  if (!path.startsWith(`${QUOTA_ROOT}/`)) return null;
  const target = parentOf(path).slice(QUOTA_ROOT.length);
  return target === '' ? '/' : target;
}

/** `count=N,bytes=M=;byteHardLimit=X;countHardLimit=Y`, any part of it, in any order. */
function limitsIn({ data }: Node): QuotaLimits {
  const text = data?.toString('latin1') ?? '';
  return {
    count: numberIn(text, 'count', -1),
    bytes: numberIn(text, 'bytes', -1),
    countHard: numberIn(text, 'countHardLimit', -1),
    bytesHard: numberIn(text, 'byteHardLimit', -1),
  };
}

function usageIn({ data }: Node): QuotaUsage {
  const text = data?.toString('latin1') ?? '';
  return { count: numberIn(text, 'count', 0), bytes: numberIn(text, 'bytes', 0) };
}

const patterns = {
  count: /(?:^|[,;])count=(-?\d+)/,
  bytes: /(?:^|[,;])bytes=(-?\d+)/,
  countHardLimit: /(?:^|[,;])countHardLimit=(-?\d+)/,
  byteHardLimit: /(?:^|[,;])byteHardLimit=(-?\d+)/,
} as const;

function numberIn(text: string, name: keyof typeof patterns, otherwise: number): number {
  const digits = patterns[name].exec(text)?.[1];
  return digits === undefined ? otherwise : Number(digits);
}
