/** Tables of configuration keys: what values come out, and what a wrong one is told. */
import { expect, test } from '@jest/globals';
import {
  allOf,
  atLeast,
  between,
  ConfigError,
  type ConfigValues,
  configText,
  defineConfig,
  each,
  formatConfigValue,
  matching,
  nonEmpty,
  oneOf,
  oneOfAnyCase,
  parseConfigValue,
  parseOverride,
  parseProperties,
  readConfig,
  renderConfigDocs,
  Secret,
} from '../src/index.ts';

const table = defineConfig({
  'broker.id': { type: 'int', validate: atLeast(0), doc: 'Names this broker.' },
  'log.dirs': { type: 'pathList', default: ['/tmp/logs'], validate: nonEmpty, doc: 'Where.' },
  'cleanup.policy': {
    type: 'list',
    default: ['delete'],
    validate: each(oneOf('delete', 'compact')),
    doc: 'What happens to old records: delete | compact.',
    dynamic: 'cluster-wide',
  },
  'retention.ms': { type: 'long', default: 604_800_000, validate: atLeast(-1), doc: 'How long.' },
  'retention.bytes': { type: 'long', default: null, doc: 'How much.' },
  'clean.ratio': { type: 'double', default: 0.5, validate: between(0, 1), doc: 'When.' },
  'auto.create': { type: 'boolean', default: true, doc: 'Whether.', dynamic: true },
  'replication.factor': { type: 'short', default: 1, doc: 'How many.' },
  'key.password': { type: 'password', default: null, doc: 'Secret.' },
  'data.dir': { type: 'path', default: '/tmp/data', doc: 'Where.', aliases: ['dataDir'] },
  'timestamp.type': {
    type: 'string',
    default: 'CreateTime',
    validate: oneOf('CreateTime', 'LogAppendTime'),
    doc: 'Which.',
  },
  'authorizer.class.name': { type: 'class', default: '', doc: 'Who may.' },
});

const read = (text: string, ...overrides: string[]) =>
  readConfig(
    table,
    [...parseProperties(text, 'server.properties'), ...overrides.map(parseOverride)],
    {
      source: 'server.properties',
      homeDirectory: '/home/k',
      isForeign: (key) => key.startsWith('x.'),
    },
  );

const messageOf = (run: () => unknown): string => {
  try {
    run();
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError);
    return (error as ConfigError).message;
  }
  throw new Error('no error');
};

test('defaults fill what is not given; types are those of the table', () => {
  const { values, explicit, warnings } = read('broker.id=7');
  const typed: ConfigValues<typeof table> = values;
  const id: number = typed['broker.id'];
  const dirs: readonly string[] = typed['log.dirs'];
  const bytes: number | null = typed['retention.bytes'];
  expect({ id, dirs, bytes }).toEqual({ id: 7, dirs: ['/tmp/logs'], bytes: null });
  expect(values['clean.ratio']).toBe(0.5);
  expect([...explicit]).toEqual(['broker.id']);
  expect(warnings).toEqual([]);
});

test('values of every type, blanks around them, home folders', () => {
  const { values } = read(
    [
      'broker.id = 7 ',
      'log.dirs=~/a , ~,/b~,~c',
      'cleanup.policy=compact,delete,',
      'retention.ms=-1',
      'retention.bytes=+9223372036854775807',
      'clean.ratio=.25',
      'auto.create=FALSE',
      'replication.factor=3',
      'key.password=sesame',
      'dataDir=~/data',
    ].join('\n'),
  );
  expect(values).toMatchObject({
    'broker.id': 7,
    'log.dirs': ['/home/k/a', '/home/k', '/b~', '~c'],
    'cleanup.policy': ['compact', 'delete'],
    'retention.ms': -1,
    'retention.bytes': Number.MAX_SAFE_INTEGER,
    'clean.ratio': 0.25,
    'auto.create': false,
    'replication.factor': 3,
    'data.dir': '/home/k/data',
  });
  expect(values['key.password']?.reveal()).toBe('sesame');
  expect(`${values['key.password']} ${JSON.stringify(values)}`).not.toContain('sesame');
});

test.each([
  ['broker.id=seven', '2: broker.id=seven: must be an integer at least 0'],
  ['broker.id=', '2: broker.id=: must be an integer at least 0'],
  ['broker.id=-1', '2: broker.id=-1: must be an integer at least 0'],
  ['broker.id=2147483648', '2: broker.id=2147483648: must be an integer at least 0'],
  [
    'replication.factor=40000',
    '2: replication.factor=40000: must be an integer from -32768 to 32767',
  ],
  [
    'retention.bytes=9223372036854775808',
    '2: retention.bytes=9223372036854775808: must be an integer from -9223372036854775808 to 9223372036854775807',
  ],
  ['clean.ratio=1.5', '2: clean.ratio=1.5: must be a number between 0 and 1'],
  ['clean.ratio=0x1', '2: clean.ratio=0x1: must be a number between 0 and 1'],
  ['auto.create=yes', '2: auto.create=yes: must be true or false'],
  [
    'cleanup.policy=delete,burn',
    '2: cleanup.policy=delete,burn: must be a list, each one of delete, compact',
  ],
  ['log.dirs=,', '2: log.dirs=,: must be not empty'],
  [
    'timestamp.type=createtime',
    '2: timestamp.type=createtime: must be one of CreateTime, LogAppendTime',
  ],
])('%s is refused with file, line, key, value and what is allowed', (line, expected) => {
  const rest = line.startsWith('broker.id') ? '' : '\nbroker.id=1';
  expect(messageOf(() => read(`# a comment\n${line}${rest}`))).toBe(
    `server.properties:${expected}`,
  );
});

