/** Goal: who hears of what, once, in which order. */
import { expect, test } from '@jest/globals';
import { openAcl } from '../../src/core/tree/acl.ts';
import { WatchTable } from '../../src/core/watch/watch-table.ts';

const names = { 1: 'created', 2: 'deleted', 3: 'changed', 4: 'children' } as const;

function table(): {
  watches: WatchTable<{ name: string }>;
  heard: string[];
  one: { name: string };
  two: { name: string };
} {
  const heard: string[] = [];
  const watches = new WatchTable<{ name: string }>(({ name }, event, path) => {
    heard.push(`${name} ${names[event]} ${path}`);
  });
  return { watches, heard, one: { name: 'one' }, two: { name: 'two' } };
}

const created = (watches: WatchTable<{ name: string }>, path: string): void =>
  watches.created(path, openAcl, openAcl);
const deleted = (watches: WatchTable<{ name: string }>, path: string): void =>
  watches.deleted(path, openAcl, openAcl);

test('a standard watch fires once', () => {
  const { watches, heard, one } = table();
  watches.data.add('/a', one);
  watches.data.add('/a', one);
  expect(watches.size).toBe(1);
  watches.changed('/a', openAcl);
  watches.changed('/a', openAcl);
  expect(heard).toEqual(['one changed /a']);
  expect(watches.size).toBe(0);
});

test('creation: the node first, then its parent', () => {
  const { watches, heard, one, two } = table();
  watches.child.add('/', one);
  watches.data.add('/a', two);
  created(watches, '/a');
  expect(heard).toEqual(['two created /a', 'one children /']);
});

test('deletion: each connection hears of the node once, whatever it watches there', () => {
  const { watches, heard, one, two } = table();
  watches.data.add('/p/a', one);
  watches.child.add('/p/a', one);
  watches.child.add('/p/a', two);
  watches.child.add('/p', two);
  deleted(watches, '/p/a');
  expect(heard).toEqual(['one deleted /p/a', 'two deleted /p/a', 'two children /p']);
  expect(watches.size).toBe(0);
});

test('a persistent watch stays, also across deletion, and hears of both tables', () => {
  const { watches, heard, one } = table();
  watches.persistent.add('/p', one);
  created(watches, '/p');
  created(watches, '/p/c');
  watches.changed('/p/c', openAcl);
  watches.changed('/p', openAcl);
  deleted(watches, '/p/c');
  deleted(watches, '/p');
  expect(heard).toEqual([
    'one created /p',
    'one children /p',
    'one changed /p',
    'one children /p',
    'one deleted /p',
  ]);
  expect(watches.size).toBe(2);
});

test('a recursive watch hears of everything below, but not of children as such', () => {
  const { watches, heard, one, two } = table();
  watches.recursive.add('/p', one);
  watches.recursive.add('/', two);
  created(watches, '/p/c');
  watches.changed('/p/c/d', openAcl);
  created(watches, '/px');
  expect(heard).toEqual([
    'one created /p/c',
    'two created /p/c',
    'one changed /p/c/d',
    'two changed /p/c/d',
    'two created /px',
  ]);
});

test('several kinds of one connection at one place are one event', () => {
  const { watches, heard, one } = table();
  watches.data.add('/a', one);
  watches.persistent.add('/a', one);
  watches.recursive.add('/a', one);
  watches.changed('/a', openAcl);
  watches.changed('/a', openAcl);
  expect(heard).toEqual(['one changed /a', 'one changed /a']);
});

test('a connection that goes takes all its watches along and nobody else’s', () => {
  const { watches, heard, one, two } = table();
  for (const kind of ['data', 'child', 'persistent', 'recursive'] as const) {
    watches[kind].add('/a', one);
    watches[kind].add('/a', two);
  }
  watches.removeWatcher(one);
  expect([watches.countOf(one), watches.countOf(two)]).toEqual([0, 4]);
  watches.changed('/a', openAcl);
  expect(heard).toEqual(['two changed /a']);
});
