/**
 * Which paths a session watches and how: what an event means for them, and in which portions they are
 * told to the server again after a reconnect. All five kinds of ZooKeeper's watches; there is one
 * listener per session, so a path is in or out. Paths are the server's, with chroot. Pure.
 */
import { type EventType, eventTypes } from '@odradek/protocol';

/**
 * `data` by reads of an existing node, `exist` by looking for a missing one, `child` by listing; the
 * persistent ones stay after they fired, the recursive one covers everything below its path.
 */
export type WatchKind = 'data' | 'exist' | 'child' | 'persistent' | 'persistentRecursive';
export type WatchedByKind = Readonly<Record<WatchKind, readonly string[]>>;

const KINDS: readonly WatchKind[] = ['data', 'exist', 'child', 'persistent', 'persistentRecursive'];

/** The one-shot watches that an event uses up. */
const USED_UP_BY: Readonly<Record<EventType, readonly WatchKind[]>> = {
  [eventTypes.created]: ['data', 'exist'],
  [eventTypes.deleted]: ['data', 'exist', 'child'],
  [eventTypes.dataChanged]: ['data', 'exist'],
  [eventTypes.childrenChanged]: ['child'],
};

const emptyPortion = (): Record<WatchKind, string[]> => ({
  data: [],
  exist: [],
  child: [],
  persistent: [],
  persistentRecursive: [],
});

export class WatchedPaths {
  readonly #paths: Readonly<Record<WatchKind, Set<string>>> = {
    data: new Set(),
    exist: new Set(),
    child: new Set(),
    persistent: new Set(),
    persistentRecursive: new Set(),
  };

  add(kind: WatchKind, path: string): void {
    this.#paths[kind].add(path);
  }

  has(kind: WatchKind, path: string): boolean {
    return this.#paths[kind].has(path);
  }

  /** @returns whether it was there */
  remove(kind: WatchKind, path: string): boolean {
    return this.#paths[kind].delete(path);
  }

  clear(): void {
    for (const kind of KINDS) this.#paths[kind].clear();
  }

  /** Takes away what the event uses up. @returns whether anything watched for it */
  fire(type: EventType, path: string): boolean {
    let isWatched = this.#paths.persistent.has(path);
    for (const kind of USED_UP_BY[type]) if (this.#paths[kind].delete(path)) isWatched = true;
    return isWatched || (type !== eventTypes.childrenChanged && this.#isBelowRecursive(path));
  }

  /** In portions of about `portionBytes` of path text, each fit for one request. */
  *portions(portionBytes: number): Generator<WatchedByKind> {
    let portion = emptyPortion();
    let sizeBytes = 0;
    for (const kind of KINDS)
      for (const path of this.#paths[kind]) {
        portion[kind].push(path);
        sizeBytes += Buffer.byteLength(path) + 4;
        if (sizeBytes < portionBytes) continue;
        yield portion;
        portion = emptyPortion();
        sizeBytes = 0;
      }
    if (sizeBytes > 0) yield portion;
  }

  #isBelowRecursive(path: string): boolean {
    const recursive = this.#paths.persistentRecursive;
    if (recursive.size === 0) return false;
    for (let at = path; at !== ''; at = at.slice(0, at.lastIndexOf('/')))
      if (recursive.has(at)) return true;
    return recursive.has('/');
  }
}
