/**
 * What a member of an ensemble needs of its storage: the mark of what it promised, the log from some
 * point on, cutting its end away, and a snapshot in everything's place.
 *
 * Cutting and replacing are tried with a crash at every operation on the disk: what is left opens,
 * and is what was there or what should be there, or (when cutting) the log up to somewhere between.
 */
import { afterEach, expect, test } from '@jest/globals';
import { CutTooDeep, SnapshotOutdated } from '../../src/storage/errors.ts';
import type { ReplicatedStorage, StoredContent } from '../../src/storage/types.ts';
import { type Draw, MemoryDisk } from './memory-disk.ts';
import { append, FOLDER, type Opened, open, recordsOf, snapshotOf } from './set-up.ts';

const opened: ReplicatedStorage[] = [];
afterEach(async () => {
  for (const storage of opened.splice(0)) await storage.close().catch(() => undefined);
});

async function start(disk: MemoryDisk, settings = {}, more = {}): Promise<Opened> {
  const result = await open(disk, settings, more);
  opened.push(result.storage);
  return result;
}

const MARK = `${FOLDER}/mark`;
const INITIALIZE = '/data/initialize';
const mark = {
  clusterId: 'abcDEF_-123',
  acceptedEpoch: 3,
  currentEpoch: 2,
  fence: 1,
  metFence: 2,
  forcedMembers: 'server.1="a"\\:2182\nversion=10000',
};
const ofEpoch = (epoch: number, counter: number): number => epoch * 2 ** 32 + counter;

/** One record for each zxid, written in files of a few records. */
async function logOf(disk: MemoryDisk, last: number, snapshots: readonly number[] = []) {
  const { storage } = await open(disk, { logFileBytes: 200, purgeIntervalMs: null });
  for (let zxid = 1; zxid <= last; zxid++) {
    await append(storage, [zxid, `r${zxid}`]);
    if (!snapshots.includes(zxid)) continue;
    await storage.writeSnapshot(BigInt(zxid), [Buffer.from(`s${zxid}`)]);
  }
  return storage;
}

async function read({ snapshot, records, zxid }: StoredContent) {
  const entries: string[] = [];
  for await (const entry of snapshot ?? []) entries.push(Buffer.from(entry).toString());
  const zxids: number[] = [];
  for await (const record of records) zxids.push(Number(record.zxid));
  return { entries: snapshot === null ? null : entries, zxids, zxid: Number(zxid) };
}

async function historyOf(storage: ReplicatedStorage, zxid: number) {
  const history = await storage.history(BigInt(zxid));
  if (history === null) return null;
  const zxids: number[] = [];
  for await (const record of history.records) zxids.push(Number(record.zxid));
  return { startZxid: Number(history.startZxid), zxids };
}

async function* entriesOf(...texts: string[]): AsyncGenerator<Uint8Array> {
  for (const text of texts) yield Buffer.from(text);
}

const range = (from: number, to: number): number[] =>
  Array.from({ length: Math.max(0, to - from + 1) }, (_, index) => from + index);

/** mulberry32 */
function drawFrom(seed: number): Draw {
  let state = seed;
  return (limit) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * limit);
  };
}

test('a mark that was saved is there at the next start', async () => {
  const disk = new MemoryDisk();
  const { storage } = await start(disk);
  expect(storage.mark).toEqual({
    clusterId: null,
    acceptedEpoch: 0,
    currentEpoch: 0,
    fence: 0,
    metFence: 0,
    forcedMembers: null,
  });
  await storage.saveMark(mark);
  expect(storage.mark).toEqual(mark);
  await storage.close();
  expect((await start(disk)).storage.mark).toEqual(mark);
});

test('data of a server that ran alone has the epoch of its last zxid, and is not new', async () => {
  const disk = new MemoryDisk();
  const { storage } = await start(disk);
  await append(storage, [ofEpoch(7, 1), 'x']);
  await storage.close();
  const again = await start(disk);
  expect(again.storage.mark).toMatchObject({ acceptedEpoch: 7, currentEpoch: 7, clusterId: null });
  expect(again.storage.isNew).toBe(false);
});

