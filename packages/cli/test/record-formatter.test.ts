/** Records into lines, as the console consumer's output properties say. */
import { expect, test } from '@jest/globals';
import type { ConsumedRecord } from '@odradek/client';
import { UsageError } from '../src/options.ts';
import { recordFormatter } from '../src/record-formatter.ts';

const record: ConsumedRecord = {
  topic: 't',
  partition: 0,
  offset: 7,
  timestamp: 1_700_000_000_000,
  timestampType: 'CreateTime',
  key: Buffer.from('k'),
  value: Buffer.from('v'),
  headers: [
    { key: 'h1', value: Buffer.from('v1') },
    { key: 'h2', value: null },
  ],
};

const all = {
  'print.timestamp': 'true',
  'print.partition': 'true',
  'print.offset': 'true',
  'print.headers': 'true',
  'print.key': 'true',
};

function line(properties: Record<string, string>, changes: Partial<ConsumedRecord> = {}): string {
  const out: Buffer[] = [];
  recordFormatter(new Map(Object.entries(properties)))({ ...record, ...changes }, out);
  return Buffer.concat(out).toString();
}

test.each([
  [{}, {}, 'v\n'],
  [all, {}, 'CreateTime:1700000000000\tPartition:0\tOffset:7\th1:v1,h2:null\tk\tv\n'],
  [{ 'print.key': 'true', 'key.separator': ' -> ' }, {}, 'k -> v\n'],
  [{ 'print.key': 'true', 'print.value': 'false' }, {}, 'k\n'],
  [{ 'print.key': 'true' }, { key: null, value: null }, 'null\tnull\n'],
  [{ 'null.literal': '-', 'line.separator': ';' }, { value: null }, '-;'],
  [{ 'print.timestamp': 'true' }, { timestamp: -1 }, 'NO_TIMESTAMP\tv\n'],
  [
    { 'print.timestamp': 'true' },
    { timestampType: 'LogAppendTime' as const },
    'LogAppendTime:1700000000000\tv\n',
  ],
  [{ 'print.headers': 'true' }, { headers: [] }, 'NO_HEADERS\tv\n'],
])('%j %j', (properties, changes, expected) => {
  expect(line(properties as Record<string, string>, changes)).toBe(expected);
});

test('a property that does not exist is named', () => {
  expect(() => line({ 'print.keys': 'true' })).toThrow(UsageError);
});
