/**
 * Recovery: whatever happened to the files, what was acknowledged is there or the start is refused.
 * Every truncation and every flipped bit of a small log; crashes at random moments with writes torn
 * sector by sector.
 */
import { afterEach, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { StorageDamaged } from '../../src/storage/errors.ts';
import type { Storage } from '../../src/storage/types.ts';
import { type Draw, MemoryDisk } from './memory-disk.ts';
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

const LOG = `${FOLDER}/log.0000000000000001`;
const HEADER_BYTES = 64;
const RECORD_HEADER_BYTES = 24;

/** A log of three groups, of 2, 1 and 2 records, as a killed process leaves it. */
async function smallLog(): Promise<{ disk: MemoryDisk; ends: number[]; groupStarts: number[] }> {
  const disk = new MemoryDisk();
  const { storage } = await open(disk, { preallocateBytes: 400 });
  await append(storage, [1, 'one'], [2, 'two, longer']);
  await append(storage, [3, '']);
  await append(storage, [4, 'four'], [5, 'five']);
  const ends: number[] = [];
  for (const text of ['one', 'two, longer', '', 'four', 'five']) {
    ends.push((ends.at(-1) ?? HEADER_BYTES) + RECORD_HEADER_BYTES + text.length);
  }
  const groupStarts = [HEADER_BYTES, HEADER_BYTES, ends[1]!, ends[2]!, ends[2]!];
  return { disk: disk.kill(), ends, groupStarts };
}

const zxidsOf = async (storage: Storage): Promise<number[]> =>
  (await recordsOf(storage)).map(([zxid]) => zxid);

test('killed with preallocated zeros behind the end, all is there and nothing is said', async () => {
  const { disk } = await smallLog();
  expect(disk.contentOf(LOG)).toHaveLength(400);
  const { storage, events } = await start(disk);
  expect(await zxidsOf(storage)).toEqual([1, 2, 3, 4, 5]);
  expect(events).toEqual([]);
});

test('cut at any byte, the whole records before the cut are there, and the log goes on', async () => {
  const { disk, ends } = await smallLog();
  const content = disk.contentOf(LOG);
  for (let size = HEADER_BYTES; size <= content.length; size++) {
    const cut = disk.copy();
    cut.plant(LOG, content.subarray(0, size));
    const { storage, events } = await open(cut);
    const expected = ends.filter((end) => end <= size).map((_, index) => index + 1);
    expect(await zxidsOf(storage)).toEqual(expected);
    const torn = size < ends.at(-1)! && !ends.includes(size) && size !== HEADER_BYTES;
    expect(events.map(({ message }) => /unfinished write/.test(message))).toEqual(
      torn ? [true] : [],
    );
    await append(storage, [6, 'goes on']);
    await storage.close();
    const again = await open(cut);
    expect(await zxidsOf(again.storage)).toEqual([...expected, 6]);
    await again.storage.close();
  }
});

test('cut within the header, the start is refused', async () => {
  const { disk } = await smallLog();
  const content = disk.contentOf(LOG);
  for (let size = 0; size < HEADER_BYTES; size++) {
    const cut = disk.copy();
    cut.plant(LOG, content.subarray(0, size));
    await expect(open(cut)).rejects.toMatchObject({
      code: 'STORAGE_DAMAGED',
      path: LOG,
      offset: 0,
    });
  }
});

test('a flipped bit anywhere but in the last group refuses the start and names the place', async () => {
  const { disk, ends, groupStarts } = await smallLog();
  const content = disk.contentOf(LOG);
  const end = ends.at(-1)!;
  for (let at = 0; at < content.length; at++) {
    const flipped = Buffer.from(content);
    flipped[at] = flipped[at]! ^ (1 << (at % 8));
    const damaged = disk.copy();
    damaged.plant(LOG, flipped);
    const record = ends.findIndex((recordEnd) => at < recordEnd);
    if (at < HEADER_BYTES) {
      await expect(open(damaged)).rejects.toMatchObject({ code: 'STORAGE_DAMAGED', offset: 0 });
    } else if (at < end && groupStarts[record]! < groupStarts.at(-1)!) {
      const begins = record === 0 ? HEADER_BYTES : ends[record - 1]!;
      const refusal = await open(damaged).then(
        () => null,
        (error: StorageDamaged) => error,
      );
      expect(refusal).toBeInstanceOf(StorageDamaged);
      expect({ path: refusal?.path, offset: refusal?.offset }).toEqual({
        path: LOG,
        offset: begins,
      });
      expect(refusal?.message).toMatch(/log\.0000000000000001 at byte \d+: .*Restore/);
    } else {
      // The last group may never have been synced: it is cut at the damage, with a line in the log.
      const { storage, events } = await open(damaged);
      const expected = at < end ? [1, 2, 3, 4, 5].slice(0, record) : [1, 2, 3, 4, 5];
      expect(await zxidsOf(storage)).toEqual(expected);
      expect(events).toHaveLength(1);
      await storage.close();
    }
  }
});

test('a torn group that reached the disk out of order is cut; what was in it never comes back', async () => {
  const { disk, ends } = await smallLog();
  const content = disk.contentOf(LOG);
  content.fill(0, ends[2]!, ends[2]! + 10); // The last group's first record; its second is whole.
  disk.plant(LOG, content);
  const { storage } = await open(disk, { preallocateBytes: 1 });
  expect(await zxidsOf(storage)).toEqual([1, 2, 3]);
  // As long as the lost record: the old one would follow right behind it.
  await append(storage, [4, 'FOUR']);
  const again = await start(disk.kill());
  expect(await recordsOf(again.storage)).toEqual([
    [1, 'one'],
    [2, 'two, longer'],
    [3, ''],
    [4, 'FOUR'],
  ]);
});

test('a record within a client’s bytes is not taken for one of the log’s', async () => {
  const { disk, ends } = await smallLog();
  const stolen = disk.contentOf(LOG).subarray(ends[2]!, ends[4]!);
  const other = new MemoryDisk();
  const { storage } = await open(other);
  await append(storage, [1, Buffer.concat([stolen, stolen])]);
  const killed = other.kill();
  const content = killed.contentOf(LOG);
  content[HEADER_BYTES] = 0; // The record around it is torn: its inside must not look like damage.
  killed.plant(LOG, content);
  const again = await start(killed);
  expect(await zxidsOf(again.storage)).toEqual([]);
});

test('a missing file between others, at the beginning, or with a wrong name refuses the start', async () => {
  const disk = new MemoryDisk();
  const { storage } = await open(disk, { logFileBytes: 200 });
  for (let zxid = 1; zxid <= 4; zxid++) await append(storage, [zxid, 'x'.repeat(100)]);
  await storage.close();
  const paths = disk.paths();
  expect(paths).toHaveLength(4);
  const without = async (path: string): Promise<MemoryDisk> => {
    const copy = disk.copy();
    await copy.remove(path);
    return copy;
  };
  await expect(open(await without(paths[1]!))).rejects.toMatchObject({
    path: paths[0],
    message: expect.stringMatching(/goes on in log file 0x3 .* ends with 0x1/),
  });
  await expect(open(await without(paths[0]!))).rejects.toMatchObject({
    path: paths[1],
    message: expect.stringMatching(/transactions 0x0 to 0x1 are missing/),
  });
  const renamed = await without(paths[0]!);
  renamed.plant(`${FOLDER}/log.0000000000000000`, disk.contentOf(paths[0]!));
  await expect(open(renamed)).rejects.toMatchObject({ code: 'STORAGE_DAMAGED', offset: 16 });
});

test('a cut file that is not the last one refuses the start', async () => {
  const disk = new MemoryDisk();
  const { storage } = await open(disk, { logFileBytes: 300 });
  for (let zxid = 1; zxid <= 3; zxid++) await append(storage, [zxid, 'x'.repeat(80)]);
  await storage.close();
  const [first] = disk.paths();
  disk.plant(first!, disk.contentOf(first!).subarray(0, -1));
  await expect(open(disk)).rejects.toMatchObject({ path: first, offset: 64 + 104 });
});

test('another format version is refused as such', async () => {
  const { disk } = await smallLog();
  const content = disk.contentOf(LOG);
  content.writeUInt32BE(2, 8);
  const { crc32c } = await import('@odradek/protocol');
  content.writeUInt32BE(crc32c(content.subarray(0, 60)), 60);
  disk.plant(LOG, content);
  await expect(open(disk)).rejects.toMatchObject({
    code: 'STORAGE_NOT_USABLE',
    message: expect.stringMatching(/format version 2/),
  });
});

test('data of Apache ZooKeeper is not read, and not passed over either', async () => {
  const disk = new MemoryDisk();
  disk.plant('/data/version-2/snapshot.0', Buffer.from('ZKSN'));
  await expect(open(disk)).rejects.toMatchObject({
    code: 'STORAGE_NOT_USABLE',
    message: expect.stringMatching(/Apache ZooKeeper/),
  });
});

test('files left in the data directory after dataLogDir changed refuse the start', async () => {
  const { disk } = await smallLog();
  await expect(open(disk, {}, { logDirectory: '/log' })).rejects.toMatchObject({
    message: expect.stringMatching(/\/data\/odradek holds log files/),
  });
});

test('log and snapshots in directories of their own', async () => {
  const disk = new MemoryDisk();
  const directories = { logDirectory: '/log' };
  const { storage } = await open(disk, {}, directories);
  await append(storage, [1, 'one']);
  await storage.writeSnapshot(1n, [Buffer.from('tree')]);
  await append(storage, [2, 'two']);
  await storage.close();
  expect(disk.paths()).toEqual([
    '/data/odradek/snapshot.0000000000000001',
    '/log/odradek/log.0000000000000001',
    '/log/odradek/log.0000000000000002',
  ]);
  const again = await open(disk, {}, directories);
  expect(await snapshotOf(again.storage)).toEqual(['tree']);
  expect(await recordsOf(again.storage)).toEqual([[2, 'two']]);
  await again.storage.close();
  await expect(
    open(disk, {}, { dataDirectory: '/log', logDirectory: '/data' }),
  ).rejects.toMatchObject({ code: 'STORAGE_NOT_USABLE' });
});

test('half-made files of a crash are removed', async () => {
  const { disk } = await smallLog();
  disk.plant(`${FOLDER}/log.0000000000000009.tmp`, Buffer.from('x'));
  disk.plant(`${FOLDER}/snapshot.0000000000000009.tmp`, Buffer.from('x'));
  await start(disk);
  expect(disk.paths()).toEqual([LOG]);
});

/** One run of a server: what it appends in which turns, and how long it lives. */
const life = fc.record({
  groups: fc.array(
    fc.array(
      fc.oneof(
        { weight: 5, arbitrary: fc.nat(60) },
        { weight: 1, arbitrary: fc.integer({ min: 300, max: 2_500 }) },
      ),
      { minLength: 1, maxLength: 6 },
    ),
    { maxLength: 10 },
  ),
  /** After which groups a snapshot is taken. */
  snapshotsAfter: fc.array(fc.nat(9), { maxLength: 4 }),
  /** Turns of the event loop from the last append to the end. */
  turnsToEnd: fc.nat(12),
  /** The process is killed, or the machine loses its power. */
  end: fc.constantFrom('kill', 'power loss'),
});

const SMALL = { logFileBytes: 6_000, preallocateBytes: 1_024, retainSnapshots: 3 };

async function turns(count: number): Promise<void> {
  for (let n = 0; n < count; n++) await new Promise((resolve) => setImmediate(resolve));
}

test('whenever the process or the power goes, all that was acknowledged is there, in order and nothing else', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(life, { minLength: 1, maxLength: 6 }),
      fc.infiniteStream(fc.nat(2 ** 20)),
      async (lives, chances) => {
        const draw: Draw = (limit) => (chances.next().value ?? 0) % limit;
        let disk = new MemoryDisk();
        let state: string[] = []; // Everything applied so far, index = zxid - 1.
        for (const { groups, snapshotsAfter, turnsToEnd, end } of lives) {
          const { storage } = await open(disk, SMALL);
          const acknowledged: string[] = [...state];
          const appended = [...state];
          let snapshot: Promise<unknown> = Promise.resolve();
          for (const [index, sizes] of groups.entries()) {
            for (const size of sizes) {
              const zxid = appended.length + 1;
              const payload = `${zxid}:${String.fromCharCode(97 + (zxid % 26)).repeat(size)}`;
              appended.push(payload);
              storage.log.append(Buffer.from(payload), BigInt(zxid), () => {
                acknowledged.push(payload);
              });
            }
            if (snapshotsAfter.includes(index) && !storage.snapshotRunning) {
              // Fuzzy: what it is made from grows while it is read.
              const written = storage.writeSnapshot(
                BigInt(acknowledged.length),
                entriesOf(acknowledged),
              );
              snapshot = written.catch(() => undefined);
            }
            await turns(draw(4));
          }
          await turns(turnsToEnd);
          const promised = [...acknowledged];
          disk = end === 'kill' ? disk.kill() : disk.crash(draw);
          await snapshot;
          await storage.close().catch(() => undefined);

          const again = await open(disk, SMALL);
          state = await stateOf(again.storage);
          disk = disk.kill();
          await again.storage.close().catch(() => undefined);
          expect(state.slice(0, promised.length)).toEqual(promised);
          expect(state).toEqual(appended.slice(0, state.length));
        }
      },
    ),
    { numRuns: 300 },
  );
}, 60_000);

