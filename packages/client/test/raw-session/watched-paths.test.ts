/** What an event uses up and whom it concerns, against ZooKeeper's table (Programmer's Guide, Watches). */
import { expect, test } from '@jest/globals';
import { eventTypes } from '@odradek/protocol';
import { WatchedPaths, type WatchKind } from '../../src/raw-session/watched-paths.ts';

const KINDS: readonly WatchKind[] = ['data', 'exist', 'child', 'persistent', 'persistentRecursive'];
const STAYING: readonly WatchKind[] = ['persistent', 'persistentRecursive'];

test.each([
  ['created', ['data', 'exist', 'persistent', 'persistentRecursive']],
  ['dataChanged', ['data', 'exist', 'persistent', 'persistentRecursive']],
  ['deleted', ['data', 'exist', 'child', 'persistent', 'persistentRecursive']],
  ['childrenChanged', ['child', 'persistent']],
] as const)('%s concerns %j; one-shot watches are used up', (event, concerned) => {
  for (const kind of KINDS) {
    const watched = new WatchedPaths();
    watched.add(kind, '/a');
    const isConcerned = (concerned as readonly WatchKind[]).includes(kind);
    expect(watched.fire(eventTypes[event], '/a')).toBe(isConcerned);
    expect(watched.has(kind, '/a')).toBe(!isConcerned || STAYING.includes(kind));
  }
});

test.each([
  ['/a', '/a/b/c', true],
  ['/a', '/ab', false],
  ['/', '/x', true],
  ['/a/b', '/a', false],
])('a recursive watch at %s and an event at %s', (at, path, expected) => {
  const watched = new WatchedPaths();
  watched.add('persistentRecursive', at);
  expect(watched.fire(eventTypes.created, path)).toBe(expected);
});

test('all is told again, in portions of bounded size, each path once', () => {
  const watched = new WatchedPaths();
  for (const kind of KINDS) for (let n = 0; n < 100; n += 1) watched.add(kind, `/${kind}/${n}`);
  const portions = [...watched.portions(500)];
  const told = KINDS.flatMap((kind) => portions.flatMap((portion) => portion[kind]));
  expect(new Set(told).size).toBe(500);
  expect(told).toHaveLength(500);
  for (const portion of portions) {
    const paths = KINDS.flatMap((kind) => portion[kind]);
    expect(paths.reduce((sum, path) => sum + path.length + 4, 0)).toBeLessThan(540);
  }
  watched.clear();
  expect([...watched.portions(500)]).toEqual([]);
});
