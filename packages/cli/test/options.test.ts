/** The dialect of options that Kafka's tools speak, as tables. */
import { describe, expect, test } from '@jest/globals';
import { parseOptions, renderUsage, UsageError } from '../src/options.ts';

const table = {
  topic: { kind: 'text', about: 'The topic.', required: true },
  create: { kind: 'flag', about: 'Create it.' },
  partitions: { kind: 'number', about: 'How many.', hint: 'Integer: # of partitions' },
  config: { kind: 'repeated', about: 'A setting.' },
  'compression-codec': { kind: 'optional', about: 'The codec.' },
  'consumer.config': { kind: 'text', about: 'A file.' },
  force: { kind: 'flag', about: 'Old.', hidden: true },
} as const;

const parse = (line: string) =>
  parseOptions('tool', table, line === '' ? [] : line.split(' ')).values;

describe('options', () => {
  test.each([
    ['--topic t', { topic: 't', create: false, partitions: undefined, config: [] }],
    ['--topic=t --create', { topic: 't', create: true }],
    ['-topic t -create', { topic: 't', create: true }],
    ['--topic t --partitions 3', { partitions: 3 }],
    ['--topic t --partitions -1', { partitions: -1 }],
    ['--topic t --config a=1 --config=b=2', { config: ['a=1', 'b=2'] }],
    ['--topic t --compression-codec', { 'compression-codec': true }],
    ['--topic t --compression-codec zstd', { 'compression-codec': 'zstd' }],
    ['--topic t --compression-codec --create', { 'compression-codec': true, create: true }],
    ['--topic t --consumer.config f', { 'consumer.config': 'f' }],
    ['--topic t --force', { force: true }],
  ])('%s', (line, expected) => {
    expect(parse(line)).toMatchObject(expected);
  });

  test.each([
    ['', 'Missing required option [topic]'],
    ['--topic', /argument missing/],
    ['--topic t --topic u', /multiple arguments for option topic/],
    ['--topic t --partitions x', /'x' of option partitions/],
    ['--topic t --nonsense', /unknown option '--nonsense'/],
  ])('refuses: %s', (line, message) => {
    const attempt = () => parse(line);
    expect(attempt).toThrow(UsageError);
    expect(attempt).toThrow(message);
  });

  test('words that belong to no option are handed on', () => {
    expect(parseOptions('tool', table, ['--topic', 't', 'x', 'y']).rest).toEqual(['x', 'y']);
  });
});

test('the table of options is sorted, marks what is required, and leaves out old spellings', () => {
  const lines = renderUsage('A tool.', table).trimEnd().split('\n');
  expect(lines.map((line) => line.replace(/ {2,}/g, ' | '))).toEqual([
    'A tool.',
    'Option | Description',
    '------ | -----------',
    '--compression-codec [String] | The codec.',
    '--config <String> | A setting.',
    '--consumer.config <String> | A file.',
    '--create | Create it.',
    '--partitions <Integer: # of partitions> | How many.',
    '* --topic <String> | REQUIRED: The topic.',
  ]);
});
