/** How an event becomes a line. */
import { expect, test } from '@jest/globals';
import { DiskError, jsonLine, type LogFields, textLine } from '../src/index.ts';

const AT = Date.UTC(2026, 10, 20, 12, 0, 0, 123);
const event = (message: string, fields?: LogFields, component = 'storage') =>
  ({ atMs: AT, level: 'info', component, message, fields }) as const;

test.each<[string, LogFields | undefined, string]>([
  ['ready', undefined, 'ready'],
  [
    'ready',
    { port: 2181, zxid: 5n, leader: true, rack: null },
    'ready port=2181 zxid=5 leader=true rack=null',
  ],
  ['ready', { unset: undefined, host: 'a-b.c' }, 'ready host=a-b.c'],
  [
    'said',
    { text: 'two words', empty: '', quoted: 'a"b', equals: 'a=b' },
    'said text="two words" empty="" quoted="a\\"b" equals="a=b"',
  ],
  ['two\nlines\u0007', { text: 'a\nb' }, 'two\\nlines\\u0007 text="a\\nb"'],
])('%j with %j', (message, fields, expected) => {
  expect(textLine(event(message, fields))).toBe(
    `2026-11-20T12:00:00.123Z INFO  [storage] ${expected}`,
  );
});

test('without a component, and with a longer level', () => {
  expect(textLine({ ...event('x', undefined, ''), level: 'error' })).toBe(
    '2026-11-20T12:00:00.123Z ERROR x',
  );
});

test('an expected failure is told with its causes and without a stack, a bug with its stack', () => {
  const failure = new DiskError('ENOSPC', '/data', 'write', { cause: new RangeError('no room') });
  expect(textLine(event('stopped', { error: failure }))).toMatch(
    /stopped error="DiskError: write failed on \/data: ENOSPC because of RangeError: no room"$/,
  );
  const bug = textLine(event('stopped', { error: new TypeError('x is not a function') }));
  expect(bug).toMatch(/error="TypeError: x is not a function <- .*log\.test\.ts/);
  expect(bug).not.toContain('\n');
});

test('JSON has the same event, one object a line', () => {
  const failure = new DiskError('ENOSPC', '/data', 'write');
  const line = jsonLine(event('stopped', { zxid: 5n, error: failure, message: 'clash' }));
  expect(line).not.toContain('\n');
  expect(JSON.parse(line)).toEqual({
    time: '2026-11-20T12:00:00.123Z',
    level: 'info',
    component: 'storage',
    message: 'stopped',
    zxid: '5',
    error: { name: 'DiskError', message: failure.message, code: 'ENOSPC' },
    'field.message': 'clash',
  });
});
