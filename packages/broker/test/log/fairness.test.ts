/**
 * Goal: readers of old data come in turn, hold nothing while they wait, and hold up nobody who appends or
 * reads the newest. Method: a disk whose reads last until the test lets them go, in the order it says.
 */
import { describe, expect, test } from '@jest/globals';
import { BufferPool } from '@odradek/runtime';
import { AtMost } from '../../src/log/at-most.ts';
import { READ_PIECE_BYTES } from '../../src/log/log-reader.ts';
import { CONCURRENT_READS_MAX, CONCURRENT_TIME_LOOKUPS_MAX } from '../../src/log/log-resources.ts';
import type { PartitionLog } from '../../src/log/partition-log.ts';
import { MemoryDisk } from './memory-disk.ts';
import { append, batchOf, openManager, timedEnvironment } from './support.ts';

const MIB = 1024 * 1024;

/** A disk whose reads of segments wait for the test. */
class SlowDisk extends MemoryDisk {
  readonly asked: { name: string; position: number; sizeBytes: number; go: () => void }[] = [];
  isSlow = false;

  constructor() {
    super();
    this.beforeRead = (path, position, sizeBytes) =>
      new Promise((go) => {
        if (!this.isSlow || !path.endsWith('.log')) go();
        else this.asked.push({ name: path.split('/').at(-2) ?? '', position, sizeBytes, go });
      });
  }
}

/** Logs of `batches` batches of `valueBytes` each, none of which is in the tail cache. */
async function slowLogs(count: number, batches: number, valueBytes: number) {
  const disk = new SlowDisk();
  const environment = timedEnvironment(disk);
  const buffers = new BufferPool({ poison: true });
  const manager = await openManager('/data', { environment, buffers, tailCacheBytes: 0 });
  const logs: PartitionLog[] = [];
  for (let index = 0; index < count; index += 1) {
    const log = await manager.getOrCreate('t', index, null);
    for (let mark = 0; mark < batches; mark += 1) await append(log, batchOf({ valueBytes, mark }));
    logs.push(log);
  }
  disk.isSlow = true;
  return { disk, environment, buffers, manager, logs };
}

const readOf = (log: PartitionLog, maxBytes = MIB, offset = 0) =>
  Promise.resolve(log.read(offset, maxBytes, log.logEndOffset, true));

