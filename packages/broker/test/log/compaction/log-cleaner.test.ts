/**
 * The log cleaner at work: in worker threads on a real disk, beside appends and reads, and what ends or
 * stops it: a log that is cut, closed or damaged, a disk that fails.
 */

import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { beforeAll, expect, test } from '@jest/globals';
import { decodeRecordSet, zstdReady } from '@odradek/protocol';
import { type DiskFile, nodeEnvironment } from '@odradek/runtime';
import { type CleanerSettings, LogCleaner } from '../../../src/log/compaction/log-cleaner.ts';
import type { LogManager } from '../../../src/log/log-manager.ts';
import type { PartitionLog } from '../../../src/log/partition-log.ts';
import { renewChecksum } from '../batch-tools.ts';
import { MemoryDisk } from '../memory-disk.ts';
import {
  append,
  batchOf,
  openManager,
  readAll,
  timedEnvironment,
  withFolder,
  written,
} from '../support.ts';

const COMPACT = {
  cleanupPolicy: ['compact'],
  segmentBytes: 2000,
  indexIntervalBytes: 200,
  minCleanableDirtyRatio: 0.01,
  fileDeleteDelayMs: 20,
} as const;

const SETTINGS: CleanerSettings = {
  threads: 1,
  dedupeBufferBytes: 1 << 20,
  loadFactor: 0.9,
  ioBufferBytes: 1 << 16,
  bytesPerSecond: Number.MAX_VALUE,
  backoffMs: 5,
};

beforeAll(() => zstdReady);

/** Appends `count` records with few keys, several to a batch. */
async function fill(log: PartitionLog, count: number, from = 0): Promise<void> {
  for (let index = from; index < from + count; index += 1) {
    const compression = (['none', 'gzip', 'lz4', 'snappy'] as const)[index % 4] ?? 'none';
    await append(log, batchOf({ key: `k${index % 5}`, mark: index % 251, compression }));
  }
  log.updateHighWatermark(log.logEndOffset);
}

function cleanerOf(manager: LogManager, environment = nodeEnvironment()): LogCleaner {
  return new LogCleaner({
    environment,
    logs: () => manager.all(),
    settings: () => SETTINGS,
    applyRetention: async (log) => {
      await log.deleteOldSegments();
    },
  });
}

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 5));
}

async function recordsOf(log: PartitionLog): Promise<{ offset: number; key: string }[]> {
  const found: { offset: number; key: string }[] = [];
  for (const batch of decodeRecordSet(await readAll(log))) {
    for (const { offset, key } of batch.records) found.push({ offset, key: key?.toString() ?? '' });
  }
  return found;
}

test('compacts in a thread of its own, checkpoints, and the next start finds it so', () =>
  withFolder(async (folder) => {
    const options = { config: COMPACT, cleaner: () => SETTINGS };
    const manager = await openManager(folder, options);
    const log = await manager.getOrCreate('t', 0, null);
    await fill(log, 200);
    const activeBase = log.segmentBaseOf(log.logEndOffset);
    await until(() => log.compaction.cleanedUpTo === activeBase);
    const found = await recordsOf(log);
    const clean = found.filter(({ offset }) => offset < activeBase);
    expect(new Set(clean.map(({ key }) => key)).size).toBe(clean.length);
    expect(clean.at(-1)?.offset).toBe(activeBase - 1);
    await until(() => manager.cleanerStats.passes > 0);
    expect(manager.cleanerStats).toMatchObject({ uncleanablePartitions: 0 });
    expect(manager.cleanerStats.bytesWritten).toBeLessThan(manager.cleanerStats.bytesRead);
    await manager.close();
    expect(readFileSync(path.join(folder, 'cleaner-offset-checkpoint'), 'utf8')).toBe(
      `0\n1\nt 0 ${activeBase}\n`,
    );
    const names = readdirSync(path.join(folder, 't-0'));
    expect(names.filter((name) => /\.(cleaned|swap)$/.test(name))).toEqual([]);
    const again = await openManager(folder, { config: COMPACT });
    const reopened = again.get('t', 0);
    expect(reopened?.compaction.cleanedUpTo).toBe(activeBase);
    expect(await recordsOf(reopened as PartitionLog)).toEqual(found);
    await again.close();
  }));