/** One entry at a time, each with its place. */
function* entriesOf(state: readonly string[]): Generator<Buffer> {
  for (let index = 0; index < state.length; index++) {
    yield Buffer.from(`${index}=${state[index]}`);
  }
}

/** Snapshot and records put together, as a server does. */
async function stateOf(storage: Storage): Promise<string[]> {
  const state: string[] = [];
  for (const entry of (await snapshotOf(storage)) ?? []) {
    const equals = entry.indexOf('=');
    state[Number(entry.slice(0, equals))] = entry.slice(equals + 1);
  }
  for (const [zxid, payload] of await recordsOf(storage)) state[zxid - 1] = payload;
  expect(state.length).toBe(Number(storage.recoveredZxid));
  expect(state.includes(undefined as unknown as string)).toBe(false);
  return state;
}

test('what was recovered is durable before it is handed out', async () => {
  const disk = new MemoryDisk();
  const { storage } = await open(disk);
  await append(storage, [1, 'one']);
  disk.holdSyncs();
  storage.log.append(Buffer.from('two'), 2n, () => undefined);
  await turns(5);
  const killed = disk.kill(); // Written, never synced, never acknowledged.
  const again = await open(killed);
  expect(await zxidsOf(again.storage)).toEqual([1, 2]);
  const third = await start(killed.crash(() => 0));
  expect(await zxidsOf(third.storage)).toEqual([1, 2]);
});
