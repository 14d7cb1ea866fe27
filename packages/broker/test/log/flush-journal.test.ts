/**
 * Goal: partitions that are written to together share one durable write, nothing of it is there
 * when nobody asks for it, and a disk that is full, slow or broken is met as told.
 * Method: a disk in memory that counts, holds back and fails. What a crash leaves is
 * test/simulation/flushed-log.test.ts's.
 */
import path from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { BufferPool } from '@odradek/runtime';
import { findGroups } from '../../src/log/flush/journal-format.ts';
import { LogManager } from '../../src/log/log-manager.ts';
import type { PartitionLog } from '../../src/log/partition-log.ts';
import { MemoryDisk } from './memory-disk.ts';
import { batchOf, bytesOf, config, readAll, timedEnvironment, written } from './support.ts';

const DIRECTORY = '/data';
const LEADER = { leaderEpoch: 0, origin: 'client' } as const;
const NAME = /^odradek-flush-journal-\d+$/;

function isJournal(file: string): boolean {
  return NAME.test(path.basename(file));
}

async function directoryOf(partitions: number, flushMessages = 1, disk = new MemoryDisk()) {
  const environment = timedEnvironment(disk);
  const manager = await LogManager.open({
    directories: [DIRECTORY],
    clusterId: 'AAAAAAAAAAAAAAAAAAAAAA',
    brokerId: 0,
    logConfigOf: () => config({ flushIntervalMessages: flushMessages }),
    environment,
    buffers: new BufferPool({ poison: true }),
    flushJournal: { fileBytes: 8_192, filesMax: 2 },
  });
  const logs: PartitionLog[] = [];
  for (let partition = 0; partition < partitions; partition++) {
    logs.push(await manager.getOrCreate('t', partition, null));
  }
  return { disk, environment, manager, logs };
}

/** Appends to all logs in one turn and waits until all have it. */
async function appendToAll(logs: readonly PartitionLog[], valueBytes = 10): Promise<void> {
  for (const log of logs) log.appendAsLeader(batchOf({ valueBytes }), LEADER);
  await Promise.all(logs.map(written));
}

/** A journal that exists, and logs that it may hold. */
async function warmedUp(partitions: number) {
  const all = await directoryOf(partitions);
  // The first commit of each log forces its own segment; then the journal is made.
  for (let turn = 0; turn < 4; turn++) {
    await appendToAll(all.logs);
    await all.environment.settle();
  }
  return all;
}

const journalsOf = (disk: MemoryDisk): string[] => [...disk.files.keys()].filter(isJournal);

test('partitions that are written to in one turn share one durable write, and no sync', async () => {
  const { disk, logs } = await warmedUp(8);
  const syncs = disk.count('sync');
  let journalWrites = 0;
  disk.fail = (operation, file) => {
    if (operation === 'write' && isJournal(file)) journalWrites += 1;
    return null;
  };
  for (let turn = 0; turn < 3; turn++) await appendToAll(logs);
  expect({ journalWrites, syncs: disk.count('sync') - syncs }).toEqual({
    journalWrites: 3,
    syncs: 0,
  });
});

test('a partition that is alone has no journal', async () => {
  const { disk, logs } = await directoryOf(1);
  for (let turn = 0; turn < 5; turn++) await appendToAll(logs);
  expect(journalsOf(disk)).toEqual([]);
  expect(logs[0]?.recoveryPoint).toBe(5);
});

test('without flush.messages there are neither files nor syncs', async () => {
  const { disk, logs } = await directoryOf(4, Number.POSITIVE_INFINITY);
  for (let turn = 0; turn < 5; turn++) await appendToAll(logs);
  expect([journalsOf(disk), disk.count('sync')]).toEqual([[], 0]);
});

test('nothing counts as written before the journal has it', async () => {
  const { disk, environment, logs } = await warmedUp(3);
  let open = (): void => undefined;
  disk.gate = new Promise((resolve) => {
    open = resolve;
  });
  for (const log of logs) log.appendAsLeader(batchOf(), LEADER);
  await environment.settle();
  expect(logs.map((log) => log.nextOffset - log.logEndOffset)).toEqual([1, 1, 1]);
  open();
  disk.gate = null;
  await Promise.all(logs.map(written));
  expect(logs.map((log) => log.nextOffset - log.logEndOffset)).toEqual([0, 0, 0]);
});

test('files are used again, and never more than allowed; every record is in its segment', async () => {
  const { disk, environment, logs } = await warmedUp(4);
  for (let turn = 0; turn < 60; turn++) {
    await appendToAll(logs, 300);
    if (turn % 3 === 0) await environment.settle();
  }
  expect(journalsOf(disk).length).toBe(2);
  expect(journalsOf(disk).map((file) => disk.content(file).length)).toEqual([8_192, 8_192]);
  for (const log of logs) {
    expect((await readAll(log)).length).toBeGreaterThan(60 * 300);
    expect(log.logEndOffset).toBe(64);
  }
});