test('a mark with any bit flipped or cut anywhere refuses the start', async () => {
  const disk = new MemoryDisk();
  const { storage } = await start(disk);
  await storage.saveMark(mark);
  await storage.close();
  const content = disk.contentOf(MARK);
  for (let at = 0; at < content.length; at++) {
    const flipped = Buffer.from(content);
    flipped[at] = (flipped[at] ?? 0) ^ (1 << (at % 8));
    for (const damaged of [flipped, content.subarray(0, at)]) {
      const copy = disk.copy();
      copy.plant(MARK, damaged);
      await expect(open(copy)).rejects.toMatchObject({
        code: 'STORAGE_DAMAGED',
        path: MARK,
        message: expect.stringMatching(/promised: restore the file, or move the whole data/),
      });
    }
  }
});

test('a mark that is older than the data beside it refuses the start', async () => {
  const disk = new MemoryDisk();
  const { storage } = await start(disk);
  await storage.saveMark(mark);
  await append(storage, [ofEpoch(3, 1), 'x'], [ofEpoch(4, 1), 'y']);
  await storage.close();
  await expect(open(disk)).rejects.toMatchObject({
    code: 'STORAGE_DAMAGED',
    message: expect.stringMatching(/epoch 3 was promised last .* last transaction is of epoch 4/),
  });
});

test('data of a member is not served by a server alone; its own data is', async () => {
  const disk = new MemoryDisk();
  const { storage } = await start(disk, {}, { isAlone: true });
  await append(storage, [1, 'x']);
  await storage.close();
  await (await start(disk, {}, { isAlone: true })).storage.close();
  const member = await start(disk);
  await member.storage.saveMark(mark);
  await member.storage.close();
  await expect(open(disk, {}, { isAlone: true })).rejects.toMatchObject({
    code: 'STORAGE_NOT_USABLE',
    message: expect.stringMatching(/member of ensemble abcDEF_-123, but .* no other servers/),
  });
  await (await start(disk)).storage.close();
});

test('an empty directory is new until it has a whole history', async () => {
  const disk = new MemoryDisk();
  const { storage } = await start(disk);
  expect(storage.isNew).toBe(true);
  await storage.saveMark({ ...mark, acceptedEpoch: 1, currentEpoch: 0 });
  await append(storage, [ofEpoch(1, 1), 'half of the history']);
  await storage.close();
  const again = await start(disk);
  expect(again.storage.isNew).toBe(true);
  await again.storage.saveMark({ ...mark, acceptedEpoch: 1, currentEpoch: 1 });
  expect(again.storage.isNew).toBe(false);
  await again.storage.close();
  expect((await start(disk)).storage.isNew).toBe(false);
});

test('a file `initialize` says that an empty directory is as it should be, once', async () => {
  const disk = new MemoryDisk();
  disk.plant(INITIALIZE, Buffer.alloc(0));
  const { storage } = await start(disk);
  expect(storage.isNew).toBe(false);
  expect(disk.paths()).toContain(INITIALIZE);
  await storage.saveMark({ ...mark, acceptedEpoch: 1, currentEpoch: 0 });
  expect(disk.paths()).not.toContain(INITIALIZE);
  await storage.close();
  expect((await start(disk)).storage.isNew).toBe(false);
  await disk.remove(MARK);
  expect((await start(disk.copy())).storage.isNew).toBe(true);
  expect((await start(disk.copy(), {}, { autocreate: true })).storage.isNew).toBe(false);
});

test('the content is what is in the files now, not what was recovered', async () => {
  const disk = new MemoryDisk();
  const { storage } = await start(disk);
  void append(storage, [1, 'r1'], [2, 'r2']);
  expect(await read(await storage.content())).toEqual({ entries: null, zxids: [1, 2], zxid: 2 });
  await storage.writeSnapshot(2n, [Buffer.from('s2')]);
  await append(storage, [3, 'r3']);
  expect(await read(await storage.content())).toEqual({ entries: ['s2'], zxids: [3], zxid: 3 });
  expect(await recordsOf(storage)).toEqual([]);
});

