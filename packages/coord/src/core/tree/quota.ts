/**
 * Quotas: how many nodes and bytes there are at and below a path that somebody set limits for.
 *
 * A quota of `/p` is the node `/zookeeper/quota/p/zookeeper_limits`, written by clients; its twin
 * `zookeeper_stats` holds the usage and is kept up to date here, by each server for itself, without
 * a transaction and without touching that node's version or zxid. Of several quotas above a node
 * the nearest counts. Usage is told, limits are not enforced, as in the original by default.
 */
import type { Node } from './node.ts';
import { nameOf, parentOf } from './path.ts';

const QUOTA_ROOT = '/zookeeper/quota';
const LIMITS = 'zookeeper_limits';
const STATS = 'zookeeper_stats';

/** Replaces a node's data without anything else about it. */
type Rewrite = (node: Node, data: Buffer) => void;

export class Quotas {
  readonly #nodes: ReadonlyMap<string, Node>;
  readonly #rewrite: Rewrite;
  /** Paths that have limits. */
  readonly #limited = new Set<string>();

  constructor(nodes: ReadonlyMap<string, Node>, rewrite: Rewrite) {
    this.#nodes = nodes;
    this.#rewrite = rewrite;
  }

  /** A node was created. */
  created(node: Node): void {
    const target = targetOf(node.path);
    if (target === null) {
      this.#charge(node.path, 1, node.dataLength);
    } else if (nameOf(node.path) === LIMITS) {
      this.#limited.add(target);
    } else if (nameOf(node.path) === STATS) {
      this.#recount(target);
    }
  }

  /** A node came out of a snapshot: usage is counted once all are there. */
  restored(path: string): void {
    const target = targetOf(path);
    if (target !== null && nameOf(path) === LIMITS) this.#limited.add(target);
  }

  /** A node was deleted. */
  deleted(node: Node): void {
    const target = targetOf(node.path);
    if (target === null) this.#charge(node.path, -1, -node.dataLength);
    else if (nameOf(node.path) === LIMITS) this.#limited.delete(target);
  }

  /** A node's data became longer by `bytes`, or shorter. */
  resized(path: string, bytes: number): void {
    if (bytes !== 0 && targetOf(path) === null) this.#charge(path, 0, bytes);
  }

  /** Counts everything anew: after recovery, whose replay may have counted twice. */
  recountAll(): void {
    for (const target of this.#limited) this.#recount(target);
  }

  #charge(path: string, nodes: number, bytes: number): void {
    if (this.#limited.size === 0) return;
    const target = this.#nearest(path);
    const stats = target === null ? undefined : this.#statsOf(target);
    if (stats === undefined) return;
    const text = stats.data?.toString('latin1') ?? '';
    this.#tell(stats, numberIn(text, 'count') + nodes, numberIn(text, 'bytes') + bytes);
  }

  /** The nearest path with limits, from `path` itself upwards. */
  #nearest(path: string): string | null {
    for (let at = path; ; at = parentOf(at)) {
      if (this.#limited.has(at)) return at;
      if (at === '/') return null;
    }
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
      const prefix = node.path === '/' ? '' : node.path;
      for (const name of node.children ?? []) {
        const child = this.#nodes.get(`${prefix}/${name}`);
        if (child !== undefined) pending.push(child);
      }
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

function numberIn(text: string, name: string): number {
  return Number(new RegExp(`${name}=(-?\\d+)`).exec(text)?.[1] ?? 0);
}