test('appends and reads go on beside it, and every read is of whole, right batches', () =>
  withFolder(async (folder) => {
    const manager = await openManager(folder, {
      config: COMPACT,
      cleaner: () => SETTINGS,
      tailCacheBytes: 4000, // Most reads go to the files.
    });
    const log = await manager.getOrCreate('t', 0, null);
    const newest = new Map<string, number>();
    let done = false;
    const reader = (async () => {
      while (!done) {
        await new Promise((resolve) => setImmediate(resolve));
        let last = -1;
        for (const { offset } of await recordsOf(log)) {
          expect(offset).toBeGreaterThan(last);
          last = offset;
        }
      }
    })();
    for (let round = 0; round < 40 || manager.cleanerStats.passes < 2; round += 1) {
      for (let index = 0; index < 20; index += 1) {
        const key = `k${(round * 7 + index) % 11}`;
        const { firstOffset } = log.appendAsLeader(batchOf({ key, count: 1, mark: index }), {
          leaderEpoch: 0,
          origin: 'client',
        });
        newest.set(key, firstOffset);
      }
      await written(log);
      log.updateHighWatermark(log.logEndOffset);
      await new Promise((resolve) => setTimeout(resolve, round < 40 ? 1 : 30));
    }
    done = true;
    await reader;
    const found = new Map((await recordsOf(log)).map(({ key, offset }) => [key, offset]));
    expect(found).toEqual(newest);
    expect(manager.cleanerStats.uncleanablePartitions).toBe(0);
    expect(log.offline).toBe(false);
    await manager.close();
  }));

test('a damaged batch makes a log uncleanable, told once, and nothing else', async () => {
  const disk = new MemoryDisk();
  const errors: string[] = [];
  const environment = timedEnvironment(disk);
  const told = { ...environment.log, error: (text: string) => errors.push(text) };
  const manager = await openManager('/logs', {
    environment: { ...environment, log: told as unknown as typeof environment.log },
    config: COMPACT,
  });
  const broken = await manager.getOrCreate('t', 0, null);
  const sound = await manager.getOrCreate('t', 1, null);
  await fill(broken, 100);
  await fill(sound, 50);
  const file = '/logs/t-0/00000000000000000000.log';
  const bytes = disk.content(file);
  bytes[100] = (bytes[100] ?? 0) ^ 1;
  disk.put(file, bytes);
  const cleaner = cleanerOf(manager, {
    ...environment,
    log: told as unknown as typeof environment.log,
  });
  expect(await cleaner.cleanOnce()).toBe(false);
  expect(await cleaner.cleanOnce()).toBe(true);
  expect(await cleaner.cleanOnce()).toBe(false);
  expect(errors).toEqual(['a log cannot be compacted and is left as it is']);
  expect(cleaner.stats).toMatchObject({ uncleanablePartitions: 1, passes: 1 });
  expect(cleaner.stats.uncleanableBytes).toBeGreaterThan(0);
  expect(disk.content(file)).toEqual(bytes);
  expect(broken.offline).toBe(false);
  expect(disk.names('/logs/t-0').filter((name) => name.endsWith('.cleaned'))).toEqual([]);
  await manager.delete('t', 0);
  await cleaner.cleanOnce();
  expect(cleaner.stats.uncleanablePartitions).toBe(0);
  await manager.close();
});

test.each(['write', 'sync', 'rename', 'open', 'read'] as const)(
  'a failing %s takes the directory offline, not the log out of compaction',
  async (operation) => {
    const disk = new MemoryDisk();
    const environment = timedEnvironment(disk);
    const manager = await openManager('/logs', { environment, config: COMPACT });
    const log = await manager.getOrCreate('t', 0, null);
    await fill(log, 100);
    const cleaner = cleanerOf(manager, environment);
    let isHere = false;
    disk.fail = (done, file) => {
      isHere ||= file.includes('.cleaned');
      return isHere && done === operation ? 'EIO' : null;
    };
    expect(await cleaner.cleanOnce()).toBe(false);
    disk.fail = null;
    expect(log.offline).toBe(true);
    expect(cleaner.stats.uncleanablePartitions).toBe(0);
    await manager.close();
  },
);

test('truncation, deletion and closing end a compaction, and what it was about to do is undone', async () => {
  for (const how of ['truncate', 'restart', 'delete', 'close'] as const) {
    for (let step = 1; step < 40; step += 6) {
      const disk = new MemoryDisk();
      const environment = timedEnvironment(disk);
      const manager = await openManager('/logs', { environment, config: COMPACT });
      const log = await manager.getOrCreate('t', 0, null);
      await fill(log, 100);
      const cleaner = cleanerOf(manager, environment);
      let operations = 0;
      let ending: Promise<unknown> | null = null;
      disk.fail = () => {
        operations += 1;
        if (operations === step) ending = endOf(how, manager, log);
        return null;
      };
      await cleaner.cleanOnce();
      disk.fail = null;
      await ending;
      expect(cleaner.stats.uncleanablePartitions).toBe(0);
      expect(log.offline).toBe(false);
      if (how === 'truncate') {
        expect(log.logEndOffset).toBe(30);
        expect(log.compaction.cleanedUpTo ?? 0).toBeLessThanOrEqual(30);
        await fill(log, 60, 1000);
        await cleaner.cleanOnce();
        const keys = (await recordsOf(log)).map(({ key }) => key);
        expect(new Set(keys).size).toBe(5);
        expect(disk.names('/logs/t-0').filter((name) => /cleaned|swap/.test(name))).toEqual([]);
      }
      await manager.close();
    }
  }
});

