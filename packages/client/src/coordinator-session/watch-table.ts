/**
 * The one-shot watches of a session: which exist, whom an event wakes, and how they are told to the
 * server again after a reconnect. Paths are the server's, with chroot. Pure.
 *
 * A watcher is held once per kind and path, however often it was given, as in ZooKeeper
 * (Programmer's Guide, Watches).
 */
import type { Watcher } from './types.ts';

/** `data` by reads of an existing node, `exist` by looking for a missing one, `child` by listing. */
export type WatchKind = 'data' | 'exist' | 'child';
/** ZooKeeper's event numbers: 1 created, 2 deleted, 3 data changed, 4 children changed. */
export type WatchEventType = 1 | 2 | 3 | 4;
export type WatchPaths = Readonly<Record<WatchKind, readonly string[]>>;

const KINDS: readonly WatchKind[] = ['data', 'exist', 'child'];
const WOKEN_BY: Readonly<Record<WatchEventType, readonly WatchKind[]>> = {
  1: ['data', 'exist'],
  2: ['data', 'exist', 'child'],
  3: ['data', 'exist'],
  4: ['child'],
};

export class WatchTable {
  readonly #watchers: Readonly<Record<WatchKind, Map<string, Set<Watcher>>>> = {
    data: new Map(),
    exist: new Map(),
    child: new Map(),
  };

  get isEmpty(): boolean {
    return KINDS.every((kind) => this.#watchers[kind].size === 0);
  }

  add(kind: WatchKind, path: string, watcher: Watcher): void {
    const table = this.#watchers[kind];
    const known = table.get(path);
    if (known === undefined) table.set(path, new Set([watcher]));
    else known.add(watcher);
  }

  /** Removes and returns whom the event wakes; a watcher is named once. */
  fire(type: WatchEventType, path: string): ReadonlySet<Watcher> {
    const woken = new Set<Watcher>();
    for (const kind of WOKEN_BY[type]) {
      for (const watcher of this.#watchers[kind].get(path) ?? []) woken.add(watcher);
      this.#watchers[kind].delete(path);
    }
    return woken;
  }

  /** Removes and returns everything: the session is gone. */
  clear(): readonly { readonly path: string; readonly watcher: Watcher }[] {
    const all = KINDS.flatMap((kind) =>
      [...this.#watchers[kind]].flatMap(([path, watchers]) =>
        [...watchers].map((watcher) => ({ path, watcher })),
      ),
    );
    for (const kind of KINDS) this.#watchers[kind].clear();
    return all;
  }

  /**
   * The watched paths in portions of at most about `portionBytes` of path text, each fit for one
   * setWatches request: servers refuse frames above 1 MiB.
   */
  *portions(portionBytes: number): Generator<WatchPaths> {
    let portion: Record<WatchKind, string[]> = { data: [], exist: [], child: [] };
    let sizeBytes = 0;
    for (const kind of KINDS)
      for (const path of this.#watchers[kind].keys()) {
        portion[kind].push(path);
        sizeBytes += Buffer.byteLength(path) + 4;
        if (sizeBytes < portionBytes) continue;
        yield portion;
        portion = { data: [], exist: [], child: [] };
        sizeBytes = 0;
      }
    if (sizeBytes > 0) yield portion;
  }
}
