/**
 * Every setting of the log cleaner, and of a topic about its compaction, does what it says: each test fails when its
 * setting is ignored. Time is pushed by hand; how long something took is what had to be pushed.
 */
import { beforeAll, expect, test } from '@jest/globals';
import { decodeRecordSet, zstdReady } from '@odradek/protocol';
import { type Environment, WorkersBusy } from '@odradek/runtime';
import { cleanerKeys, cleanerSettingsOf } from '../../../src/config/cleaner-config.ts';
import {
  type CleanerSettings,
  defaultCleanerSettings,
  LogCleaner,
} from '../../../src/log/compaction/log-cleaner.ts';
import { cleanGroupTask, indexKeysTask } from '../../../src/log/compaction/tasks.ts';
import type { LogConfig } from '../../../src/log/log-config.ts';
import type { PartitionLog } from '../../../src/log/partition-log.ts';
import { encodeBatch } from '../batch-tools.ts';
import { MemoryDisk } from '../memory-disk.ts';
import {
  append,
  batchOf,
  openManager,
  readAll,
  type TimedEnvironment,
  timedEnvironment,
} from '../support.ts';

const COMPACT = {
  cleanupPolicy: ['compact'],
  segmentBytes: 4000,
  indexIntervalBytes: 200,
  minCleanableDirtyRatio: 0,
  fileDeleteDelayMs: 20,
} as const;

beforeAll(() => zstdReady);

interface Given {
  readonly config?: Partial<LogConfig>;
  readonly settings?: Partial<CleanerSettings>;
  readonly wrap?: (environment: TimedEnvironment) => Environment;
  readonly partitions?: number;
}

async function given({ config = {}, settings = {}, wrap = (each) => each, partitions = 1 }: Given) {
  const disk = new MemoryDisk();
  const environment = timedEnvironment(disk);
  const manager = await openManager('/logs', { environment, config: { ...COMPACT, ...config } });
  const logs: PartitionLog[] = [];
  for (let partition = 0; partition < partitions; partition += 1)
    logs.push(await manager.getOrCreate('t', partition, null));
  const cleaner = new LogCleaner({
    environment: wrap(environment),
    logs: () => manager.all(),
    settings: () => ({ ...defaultCleanerSettings, ...settings }),
    applyRetention: () => Promise.resolve(),
  });
  return { disk, environment, manager, cleaner, logs, log: logs[0] as PartitionLog };
}

/** Appends `count` records, each with a key of its own, and one more that begins another segment. */
async function fill(log: PartitionLog, count: number, valueBytes = 100): Promise<void> {
  const { segmentBytes } = log.config;
  for (let index = 0; index < count; index += 1)
    await append(log, batchOf({ key: `k${index}`, valueBytes }));
  await append(log, batchOf({ key: 'last', valueBytes: segmentBytes - 200 }));
  log.updateHighWatermark(log.logEndOffset);
}

/** Pushes time on until it is done. @returns by how much */
async function passing(environment: TimedEnvironment, done: Promise<unknown>): Promise<number> {
  const state = { isDone: false };
  void done.finally(() => {
    state.isDone = true;
  });
  let spanMs = 0;
  for (;;) {
    await environment.settle(20);
    if (state.isDone) return spanMs;
    environment.pass(10);
    spanMs += 10;
  }
}

test.each([
  { bytesPerSecond: Number.MAX_VALUE, threads: 1, rate: Number.POSITIVE_INFINITY },
  { bytesPerSecond: 20_000, threads: 1, rate: 20_000 },
  { bytesPerSecond: 20_000, threads: 2, rate: 10_000 },
])(
  'log.cleaner.io.max.bytes.per.second: $bytesPerSecond for $threads threads',
  async (settings) => {
    const { rate, ...rest } = settings;
    const { environment, manager, cleaner, log } = await given({ settings: rest });
    await fill(log, 200);
    const cleaning = cleaner.cleanOnce();
    const spanMs = await passing(environment, cleaning);
    expect(await cleaning).toBe(true);
    const { bytesRead, bytesWritten } = cleaner.stats;
    expect(bytesRead + bytesWritten).toBeGreaterThan(60_000);
    const dueMs = ((bytesRead + bytesWritten) / rate) * 1000;
    // Less than the shortest wait is saved up, once for each task; time is pushed in steps.
    expect(spanMs).toBeGreaterThanOrEqual(dueMs * 0.9);
    expect(spanMs).toBeLessThanOrEqual(dueMs * 1.2);
    await manager.close();
  },
);

