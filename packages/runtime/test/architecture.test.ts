/**
 * The house rules of DESIGN 1 and 2.1 have teeth: each violation is planted in a copy of the lint
 * set-up, one file each, and the linter must refuse it; what is allowed must pass.
 */
import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from '@jest/globals';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const BIOME = join(root, 'node_modules/@biomejs/biome/bin/biome');

interface Plant {
  /** Folder under packages/. */
  readonly folder: string;
  readonly code: string;
  /** Part of the rule's name that must refuse it; null: must pass. */
  readonly rule: string | null;
}

const plant = (folder: string, rule: string | null, ...codes: readonly string[]): Plant[] =>
  codes.map((code) => ({ folder, code, rule }));

/** Files that are neither at the edge nor in core/. */
const HOSTS = [
  'runtime/src',
  'protocol/src/wire',
  'coord/src/server',
  'client/src/connection',
  'broker/src/log',
  'cli/src/commands',
  'testkit/src/world',
];
const CORES = ['coord/src/core/tree', 'coord/src/core', 'broker/src/core/group'];
const EDGES = ['runtime/src/node', 'cli/src/node'];

const AMBIENT = [
  'export const a = Math.random();',
  'export const a = Math.random;',
  'export const { random } = Math;',
  'export const a = Date.now();',
  'export const a = [1].map(Date.now);',
  'export const a = new Date();',
  ...[
    'net',
    'fs',
    'fs/promises',
    'tls',
    'dgram',
    'dns',
    'timers',
    'timers/promises',
    'http',
    'https',
  ].map((name) => `import { x } from 'node:${name}';\nexport const a = x;`),
  ...[
    'http2',
    'child_process',
    'cluster',
    'readline',
    'os',
    'perf_hooks',
    'process',
    'worker_threads',
  ].map((name) => `import * as x from 'node:${name}';\nexport const a = x;`),
  "import type { Socket } from 'node:net';\nexport type A = Socket;",
  "export { readFile } from 'node:fs';",
  "export const a = await import('node:fs');",
  "import { createHash, randomBytes } from 'node:crypto';\nexport const a = [createHash, randomBytes];",
  "import crypto from 'node:crypto';\nexport const a = crypto;",
];
const GLOBALS = [
  'setTimeout(() => undefined, 1);',
  'setInterval(() => undefined, 1);',
  'setImmediate(() => undefined);',
  'export const a = performance.now();',
  'export const a = process.pid;',
  'export const a = crypto.randomUUID();',
  "export const a = fetch('http://x');",
  'export const a = globalThis.setTimeout;',
];
const HARMLESS = [
  "import { createHash } from 'node:crypto';\nexport const a = createHash('sha1');",
  "import { join } from 'node:path';\nexport const a = join('a', 'b');",
  "import { deflateSync } from 'node:zlib';\nexport const a = deflateSync;",
  'export const a = new Date(5).toISOString();',
  'export const a = Math.floor(5.5);',
];
const PACKAGES = ['runtime', 'protocol', 'coord', 'client', 'broker', 'cli', 'testkit'] as const;
const ARROWS: Readonly<Record<(typeof PACKAGES)[number], readonly string[]>> = {
  runtime: [],
  protocol: [],
  coord: ['protocol', 'runtime'],
  client: ['protocol', 'runtime'],
  broker: ['client', 'protocol', 'runtime'],
  cli: ['client', 'coord', 'broker', 'protocol', 'runtime'],
  testkit: ['coord', 'broker', 'client', 'protocol', 'runtime'],
};
const importOf = (name: string): string =>
  `import { x } from '@odradek/${name}';\nexport const a = x;`;
/** The coordination server takes its half of protocol only. */
const faceFor = (from: string, to: string): string =>
  from === 'coord' && to === 'protocol' ? 'protocol/zookeeper' : to;

