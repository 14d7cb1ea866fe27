/** Snapshots: written in slices beside the log, checked before use, purged when there are enough. */
import { afterEach, expect, test } from '@jest/globals';
import { InvariantViolation, millis } from '@odradek/runtime';
import { StorageClosed } from '../../src/storage/errors.ts';
import { dispensable } from '../../src/storage/purge.ts';
import { DEFAULT_SETTINGS } from '../../src/storage/settings.ts';
import { writeSnapshotFile } from '../../src/storage/snapshot-writer.ts';
import type { Storage } from '../../src/storage/types.ts';
import { MemoryDisk } from './memory-disk.ts';
import { append, FOLDER, type Opened, open, recordsOf, snapshotOf } from './set-up.ts';

const opened: Storage[] = [];
afterEach(async () => {
  for (const storage of opened.splice(0)) await storage.close().catch(() => undefined);
});

async function start(disk: MemoryDisk, settings = {}): Promise<Opened> {
  const result = await open(disk, settings);
  opened.push(result.storage);
  return result;
}

const snapshotPath = (zxid: number): string =>
  `${FOLDER}/snapshot.${zxid.toString(16).padStart(16, '0')}`;
const logPath = (zxid: number): string => `${FOLDER}/log.${zxid.toString(16).padStart(16, '0')}`;
const entry = (text: string): Buffer => Buffer.from(text);

/** A store with snapshots at the given zxids, one record for each zxid up to `last`. */
async function storeWith(snapshots: readonly number[], last: number): Promise<MemoryDisk> {
  const disk = new MemoryDisk();
  const { storage } = await open(disk, { purgeIntervalMs: null });
  for (let zxid = 1; zxid <= last; zxid++) {
    await append(storage, [zxid, `r${zxid}`]);
    if (snapshots.includes(zxid)) await storage.writeSnapshot(BigInt(zxid), [entry(`s${zxid}`)]);
  }
  await storage.close();
  return disk;
}

test('a snapshot and the records behind it come back; the log begins a new file', async () => {
  const disk = await storeWith([3], 5);
  expect(disk.paths()).toEqual([logPath(1), logPath(4), snapshotPath(3)]);
  const { storage } = await start(disk);
  expect(storage.snapshotZxid).toBe(3n);
  expect(storage.recoveredZxid).toBe(5n);
  expect(await snapshotOf(storage)).toEqual(['s3']);
  expect(await recordsOf(storage)).toEqual([
    [4, 'r4'],
    [5, 'r5'],
  ]);
  expect(storage.sinceSnapshot).toEqual({ records: 2, bytes: 4 });
});

test('entries of all sizes, empty and big, in many blocks, in order', async () => {
  const disk = new MemoryDisk();
  const { storage } = await open(disk);
  const sizes = [0, 1, 600_000, 3, 2_000_000, 0, ...Array.from({ length: 3_000 }, (_, n) => n)];
  const entries = sizes.map((size, index) => Buffer.alloc(size, index & 0xff));
  await storage.writeSnapshot(7n, entries);
  await storage.close();
  const { storage: again } = await start(disk);
  const read: Buffer[] = [];
  for await (const bytes of again.snapshot ?? []) read.push(Buffer.from(bytes));
  expect(read).toHaveLength(entries.length);
  expect(read.every((bytes, index) => bytes.equals(entries[index] ?? Buffer.alloc(0)))).toBe(true);
  expect(again.recoveredZxid).toBe(7n);
});

test('an empty snapshot is one', async () => {
  const disk = new MemoryDisk();
  const { storage } = await open(disk);
  await storage.writeSnapshot(0n, []);
  await storage.close();
  expect(await snapshotOf((await start(disk)).storage)).toEqual([]);
});

