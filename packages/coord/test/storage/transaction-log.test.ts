/** The transaction log: group commit, files, and what happens when the disk fails. */
import { afterEach, expect, test } from '@jest/globals';
import { DiskError, InvariantViolation } from '@odradek/runtime';
import type { Storage } from '../../src/storage/types.ts';
import { MemoryDisk } from './memory-disk.ts';
import { append, FOLDER, type Opened, open, recordsOf } from './set-up.ts';

const opened: Storage[] = [];
afterEach(async () => {
  for (const storage of opened.splice(0)) await storage.close().catch(() => undefined);
});

async function start(disk = new MemoryDisk(), settings = {}): Promise<Opened> {
  const result = await open(disk, settings);
  opened.push(result.storage);
  return result;
}

/** Lets everything run that can run without a sync finishing. */
async function turns(count = 5): Promise<void> {
  for (let n = 0; n < count; n++) await new Promise((resolve) => setImmediate(resolve));
}

const logSyncs = (disk: MemoryDisk): number =>
  disk.calls.filter((call) => /^sync log\.[0-9a-f]{16}$/.test(call)).length;
const logWrites = (disk: MemoryDisk): number =>
  disk.calls.filter((call) => /^write log\.[0-9a-f]{16}$/.test(call)).length;

test('the records of one turn share a write and a sync; nothing is durable before it', async () => {
  const disk = new MemoryDisk();
  const { storage } = await start(disk);
  const durable: number[] = [];
  disk.holdSyncs();
  for (const zxid of [1, 2, 3]) {
    storage.log.append(Buffer.from(`r${zxid}`), BigInt(zxid), () => durable.push(zxid));
  }
  expect(storage.log.pendingBytes).toBe(6);
  await turns();
  disk.releaseSync(); // That of the new file's header.
  await turns();
  expect(disk.waitingSyncs).toBe(1);
  expect(logWrites(disk)).toBe(1);
  expect(durable).toEqual([]);
  disk.releaseSync();
  await turns();
  expect(durable).toEqual([1, 2, 3]);
  expect(logSyncs(disk)).toBe(1);
  expect(storage.log.pendingBytes).toBe(0);
  expect(storage.log.lastZxid).toBe(3n);
  disk.releaseAllSyncs();
});

test('what comes while a sync runs makes the next group', async () => {
  const disk = new MemoryDisk();
  const { storage } = await start(disk);
  await append(storage, [1, 'first']);
  disk.holdSyncs();
  const durable: number[] = [];
  const add = (zxid: number): void =>
    storage.log.append(Buffer.from('x'), BigInt(zxid), () => durable.push(zxid));
  add(2);
  await turns();
  for (const zxid of [3, 4, 5]) add(zxid);
  await turns();
  expect(disk.waitingSyncs).toBe(1);
  disk.releaseSync();
  await turns();
  expect(durable).toEqual([2]);
  add(6);
  disk.releaseSync();
  await turns();
  expect(durable).toEqual([2, 3, 4, 5]);
  disk.releaseSync();
  await turns();
  expect(durable).toEqual([2, 3, 4, 5, 6]);
  expect(logSyncs(disk)).toBe(4);
  disk.releaseAllSyncs();
});

test('a durable callback may append', async () => {
  const { storage } = await start();
  await new Promise<void>((resolve) => {
    storage.log.append(Buffer.from('a'), 1n, () =>
      storage.log.append(Buffer.from('b'), 2n, resolve),
    );
  });
  await storage.close();
});

test('a group has at most so many records and bytes; a bigger record goes alone', async () => {
  const disk = new MemoryDisk();
  const { storage } = await start(disk, { groupRecords: 3, groupBytes: 200 });
  await append(storage, [1, 'a'], [2, 'b'], [3, 'c'], [4, 'd']);
  expect(logWrites(disk)).toBe(2);
  const big = 'x'.repeat(1_000);
  await append(storage, [5, 'e'], [6, big], [7, 'f']);
  expect(logWrites(disk)).toBe(5);
  await storage.close();
  const again = await start(disk.kill());
  expect(await recordsOf(again.storage)).toEqual([
    [1, 'a'],
    [2, 'b'],
    [3, 'c'],
    [4, 'd'],
    [5, 'e'],
    [6, big],
    [7, 'f'],
  ]);
});

test('records come back after an orderly stop, with the counters for the next snapshot', async () => {
  const disk = new MemoryDisk();
  const { storage } = await start(disk);
  expect(storage.recoveredZxid).toBe(0n);
  await append(storage, [1, 'one'], [2, '']);
  await append(storage, [0x1_0000_0001, 'next epoch']);
  expect(storage.sinceSnapshot).toEqual({ records: 3, bytes: 13 });
  await storage.close();
  await storage.close();
  const { storage: again, events } = await start(disk);
  expect(await recordsOf(again)).toEqual([
    [1, 'one'],
    [2, ''],
    [0x1_0000_0001, 'next epoch'],
  ]);
  expect(again.recoveredZxid).toBe(0x1_0000_0001n);
  expect(again.sinceSnapshot).toEqual({ records: 3, bytes: 13 });
  expect(events).toEqual([]);
  await append(again, [0x1_0000_0002, 'goes on']);
  await again.close();
  expect((await recordsOf((await start(disk)).storage)).length).toBe(4);
});

