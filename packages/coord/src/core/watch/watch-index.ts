/**
 * Who watches which path, in both directions: one kind of watch.
 *
 * Most watched paths have one watcher, so that one is held as it is and a set is made for the
 * second. Watchers are objects compared by identity.
 */

/** One watcher, or several. */
export type Watchers<W extends object> = W | Set<W>;

export class WatchIndex<W extends object> {
  readonly #byPath = new Map<string, Watchers<W>>();
  readonly #byWatcher = new Map<W, Set<string>>();
  #size = 0;

  /** Watches registered: pairs of path and watcher. */
  get size(): number {
    return this.#size;
  }

  /** Paths somebody watches. */
  get pathCount(): number {
    return this.#byPath.size;
  }

  paths(): IterableIterator<[string, Watchers<W>]> {
    return this.#byPath.entries();
  }

  /** A pair is held once however often it is added. */
  add(path: string, watcher: W): void {
    let paths = this.#byWatcher.get(watcher);
    if (paths === undefined) {
      paths = new Set();
      this.#byWatcher.set(watcher, paths);
    } else if (paths.has(path)) {
      return;
    }
    paths.add(path);
    this.#size += 1;
    const known = this.#byPath.get(path);
    if (known === undefined) this.#byPath.set(path, watcher);
    else if (known instanceof Set) known.add(watcher);
    else this.#byPath.set(path, new Set([known, watcher]));
  }

  has(path: string, watcher: W): boolean {
    return this.#byWatcher.get(watcher)?.has(path) ?? false;
  }

  countOf(watcher: W): number {
    return this.#byWatcher.get(watcher)?.size ?? 0;
  }

  get(path: string): Watchers<W> | undefined {
    return this.#byPath.get(path);
  }

  /** The watchers of a path, who are forgotten with this. */
  take(path: string): Watchers<W> | undefined {
    const watchers = this.#byPath.get(path);
    if (watchers === undefined) return undefined;
    this.#byPath.delete(path);
    for (const watcher of each(watchers)) this.#drop(path, watcher);
    return watchers;
  }

  /** @returns whether it was there */
  remove(path: string, watcher: W): boolean {
    if (!this.has(path, watcher)) return false;
    this.#drop(path, watcher);
    const known = this.#byPath.get(path);
    if (known instanceof Set && known.size > 1) known.delete(watcher);
    else this.#byPath.delete(path);
    return true;
  }

  /** Forgets everything of a watcher. */
  removeWatcher(watcher: W): void {
    const paths = this.#byWatcher.get(watcher);
    if (paths === undefined) return;
    for (const path of [...paths]) this.remove(path, watcher);
  }

  #drop(path: string, watcher: W): void {
    const paths = this.#byWatcher.get(watcher);
    if (!paths?.delete(path)) return;
    this.#size -= 1;
    if (paths.size === 0) this.#byWatcher.delete(watcher);
  }
}

/** The watchers as a list. */
export function each<W extends object>(watchers: Watchers<W> | undefined): Iterable<W> {
  if (watchers === undefined) return [];
  return watchers instanceof Set ? watchers : [watchers];
}
