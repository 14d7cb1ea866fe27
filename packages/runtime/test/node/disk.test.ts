/** The disk port over a real folder. */
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { DiskError } from '../../src/errors.ts';
import { nodeEnvironment } from '../../src/node/environment.ts';

const { disk } = nodeEnvironment();
let root = '';
let folder = '';
let nextFolder = 0;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'odradek-disk-'));
});
afterAll(() => rm(root, { recursive: true }));
beforeEach(async () => {
  folder = join(root, String(nextFolder++));
  await disk.makeDirectory(folder);
});

test('vectored writes land one after the other, whatever their sizes', async () => {
  const path = join(folder, 'vector');
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.uint8Array({ maxLength: 50 }), { maxLength: 40 }),
      fc.nat(100),
      async (buffers, position) => {
        const file = await disk.open(path, 'write');
        try {
          await file.truncate(0);
          await file.write(buffers, position);
          const expected = Buffer.concat(buffers);
          const target = Buffer.alloc(expected.length + 10);
          const readBytes = await file.read(target, position);
          expect(readBytes).toBe(expected.length);
          expect(target.subarray(0, readBytes).equals(expected)).toBe(true);
          expect(await file.sizeBytes()).toBe(expected.length === 0 ? 0 : position + readBytes);
        } finally {
          await file.close();
        }
      },
    ),
    { numRuns: 60 },
  );
});

test('a file whose writes are durable by themselves is made when missing, written and read as any other', async () => {
  const path = join(folder, 'durable');
  for (const text of ['first', 'second']) {
    const file = await disk.open(path, 'durable');
    const at = await file.sizeBytes();
    await file.write([Buffer.from(text), Buffer.from('.')], at);
    await file.truncate(at + text.length);
    await file.close();
  }
  expect((await disk.readFile(path))?.toString()).toBe('firstsecond');
});

test('more buffers than the system takes in one call', async () => {
  const file = await disk.open(join(folder, 'many'), 'create');
  const buffers = Array.from({ length: 5_000 }, (_, n) => Buffer.from([n & 0xff, n >> 8]));
  await file.write(buffers, 0);
  await file.sync();
  const target = Buffer.alloc(10_000);
  expect(await file.read(target, 0)).toBe(10_000);
  expect(target.equals(Buffer.concat(buffers))).toBe(true);
  await file.close();
});

test('truncate cuts and extends with zeros', async () => {
  const file = await disk.open(join(folder, 'cut'), 'create');
  await file.write([Buffer.from('abcdef')], 0);
  await file.truncate(3);
  await file.truncate(5);
  const target = Buffer.alloc(8, 0xff);
  expect(await file.read(target, 0)).toBe(5);
  expect(target.subarray(0, 5).toString('latin1')).toBe('abc\0\0');
  await file.close();
});

test('modes: read wants the file, create wants it absent, write takes both', async () => {
  const path = join(folder, 'modes');
  await expect(disk.open(path, 'read')).rejects.toMatchObject({ code: 'ENOENT', path });
  await (await disk.open(path, 'write')).close();
  await expect(disk.open(path, 'create')).rejects.toMatchObject({ code: 'EEXIST' });
  const reader = await disk.open(path, 'read');
  await expect(reader.write([Buffer.from('x')], 0)).rejects.toThrow(DiskError);
  await reader.close();
});

test('replaceFile leaves the last content and no temporary file, also when called twice at once', async () => {
  const path = join(folder, 'checkpoint');
  await Promise.all([
    disk.replaceFile(path, 'first'),
    disk.replaceFile(path, Buffer.from('second')),
    disk.replaceFile(path, 'third'),
  ]);
  expect((await disk.readFile(path))?.toString()).toBe('third');
  expect(await readdir(folder)).toEqual(['checkpoint']);
});

