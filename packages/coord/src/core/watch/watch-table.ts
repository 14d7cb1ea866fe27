/**
 * Watches: which connection hears of which change (ZooKeeper Programmer's Guide, Watches).
 *
 * Two tables as clients see them. The data table hears of a node's creation, change and deletion,
 * the child table of its children coming and going and of its own deletion. A standard watch sits
 * in one of them and is gone when it fires; a persistent one sits in both and stays; a recursive one
 * hears what the data table hears, of its node and of everything below. A connection hears of one
 * change once per table.
 *
 * Firing returns nothing and calls `notify` in the order that clients rely on. Whether the connection
 * may read the node is for `notify` to decide: a watch is used up even if its owner may not be told.
 */
import { type EventType, eventTypes } from '@odradek/protocol/zookeeper';
import type { Acl } from '../tree/acl.ts';
import { parentOf } from '../tree/path.ts';
import { each, type Watchers, WatchIndex } from './watch-index.ts';

/** @param acl whose READ the watcher needs to be told */
export type Notify<W> = (watcher: W, event: EventType, path: string, acl: Acl) => void;

/** @param count how many watchers an event has */
export type Fired = (event: EventType, count: number) => void;

export type WatchKind = 'data' | 'child' | 'persistent' | 'recursive';

export class WatchTable<W extends object> {
  readonly data = new WatchIndex<W>();
  readonly child = new WatchIndex<W>();
  readonly persistent = new WatchIndex<W>();
  readonly recursive = new WatchIndex<W>();
  readonly #notify: Notify<W>;
  readonly #fired: Fired | null;

  constructor(notify: Notify<W>, fired: Fired | null = null) {
    this.#notify = notify;
    this.#fired = fired;
  }

  /** Paths that somebody watches; one of several kinds counts several times. */
  get pathCount(): number {
    const { data, child, persistent, recursive } = this;
    return data.pathCount + child.pathCount + persistent.pathCount + recursive.pathCount;
  }

  /** Watches as the original counts them: a persistent one sits in two tables. */
  get size(): number {
    return this.data.size + this.child.size + 2 * this.persistent.size + this.recursive.size;
  }

  /** Watches of one connection. */
  countOf(watcher: W): number {
    return (
      this.data.countOf(watcher) +
      this.child.countOf(watcher) +
      this.persistent.countOf(watcher) +
      this.recursive.countOf(watcher)
    );
  }

  /** The connection is gone. */
  removeWatcher(watcher: W): void {
    this.data.removeWatcher(watcher);
    this.child.removeWatcher(watcher);
    this.persistent.removeWatcher(watcher);
    this.recursive.removeWatcher(watcher);
  }

  created(path: string, acl: Acl, parentAcl: Acl): void {
    this.#fireData(path, eventTypes.created, acl);
    this.#fireChildren(parentOf(path), parentAcl);
  }

  changed(path: string, acl: Acl): void {
    this.#fireData(path, eventTypes.dataChanged, acl);
  }

  deleted(path: string, acl: Acl, parentAcl: Acl): void {
    const served = this.#fireData(path, eventTypes.deleted, acl);
    // Who watches only the node's children hears of its end as well, but nobody hears of it twice.
    const own = this.#united(this.child.take(path), this.persistent.get(path));
    for (const watcher of each(own)) {
      if (!includes(served, watcher)) this.#notify(watcher, eventTypes.deleted, path, acl);
    }
    this.#fireChildren(parentOf(path), parentAcl);
  }

  #fireData(path: string, event: EventType, acl: Acl): Watchers<W> | undefined {
    let watchers = this.#united(this.data.take(path), this.persistent.get(path));
    if (this.recursive.size > 0) watchers = this.#united(watchers, this.#above(path));
    if (watchers === undefined) return undefined;
    this.#fired?.(event, watchers instanceof Set ? watchers.size : 1);
    for (const watcher of each(watchers)) this.#notify(watcher, event, path, acl);
    return watchers;
  }

  #fireChildren(path: string, acl: Acl): void {
    const watchers = this.#united(this.child.take(path), this.persistent.get(path));
    if (watchers === undefined) return;
    this.#fired?.(eventTypes.childrenChanged, watchers instanceof Set ? watchers.size : 1);
    for (const watcher of each(watchers)) {
      this.#notify(watcher, eventTypes.childrenChanged, path, acl);
    }
  }

  /** Recursive watchers of the path and of every node above it. */
  #above(path: string): Watchers<W> | undefined {
    let watchers = this.recursive.get(path);
    for (let at = path; at !== '/'; ) {
      at = parentOf(at);
      watchers = this.#united(watchers, this.recursive.get(at));
    }
    return watchers;
  }

  #united(a: Watchers<W> | undefined, b: Watchers<W> | undefined): Watchers<W> | undefined {
    if (a === undefined) return b;
    if (b === undefined) return a;
    return new Set([...each(a), ...each(b)]);
  }
}

function includes<W extends object>(watchers: Watchers<W> | undefined, watcher: W): boolean {
  return watchers instanceof Set ? watchers.has(watcher) : watchers === watcher;
}