describe('readers of old data', () => {
  test('are with the disk a few at a time, and appends go past them', async () => {
    const { disk, environment, logs } = await slowLogs(20, 1, 100);
    const reads = logs.map((log) => readOf(log));
    await environment.settle();
    expect(disk.asked.map(({ name }) => name)).toEqual(['t-0', 't-1']);
    expect(disk.asked).toHaveLength(CONCURRENT_READS_MAX);
    // Both places are taken by a disk that does not answer.
    for (const log of logs) await append(log, batchOf({ mark: 9 }));
    expect(logs.map(({ logEndOffset }) => logEndOffset)).toEqual(logs.map(() => 2));
    for (let next = disk.asked.shift(); next !== undefined; next = disk.asked.shift()) {
      next.go();
      await environment.settle(20);
    }
    for (const read of reads) expect((await read).sizeBytes).toBeGreaterThan(100);
  });

  test('hold no memory and no file while they wait', async () => {
    const { disk, environment, buffers, logs } = await slowLogs(12, 1, 700_000);
    const taken: number[] = [];
    const take = buffers.take.bind(buffers);
    buffers.take = (sizeBytes) => {
      taken.push(sizeBytes);
      return take(sizeBytes);
    };
    const openBefore = disk.openCount;
    const reads = logs.map((log) => readOf(log));
    await environment.settle();
    // The two that are with the disk look for their place first, and take memory after that.
    expect(taken).toEqual([]);
    for (let turn = 0; turn < 60 && disk.asked.length > 0; turn += 1) {
      disk.asked.shift()?.go();
      await environment.settle(20);
    }
    for (const read of reads) for (const memory of (await read).lent) memory.release();
    expect(taken).toHaveLength(12);
    expect(disk.openCount).toBe(openBefore);
  });

  test('come in turn, a piece each, however much one of them wants', async () => {
    const { disk, environment, logs } = await slowLogs(4, 16, 900_000);
    disk.isSlow = false; // All of them are to stand at their place, ready to read.
    for (const log of logs) await readOf(log, 1);
    disk.isSlow = true;
    const [greedy, ...others] = logs;
    if (greedy === undefined) throw new Error('a log');
    const finished: string[] = [];
    const reads = [
      readOf(greedy, 13 * MIB, 1).then(() => finished.push(greedy.name)),
      ...others.map((log) => readOf(log, 900_000, 1).then(() => finished.push(log.name))),
    ];
    await environment.settle();
    const order: string[] = [];
    for (let next = disk.asked.shift(); next !== undefined; next = disk.asked.shift()) {
      expect(next.sizeBytes).toBeLessThanOrEqual(READ_PIECE_BYTES);
      expect(disk.asked.length).toBeLessThan(CONCURRENT_READS_MAX); // Besides this one.
      order.push(next.name);
      next.go();
      await environment.settle(20);
    }
    await Promise.all(reads);
    // Its first piece, then everybody else, then the rest of it.
    const firstGreedy = order.indexOf('t-0');
    const secondGreedy = order.indexOf('t-0', firstGreedy + 1);
    expect(new Set(order.slice(0, secondGreedy + 1))).toEqual(
      new Set(['t-0', 't-1', 't-2', 't-3']),
    );
    expect(order.filter((name) => name === 't-0').length).toBeGreaterThan(3);
    expect(finished.at(-1)).toBe('t-0');
  });

  test('by time unfold a few batches at once only', async () => {
    const { disk, environment, logs } = await slowLogs(20, 1, 100);
    const looked = logs.map((log) => log.offsetForTimestamp(0, log.logEndOffset));
    await environment.settle();
    for (let next = disk.asked.shift(); next !== undefined; next = disk.asked.shift()) {
      expect(disk.asked.length).toBeLessThan(CONCURRENT_TIME_LOOKUPS_MAX);
      next.go();
      await environment.settle(20);
    }
    for (const found of looked) expect(await found).toMatchObject({ offset: 0 });
  });

  test('do not push the newest out of memory', async () => {
    const disk = new MemoryDisk();
    const environment = timedEnvironment(disk);
    const manager = await openManager('/data', { environment, tailCacheBytes: 2 * MIB });
    const log = await manager.getOrCreate('t', 0, null);
    for (let mark = 0; mark < 30; mark += 1)
      await append(log, batchOf({ valueBytes: 200_000, mark }));
    for (let offset = 0; offset < 20; ) {
      const slice = await readOf(log, MIB, offset);
      offset = slice.nextOffset;
      for (const memory of slice.lent) memory.release();
    }
    const newest = log.read(log.logEndOffset - 1, MIB, log.logEndOffset, true);
    expect(newest instanceof Promise).toBe(false);
    await manager.close();
  });
});

describe('doors of one house', () => {
  /** Work that lasts until it is let go. */
  function crowd() {
    const inside: (() => void)[] = [];
    const work = () => new Promise<void>((go) => inside.push(go));
    return { inside, work };
  }
  const turns = async () => {
    for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
  };

  test('let no more in than each of them, and the house', async () => {
    const house = new AtMost(3);
    const doors = [new AtMost(2, house), new AtMost(2, house)];
    const { inside, work } = crowd();
    const all = doors.flatMap((door) => Array.from({ length: 5 }, () => door.run(work)));
    for (let left = 10; left > 0; left -= 1) {
      await turns();
      expect(inside.length).toBe(Math.min(3, left));
      inside.shift()?.();
    }
    await Promise.all(all);
  });

  test('give a place back when work fails', async () => {
    const house = new AtMost(1);
    const door = new AtMost(1, house);
    const failing = () => Promise.reject(new Error('no'));
    await expect(door.run(failing)).rejects.toThrow('no');
    expect(await door.run(() => Promise.resolve('yes'))).toBe('yes');
  });
});
