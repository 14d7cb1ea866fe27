/**
 * What a client that comes back has missed: setWatches and setWatches2.
 *
 * The client names its watches and the last zxid it has seen. For each one: either something has
 * happened since, which is told at once and uses the watch up, or the watch is set again. A node
 * deleted and made again in between shows as changed only. Order as in the original: data, exist,
 * child, persistent, recursive.
 */
import { type EventType, eventTypes } from '@odradek/protocol/zookeeper';
import type { Tree } from '../tree/tree.ts';
import type { WatchTable } from './watch-table.ts';

/** The watches a client holds, as it tells them. */
export interface HeldWatches {
  readonly relativeZxid: bigint;
  readonly dataWatches: readonly string[];
  readonly existWatches: readonly string[];
  readonly childWatches: readonly string[];
  readonly persistentWatches: readonly string[];
  readonly persistentRecursiveWatches: readonly string[];
}

export function catchUp<W extends object>(
  held: HeldWatches,
  tree: Tree,
  table: WatchTable<W>,
  watcher: W,
  tell: (event: EventType, path: string) => void,
): void {
  for (const path of held.dataWatches) {
    const node = tree.get(path);
    if (node === undefined) tell(eventTypes.deleted, path);
    else if (node.mzxid > held.relativeZxid) tell(eventTypes.dataChanged, path);
    else table.data.add(path, watcher);
  }
  for (const path of held.existWatches) {
    if (tree.get(path) !== undefined) tell(eventTypes.created, path);
    else table.data.add(path, watcher);
  }
  for (const path of held.childWatches) {
    const node = tree.get(path);
    if (node === undefined) tell(eventTypes.deleted, path);
    else if (node.pzxid > held.relativeZxid) tell(eventTypes.childrenChanged, path);
    else table.child.add(path, watcher);
  }
  for (const path of held.persistentWatches) table.persistent.add(path, watcher);
  for (const path of held.persistentRecursiveWatches) table.recursive.add(path, watcher);
}