test('every problem is told at once; a missing required key among them', () => {
  expect(messageOf(() => read('auto.create=1\nclean.ratio=x'))).toBe(
    [
      'server.properties: broker.id is missing: must be an integer at least 0',
      'server.properties:2: clean.ratio=x: must be a number between 0 and 1',
      'server.properties:1: auto.create=1: must be true or false',
    ].join('\n'),
  );
});

test('the command line overrides the file without a word, and is named in errors', () => {
  const { values, warnings } = read('broker.id=1', 'broker.id=2', 'log.dirs=/x=y');
  expect(values['broker.id']).toBe(2);
  expect(values['log.dirs']).toEqual(['/x=y']);
  expect(warnings).toEqual([]);
  expect(messageOf(() => read('broker.id=1', 'broker.id=two'))).toBe(
    'command line: broker.id=two: must be an integer at least 0',
  );
  expect(messageOf(() => parseOverride('broker.id'))).toBe(
    'command line: "broker.id": must be key=value',
  );
});

test('unknown keys are warned about with the nearest known one; foreign ones are not', () => {
  const { warnings } = read('broker.id=1\nlog.dir=/a\nlisteners.of.the.house=3\nx.y=1');
  expect(warnings).toEqual([
    'server.properties:2: unknown key log.dir, ignored; did you mean log.dirs?',
    'server.properties:3: unknown key listeners.of.the.house, ignored',
  ]);
});

test('a key given twice in one file: the last counts, with a warning', () => {
  const { values, warnings } = read('broker.id=1\ndata.dir=/a\ndataDir=/b');
  expect(values['data.dir']).toBe('/b');
  expect(warnings).toEqual([
    'server.properties:3: dataDir is given again; server.properties:2 is overridden',
  ]);
});

test('rules over several keys are refused in the same form; passwords stay hidden', () => {
  const config = read('broker.id=5\nkey.password=sesame');
  expect(config.refuse('broker.id', 'must be below reserved.broker.max.id').message).toBe(
    'server.properties:1: broker.id=5: must be below reserved.broker.max.id',
  );
  expect(config.refuse('log.dirs', 'must be given too').message).toBe(
    'server.properties: log.dirs (not given): must be given too',
  );
  expect(config.refuse('key.password', 'is too short').message).toBe(
    'server.properties:2: key.password=[hidden]: is too short',
  );
});

test('values are written as they would stand in a file', () => {
  expect(formatConfigValue('long', Number.MAX_SAFE_INTEGER)).toBe('9223372036854775807');
  expect(formatConfigValue('long', Number.MIN_SAFE_INTEGER)).toBe('-9223372036854775808');
  expect(formatConfigValue('long', 604_800_000)).toBe('604800000');
  expect(configText(table['log.dirs'], ['/a', '/b'])).toBe('/a,/b');
  expect(configText(table['auto.create'], false)).toBe('false');
  expect(configText(table['key.password'], new Secret('sesame'))).toBe('[hidden]');
  expect(configText(table['retention.bytes'], null)).toBeNull();
  expect(parseConfigValue({ type: 'double' }, '1e3', '')).toEqual({ value: 1000 });
});

test('validators', () => {
  expect(allOf(atLeast(1), between(0, 5)).accepts(0)).toBe(false);
  expect(allOf(atLeast(1), between(0, 5)).allowed).toBe('at least 1 and between 0 and 5');
  expect(oneOfAnyCase('PLAINTEXT').accepts('plaintext')).toBe(true);
  expect(oneOfAnyCase('PLAINTEXT').accepts('ssl')).toBe(false);
  expect(oneOf('a').allowed).toBe('a');
  expect(matching(/^\d+$/, 'digits').accepts('12a')).toBe(false);
  expect(nonEmpty.accepts('')).toBe(false);
});

test('the docs page has a row for each key', () => {
  const page = renderConfigDocs(table, { title: 'Broker', introduction: 'All keys.' });
  const lines = page.split('\n');
  expect(lines[0]).toMatch(/^<!-- Generated/);
  expect(lines[1]).toBe('# Broker');
  expect(lines).toContain(
    '| `broker.id` | int | required | an integer at least 0 | by restart | Names this broker. |',
  );
  expect(lines).toContain(
    '| `cleanup.policy` | list | `delete` | a list, each one of delete, compact | while running, cluster-wide | What happens to old records: delete \\| compact. |',
  );
  expect(lines).toContain(
    '| `data.dir`, `dataDir` | path | `/tmp/data` | a path | by restart | Where. |',
  );
  expect(lines).toContain(
    '| `auto.create` | boolean | `true` | true or false | while running | Whether. |',
  );
  expect(lines).toContain(
    '| `authorizer.class.name` | class | empty | a class name | by restart | Who may. |',
  );
  expect(page.endsWith('|\n')).toBe(true);
});

test.each([
  [0.5, '0.5'],
  [1, '1.0'],
  [0, '0.0'],
  [12_345_678, '1.2345678E7'],
  [1e7, '1.0E7'],
  [0.0001, '1.0E-4'],
  [Number.MAX_VALUE, '1.7976931348623157E308'],
])('a double is written as Java writes it: %d', (value, text) => {
  expect(formatConfigValue('double', value)).toBe(text);
  expect(parseConfigValue({ type: 'double' }, text, '')).toEqual({ value });
});