test('the content is that of the moment of asking, and can be read while the log goes on', async () => {
  const disk = new MemoryDisk();
  const { storage } = await start(disk, { logFileBytes: 300 });
  let zxid = 0;
  let stopped = false;
  const writing = (async () => {
    for (; !stopped; zxid += 2) await append(storage, [zxid + 1, 'a'], [zxid + 2, 'b']);
  })();
  for (let round = 0; round < 60; round++) {
    const last = zxid;
    const content = await storage.content();
    await new Promise((resolve) => setImmediate(resolve));
    const { zxids } = await read(content);
    expect(Number(content.zxid)).toBeGreaterThanOrEqual(last);
    expect(zxids).toEqual(range(1, Number(content.zxid)));
  }
  stopped = true;
  await writing;
});

test('the history from any point on, over many files, what is pending included', async () => {
  const disk = new MemoryDisk();
  const storage = await logOf(disk, 20);
  opened.push(storage);
  expect(disk.paths().length).toBeGreaterThanOrEqual(4);
  for (let zxid = 0; zxid <= 20; zxid++) {
    expect(await historyOf(storage, zxid)).toEqual({
      startZxid: zxid,
      zxids: range(zxid + 1, 20),
    });
  }
  void append(storage, [25, 'pending'], [30, 'pending']);
  const asked = storage.history(18n);
  void append(storage, [31, 'later']);
  const found: number[] = [];
  for await (const { zxid } of (await asked)?.records ?? []) found.push(Number(zxid));
  expect(found).toEqual([19, 20, 25, 30]);
  expect(await historyOf(storage, 27)).toEqual({ startZxid: 25, zxids: [30, 31] });
  expect(await historyOf(storage, 99)).toEqual({ startZxid: 31, zxids: [] });
});

test('a history that begins before the oldest file is none', async () => {
  const disk = new MemoryDisk();
  const first = await logOf(disk, 20, [10, 12, 14, 16]);
  await first.close();
  await (await start(disk)).storage.close(); // Waits for the purge.
  const { storage } = await start(disk);
  const oldest = disk.paths().find((path) => path.includes('/log.')) ?? '';
  const reachesBackTo = Number(`0x${oldest.slice(oldest.lastIndexOf('.') + 1)}`) - 1;
  expect(reachesBackTo).toBeGreaterThan(2);
  expect(await historyOf(storage, reachesBackTo - 1)).toBeNull();
  expect(await historyOf(storage, reachesBackTo)).toEqual({
    startZxid: reachesBackTo,
    zxids: range(reachesBackTo + 1, 20),
  });
});

test('a damaged record in the way fails the history once; then it reaches back no further', async () => {
  const disk = new MemoryDisk();
  const storage = await logOf(disk, 12, [10]);
  opened.push(storage);
  const path = disk.paths()[1] ?? '';
  const content = disk.contentOf(path);
  content.writeUInt8(0, content.lastIndexOf('r') + 1);
  disk.plant(path, content);
  await expect(historyOf(storage, 2)).rejects.toMatchObject({ code: 'STORAGE_DAMAGED' });
  expect(await historyOf(storage, 2)).toBeNull();
  expect(await historyOf(storage, 12)).toEqual({ startZxid: 12, zxids: [] });
});