const plants: readonly Plant[] = [
  ...HOSTS.flatMap((folder) => [
    ...plant(folder, 'plugin', ...AMBIENT),
    ...plant(folder, 'noRestrictedGlobals', ...GLOBALS),
    ...plant(folder, null, ...HARMLESS),
  ]),
  ...EDGES.flatMap((folder) => plant(folder, null, ...AMBIENT.slice(0, 8), ...GLOBALS)),
  ...CORES.flatMap((folder) => [
    ...plant(folder, 'plugin', ...AMBIENT),
    ...plant(folder, 'noRestrictedGlobals', ...GLOBALS, 'export const a = new Date(5);'),
    ...plant(
      folder,
      'noRestrictedImports',
      "import { join } from 'node:path';\nexport const a = join;",
      "import { pack } from 'msgpackr';\nexport const a = pack;",
      "import type { Clock } from '@odradek/runtime';\nexport type A = Clock;",
      "import { nodeEnvironment } from '@odradek/runtime';\nexport const a = nodeEnvironment;",
      "import type { Environment, Millis } from '@odradek/runtime';\nexport type A = [Environment, Millis];",
      importOf('coord'),
      importOf('broker'),
      importOf('client'),
    ),
    ...plant(
      folder,
      null,
      "import { invariant, type Machine, type Millis, millis, type Tick } from '@odradek/runtime';\nexport type A = [Machine<Tick, Millis>];\nexport const a = [invariant, millis];",
      "import { x } from '@odradek/protocol/zookeeper';\nexport const a = x;",
      "import { x } from './beside.ts';\nexport const a = x;",
    ),
  ]),
  ...plant('coord/src/server', 'noRestrictedImports', importOf('protocol')),
  ...plant('client/src', 'noRestrictedImports', importOf('protocol/zookeeper')),
  ...plant('cli/src/commands', null, importOf('coord/offline')),
  ...plant('broker/src', 'noRestrictedImports', importOf('coord/offline')),
  ...plant('coord/src/core/tree', null, "import { x } from '../watch/w.ts';\nexport const a = x;"),
  ...plant(
    'coord/src/core/tree',
    'noRestrictedImports',
    "import { x } from '../../storage/log.ts';\nexport const a = x;",
    "export * from '../../server/pipeline.ts';",
  ),
  ...plant(
    'broker/src/core',
    'noRestrictedImports',
    "import { x } from '../log/segment.ts';\nexport const a = x;",
  ),
  ...PACKAGES.flatMap((from) =>
    PACKAGES.filter((to) => to !== from).flatMap((to) =>
      plant(
        `${from}/src`,
        ARROWS[from].includes(to) ? null : 'noRestrictedImports',
        importOf(faceFor(from, to)),
      ),
    ),
  ),
  ...plant(
    'broker/src/replica',
    'noRestrictedImports',
    "import { Kafka } from '@odradek/client';\nexport const a = Kafka;",
    "import type { Producer } from '@odradek/client';\nexport type A = Producer;",
    "import { x } from '@odradek/client/src/connection/index.ts';\nexport const a = x;",
  ),
  ...plant(
    'broker/src/replica',
    null,
    "import { BrokerConnection } from '@odradek/client';\nexport const a = BrokerConnection;",
  ),
  ...plant(
    'coord/src/server',
    'noUndeclaredDependencies',
    "import { x } from 'left-pad';\nexport const a = x;",
  ),
  ...plant('coord/test', null, 'export const a = [Math.random(), Date.now(), process.pid];'),
];

const nameOf = (index: number): string => `plant-${index}.ts`;
let copy = '';
/** The rules that complained, by planted file. */
const complaints = new Map<string, string[]>();

interface Diagnostic {
  readonly category: string;
  readonly location: { readonly path: string | { readonly file: string } | null };
}

beforeAll(async () => {
  copy = await mkdtemp(join(tmpdir(), 'odradek-lint-'));
  await cp(join(root, 'biome.json'), join(copy, 'biome.json'));
  await cp(join(root, 'tools'), join(copy, 'tools'), { recursive: true });
  await cp(join(root, 'package.json'), join(copy, 'package.json'));
  await symlink(join(root, 'node_modules'), join(copy, 'node_modules'));
  for (const name of PACKAGES) {
    await mkdir(join(copy, 'packages', name), { recursive: true });
    const manifest = join('packages', name, 'package.json');
    await cp(join(root, manifest), join(copy, manifest));
  }
  for (const [index, { folder, code }] of plants.entries()) {
    const path = join(copy, 'packages', folder, nameOf(index));
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, `${code}\n`);
  }
  const report = await promisify(execFile)(
    process.execPath,
    [BIOME, 'lint', '--reporter=json', '--max-diagnostics=none', '.'],
    { cwd: copy, maxBuffer: 256 * 1024 * 1024 },
  ).then(
    ({ stdout }) => stdout,
    ({ stdout }: { stdout: string }) => stdout,
  );
  const { diagnostics } = JSON.parse(report) as { diagnostics: Diagnostic[] };
  for (const { category, location } of diagnostics) {
    const path = typeof location.path === 'string' ? location.path : location.path?.file;
    const file = /plant-\d+\.ts$/.exec(path ?? '')?.[0];
    if (file !== undefined) complaints.set(file, [...(complaints.get(file) ?? []), category]);
  }
}, 60_000);
afterAll(() => rm(copy, { recursive: true }));

/** Rules of the house; others may complain about how short the planted code is. */
const HOUSE_RULES = /plugin|noRestricted|noUndeclaredDependencies/;

test.each(plants.map((each, index) => ({ ...each, index })))(
  'packages/$folder: $code -> $rule',
  ({ rule, index }) => {
    const rules = (complaints.get(nameOf(index)) ?? []).filter((name) => HOUSE_RULES.test(name));
    if (rule === null) expect(rules).toEqual([]);
    else expect(rules).toContainEqual(expect.stringContaining(rule));
  },
);

test('the packages’ manifests name only what the arrows allow', async () => {
  const present = await readdir(join(root, 'packages'));
  for (const name of PACKAGES.filter((each) => present.includes(each))) {
    const text = await readFile(join(root, 'packages', name, 'package.json'), 'utf8');
    const manifest = JSON.parse(text) as { dependencies?: Record<string, string> };
    const ours = Object.keys(manifest.dependencies ?? {}).filter((each) =>
      each.startsWith('@odradek/'),
    );
    expect(ARROWS[name].map((each) => `@odradek/${each}`)).toEqual(expect.arrayContaining(ours));
  }
});
