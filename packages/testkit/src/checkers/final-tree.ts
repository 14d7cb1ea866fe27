/**
 * At the end every server must hold the same tree, and no more and no less than the transactions say:
 * whoever went through it node by node has these paths.
 */
import { hex } from './committed-order.ts';
import type { VersionedTree } from './versioned-tree.ts';

export interface SeenTree {
  readonly server: string;
  readonly paths: readonly string[];
}

/** Of paths that are missing or too many, how many are named. */
const NAMED_MAX = 5;

export function checkFinalTrees(trees: readonly SeenTree[], tree: VersionedTree): string[] {
  const breaches: string[] = [];
  const right = new Set(tree.now().keys());
  for (const { server, paths } of trees) {
    const seen = new Set(paths);
    const missing = [...right].filter((path) => !seen.has(path));
    const extra = paths.filter((path) => !right.has(path));
    if (missing.length > 0) breaches.push(`${server} lacks ${missing.slice(0, NAMED_MAX)}`);
    if (extra.length > 0) breaches.push(`${server} has too many: ${extra.slice(0, NAMED_MAX)}`);
  }
  for (const [path, { owner }] of tree.now()) {
    if (owner !== 0n && !tree.openSessions.has(owner)) {
      breaches.push(`${path} is still there, its session ${hex(owner)} is not`);
    }
  }
  return breaches;
}
