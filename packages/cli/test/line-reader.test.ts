/** Lines into records, as the console producer's reader properties say. */
import { describe, expect, test } from '@jest/globals';
import { LineError, lineReader } from '../src/line-reader.ts';
import { UsageError } from '../src/options.ts';

const read = (properties: Record<string, string>, line: string) => {
  const { key, value, headers } = lineReader(new Map(Object.entries(properties)))(
    Buffer.from(line),
    7,
  );
  return {
    key: key?.toString() ?? null,
    value: value?.toString() ?? null,
    headers: headers.map((header) => [header.key, header.value?.toString() ?? null]),
  };
};

describe('line reader', () => {
  test.each([
    [{}, 'a\tb', { key: null, value: 'a\tb', headers: [] }],
    [{}, '', { key: null, value: '', headers: [] }],
    [{ 'parse.key': 'true' }, 'a\tb\tc', { key: 'a', value: 'b\tc' }],
    [{ 'parse.key': 'true', 'key.separator': '::' }, 'a::b', { key: 'a', value: 'b' }],
    [{ 'parse.key': 'true', 'key.separator': ':' }, ':b', { key: '', value: 'b' }],
    [{ 'parse.key': 'true', 'ignore.error': 'true' }, 'none', { key: null, value: 'none' }],
    [
      { 'parse.headers': 'true' },
      'h:1,i:2\tv',
      {
        value: 'v',
        headers: [
          ['h', '1'],
          ['i', '2'],
        ],
      },
    ],
    [
      { 'parse.headers': 'true', 'parse.key': 'true' },
      'h:1\tk\tv',
      { key: 'k', value: 'v', headers: [['h', '1']] },
    ],
    [{ 'null.marker': 'NULL' }, 'NULL', { value: null }],
    [{ 'null.marker': 'NULL', 'parse.key': 'true' }, 'NULL\tNULL', { key: null, value: null }],
    [
      { 'null.marker': 'NULL', 'parse.headers': 'true' },
      'h:NULL\tv',
      { value: 'v', headers: [['h', null]] },
    ],
  ])('%j %j', (properties, line, expected) => {
    expect(read(properties as Record<string, string>, line)).toMatchObject(expected);
  });

  test.each([
    [{ 'parse.key': 'true' }, 'no separator', /line number 7/],
    [{ 'parse.headers': 'true' }, 'no separator', /headers separator.*line number 7/],
    [{ 'parse.headers': 'true' }, 'bad\tv', /header key separator.*line number 7/],
    [{ 'parse.headers': 'true', 'null.marker': 'N' }, 'N:1\tv', /null marker/],
  ])('%j refuses %j', (properties, line, message) => {
    const attempt = () => read(properties as Record<string, string>, line);
    expect(attempt).toThrow(LineError);
    expect(attempt).toThrow(message);
  });

  test.each([
    [{ 'parse.keys': 'true' }],
    [{ 'parse.headers': 'true', 'headers.separator': ':' }],
    [{ 'null.marker': '\t' }],
  ])('properties %j make no sense', (properties) => {
    expect(() => lineReader(new Map(Object.entries(properties as Record<string, string>)))).toThrow(
      UsageError,
    );
  });

  test('bytes that are no text come through as they are', () => {
    const bytes = Buffer.from([0xff, 0x09, 0xfe, 0x00]);
    const { key, value } = lineReader(new Map([['parse.key', 'true']]))(bytes, 1);
    expect([key, value]).toEqual([Buffer.from([0xff]), Buffer.from([0xfe, 0x00])]);
  });
});