test('after each slice others get their turn, and entries are only asked for when it goes on', async () => {
  let nowMs = 0;
  const turns: (() => void)[] = [];
  const pulled: number[] = [];
  function* entries(): Generator<Buffer> {
    for (let n = 0; n < 10; n++) {
      nowMs += 1; // Each entry takes a millisecond to make.
      pulled.push(n);
      yield entry(`e${n}`);
    }
  }
  const disk = new MemoryDisk();
  await disk.makeDirectory(FOLDER);
  const written = writeSnapshotFile(
    {
      clock: { now: () => millis(nowMs), wallTime: () => millis(0) },
      timers: { afterTurn: (run) => turns.push(run), wakeAt: () => () => undefined },
      random: { bytes: (size) => Buffer.alloc(size, 1), below: () => 0 },
      disk,
    },
    {
      folder: FOLDER,
      zxid: 1n,
      entries: entries(),
      settings: { ...DEFAULT_SETTINGS, snapshotSliceMs: 4 },
      endZxid: () => Promise.resolve(1n),
      checkOpen: () => undefined,
    },
  );
  const settle = () => new Promise((resolve) => setImmediate(resolve));
  await settle();
  expect(pulled).toEqual([0, 1, 2, 3]);
  await settle();
  expect(pulled).toHaveLength(4);
  turns.shift()?.();
  await settle();
  expect(pulled).toHaveLength(8);
  turns.shift()?.();
  const { entryCount } = await written;
  expect(entryCount).toBe(10);
});

test('the log goes on while a snapshot is written, and a fuzzy one needs the log up to its end', async () => {
  const disk = new MemoryDisk();
  const { storage } = await open(disk, { snapshotSliceMs: 0 });
  await append(storage, [1, 'r1']);
  const tree = ['one'];
  function* entries(): Generator<Buffer> {
    for (let index = 0; index < tree.length; index++) yield entry(tree[index] ?? '');
  }
  const snapshot = storage.writeSnapshot(1n, entries());
  expect(storage.snapshotRunning).toBe(true);
  await expect(storage.writeSnapshot(1n, [])).rejects.toThrow(InvariantViolation);
  tree.push('two');
  await append(storage, [2, 'r2']);
  await snapshot;
  expect(storage.snapshotRunning).toBe(false);
  expect(storage.sinceSnapshot).toEqual({ records: 1, bytes: 2 });
  await storage.close();

  const whole = await open(disk.copy());
  expect(await snapshotOf(whole.storage)).toEqual(['one', 'two']);
  expect(await recordsOf(whole.storage)).toEqual([[2, 'r2']]);
  await whole.storage.close();

  // Without the record whose effect it shows, the snapshot is no consistent state.
  const cut = disk.copy();
  await cut.remove(logPath(2));
  await expect(open(cut)).rejects.toMatchObject({
    code: 'STORAGE_DAMAGED',
    path: snapshotPath(1),
    message: expect.stringMatching(/needs the log up to transaction 0x2, .* ends at 0x1/),
  });
});

test('a snapshot with any bit flipped or cut anywhere is passed over for the one before it', async () => {
  const disk = await storeWith([2, 4], 5);
  const content = disk.contentOf(snapshotPath(4));
  const variants: Buffer[] = [];
  for (let at = 0; at < content.length; at++) {
    variants.push(content.subarray(0, at));
    const flipped = Buffer.from(content);
    flipped[at] = (flipped[at] ?? 0) ^ (1 << (at % 8));
    variants.push(flipped);
  }
  variants.push(Buffer.concat([content, Buffer.alloc(1)]));
  for (const variant of variants) {
    const damaged = disk.copy();
    damaged.plant(snapshotPath(4), variant);
    const { storage, events } = await open(damaged);
    expect(await snapshotOf(storage)).toEqual(['s2']);
    expect(await recordsOf(storage)).toEqual([
      [3, 'r3'],
      [4, 'r4'],
      [5, 'r5'],
    ]);
    expect(events).toHaveLength(1);
    expect(events[0]?.message).toMatch(/snapshot cannot be used/);
    await storage.close();
  }
});

test('without any good snapshot the log alone serves when it is complete, else the start is refused', async () => {
  const disk = await storeWith([2], 3);
  disk.plant(snapshotPath(2), Buffer.from('x'));
  const { storage } = await open(disk);
  expect(storage.snapshot).toBeNull();
  expect((await recordsOf(storage)).map(([zxid]) => zxid)).toEqual([1, 2, 3]);
  await storage.close();
  await disk.remove(logPath(1));
  await expect(open(disk)).rejects.toMatchObject({ code: 'STORAGE_DAMAGED', path: logPath(3) });
});