test('files that a history is read from are not purged', async () => {
  const disk = new MemoryDisk();
  const { storage } = await start(disk);
  for (let zxid = 1; zxid <= 3; zxid++) {
    await append(storage, [zxid, `r${zxid}`]);
    await storage.writeSnapshot(BigInt(zxid), []);
  }
  const history = await storage.history(0n);
  const records = history?.records[Symbol.asyncIterator]();
  expect((await records?.next())?.value.zxid).toBe(1n);
  for (let zxid = 4; zxid <= 6; zxid++) {
    await append(storage, [zxid, `r${zxid}`]);
    await storage.writeSnapshot(BigInt(zxid), []);
  }
  expect((await records?.next())?.value.zxid).toBe(2n);
  expect((await records?.next())?.value.zxid).toBe(3n);
  expect((await records?.next())?.done).toBe(true);
  await storage.writeSnapshot(6n, []);
  await storage.close(); // Waits for the purge.
  expect(disk.paths().some((path) => path.endsWith('log.0000000000000001'))).toBe(false);
});

test('a snapshot waits until the log has all that may show in it', async () => {
  const disk = new MemoryDisk();
  const { storage } = await start(disk);
  await append(storage, [1, 'r1']);
  disk.holdSyncs();
  function* entries(): Generator<Buffer> {
    // Applied while the snapshot is written, before this disk has it.
    void append(storage, [2, 'r2']);
    yield Buffer.from('shows 2');
  }
  const written = storage.writeSnapshot(1n, entries());
  const name = `${FOLDER}/snapshot.0000000000000001`;
  while (disk.waitingSyncs === 0) await new Promise((resolve) => setImmediate(resolve));
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
  expect(disk.paths()).not.toContain(name);
  disk.releaseAllSyncs();
  await written;
  expect(disk.paths()).toContain(name);
  expect(disk.calls.findIndex((call) => call.startsWith('sync log'))).toBeLessThan(
    disk.calls.findIndex((call) => call.startsWith('sync snapshot')),
  );
});

test.each(range(0, 12))('cut behind %i, the log goes on from there', async (cut) => {
  const disk = new MemoryDisk();
  const storage = await logOf(disk, 12);
  opened.push(storage);
  await storage.truncate(BigInt(cut));
  expect(storage.log.lastZxid).toBe(BigInt(cut));
  expect(await read(await storage.content())).toMatchObject({ zxids: range(1, cut), zxid: cut });
  expect(storage.sinceSnapshot.records).toBe(cut);
  await append(storage, [100, 'other'], [101, 'others']);
  expect(await historyOf(storage, cut)).toEqual({ startZxid: cut, zxids: [100, 101] });
  await storage.close();
  const again = await start(disk);
  expect((await recordsOf(again.storage)).map(([zxid]) => zxid)).toEqual([
    ...range(1, cut),
    100,
    101,
  ]);
});

test('snapshots that may show what is cut go; the newest before it serves', async () => {
  const disk = new MemoryDisk();
  const storage = await logOf(disk, 8, [3, 6]);
  opened.push(storage);
  function* fuzzy(): Generator<Buffer> {
    void append(storage, [9, 'r9'], [10, 'r10']);
    yield Buffer.from('shows 10');
  }
  await storage.writeSnapshot(8n, fuzzy());
  await storage.truncate(9n);
  expect(await read(await storage.content())).toEqual({
    entries: ['s6'],
    zxids: [7, 8, 9],
    zxid: 9,
  });
  await storage.truncate(3n);
  expect(await read(await storage.content())).toEqual({ entries: ['s3'], zxids: [], zxid: 3 });
  await append(storage, [4, 'other']);
  await storage.close();
  const again = await start(disk);
  expect(await snapshotOf(again.storage)).toEqual(['s3']);
  expect(await recordsOf(again.storage)).toEqual([[4, 'other']]);
});

test('a cut that nothing reaches back to, or of what is not there, changes nothing', async () => {
  const disk = new MemoryDisk();
  const first = await logOf(disk, 10, [4, 6, 8]);
  await append(first, [20, 'r20']);
  await first.close();
  for (const path of disk.paths().slice(0, 2)) await disk.remove(path); // The oldest logs.
  await disk.remove(`${FOLDER}/snapshot.0000000000000004`);
  const { storage, failures } = await start(disk);
  const before = disk.paths();
  await expect(storage.truncate(5n)).rejects.toThrow(CutTooDeep);
  await expect(storage.truncate(15n)).rejects.toThrow(/does not have it/);
  expect(disk.paths()).toEqual(before);
  expect(failures).toEqual([]);
  await append(storage, [21, 'goes on']);
  await storage.truncate(30n);
  expect(storage.log.lastZxid).toBe(21n);
});