function endOf(
  how: 'truncate' | 'restart' | 'delete' | 'close',
  manager: LogManager,
  log: PartitionLog,
): Promise<unknown> {
  if (how === 'truncate') return log.truncateTo(30);
  if (how === 'restart') return log.truncateFullyAndStartAt(7);
  return how === 'delete' ? manager.delete('t', 0) : log.close();
}

/** Forcing the log files of segments to the medium takes until somebody lets it. */
class SlowDisk extends MemoryDisk {
  let: () => void = () => {};
  readonly #may = new Promise<void>((resolve) => {
    this.let = resolve;
  });

  override async open(file: string, mode: 'read' | 'write' | 'create'): Promise<DiskFile> {
    const open = await super.open(file, mode);
    if (!file.endsWith('.log')) return open;
    return { ...open, sync: () => this.#may.then(() => open.sync()) };
  }
}

test('no record goes for a newer one before that is on the medium', async () => {
  const disk = new SlowDisk();
  const environment = timedEnvironment(disk);
  const manager = await openManager('/logs', { environment, config: COMPACT });
  const log = await manager.getOrCreate('t', 0, null);
  await fill(log, 100);
  const cleaning = cleanerOf(manager, environment).cleanOnce();
  await environment.settle(200);
  expect(disk.names('/logs/t-0').filter((name) => /cleaned|swap|deleted/.test(name))).toEqual([]);
  disk.let();
  expect(await cleaning).toBe(true);
  await manager.close();
});

test('a paused log is left alone until it is resumed', async () => {
  const disk = new MemoryDisk();
  const environment = timedEnvironment(disk);
  const manager = await openManager('/logs', { environment, config: COMPACT });
  const log = await manager.getOrCreate('t', 0, null);
  await fill(log, 100);
  const cleaner = cleanerOf(manager, environment);
  await manager.get('t', 0)?.compaction.lease.pause();
  expect(await cleaner.cleanOnce()).toBe(false);
  manager.get('t', 0)?.compaction.lease.resume();
  expect(await cleaner.cleanOnce()).toBe(true);
  await manager.close();
});

test('with compact,delete the cleaner also removes what is too old', async () => {
  const disk = new MemoryDisk();
  const environment = timedEnvironment(disk);
  const config = { ...COMPACT, cleanupPolicy: ['compact', 'delete'] as const, retentionMs: 1000 };
  const manager = await openManager('/logs', { environment, config });
  const log = await manager.getOrCreate('t', 0, null);
  await fill(log, 100);
  const before = log.sizeBytes;
  await manager.applyRetention(); // Is not this log's business.
  expect(log.sizeBytes).toBe(before);
  const cleaner = cleanerOf(manager, environment);
  environment.pass(1_000_000);
  await cleaner.cleanOnce();
  expect(log.logStartOffset).toBe(log.logEndOffset);
  await manager.close();
});

test('a follower takes what compaction has left, gaps and empty batches and all', async () => {
  const disk = new MemoryDisk();
  const environment = timedEnvironment(disk);
  const manager = await openManager('/logs', { environment, config: COMPACT });
  const log = await manager.getOrCreate('t', 0, null);
  for (let index = 0; index < 30; index += 1) {
    // Each producer's last batch stays, without its records, when another has written its keys since.
    const batch = batchOf({ key: `k${index % 3}`, count: 4, producerId: BigInt(index % 5) });
    await append(log, setSequence(batch, Math.floor(index / 5) * 4));
  }
  for (let index = 0; index < 40; index += 1)
    await append(log, batchOf({ key: `k${index % 3}`, count: 4 }));
  log.updateHighWatermark(log.logEndOffset);
  expect(await cleanerOf(manager, environment).cleanOnce()).toBe(true);
  const bytes = await readAll(log);
  const batches = [...decodeRecordSet(bytes)];
  expect(batches.some(({ records }) => records.length === 0)).toBe(true);
  expect(
    batches.some((batch, at) => batch.baseOffset > (batches[at - 1]?.lastOffset ?? -1) + 1),
  ).toBe(true);
  const follower = await manager.getOrCreate('copy', 0, null);
  let at = 0;
  for (const { sizeBytes } of batches) {
    follower.appendAsFollower(Buffer.from(bytes.subarray(at, at + sizeBytes)));
    at += sizeBytes;
  }
  await written(follower);
  expect(await readAll(follower)).toEqual(bytes);
  expect(follower.logEndOffset).toBe(log.logEndOffset);
  expect(
    [...follower.activeProducers()].map(({ producerId, batches: [...known] }) => [
      producerId,
      known.at(-1)?.lastSequence,
    ]),
  ).toEqual(
    [...log.activeProducers()].map(({ producerId, batches: [...known] }) => [
      producerId,
      known.at(-1)?.lastSequence,
    ]),
  );
  await manager.close();
});

function setSequence(batch: Buffer, baseSequence: number): Buffer {
  batch.writeInt32BE(baseSequence, 53);
  renewChecksum(batch);
  return batch;
}