test('a throttled compaction ends at once when it is told to', async () => {
  const { environment, cleaner, log } = await given({ settings: { bytesPerSecond: 1 } });
  await fill(log, 100);
  const cleaning = cleaner.cleanOnce();
  await environment.settle();
  expect(log.compaction.lease.free).toBe(false);
  const truncating = log.truncateTo(10);
  await environment.settle();
  await truncating;
  expect(await cleaning).toBe(false);
  expect(log.logEndOffset).toBe(10);
});

test.each([0, 1, 2])('log.cleaner.threads: %i logs at once', async (threads) => {
  let running = 0;
  const wrap = (environment: TimedEnvironment): Environment => ({
    ...environment,
    workers: {
      run: () => {
        running += 1;
        return new Promise((_, reject) => held.push(() => reject(new WorkersBusy(0))));
      },
    },
  });
  const held: (() => void)[] = [];
  const { environment, cleaner, logs } = await given({
    settings: { threads },
    partitions: 3,
    wrap,
  });
  for (const log of logs) await fill(log, 40);
  cleaner.start();
  await environment.settle(200);
  expect(running).toBe(threads);
  const stopping = cleaner.stop();
  for (const end of held) end();
  await stopping;
});

test.each([
  { dedupeBufferBytes: 24 * 20, loadFactor: 0.9, threads: 1, keys: 18 },
  { dedupeBufferBytes: 24 * 20, loadFactor: 0.5, threads: 1, keys: 10 },
  { dedupeBufferBytes: 24 * 20, loadFactor: 0.5, threads: 2, keys: 5 },
  { dedupeBufferBytes: 24 * 1000, loadFactor: 0.9, threads: 1, keys: 40 },
])(
  'log.cleaner.dedupe.buffer.size $dedupeBufferBytes and io.buffer.load.factor $loadFactor for $threads threads: $keys keys',
  async ({ keys, ...settings }) => {
    const { manager, cleaner, log } = await given({ settings });
    await fill(log, 40);
    expect(await cleaner.cleanOnce()).toBe(true);
    expect(log.compaction.cleanedUpTo).toBe(keys);
    await manager.close();
  },
);

test.each([
  { ioBufferBytes: 1 << 20, threads: 1, pieces: 1 },
  { ioBufferBytes: 32 * 1024, threads: 1, pieces: 3 },
  { ioBufferBytes: 64 * 1024, threads: 2, pieces: 3 },
])(
  'log.cleaner.io.buffer.size $ioBufferBytes for $threads threads',
  async ({ pieces, ...rest }) => {
    const { disk, manager, cleaner, log } = await given({
      config: { segmentBytes: 80_000 },
      settings: rest,
    });
    await fill(log, 70, 1000);
    let reads = 0;
    disk.fail = (operation, file) => {
      if (operation === 'read' && file.endsWith('00000000.log')) reads += 1;
      return null;
    };
    expect(await cleaner.cleanOnce()).toBe(true);
    expect(reads).toBe(2 * pieces); // Once for the keys, once for the records.
    await manager.close();
  },
);

test('log.cleaner.backoff.ms: so long it rests when there was nothing to do', async () => {
  const { environment, manager, cleaner, log } = await given({ settings: { backoffMs: 5_000 } });
  cleaner.start();
  await environment.settle();
  await fill(log, 40);
  environment.pass(4_999);
  await environment.settle(200);
  expect(cleaner.stats.passes).toBe(0);
  environment.pass(1);
  await environment.settle(200);
  expect(cleaner.stats.passes).toBe(1);
  await cleaner.stop();
  await manager.close();
});

