/** The pure parts of the shell: options, paths, ACLs, quotas, hex dumps. */
import { describe, expect, test } from '@jest/globals';
import { readAcl, showAcl } from '../../src/commands/zookeeper-shell/acl-text.ts';
import { integerOf, parseWords } from '../../src/commands/zookeeper-shell/arguments.ts';
import { asHexDump } from '../../src/commands/zookeeper-shell/data-formats.ts';
import { checkedPath } from '../../src/commands/zookeeper-shell/paths.ts';
import { quotaLimits, quotaText } from '../../src/commands/zookeeper-shell/quota-text.ts';

const options = {
  s: { about: 'flag' },
  w: { about: 'flag' },
  v: { takesValue: true, about: 'value' },
  add: { takesValue: true, about: 'long' },
};

describe('options', () => {
  test.each([
    ['-s /a', ['s'], undefined, ['/a']],
    ['/a -sw', ['s', 'w'], undefined, ['/a']],
    ['-v 3 /a', ['v'], '3', ['/a']],
    ['-v -3 /a', ['v'], '-3', ['/a']],
    ['-v3 /a', ['v'], '3', ['/a']],
    ['-sv3 /a', ['s', 'v'], '3', ['/a']],
    ['-v=3 /a', ['v'], '3', ['/a']],
    ['-- -s', [], undefined, ['-s']],
    ['- /a', [], undefined, ['-', '/a']],
    ['-v 1 -v 2', ['v'], '1', []],
  ])('%s', (line, given, value, words) => {
    const parsed = parseWords(line.split(' '), { options });
    expect(['s', 'w', 'v'].filter(parsed.has)).toEqual(given);
    expect(parsed.valueFor('v')).toBe(value);
    expect(parsed.words).toEqual(words);
  });

  test.each([
    ['-q', 'UnrecognizedOptionException: Unrecognized option: -q'],
    ['-sq', 'UnrecognizedOptionException: Unrecognized option: -sq'],
    ['--s', 'UnrecognizedOptionException: Unrecognized option: --s'],
    ['-v', 'MissingArgumentException: Missing argument for option: v'],
    ['-v -s', 'MissingArgumentException: Missing argument for option: v'],
    ['-add', 'MissingArgumentException: Missing argument for option: add'],
  ])('%s is refused', (line, message) => {
    expect(() => parseWords(line.split(' '), { options })).toThrow(
      `org.apache.commons.cli.${message}`,
    );
  });
});

test.each([
  ['', 'Path length must be > 0'],
  ['a', 'Path must start with / character'],
  ['/a/', 'Path must not end with / character'],
  ['/a//b', 'caused by empty node name specified @3'],
  ['/./a', 'caused by relative paths not allowed @1'],
  ['/a/..', 'caused by relative paths not allowed @4'],
  ['/a\u0000', 'caused by null character not allowed @2'],
  ['/a\u0007', 'caused by invalid character @2'],
  ['/\u{1f600}', 'caused by invalid character @1'],
])('the path %j is refused', (path, message) => {
  expect(() => checkedPath(path)).toThrow(message);
});

test.each(['/', '/a', '/a/...', '/a.b/.c', '/a..', '/ü'])('the path %s will do', (path) => {
  expect(checkedPath(path)).toBe(path);
});

test('a sequential node may end with a slash', () => {
  expect(checkedPath('/a/', true)).toBe('/a/');
});

test.each([
  ['world:anyone:cdrwa', [31], []],
  ['digest:u:a=:r,ip:1.2.3.4/8:w', [1, 2], []],
  ['bad,world:anyone:r', [1], ['bad does not have the form scheme:id:perm']],
  ['world:anyone:xr', [1], ['Unknown perm type: x']],
])('acl %s', (text, perms, complaints) => {
  const read = readAcl(text);
  expect(read.entries.map((entry) => entry.perms)).toEqual(perms);
  expect(read.complaints).toEqual(complaints);
});

test('an acl is shown in two lines an entry, the id with its colons', () => {
  const { entries } = readAcl('digest:u:a=:rdc,world:anyone:');
  expect(showAcl([...entries])).toBe("'digest,'u:a=\n: cdr\n'world,'anyone\n: \n");
});

test('quota limits, with and without hard ones', () => {
  const limits = { count: 1n, bytes: -1n, countHard: 3n, bytesHard: 4n };
  expect(quotaText(limits)).toBe('count=1,bytes=-1=;byteHardLimit=4;countHardLimit=3');
  expect(quotaLimits(quotaText(limits))).toEqual(limits);
  expect(quotaLimits('count=5,bytes=6')).toEqual({
    count: 5n,
    bytes: 6n,
    countHard: -1n,
    bytesHard: -1n,
  });
});

test('integers are as wide as Java has them', () => {
  expect(integerOf('-2147483648')).toBe(-2147483648n);
  expect(() => integerOf('2147483648')).toThrow('For input string: "2147483648"');
  expect(integerOf('2147483648', 64)).toBe(2147483648n);
});

test('a hex dump of more than a row', () => {
  expect(asHexDump(Buffer.from('0123456789abcdef\n')).toString().split('\n').slice(3, 5)).toEqual([
    '|00000000| 30 31 32 33 34 35 36 37 38 39 61 62 63 64 65 66 |0123456789abcdef|',
    '|00000010| 0a                                              |.               |',
  ]);
});
