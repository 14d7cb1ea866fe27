/** Java's .properties format: a table of the odd cases, and a property that writing and reading agree. */
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { ConfigError, formatProperties, parseProperties } from '../src/index.ts';

const pairs = (text: string) =>
  parseProperties(text, 'f').map(({ key, value }) => [key, value] as const);

test.each([
  ['a=b', [['a', 'b']]],
  ['a:b', [['a', 'b']]],
  ['a b', [['a', 'b']]],
  ['a\t=\f b', [['a', 'b']]],
  ['a = = b', [['a', '= b']]],
  ['a  b=c', [['a', 'b=c']]],
  ['a=b  ', [['a', 'b  ']]],
  ['a', [['a', '']]],
  ['a=', [['a', '']]],
  ['=b', [['', 'b']]],
  ['# c\n  ! d\n\n \t\f\na=1', [['a', '1']]],
  ['a=1#2', [['a', '1#2']]],
  ['a\\=b\\:c\\ d=e', [['a=b:c d', 'e']]],
  ['a=\\t\\n\\r\\f\\\\\\q', [['a', '\t\n\r\f\\q']]],
  ['\\u0041=\\u00e9\\u4E2d', [['A', 'é中']]],
  ['a=1\\\n   2\\\r\n\t3\\\r4', [['a', '1234']]],
  [
    'a=1\\\\\nb=2',
    [
      ['a', '1\\'],
      ['b', '2'],
    ],
  ],
  [
    'a=1\\\n# not a comment\nb=2',
    [
      ['a', '1# not a comment'],
      ['b', '2'],
    ],
  ],
  ['a\\\n  b = c', [['ab', 'c']]],
  ['# comment \\\na=1', [['a', '1']]],
  ['a=1\\', [['a', '1']]],
  ['\\\n\\\na=1', [['a', '1']]],
  [
    'a=1\rb=2\r\nc=3\n',
    [
      ['a', '1'],
      ['b', '2'],
      ['c', '3'],
    ],
  ],
  ['\uFEFFa=1', [['a', '1']]],
  [
    'a=1\na=2',
    [
      ['a', '1'],
      ['a', '2'],
    ],
  ],
  ['a=\\#\\!\\"', [['a', '#!"']]],
  ['', []],
])('%j', (text, expected) => {
  expect(pairs(text)).toEqual(expected);
});

test('an entry knows where it begins', () => {
  const entries = parseProperties('\n# c\na=1\\\n  2\r\n\r\nb=3', 'server.properties');
  expect(entries).toEqual([
    { key: 'a', value: '12', line: 3, source: 'server.properties' },
    { key: 'b', value: '3', line: 6, source: 'server.properties' },
  ]);
});

test.each(['a=\\u12', 'a=\\u12g4', 'a=\\u', '\\uzzzz=1'])('%j is refused with its line', (line) => {
  const parse = () => parseProperties(`x=1\n${line}`, 'server.properties');
  expect(parse).toThrow(ConfigError);
  expect(parse).toThrow(/^server\.properties:2: "\\u/);
});

test('golden text', () => {
  const entries = [
    { key: 'cluster id', value: ' a=b ' },
    { key: '#k:', value: 'C:\\dir\n' },
  ];
  expect(formatProperties(entries)).toBe('cluster\\ id=\\ a=b \n\\#k\\:=C:\\\\dir\\n\n');
});

test('what is written is read back, whatever the characters', () => {
  const awkward = fc.string({ unit: fc.constantFrom(...'ab=:#! \t\f\r\n\\u0é中') });
  const texts = fc.oneof(awkward, fc.string({ unit: 'binary' }));
  fc.assert(
    fc.property(fc.array(fc.record({ key: texts, value: texts })), (entries) => {
      const read = parseProperties(formatProperties(entries), 'f');
      expect(read.map(({ key, value }) => ({ key, value }))).toEqual(entries);
    }),
    { numRuns: 300 },
  );
});

test('any text is entries or a ConfigError, nothing else', () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(...'ab=: #!\t\r\n\\u0') }), (text) => {
      try {
        for (const { line } of parseProperties(text, 'f')) expect(line).toBeGreaterThan(0);
      } catch (error) {
        expect(error).toBeInstanceOf(ConfigError);
      }
    }),
    { numRuns: 300 },
  );
});