test('a full file is closed at its exact size and a new one named by its first record', async () => {
  const disk = new MemoryDisk();
  const { storage } = await start(disk, { logFileBytes: 1_000, preallocateBytes: 512 });
  for (let zxid = 1; zxid <= 20; zxid++) await append(storage, [zxid, 'x'.repeat(100)]);
  await storage.close();
  // 64 bytes of header and 124 for each record: seven fit.
  expect(disk.paths()).toEqual([
    `${FOLDER}/log.0000000000000001`,
    `${FOLDER}/log.0000000000000008`,
    `${FOLDER}/log.000000000000000f`,
  ]);
  expect(disk.contentOf(`${FOLDER}/log.0000000000000001`)).toHaveLength(64 + 7 * 124);
  expect(await recordsOf((await start(disk)).storage)).toHaveLength(20);
});

test('files grow ahead of need in steps, up to their full size', async () => {
  const disk = new MemoryDisk();
  const { storage } = await start(disk, { logFileBytes: 1_500, preallocateBytes: 1_000 });
  const path = `${FOLDER}/log.0000000000000001`;
  await append(storage, [1, 'x'.repeat(100)]);
  expect(disk.contentOf(path)).toHaveLength(1_000);
  await append(storage, [2, 'x'.repeat(900)]);
  expect(disk.contentOf(path)).toHaveLength(1_500);
  await append(storage, [3, 'x'.repeat(5_000)]);
  expect(disk.contentOf(`${FOLDER}/log.0000000000000003`)).toHaveLength(64 + 24 + 5_000);
});

test('zxids must rise, records have a limit, a closed log takes none', async () => {
  const { storage } = await start(new MemoryDisk(), { recordBytes: 10 });
  await append(storage, [5, 'x']);
  const add = (zxid: bigint, size: number) => () =>
    storage.log.append(Buffer.alloc(size), zxid, () => undefined);
  expect(add(5n, 1)).toThrow(InvariantViolation);
  expect(add(6n, 11)).toThrow(InvariantViolation);
  await storage.close();
  expect(add(6n, 1)).toThrow(InvariantViolation);
});

test('a log that is full says so and tells when there is room', async () => {
  const disk = new MemoryDisk();
  const { storage } = await start(disk, { pendingBytes: 100 });
  disk.holdSyncs();
  const written = append(storage, [1, 'x'.repeat(99)]);
  expect(storage.log.isFull).toBe(false);
  await storage.log.whenRoom();
  const more = append(storage, [2, 'x']);
  expect(storage.log.isFull).toBe(true);
  let room = false;
  const roomy = storage.log.whenRoom().then(() => {
    room = true;
  });
  await turns();
  expect(room).toBe(false);
  disk.releaseAllSyncs();
  await Promise.all([written, more, roomy]);
  expect(storage.log.isFull).toBe(false);
});

test.each([
  ['a full disk', 'write', 'ENOSPC'],
  ['a failing sync', 'sync', 'EIO'],
] as const)(
  '%s: nothing of it is acknowledged, now or later, and the server is told once',
  async (_, operation, code) => {
    const disk = new MemoryDisk();
    const { storage, failures } = await start(disk);
    await append(storage, [1, 'kept']);
    disk.fail(operation, code);
    const outcomes: string[] = [];
    const add = (zxid: number) =>
      storage.log.append(
        Buffer.from('lost'),
        BigInt(zxid),
        () => outcomes.push(`durable ${zxid}`),
        (error) => outcomes.push(`${error.code} ${zxid}`),
      );
    add(2);
    add(3);
    await turns();
    disk.heal();
    add(4);
    expect(outcomes).not.toContain(`${code} 4`); // Never from within the call.
    await turns();
    expect(outcomes).toEqual([`${code} 2`, `${code} 3`, `${code} 4`]);
    expect(failures).toHaveLength(1);
    expect(failures[0]).toBeInstanceOf(DiskError);
    await storage.log.whenRoom();
    expect(storage.log.pendingBytes).toBe(0);
    await storage.close();
    const again = await start(disk.crash(() => 0));
    expect((await recordsOf(again.storage))[0]).toEqual([1, 'kept']);
  },
);

test('a record that cannot be written because its new file cannot be made fails too', async () => {
  const disk = new MemoryDisk();
  const { storage, failures } = await start(disk);
  disk.fail('rename', 'ENOSPC');
  await expect(append(storage, [1, 'x'])).rejects.toMatchObject({ code: 'ENOSPC' });
  expect(failures).toHaveLength(1);
});

test('without forceSync nothing waits for a sync', async () => {
  const disk = new MemoryDisk();
  const { storage } = await start(disk, { forceSync: false });
  await append(storage, [1, 'x'], [2, 'y']);
  expect(logSyncs(disk)).toBe(0);
});

test('a slow sync is worth a line in the log', async () => {
  const { storage, events } = await start(new MemoryDisk(), { slowSyncMs: 0 });
  await append(storage, [1, 'x']);
  expect(events).toHaveLength(1);
  expect(events[0]?.message).toMatch(/slow/);
  expect(events[0]?.fields).toMatchObject({ records: 1, sizeBytes: 25 });
});

test('a directory in use is refused, also when only the log directory is', async () => {
  const disk = new MemoryDisk();
  await start(disk);
  await expect(open(disk)).rejects.toMatchObject({ code: 'DIRECTORY_LOCKED' });
  await expect(
    open(disk, {}, { dataDirectory: '/other', logDirectory: '/data' }),
  ).rejects.toMatchObject({ code: 'DIRECTORY_LOCKED' });
  // The refused start gave back what it had taken.
  const other = await open(disk, {}, { dataDirectory: '/other' });
  await other.storage.close();
});
