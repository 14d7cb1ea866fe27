/**
 * The digest of the tree as of every 128th transaction: whoever keeps one beside another server's sees
 * where the two begin to differ.
 *
 * A node counts as it was before the first and as it is after the last of 128 transactions that touch
 * it, so that a parent with many new children is not computed for each of them. Only for servers that
 * ask for it (digest.enabled): a write costs up to two checksums of its node.
 */

import type { Change } from '../core/transaction/record.ts';
import { parentOf } from '../core/tree/path.ts';
import type { Tree } from '../core/tree/tree.ts';
import { nodeDigest, treeDigest } from './tree-digest.ts';

/** The digest of the tree after this transaction. */
export interface NotedDigest {
  readonly zxid: bigint;
  readonly digest: bigint;
}

const EVERY = 128n;
/** As many as the original keeps. */
const NOTED_MAX = 1024;

export class DigestLog {
  readonly #tree: Tree;
  #sum: bigint;
  /** What the nodes that are touched added before. */
  readonly #before = new Map<string, number>();
  readonly #noted: NotedDigest[] = [];

  /** Computes the digest of all there is. */
  constructor(tree: Tree) {
    this.#tree = tree;
    this.#sum = treeDigest(tree);
  }

  /** The oldest first. */
  get noted(): readonly NotedDigest[] {
    return this.#noted;
  }

  /** The transaction is about to be applied. */
  applying(change: Change): void {
    switch (change.kind) {
      case 'create':
      case 'delete':
        this.#touch(change.path);
        this.#touch(parentOf(change.path));
        return;
      case 'setData':
      case 'setAcl':
        this.#touch(change.path);
        return;
      case 'closeSession':
        for (const path of change.paths) {
          this.#touch(path);
          this.#touch(parentOf(path));
        }
        return;
      case 'multi':
        for (const part of change.changes) this.applying(part);
        return;
      case 'check':
      case 'error':
      case 'createSession':
        return;
    }
  }

  /** It is applied. */
  applied(zxid: bigint): void {
    if (zxid % EVERY !== 0n) return;
    for (const [path, before] of this.#before) {
      this.#sum += BigInt(this.#digestOf(path) - before);
    }
    this.#before.clear();
    this.#noted.push({ zxid, digest: BigInt.asIntN(64, this.#sum) });
    if (this.#noted.length > NOTED_MAX) this.#noted.shift();
  }

  #touch(path: string): void {
    if (!this.#before.has(path)) this.#before.set(path, this.#digestOf(path));
  }

  #digestOf(path: string): number {
    const node = this.#tree.get(path);
    return node === undefined ? 0 : nodeDigest(node);
  }
}
