/** The small pure parts of the shell: words of a line, and the Stat block. */
import { expect, test } from '@jest/globals';
import { renderStat } from '../src/stat-block.ts';
import { topicPattern } from '../src/topic-pattern.ts';
import { splitWords } from '../src/words.ts';

test.each([
  ['', []],
  ['  ls  / ', ['ls', '/']],
  ['set /a "two words"', ['set', '/a', 'two words']],
  ["create /a 'x y' -e", ['create', '/a', 'x y', '-e']],
  ['create /a ""', ['create', '/a', '']],
])('words of %j', (line, expected) => {
  expect(splitWords(line)).toEqual(expected);
});

test('a Stat is shown in eleven lines, times in UTC', () => {
  const text = renderStat({
    czxid: 0x18n,
    mzxid: 0x19n,
    pzxid: 0x1an,
    ephemeralOwner: 0x100000f1a2b0000n,
    ctime: 1_704_067_200_000,
    mtime: 1_704_067_201_000,
    version: 1,
    cversion: 2,
    aversion: 3,
    dataLength: 202,
    numChildren: 4,
  });
  expect(text.split('\n')).toEqual([
    'cZxid = 0x18',
    'ctime = Mon Jan 01 00:00:00 UTC 2024',
    'mZxid = 0x19',
    'mtime = Mon Jan 01 00:00:01 UTC 2024',
    'pZxid = 0x1a',
    'cversion = 2',
    'dataVersion = 1',
    'aclVersion = 3',
    'ephemeralOwner = 0x100000f1a2b0000',
    'dataLength = 202',
    'numChildren = 4',
    '',
  ]);
});

test.each([
  ['first', 'first', true],
  ['first', 'first-2', false],
  ['a,b', 'b', true],
  ["'t.*'", 'topic', true],
  ['a, b', 'b', true],
])('pattern %s against %s', (pattern, name, expected) => {
  expect(topicPattern(pattern).test(name)).toBe(expected);
});
