/**
 * Compaction against a list of all that was appended: whatever is appended, compacted, restarted and in
 * whatever order, the newest value of each key is there, what may go is gone where compaction has been,
 * readers of committed records see neither more nor less, and producers' sequences outlive their records.
 */
import { beforeAll, expect, test } from '@jest/globals';
import { zstdReady } from '@odradek/protocol';
import fc from 'fast-check';
import { MemoryDisk } from '../memory-disk.ts';
import { timedEnvironment } from '../support.ts';
import { type Append, CompactedLog } from './compacted-log.ts';

const DELETE_RETENTION_MS = 1000;

const key = fc.integer({ min: 0, max: 7 }).map((index) => `key-${index}`);
const value = fc.option(fc.string({ maxLength: 20 }), { freq: 3 });

type Step =
  | { readonly kind: 'append'; readonly append: Append }
  | { readonly kind: 'end'; readonly producer: number; readonly outcome: 'commit' | 'abort' }
  | { readonly kind: 'clean' }
  | { readonly kind: 'pass'; readonly spanMs: number }
  | { readonly kind: 'restart'; readonly how: 'orderly' | 'crash' };

const append = fc
  .record({
    pairs: fc.array(fc.record({ key, value }), { minLength: 1, maxLength: 6 }),
    producer: fc.option(fc.integer({ min: 0, max: 3 }), { freq: 2 }),
    transactional: fc.boolean(),
    codec: fc.constantFrom('none', 'none', 'gzip', 'snappy', 'lz4', 'zstd'),
  })
  .map((made): Step => ({ kind: 'append', append: made as Append }));

const step: fc.Arbitrary<Step> = fc.oneof(
  { arbitrary: append, weight: 12 },
  {
    arbitrary: fc.record({
      kind: fc.constant('end' as const),
      producer: fc.integer({ min: 0, max: 3 }),
      outcome: fc.constantFrom('commit' as const, 'abort' as const),
    }),
    weight: 4,
  },
  { arbitrary: fc.constant<Step>({ kind: 'clean' }), weight: 3 },
  {
    arbitrary: fc.record({
      kind: fc.constant('pass' as const),
      spanMs: fc.integer({ min: 1, max: 1500 }),
    }),
    weight: 3,
  },
  {
    arbitrary: fc.record({
      kind: fc.constant('restart' as const),
      how: fc.constantFrom('orderly' as const, 'crash' as const),
    }),
    weight: 1,
  },
);

async function play(steps: readonly Step[], options: { segmentBytes: number; tableKeys: number }) {
  const disk = new MemoryDisk();
  const environment = timedEnvironment(disk);
  const log = await CompactedLog.open(environment, disk, {
    cleanupPolicy: ['compact'],
    segmentBytes: options.segmentBytes,
    indexIntervalBytes: 100,
    minCleanableDirtyRatio: 0,
    deleteRetentionMs: DELETE_RETENTION_MS,
    fileDeleteDelayMs: 10,
  });
  log.tableBytes = options.tableKeys * 24;
  for (const each of steps) {
    if (each.kind === 'append') {
      const { producer } = each.append;
      // A producer goes on in its transaction once it has begun one.
      const open = producer !== null && log.isOpen(producer);
      await log.append(open ? { ...each.append, transactional: true } : each.append);
    } else if (each.kind === 'end') {
      // Mostly one that is in a transaction, for an open one keeps compaction from all that follows.
      await log.end(log.open[0] ?? each.producer, each.outcome);
    } else if (each.kind === 'pass') environment.pass(each.spanMs);
    else if (each.kind === 'restart') await log.restart(each.how);
    else await checkedClean(log);
    await environment.settle(1);
  }
  for (const producer of log.open) await log.end(producer, producer % 2 === 0 ? 'abort' : 'commit');
  await checkedClean(log);
  await checkedRestart(log, disk);
  await log.close();
}

async function checkedClean(log: CompactedLog): Promise<void> {
  const { logEndOffset, lastStableOffset } = log.log;
  const producers = log.producers();
  const cleaned = await log.clean();
  expect(log.cleanerStats.uncleanablePartitions).toBe(0);
  expect(await log.problems(DELETE_RETENTION_MS)).toEqual([]);
  expect(log.log.logEndOffset).toBe(logEndOffset);
  expect(log.log.lastStableOffset).toBe(lastStableOffset);
  expect(log.producers()).toEqual(producers);
  for (let at = log.log.logStartOffset; at < logEndOffset; at += 7) {
    const slice = await log.log.read(at, 100, logEndOffset, true);
    expect(slice.sizeBytes).toBeGreaterThan(0);
    expect(slice.nextOffset).toBeGreaterThan(at);
    for (const memory of slice.lent) memory.release();
  }
  if (!cleaned) return;
  while (await log.clean()) expect(log.log.logEndOffset).toBe(logEndOffset);
  // Over all that is clean once more: there is nothing left to do.
  const before = await log.read();
  log.log.compaction.cleanedUpTo = null;
  while (await log.clean()) expect(log.cleanerStats.uncleanablePartitions).toBe(0);
  expect(await log.read()).toEqual(before);
}

/** Producer state is made from the batches alone, and is what it was. */
async function checkedRestart(log: CompactedLog, disk: MemoryDisk): Promise<void> {
  const producers = log.producers();
  const before = await log.read();
  await log.restart('crash');
  for (const name of [...disk.files.keys()]) {
    if (name.endsWith('.snapshot')) disk.files.delete(name);
  }
  disk.files.delete('/logs/recovery-point-offset-checkpoint');
  await log.restart('crash');
  expect(log.producers()).toEqual(producers);
  expect(await log.read()).toEqual(before);
}

beforeAll(() => zstdReady);

test('whatever happens to a log, compaction keeps what it must and drops what it may', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 10, maxLength: 60 }),
      fc.constantFrom(450, 800, 3000),
      fc.constantFrom(3, 6, 1000),
      (steps, segmentBytes, tableKeys) => play(steps, { segmentBytes, tableKeys }),
    ),
    { numRuns: Number(process.env.RUNS ?? 60), endOnFailure: process.env.SHRINK === undefined },
  );
}, 120_000);
