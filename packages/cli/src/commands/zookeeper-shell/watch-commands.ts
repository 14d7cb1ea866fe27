/** Commands about watches that outlive them: addWatch, removewatches. printwatches is the shell's own. */
import { operations, type RawSession, type WatchedEvent, type WatchKind } from '@odradek/client';
import { watcherTypes, watchModes, ZooKeeperError } from '@odradek/protocol';
import type { ShellCommand } from './command.ts';
import { about, ShellError } from './failures.ts';
import { checkedPath } from './paths.ts';

const MODES: Readonly<Record<string, number>> = {
  PERSISTENT: watchModes.persistent,
  PERSISTENT_RECURSIVE: watchModes.persistentRecursive,
};

const addWatch: ShellCommand = {
  usage:
    '[-m mode] path # optional mode is one of [PERSISTENT, PERSISTENT_RECURSIVE] - default is PERSISTENT_RECURSIVE',
  wordsMin: 1,
  options: { m: { takesValue: true, about: '' } },
  async run({ valueFor, words: [path = ''] }, { session }) {
    const mode = MODES[(valueFor('m') ?? 'PERSISTENT_RECURSIVE').toUpperCase()];
    if (mode === undefined) throw new ShellError(`addWatch ${addWatch.usage}`);
    await about(path, session.call(operations.addWatch, { path: checkedPath(path), mode }));
  },
};

interface Removal {
  readonly wireType: number;
  /** Kinds it means, with the event that tells of each one's end, in the order of telling. */
  readonly kinds: readonly (readonly [WatchKind, WatchedEvent['type']])[];
}

const CHILD: Removal['kinds'][number] = ['child', 'ChildWatchRemoved'];
const DATA: Removal['kinds'] = [
  ['data', 'DataWatchRemoved'],
  ['exist', 'DataWatchRemoved'],
];
const PERSISTENT: Removal['kinds'][number] = ['persistent', 'PersistentWatchRemoved'];
const RECURSIVE: Removal['kinds'][number] = ['persistentRecursive', 'PersistentWatchRemoved'];

/** By option; the first that was given counts, and without any, all kinds. */
const REMOVALS: readonly (readonly [option: string, Removal])[] = [
  ['c', { wireType: watcherTypes.children, kinds: [CHILD] }],
  ['d', { wireType: watcherTypes.data, kinds: DATA }],
  ['p', { wireType: watcherTypes.persistent, kinds: [PERSISTENT] }],
  ['r', { wireType: watcherTypes.persistentRecursive, kinds: [RECURSIVE] }],
];
const EVERYTHING: Removal = {
  wireType: watcherTypes.any,
  kinds: [PERSISTENT, RECURSIVE, ...DATA, CHILD],
};

const removewatches: ShellCommand = {
  usage: 'path [-c|-d|-a] [-l]',
  wordsMin: 1,
  options: {
    a: { about: 'any watcher type' },
    c: { about: 'child watcher type' },
    d: { about: 'data watcher type' },
    l: { about: 'remove locally when there is no server connection' },
    p: { about: 'persistent watcher type' },
    r: { about: 'persistent recursive watcher type' },
  },
  async run({ has, words: [path = ''] }, { session }) {
    checkedPath(path);
    const removal = REMOVALS.find(([option]) => has(option))?.[1] ?? EVERYTHING;
    const held = removal.kinds.filter(([kind]) => session.watches(kind, path));
    if (held.length === 0) await about(path, Promise.reject(new ZooKeeperError('NO_WATCHER')));
    const asked = session.call(operations.removeWatches, { path, type: removal.wireType });
    if (has('l')) await asked.catch(unlessNoServer);
    else await about(path, asked);
    forget(session, path, held);
  },
};

export const watchCommands = { addWatch, removewatches };

/** With -l the watch goes even if no server can be told. */
function unlessNoServer(failure: unknown): void {
  if (!(failure instanceof ZooKeeperError)) throw failure;
}

/** Each kind of event is told once, though two kinds of watches may stand behind it. */
function forget(session: RawSession, path: string, held: Removal['kinds']): void {
  const told = new Set<WatchedEvent['type']>();
  for (const [kind, event] of held) {
    session.forgetWatch(kind, path);
    if (!told.has(event)) session.announce(event, path);
    told.add(event);
  }
}
