/** Locks between real processes: one holder, freed by any death, also under a crowd of starters. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { DirectoryLocked, nodeEnvironment } from '../../src/index.ts';

const { disk } = nodeEnvironment();
let root = '';
let path = '';
let next = 0;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'odradek-lock-'));
});
afterAll(() => rm(root, { recursive: true }));
beforeEach(async () => {
  const folder = join(root, String(next++));
  await disk.makeDirectory(folder);
  path = join(folder, '.lock');
});

const lockFileSource = fileURLToPath(new URL('../../src/node/lock-file.ts', import.meta.url));
const CHILD = `
  import { takeLock } from ${JSON.stringify(lockFileSource)};
  try {
    await takeLock(process.argv[1]);
    console.log('taken');
    setInterval(() => undefined, 1000);
  } catch (error) {
    console.log(error.code);
  }
`;

/** A process that tries to take the lock; it keeps it until it is killed. */
async function starter(): Promise<{ child: ChildProcess; said: string }> {
  const child = spawn(
    process.execPath,
    ['--import', 'tsx', '--input-type=module', '-e', CHILD, path],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const [chunk] = (await once(child.stdout, 'data')) as [Buffer];
  return { child, said: chunk.toString().trim() };
}

async function kill(child: ChildProcess): Promise<void> {
  const ended = child.exitCode === null && child.signalCode === null ? once(child, 'exit') : null;
  child.kill('SIGKILL');
  await ended;
}

test('a lock is refused to a second taker in this process, free after release', async () => {
  const held = await disk.lock(path);
  await expect(disk.lock(path)).rejects.toMatchObject({
    code: 'DIRECTORY_LOCKED',
    holderPid: process.pid,
  });
  await held.release();
  await held.release();
  const again = await disk.lock(path);
  await again.release();
  expect(await readdir(join(path, '..'))).toEqual([]);
});

test('another process holds it until it is killed; its lock is then taken over', async () => {
  const { child, said } = await starter();
  expect(said).toBe('taken');
  const refusal = await disk.lock(path).then(
    () => null,
    (error: DirectoryLocked) => error,
  );
  expect(refusal).toBeInstanceOf(DirectoryLocked);
  expect(refusal?.message).toBe(`${path} is locked by process ${child.pid}`);
  await kill(child);
  const held = await disk.lock(path);
  expect(await readFile(path, 'utf8')).toMatch(new RegExp(`^${process.pid}\n`));
  await held.release();
}, 30_000);

test('a process id that belongs to somebody else now is no holder', async () => {
  await writeFile(path, `${process.ppid}\nanother-boot/1\nabcdef\n`);
  const held = await disk.lock(path);
  await held.release();
});

test.each(['', 'not ours', '1\n'])('a file left by others (%j) is taken over', async (content) => {
  await writeFile(path, content);
  const held = await disk.lock(path);
  await expect(disk.lock(path)).rejects.toThrow(DirectoryLocked);
  await held.release();
  expect(await readdir(join(path, '..'))).toEqual([]);
});

test('of many who find a stale lock at once, one wins; nothing is left over', async () => {
  for (let round = 0; round < 20; round++) {
    await writeFile(path, `${process.ppid}\nanother-boot/1\nabcdef${round}\n`);
    const outcomes = await Promise.allSettled(Array.from({ length: 16 }, () => disk.lock(path)));
    const winners = outcomes.filter((outcome) => outcome.status === 'fulfilled');
    expect(winners).toHaveLength(1);
    for (const { value } of winners) await value.release();
    expect(await readdir(join(path, '..'))).toEqual([]);
  }
});

test('a taker who died between its claim and the replacement does not block the others', async () => {
  await writeFile(path, `${process.ppid}\nanother-boot/1\nabcdef\n`);
  await writeFile(`${path}.abcdef`, `${process.ppid}\nanother-boot/2\nfedcba\n`);
  const held = await disk.lock(path);
  await held.release();
  expect(await readdir(join(path, '..'))).toEqual([]);
});

test('of several processes that start at once over a stale lock, one wins', async () => {
  await writeFile(path, `${process.ppid}\nanother-boot/1\nabcdef\n`);
  const starters = await Promise.all(Array.from({ length: 4 }, starter));
  expect(starters.map(({ said }) => said).sort()).toEqual([
    'DIRECTORY_LOCKED',
    'DIRECTORY_LOCKED',
    'DIRECTORY_LOCKED',
    'taken',
  ]);
  for (const { child } of starters) await kill(child);
}, 30_000);

test('a folder that is not there is a disk error', async () => {
  await expect(disk.lock(join(root, 'nowhere', '.lock'))).rejects.toMatchObject({
    code: 'ENOENT',
  });
});
