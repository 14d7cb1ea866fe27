/** The next log file made ready beforehand: it is used, it is never needed, and no crash leaves it behind. */
import { afterEach, expect, test } from '@jest/globals';
import type { Storage } from '../../src/storage/types.ts';
import { MemoryDisk } from './memory-disk.ts';
import { append, FOLDER, type Opened, open, recordsOf } from './set-up.ts';

const MIB = 1024 * 1024;
const SPARE = `${FOLDER}/log.${'f'.repeat(16)}.tmp`;
/** Five of them fill a file of a mebibyte. */
const PAYLOAD = 'x'.repeat(200_000);
const settings = { preallocateBytes: MIB, logFileBytes: 4 * MIB };

const opened: Storage[] = [];
afterEach(async () => {
  for (const storage of opened.splice(0)) await storage.close().catch(() => undefined);
});

async function start(disk: MemoryDisk, more = {}): Promise<Opened> {
  const result = await open(disk, { ...settings, ...more });
  opened.push(result.storage);
  return result;
}

/** Lets what is under way in the background come to its end. */
async function turns(): Promise<void> {
  for (let n = 0; n < 100; n++) await new Promise((resolve) => setImmediate(resolve));
}

async function appendEach(storage: Storage, from: number, to: number): Promise<void> {
  for (let zxid = from; zxid <= to; zxid++) {
    await append(storage, [zxid, PAYLOAD]);
    await turns();
  }
}

const logs = (disk: MemoryDisk): [string, number][] =>
  disk
    .paths()
    .filter((path) => path.startsWith(`${FOLDER}/log.`))
    .map((path) => [path.slice(FOLDER.length + 1), disk.contentOf(path).length]);

test('a log that is used goes on in a file made ready before, twice as big', async () => {
  const disk = new MemoryDisk();
  const { storage } = await start(disk);
  await append(storage, [1, 'little']);
  await turns();
  expect(disk.paths()).not.toContain(SPARE);
  await appendEach(storage, 2, 2);
  expect(disk.contentOf(SPARE).equals(Buffer.alloc(2 * MIB))).toBe(true);
  await appendEach(storage, 3, 7);
  const second = 'log.0000000000000007';
  const record = PAYLOAD.length + 24;
  expect(logs(disk)).toEqual([
    ['log.0000000000000001', 64 + 24 + 6 + 5 * record],
    [second, 2 * MIB],
  ]);
  const writesBefore = disk.calls.filter((call) => call === `write ${second}`).length;
  await append(storage, [8, 'one call']);
  expect(disk.calls.filter((call) => call === `write ${second}`)).toHaveLength(writesBefore + 1);
  await storage.close();
  expect(logs(disk).at(-1)).toEqual([second, 64 + record + 24 + 8]);
  expect((await recordsOf((await start(disk)).storage)).map(([zxid]) => zxid)).toEqual([
    1, 2, 3, 4, 5, 6, 7, 8,
  ]);
});

test('a crash leaves one behind at most, which the next start removes', async () => {
  const disk = new MemoryDisk();
  const { storage } = await start(disk);
  await appendEach(storage, 1, 1);
  const killed = disk.kill();
  expect(killed.paths()).toContain(SPARE);
  const { storage: again } = await start(killed);
  expect(killed.paths()).not.toContain(SPARE);
  expect(await recordsOf(again)).toEqual([[1, PAYLOAD]]);
});

test.each(['open', 'write', 'sync'] as const)(
  'where it cannot be made (%s fails) the log grows as it needs to',
  async (operation) => {
    const disk = new MemoryDisk();
    const { storage, failures } = await start(disk);
    disk.fail(operation, 'ENOSPC', { path: /log\.f{16}\.tmp$/ });
    await appendEach(storage, 1, 7);
    expect(failures).toEqual([]);
    expect(disk.paths()).not.toContain(SPARE);
    expect(logs(disk)).toEqual([['log.0000000000000001', 2 * MIB]]);
    await storage.close();
    expect(await recordsOf((await start(disk)).storage)).toHaveLength(7);
  },
);

test('the power goes at any moment around the change of files: what was acknowledged is there', async () => {
  let deaths = 0;
  for (let operations = 1; operations < 60; operations++) {
    const disk = new MemoryDisk();
    const { storage } = await start(disk, { logFileBytes: MIB });
    // The first file is full, the spare is ready.
    await append(storage, [1, PAYLOAD], [2, PAYLOAD], [3, PAYLOAD], [4, PAYLOAD], [5, PAYLOAD]);
    await turns();
    disk.dieAfter(operations);
    let acknowledged = 5;
    for (let zxid = 6; zxid <= 8 && !disk.isDead; zxid++) {
      const written = await append(storage, [zxid, PAYLOAD]).then(
        () => true,
        () => false,
      );
      if (written) acknowledged = zxid;
      await turns();
    }
    deaths += disk.isDead ? 1 : 0;
    const next = disk.crash((limit) => operations % limit);
    const { storage: again } = await start(next);
    const zxids = (await recordsOf(again)).map(([zxid]) => zxid);
    expect(zxids.length).toBeGreaterThanOrEqual(acknowledged);
    expect(zxids).toEqual(zxids.map((_, index) => index + 1));
    await again.close();
  }
  expect(deaths).toBeGreaterThan(20);
});
