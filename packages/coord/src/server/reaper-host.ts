/**
 * Removes containers that have become empty and TTL nodes that nobody uses.
 *
 * What is found here is only a wish: the deletion is checked again where all writes are
 * (`reap` in ../core/transaction/prepare.ts), so a node that was used meanwhile stays.
 */
import { type Disarm, type Environment, millis } from '@odradek/runtime';
import type { WriteRequest } from '../core/transaction/request.ts';
import { kindOfOwner, type Node, ttlMsOf } from '../core/tree/node.ts';
import type { Tree } from '../core/tree/tree.ts';

export interface ReaperOptions {
  readonly intervalMs: number;
  /** Deletions in one interval. */
  readonly countMax: number;
  /** A container that never had a child goes after this time; 0: it stays. */
  readonly neverUsedMs: number;
}

/** Whether a container or TTL node has outlived its use. */
export function isOver(node: Node, wallTimeMs: number, neverUsedMs: number): boolean {
  if (node.numChildren > 0) return false;
  if (kindOfOwner(node.owner) === 'ttl') return wallTimeMs - node.mtime > ttlMsOf(node.owner);
  return node.creationCount > 0 || (neverUsedMs > 0 && wallTimeMs - node.ctime > neverUsedMs);
}

/** @returns what ends it */
export function startReaper(
  tree: Tree,
  { intervalMs, countMax, neverUsedMs }: ReaperOptions,
  { clock, timers }: Pick<Environment, 'clock' | 'timers'>,
  submit: (request: WriteRequest) => void,
): Disarm {
  const arm = (): Disarm => timers.wakeAt(millis(clock.now() + intervalMs), reap);
  function reap(): void {
    const wallTimeMs = clock.wallTime();
    let count = 0;
    for (const node of [...tree.mortals()]) {
      if (count >= countMax) break;
      if (!isOver(node, wallTimeMs, neverUsedMs)) continue;
      submit({ kind: 'reap', path: node.path });
      count += 1;
    }
    disarm = arm();
  }
  let disarm = arm();
  return () => disarm();
}
