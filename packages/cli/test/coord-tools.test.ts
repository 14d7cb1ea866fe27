/** coord-log, coord-check, coord-backup, coord-restore, coord-import, coord-export as a person calls them. */
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { nodeEnvironment } from '@odradek/runtime';
import type { CommandContext } from '../src/context.ts';
import { UsageError } from '../src/options.ts';
import { tools } from '../src/tools.ts';

const fixture = resolve(import.meta.dirname, '../../coord/test/fixtures/original/3.9.5');
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'odradek-tools-'));
  await cp(fixture, join(folder, 'zk'), { recursive: true });
});
afterAll(() => rm(folder, { recursive: true, force: true }));

interface Run {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs a tool; paths come out without the folder of this test. */
async function run(name: string, ...words: string[]): Promise<Run> {
  const tool = await tools[name]?.();
  let out = '';
  let err = '';
  const context = {
    environment: nodeEnvironment(),
    stdout: async (text: string | Uint8Array) => {
      out += text.toString();
    },
    stderr: async (text: string | Uint8Array) => {
      err += text.toString();
    },
    outputClosed: new AbortController().signal,
  } as unknown as CommandContext;
  const code = (await tool?.run(words, context)) ?? -1;
  const short = (text: string): string => text.replaceAll(`${folder}/`, '');
  return { code, out: short(out), err: short(err) };
}

const at = (path: string): string => join(folder, path);

test('import, check, backup, restore and export follow each other', async () => {
  const dry = await run('coord-import', '--from', at('zk'), '--dry-run');
  expect(dry.out).toContain('nothing was written');
  const imported = await run('coord-import', '--from', at('zk'), '--to', at('ours'));
  expect(imported.code).toBe(0);
  expect(imported.out.split('\n').slice(2)).toEqual([
    'the tree has the digest that ZooKeeper noted for it',
    expect.stringMatching(/^wrote ours\/odradek\/snapshot\.[0-9a-f]{16}$/),
    '',
  ]);
  const checked = await run('coord-check', at('ours'));
  expect(checked.code).toBe(0);
  expect(checked.out).toMatch(
    /A start would load ours\/odradek\/snapshot\.\S+ and replay 0 transactions: zxid 0x/,
  );
  expect(checked.out.trimEnd().split('\n').at(-1)).toBe('OK');

  const backup = await run('coord-backup', at('ours'), '--to', at('backup'));
  expect(backup.out).toMatch(/^backup: \d+ bytes, \d+ snapshot entries and 0 transactions; /);
  const restored = await run('coord-restore', at('backup'), '--to', at('again'));
  expect(restored.out).toMatch(/^zxid 0x\w+, 17 nodes .*; wrote again\/odradek\/snapshot\.\S+\n$/);
  const [again] = await readdir(at('again/odradek'));
  expect(await readdir(at('ours/odradek'))).toEqual([again]);

  const exported = await run('coord-export', at('again'), '--to', at('zk-again'));
  expect(exported.out).toMatch(/; wrote zk-again\/version-2\/snapshot\.[0-9a-f]+\n$/);
  const back = await run('coord-import', '--from', at('zk-again'), '--to', at('third'));
  expect(back.out.split('\n')[1]).toBe(imported.out.split('\n')[1]);
});

test('coord-log prints one line per record, a range of them, or JSON', async () => {
  const log = at('zk/version-2/log.1');
  const all = await run('coord-log', log);
  const lines = all.out.trimEnd().split('\n');
  expect(lines[0]).toMatch(
    /^0x1 \d{4}-\d\d-\d\dT[\d:.]+Z session 0x[0-9a-f]+ createSession cxid=0 timeoutMs=\d+$/,
  );
  expect(all.err).toMatch(
    /^zk\/version-2\/log\.1: ZooKeeper log, 22 records, zxid 0x1 to 0x16; whole\n$/,
  );
  const some = await run('coord-log', '--from', '0x2', '--to', '3', log);
  expect(some.out).toBe(`${lines[1]}\n${lines[2]}\n`);
  const json = await run('coord-log', '--json', '--to', '0x1', log);
  const [record, end] = json.out
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(record).toMatchObject({ zxid: '0x1', type: 'createSession', cxid: 0, offset: 16 });
  expect(end).toMatchObject({ type: 'end', recordCount: 22, damage: null, torn: null });
});

test('coord-log --verify says where a file is damaged, and fails', async () => {
  const bytes = await readFile(at('zk/version-2/log.1'));
  bytes[60] = (bytes[60] as number) ^ 1;
  await writeFile(at('log.1'), bytes);
  const { code, out } = await run(
    'coord-log',
    '--verify',
    at('log.1'),
    at('zk/version-2/snapshot.0'),
  );
  expect(code).toBe(1);
  const [damaged, whole] = out.split('\n');
  expect(damaged).toContain(
    'log.1: ZooKeeper log, 0 records; DAMAGED: log.1 at byte 16: the checksum of the entry is wrong',
  );
  expect(whole).toBe('zk/version-2/snapshot.0: ZooKeeper snapshot, 4 records; whole');
});

test.each([
  ['coord-log', ['--verify'], 'No file is given'],
  ['coord-log', ['--from', 'here', 'file'], "Cannot parse argument 'here' of option from"],
  ['coord-check', ['a', 'b'], 'Exactly one directory is expected'],
  ['coord-backup', ['dir'], 'Missing required option [to]'],
  ['coord-restore', ['file'], 'Missing required option [to]'],
  ['coord-import', ['--from', 'dir'], 'Missing required option [to]'],
  ['coord-import', ['--from', 'dir', '--to', 'there', 'more'], "'more' belongs to no option"],
])('%s %j is a wrong call', async (name, words, message) => {
  await expect(run(name, ...words)).rejects.toThrow(UsageError);
  await expect(run(name, ...words)).rejects.toThrow(message);
});