test('a replaceFile that fails says so and does not stop the next one', async () => {
  const path = join(folder, 'missing-folder', 'checkpoint');
  const failing = disk.replaceFile(path, 'first');
  const after = failing.catch(() => disk.makeDirectory(join(folder, 'missing-folder')));
  await expect(failing).rejects.toMatchObject({ code: 'ENOENT' });
  await after;
  await disk.replaceFile(path, 'second');
  expect((await disk.readFile(path))?.toString()).toBe('second');
});

test('what is not there is null, empty, or nothing to do', async () => {
  const path = join(folder, 'nothing');
  expect(await disk.readFile(path)).toBeNull();
  expect(await disk.status(path)).toBeNull();
  expect(await disk.list(path)).toEqual([]);
  await disk.remove(path);
});

test('folders: made with parents, listed by name, renamed, removed with all that is in them', async () => {
  await disk.makeDirectory(join(folder, 'b', 'deep'));
  await disk.makeDirectory(join(folder, 'b', 'deep'));
  await disk.replaceFile(join(folder, 'a'), 'x');
  await disk.replaceFile(join(folder, 'c'), 'x');
  expect(await disk.list(folder)).toEqual([
    { name: 'a', kind: 'file' },
    { name: 'b', kind: 'directory' },
    { name: 'c', kind: 'file' },
  ]);
  await disk.rename(join(folder, 'b'), join(folder, 'd'));
  await disk.syncDirectory(folder);
  expect(await disk.status(join(folder, 'd'))).toMatchObject({ kind: 'directory' });
  await disk.remove(join(folder, 'd'));
  expect(await disk.status(join(folder, 'd'))).toBeNull();
});

test('modified time is kept to the millisecond', async () => {
  const path = join(folder, 'dated');
  await disk.replaceFile(path, 'abc');
  await disk.setModifiedTime(path, 1_500_000_000_123);
  const status = await disk.status(path);
  expect(status).toMatchObject({ kind: 'file', sizeBytes: 3 });
  expect(Math.round(status?.modifiedAtMs ?? 0)).toBe(1_500_000_000_123);
});

test('the room on the volume of a folder is told; a folder that is not there is a failure', async () => {
  const { totalBytes, usableBytes } = await disk.space(folder);
  expect(Number.isSafeInteger(totalBytes) && Number.isSafeInteger(usableBytes)).toBe(true);
  expect(totalBytes).toBeGreaterThanOrEqual(usableBytes);
  expect(totalBytes).toBeGreaterThan(0);
  await expect(disk.space(join(folder, 'nowhere'))).rejects.toBeInstanceOf(DiskError);
});

test('a survey tells of everything in a folder what its status tells', async () => {
  await disk.makeDirectory(join(folder, 'inner'));
  for (const [name, sizeBytes] of [
    ['b', 3],
    ['a', 0],
  ] as const)
    await disk.replaceFile(join(folder, name), Buffer.alloc(sizeBytes));
  const found = await disk.survey(folder);
  expect(found.map(({ name }) => name)).toEqual(['a', 'b', 'inner']);
  for (const { name, ...status } of found)
    expect(status).toEqual(await disk.status(join(folder, name)));
  expect(await disk.survey(join(folder, 'nowhere'))).toEqual([]);
});

test('pieces of files come in the order asked for, shorter where a file ends', async () => {
  const path = join(folder, 'digits');
  await disk.replaceFile(path, '0123456789');
  const piece = (position: number, sizeBytes: number) => ({ path, position, sizeBytes });
  const wanted = [piece(4, 2), piece(8, 9), piece(0, 10), piece(10, 1), piece(99, 1)];
  expect((await disk.readPieces(wanted)).map(String)).toEqual(['45', '89', '0123456789', '', '']);
  const missing = disk.readPieces([{ ...piece(0, 1), path: join(folder, 'gone') }]);
  await expect(missing).rejects.toThrow(DiskError);
});

test('between surveys others have their turn', async () => {
  let turns = 0;
  const timer = setInterval(() => {
    turns += 1;
  }, 0);
  const began = performance.now();
  while (performance.now() - began < 20) await disk.survey(folder);
  clearInterval(timer);
  expect(turns).toBeGreaterThan(0);
});
