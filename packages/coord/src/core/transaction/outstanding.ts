/**
 * Nodes as they will be once every prepared transaction is applied.
 *
 * A write is checked against this view, not against the tree, so that many writes can be on their
 * way to disk and to other servers at once, each knowing the effects of those before. An entry lives
 * from the transaction's preparation to its application.
 */
import { Fifo } from '../fifo.ts';
import type { Acl } from '../tree/acl.ts';
import type { Tree } from '../tree/tree.ts';

/** What the checks look at; tree nodes have it as well. */
export interface NodeView {
  readonly acl: Acl;
  readonly owner: bigint;
  readonly version: number;
  readonly aversion: number;
  readonly creationCount: number;
  readonly numChildren: number;
  readonly dataLength: number;
}

/** A node that a prepared transaction changes; `view` is null when it deletes it. */
interface PendingNode {
  readonly path: string;
  readonly view: NodeView | null;
  readonly zxid: bigint;
  /** What it stands in front of, until the transaction is kept. */
  replaced: PendingNode | undefined;
}

export class Outstanding {
  readonly #tree: Tree;
  readonly #byPath = new Map<string, PendingNode>();
  /** Kept and not yet applied. */
  readonly #queue = new Fifo<PendingNode>();
  /** Of the transaction that is being prepared. */
  #current: PendingNode[] = [];

  constructor(tree: Tree) {
    this.#tree = tree;
  }

  /** The node as the next transaction will find it. */
  find(path: string): NodeView | undefined {
    const pending = this.#byPath.get(path === '' ? '/' : path);
    if (pending === undefined) return this.#tree.get(path);
    return pending.view ?? undefined;
  }

  /** Notes what the transaction being prepared does to one node. */
  put(path: string, view: NodeView | null, zxid: bigint): void {
    const pending = { path, view, zxid, replaced: this.#byPath.get(path) };
    this.#byPath.set(path, pending);
    this.#current.push(pending);
  }

  /** The transaction being prepared stands. */
  keep(): void {
    for (const pending of this.#current) {
      pending.replaced = undefined;
      this.#queue.push(pending);
    }
    this.#current = [];
  }

  /** The transaction being prepared failed half way: as if it had never begun. */
  undo(): void {
    for (const { path, replaced } of this.#current.reverse()) {
      if (replaced === undefined) this.#byPath.delete(path);
      else this.#byPath.set(path, replaced);
    }
    this.#current = [];
  }

  /** The tree has caught up with `zxid`. */
  applied(zxid: bigint): void {
    const queue = this.#queue;
    for (let next = queue.peek(); next !== undefined && next.zxid <= zxid; next = queue.peek()) {
      if (this.#byPath.get(next.path) === next) this.#byPath.delete(next.path);
      queue.shift();
    }
  }

  /** What the session will own, in path order. */
  ephemeralsOf(sessionId: bigint): readonly string[] {
    const paths = new Set(this.#tree.ephemeralsOf(sessionId));
    for (const { path, view } of this.#byPath.values()) {
      if (view?.owner === sessionId) paths.add(path);
      else paths.delete(path);
    }
    return [...paths].sort();
  }

  /** Nodes with changes on their way. */
  get size(): number {
    return this.#byPath.size;
  }
}