test('a snapshot takes the place of everything, greater zxids too; the log goes on behind it', async () => {
  const disk = new MemoryDisk();
  const storage = await logOf(disk, 12, [3, 9]);
  opened.push(storage);
  await storage.replace(7n, entriesOf('a', 'b'));
  expect(storage.log.lastZxid).toBe(7n);
  expect(disk.paths()).toEqual([`${FOLDER}/snapshot.0000000000000007`]);
  expect(await read(await storage.content())).toEqual({ entries: ['a', 'b'], zxids: [], zxid: 7 });
  expect(await historyOf(storage, 6)).toBeNull();
  await append(storage, [8, 'new']);
  expect(await historyOf(storage, 7)).toEqual({ startZxid: 7, zxids: [8] });
  await storage.close();
  const again = await start(disk);
  expect(await snapshotOf(again.storage)).toEqual(['a', 'b']);
  expect(await recordsOf(again.storage)).toEqual([[8, 'new']]);
});

test('a stream that breaks leaves what was there, and the log goes on', async () => {
  const disk = new MemoryDisk();
  const { storage, failures } = await start(disk);
  await append(storage, [1, 'r1']);
  const before = disk.paths();
  async function* broken(): AsyncGenerator<Uint8Array> {
    yield Buffer.from('a');
    throw new RangeError('the link broke');
  }
  await expect(storage.replace(7n, broken())).rejects.toThrow('the link broke');
  expect(disk.paths()).toEqual(before);
  await append(storage, [2, 'r2']);
  expect(failures).toEqual([]);
});

test('a snapshot under way when everything changes is given up', async () => {
  const disk = new MemoryDisk();
  const { storage } = await start(disk, { snapshotSliceMs: 0 });
  await append(storage, [1, 'r1'], [2, 'r2']);
  function* endless(): Generator<Buffer> {
    for (;;) yield Buffer.from('x');
  }
  const outcome = expect(storage.writeSnapshot(2n, endless())).rejects.toThrow(SnapshotOutdated);
  await storage.truncate(1n);
  await outcome;
  expect(disk.paths().some((path) => path.includes('snapshot'))).toBe(false);
});

test('no snapshot of a state that is not the stored one', async () => {
  const disk = new MemoryDisk();
  const { storage } = await start(disk, { purgeIntervalMs: 1 });
  await append(storage, [1, 'r1'], [2, 'r2']);
  const cutting = storage.truncate(1n);
  await expect(storage.writeSnapshot(2n, [Buffer.from('old')])).rejects.toThrow(SnapshotOutdated);
  await cutting;
  await storage.replace(1n, entriesOf('new'));
  await expect(storage.writeSnapshot(2n, [Buffer.from('old')])).rejects.toThrow(SnapshotOutdated);
  expect(await read(await storage.content())).toEqual({ entries: ['new'], zxids: [], zxid: 1 });
  await append(storage, [2, 'r2']);
  await storage.writeSnapshot(2n, [Buffer.from('newer')]);
  expect(await read(await storage.content())).toMatchObject({ entries: ['newer'], zxid: 2 });
});

test('a disk that fails while it changes fails the storage: nothing more is acknowledged', async () => {
  const disk = new MemoryDisk();
  const { storage, failures } = await start(disk);
  await append(storage, [1, 'r1'], [2, 'r2']);
  disk.fail('sync', 'EIO');
  await expect(storage.truncate(1n)).rejects.toMatchObject({ code: 'EIO' });
  expect(failures).toMatchObject([{ code: 'EIO' }]);
  await expect(append(storage, [3, 'r3'])).rejects.toMatchObject({ code: 'EIO' });
  await expect(storage.content()).rejects.toMatchObject({ code: 'EIO' });
});