test('min.compaction.lag.ms: what is younger stays as it is', async () => {
  const { environment, manager, cleaner, log } = await given({
    config: { minCompactionLagMs: 10_000 },
  });
  await fill(log, 40);
  expect(await cleaner.cleanOnce()).toBe(false);
  environment.pass(9_999);
  expect(await cleaner.cleanOnce()).toBe(false);
  environment.pass(1);
  expect(await cleaner.cleanOnce()).toBe(true);
  await manager.close();
});

test('min.cleanable.dirty.ratio: so much must be new; max.compaction.lag.ms: unless it has waited for so long', async () => {
  const { environment, manager, cleaner, log } = await given({
    config: { minCleanableDirtyRatio: 0.6, maxCompactionLagMs: 60_000 },
  });
  await fill(log, 60);
  expect(await cleaner.cleanOnce()).toBe(true);
  await fill(log, 20); // A quarter.
  expect(await cleaner.cleanOnce()).toBe(false);
  environment.pass(60_000);
  expect(await cleaner.cleanOnce()).toBe(false);
  environment.pass(1);
  expect(await cleaner.cleanOnce()).toBe(true);
  await fill(log, 60);
  expect(await cleaner.cleanOnce()).toBe(true);
  await manager.close();
});

test('delete.retention.ms: a tombstone goes that long after a compaction met it first', async () => {
  const { environment, manager, cleaner, log } = await given({
    config: { deleteRetentionMs: 5_000 },
  });
  const timestamp = environment.clock.wallTime();
  const tombstone = { key: Buffer.from('gone'), value: null, timestamp };
  await append(log, encodeBatch({ records: [tombstone] }));
  await fill(log, 40);
  const isThere = async (): Promise<boolean> => {
    log.compaction.cleanedUpTo = null;
    expect(await cleaner.cleanOnce()).toBe(true);
    const batches = [...decodeRecordSet(await readAll(log))];
    return batches.some(({ records }) => records.some(({ key }) => key?.toString() === 'gone'));
  };
  environment.pass(1_000_000); // Its age does not count.
  expect(await isThere()).toBe(true);
  environment.pass(4_999);
  expect(await isThere()).toBe(true);
  environment.pass(1);
  expect(await isThere()).toBe(false);
  await manager.close();
});

test('each key of the broker is the setting of its name', () => {
  const values = new Map<string, number>(cleanerKeys.map((key, index) => [key, index + 1]));
  expect(cleanerSettingsOf({ value: (key) => values.get(key) ?? null })).toEqual({
    threads: values.get('log.cleaner.threads'),
    dedupeBufferBytes: values.get('log.cleaner.dedupe.buffer.size'),
    loadFactor: values.get('log.cleaner.io.buffer.load.factor'),
    ioBufferBytes: values.get('log.cleaner.io.buffer.size'),
    bytesPerSecond: values.get('log.cleaner.io.max.bytes.per.second'),
    backoffMs: values.get('log.cleaner.backoff.ms'),
  });
});

test.each<[string, boolean]>([
  ['with', true],
  ['without', false],
])('a manager %s settings for a cleaner compacts: %p', async (_, isEnabled) => {
  const tasks: string[] = [];
  const environment = timedEnvironment(new MemoryDisk());
  const run: Environment['workers']['run'] = (task, job, options) => {
    tasks.push(task.exportName);
    return environment.workers.run(task, job, options);
  };
  const manager = await openManager('/logs', {
    environment: { ...environment, workers: { run } },
    config: COMPACT,
    cleaner: isEnabled ? () => defaultCleanerSettings : undefined,
  });
  await fill(await manager.getOrCreate('t', 0, null), 40);
  environment.pass(defaultCleanerSettings.backoffMs);
  await environment.settle(200);
  const all = [indexKeysTask.exportName, cleanGroupTask.exportName];
  expect(tasks.slice(0, 2)).toEqual(isEnabled ? all : []);
  await manager.close();
});