test('a snapshot that fails leaves no trace, and the next one may succeed', async () => {
  const disk = await storeWith([1], 2);
  const { storage, failures } = await start(disk);
  const before = disk.paths();
  disk.fail('write', 'ENOSPC', { path: /snapshot/ });
  await expect(storage.writeSnapshot(2n, [entry('x')])).rejects.toMatchObject({ code: 'ENOSPC' });
  disk.heal();
  expect(disk.paths()).toEqual(before);
  expect(failures).toEqual([]);
  function* broken(): Generator<Buffer> {
    yield entry('x');
    throw new RangeError('broken tree');
  }
  await expect(storage.writeSnapshot(2n, broken())).rejects.toThrow(RangeError);
  expect(disk.paths()).toEqual(before);
  await storage.writeSnapshot(2n, [entry('x')]);
  expect(disk.paths()).toContain(snapshotPath(2));
});

test('closing gives up a running snapshot', async () => {
  const disk = new MemoryDisk();
  const { storage } = await open(disk, { snapshotSliceMs: 0 });
  let returned = false;
  function* endless(): Generator<Buffer> {
    try {
      for (;;) yield entry('x');
    } finally {
      returned = true;
    }
  }
  const snapshot = storage.writeSnapshot(0n, endless());
  const outcome = expect(snapshot).rejects.toThrow(StorageClosed);
  await storage.close();
  await outcome;
  expect(returned).toBe(true);
  expect(disk.paths()).toEqual([]);
  await expect(storage.writeSnapshot(0n, [])).rejects.toThrow(StorageClosed);
});

const files = (...zxids: number[]) =>
  zxids.map((zxid) => ({ path: `${zxid}`, zxid: BigInt(zxid) }));
test.each([
  ['too few snapshots to purge', [5, 9], [1, 3, 6, 10], 3, []],
  ['exactly enough: logs before the oldest kept may go', [5, 9, 12], [1, 3, 6, 10], 3, ['1']],
  ['a log that begins at the snapshot’s zxid stays', [3, 9, 12], [1, 3, 6, 10], 3, ['1']],
  [
    'more: old snapshots go, with the logs before',
    [5, 9, 12, 15],
    [1, 3, 6, 10],
    3,
    ['5', '1', '3'],
  ],
  ['never fewer than three snapshots', [5, 9, 12, 15], [1], 1, ['5']],
  ['no log at all', [5, 9, 12, 15], [], 3, ['5']],
  ['logs only after the snapshots', [1, 2, 3], [10, 20], 3, []],
])('purge: %s', (_, snapshots, logs, retain, expected) => {
  const removed = dispensable(files(...snapshots), files(...logs), retain);
  expect(removed.map(({ path }) => path)).toEqual(expected);
});

test('after a snapshot what is too old is purged, and what is left recovers from each snapshot', async () => {
  const disk = new MemoryDisk();
  const { storage } = await open(disk, { retainSnapshots: 3 });
  for (let zxid = 1; zxid <= 6; zxid++) {
    await append(storage, [zxid, `r${zxid}`]);
    await storage.writeSnapshot(BigInt(zxid), [entry(`s${zxid}`)]);
  }
  await storage.close();
  expect(disk.paths()).toEqual([
    logPath(4),
    logPath(5),
    logPath(6),
    snapshotPath(4),
    snapshotPath(5),
    snapshotPath(6),
  ]);
  for (const zxid of [6, 5]) {
    disk.plant(snapshotPath(zxid), Buffer.from('x'));
    const again = await open(disk);
    expect(await snapshotOf(again.storage)).toEqual([`s${zxid - 1}`]);
    expect((await recordsOf(again.storage)).at(-1)).toEqual([6, 'r6']);
    await again.storage.close();
  }
});

test('purging can be off, and its failure is only told', async () => {
  const disk = await storeWith([1, 2, 3, 4, 5], 5);
  expect(disk.paths().filter((path) => path.includes('snapshot'))).toHaveLength(5);
  const failing = disk.copy();
  failing.fail('remove', 'EIO');
  const { storage, events } = await open(failing);
  await storage.close();
  expect(events).toMatchObject([{ fields: { error: { code: 'EIO' } } }]);
  await (await open(disk)).storage.close();
  expect(disk.paths().filter((path) => path.includes('snapshot'))).toHaveLength(3);
});