/** Runs `work` until it has done so many operations, at every number there is. */
async function crashEverywhere(
  prepare: () => Promise<MemoryDisk>,
  work: (storage: ReplicatedStorage) => Promise<void>,
  check: (left: MemoryDisk, seed: number) => Promise<void>,
): Promise<number> {
  for (let operations = 0; ; operations++) {
    for (let seed = 0; seed < 4; seed++) {
      const disk = (await prepare()).copy();
      const { storage } = await open(disk, { purgeIntervalMs: null });
      disk.dieAfter(operations);
      const done = await work(storage).then(
        () => true,
        () => false,
      );
      if (done && !disk.isDead) return operations;
      await check(disk.crash(drawFrom(operations * 100 + seed)), seed);
    }
  }
}

test('a crash at any operation of a cut leaves a log that ends at the cut or behind it', async () => {
  const prepare = async (): Promise<MemoryDisk> => {
    const disk = new MemoryDisk();
    await (await logOf(disk, 9, [2, 5, 7])).close();
    return disk;
  };
  const operations = await crashEverywhere(
    prepare,
    (storage) => storage.truncate(4n),
    async (left) => {
      const { storage } = await open(left, { purgeIntervalMs: null });
      const { entries, zxids, zxid } = await read(await storage.content());
      const snapshotZxid = Number(entries?.[0]?.slice(1));
      expect(zxid).toBeGreaterThanOrEqual(4);
      expect(zxids).toEqual(range(snapshotZxid + 1, zxid));
      await storage.truncate(4n);
      expect(await read(await storage.content())).toEqual({
        entries: ['s2'],
        zxids: [3, 4],
        zxid: 4,
      });
      await append(storage, [50, 'goes on']);
      await storage.close();
      await (await open(left)).storage.close();
    },
  );
  expect(operations).toBeGreaterThan(20);
});

test('an empty log file that a start removes does not come back behind what was written since', async () => {
  const disk = new MemoryDisk();
  await (await logOf(disk, 12)).close();
  const last = disk.paths().at(-1) ?? '';
  const lastZxid = Number(`0x${last.slice(last.lastIndexOf('.') + 1)}`) - 1;
  disk.plant(last, disk.contentOf(last).subarray(0, 64));
  for (let seed = 0; seed < 10; seed++) {
    const copy = disk.copy();
    const { storage } = await open(copy, { purgeIntervalMs: null });
    await append(storage, [100, 'goes on']);
    const left = copy.crash(drawFrom(seed));
    const again = await open(left);
    expect((await recordsOf(again.storage)).map(([zxid]) => zxid)).toEqual([
      ...range(1, lastZxid),
      100,
    ]);
    await again.storage.close();
  }
});

test('a crash at any operation of a replacement leaves the old or the new', async () => {
  const prepare = async (): Promise<MemoryDisk> => {
    const disk = new MemoryDisk();
    await (await logOf(disk, 9, [2, 5, 7])).close();
    return disk;
  };
  const seen = new Set<string>();
  const operations = await crashEverywhere(
    prepare,
    (storage) => storage.replace(6n, entriesOf('n1', 'n2')),
    async (left) => {
      const { storage } = await open(left, { purgeIntervalMs: null });
      const content = await read(await storage.content());
      const isNew = content.zxid === 6;
      seen.add(isNew ? 'new' : 'old');
      expect(content).toEqual(
        isNew
          ? { entries: ['n1', 'n2'], zxids: [], zxid: 6 }
          : { entries: ['s7'], zxids: [8, 9], zxid: 9 },
      );
      await append(storage, [50, 'goes on']);
      await storage.close();
      const again = await open(left);
      expect((await recordsOf(again.storage)).at(-1)).toEqual([50, 'goes on']);
      await again.storage.close();
    },
  );
  expect(operations).toBeGreaterThan(20);
  expect([...seen].sort()).toEqual(['new', 'old']);
});