test('an orderly stop leaves no journal', async () => {
  const { disk, manager } = await warmedUp(3);
  expect(journalsOf(disk).length).toBeGreaterThan(0);
  await manager.close();
  expect(journalsOf(disk)).toEqual([]);
});

test('a log that was truncated does not get its records back from the journal', async () => {
  const { disk, logs } = await warmedUp(3);
  await appendToAll(logs);
  const [log] = logs;
  await log?.truncateTo(2);
  const { logs: after } = await directoryOf(3, 1, disk.copy());
  expect(after.map(({ logEndOffset }) => logEndOffset)).toEqual([2, 5, 5]);
});

describe('after a loss of power', () => {
  /** All that was written to segments since the last sync is gone, as a test can say it: cut off. */
  async function lost(bytesLeft: number, change: (disk: MemoryDisk) => void = () => undefined) {
    const { disk, logs } = await warmedUp(3);
    await appendToAll(logs);
    const contents = await Promise.all(logs.map((log) => readAll(log)));
    const left = disk.copy();
    for (let partition = 0; partition < 3; partition++) {
      const file = `${DIRECTORY}/t-${partition}/00000000000000000000.log`;
      left.put(file, left.content(file).subarray(0, bytesLeft));
    }
    change(left);
    return { contents, ...(await directoryOf(3, 1, left)) };
  }

  const size = batchOf().length;

  test.each([2, 2.5, 3, 4.9])('%d batches are left: the rest comes from the journal', async (n) => {
    const { contents, logs, disk } = await lost(Math.floor(n * size));
    expect(await Promise.all(logs.map((log) => readAll(log)))).toEqual(contents);
    expect(journalsOf(disk)).toEqual([]);
    const slice = await logs[0]?.read(3, 1_000, 5, true);
    if (slice === undefined) throw new Error('no slice');
    expect(bytesOf(slice).length).toBe(2 * size);
  });

  test('a journal from before somebody else stopped in order is left out', async () => {
    const { logs, disk } = await lost(2 * size, (left) =>
      left.put(`${DIRECTORY}/.kafka_cleanshutdown`, ''),
    );
    expect(logs.map(({ logEndOffset }) => logEndOffset)).toEqual([2, 2, 2]);
    expect(journalsOf(disk)).toEqual([]);
  });

  test('records that somebody else appended with a later epoch keep their place', async () => {
    const other = batchOf({ baseOffset: 2, leaderEpoch: 9, mark: 5 });
    const { logs } = await lost(2 * size, (left) => {
      const file = `${DIRECTORY}/t-1/00000000000000000000.log`;
      left.put(file, Buffer.concat([left.content(file), other]));
    });
    expect(logs.map(({ logEndOffset }) => logEndOffset)).toEqual([5, 3, 5]);
  });
});

describe('a disk that is', () => {
  test('full: without room for the journal, each partition is forced by itself', async () => {
    const disk = new MemoryDisk();
    disk.fail = (operation, file) => (operation === 'write' && isJournal(file) ? 'ENOSPC' : null);
    const { environment, logs, manager } = await directoryOf(3, 1, disk);
    for (let turn = 0; turn < 5; turn++) {
      await appendToAll(logs);
      await environment.settle();
    }
    expect(logs.map(({ offline, logEndOffset }) => [offline, logEndOffset])).toEqual([
      [false, 5],
      [false, 5],
      [false, 5],
    ]);
    await manager.close();
    expect(journalsOf(disk)).toEqual([]);
  });

  test('failing: the directory goes offline, and nothing is acknowledged', async () => {
    const { disk, environment, logs, manager } = await warmedUp(3);
    disk.fail = (operation, file) => (operation === 'write' && isJournal(file) ? 'EIO' : null);
    for (const log of logs) log.appendAsLeader(batchOf(), LEADER);
    await environment.settle();
    expect(logs.map(({ offline, logEndOffset }) => [offline, logEndOffset])).toEqual([
      [true, 4],
      [true, 4],
      [true, 4],
    ]);
    expect(manager.onlineDirectories).toEqual([]);
    await expect(logs[0]?.truncateTo(1)).rejects.toThrow('KAFKA_STORAGE_ERROR');
  });
});

test('a journal that was removed in part says that nothing in it matters', async () => {
  const { disk, environment, logs } = await warmedUp(3);
  for (let turn = 0; turn < 12; turn++) {
    await appendToAll(logs, 300);
    await environment.settle();
  }
  expect(journalsOf(disk).length).toBe(2);
  const left = disk.copy();
  left.fail = (operation, file) => (operation === 'remove' && isJournal(file) ? 'EIO' : null);
  await expect(directoryOf(0, 1, left)).rejects.toThrow();
  for (const file of journalsOf(left)) {
    const groups = findGroups(left.content(file));
    const newest = Math.max(...groups.map(({ number }) => number));
    expect(groups[0]).toMatchObject({ number: newest, oldestLive: newest, frames: [] });
  }
});
