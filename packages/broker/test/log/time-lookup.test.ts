/** Records found by time, against a look at every record; also across segments, codecs and a changed log start. */
import { describe, expect, test } from '@jest/globals';
import { decodeBatch } from '@odradek/protocol';
import fc from 'fast-check';
import { MemoryDisk } from './memory-disk.ts';
import { append, batchOf, openManager, timedEnvironment } from './support.ts';

interface Seen {
  readonly offset: number;
  readonly timestamp: number;
}

test('the first record of a time or later, and the youngest', async () => {
  const spec = fc.record({
    batches: fc.array(
      fc.record({
        count: fc.integer({ min: 1, max: 4 }),
        timestamp: fc.integer({ min: 1000, max: 1030 }),
        compression: fc.constantFrom('none' as const, 'gzip' as const),
      }),
      { minLength: 1, maxLength: 15 },
    ),
    segmentBytes: fc.constantFrom(400, 100_000),
    indexIntervalBytes: fc.constantFrom(0, 200, 5000),
    restarts: fc.boolean(),
    logStart: fc.integer({ min: 0, max: 5 }),
  });
  await fc.assert(
    fc.asyncProperty(
      spec,
      async ({ batches, segmentBytes, indexIntervalBytes, restarts, logStart }) => {
        const disk = new MemoryDisk();
        const options = {
          environment: timedEnvironment(disk),
          config: { segmentBytes, indexIntervalBytes, retentionMs: -1 },
        };
        let manager = await openManager('/data', options);
        let log = await manager.getOrCreate('t', 0, null);
        const seen: Seen[] = [];
        for (const [mark, shape] of batches.entries()) {
          const bytes = batchOf({ ...shape, mark });
          await append(log, bytes);
          for (const { offset, timestamp } of decodeBatch(bytes).records)
            seen.push({ offset, timestamp });
        }
        const start = Math.min(logStart, log.logEndOffset);
        log.updateHighWatermark(log.logEndOffset);
        await log.advanceLogStart(start);
        if (restarts) {
          await manager.close();
          manager = await openManager('/data', options);
          log = manager.get('t', 0)!;
        }
        const visible = seen.filter(({ offset }) => offset >= start);
        for (let timestamp = 999; timestamp <= 1036; timestamp += 3) {
          for (const maxOffset of [log.logEndOffset, 3]) {
            const expected = visible.find(
              (record) => record.timestamp >= timestamp && record.offset < maxOffset,
            );
            const found = await log.offsetForTimestamp(timestamp, maxOffset);
            expect(found).toEqual(expected === undefined ? null : { ...expected, leaderEpoch: 0 });
          }
        }
        await manager.close();
      },
    ),
    { numRuns: 60 },
  );
});

test('with LogAppendTime a whole batch has the time at which it came', async () => {
  const environment = timedEnvironment(new MemoryDisk());
  const manager = await openManager('/data', {
    environment,
    config: { messageTimestampType: 'LogAppendTime', indexIntervalBytes: 0 },
  });
  const log = await manager.getOrCreate('t', 0, null);
  const cameAt: number[] = [];
  for (const compression of ['none', 'gzip', 'none'] as const) {
    const result = await append(log, batchOf({ count: 3, timestamp: 5, compression }));
    cameAt.push(result.logAppendTimeMs);
    environment.pass(1_000);
  }
  const [first = 0, second = 0, third = 0] = cameAt;
  const at = async (timestamp: number) => {
    const found = await log.offsetForTimestamp(timestamp, log.logEndOffset);
    return found === null ? null : [found.offset, found.timestamp];
  };
  expect(await at(5)).toEqual([0, first]);
  expect(await at(first + 1)).toEqual([3, second]);
  expect(await at(second)).toEqual([3, second]);
  expect(await at(third)).toEqual([6, third]);
  expect(await at(third + 1)).toBeNull();
  expect(await log.offsetOfMaxTimestamp()).toMatchObject({ offset: 6, timestamp: third });
  await manager.close();
});

describe('the youngest record', () => {
  test('is the first with the largest timestamp, in whatever segment', async () => {
    const manager = await openManager('/data', {
      environment: timedEnvironment(new MemoryDisk()),
      config: { segmentBytes: 200 },
    });
    const log = await manager.getOrCreate('t', 0, null);
    expect(await log.offsetOfMaxTimestamp()).toBeNull();
    await append(log, batchOf({ count: 2, timestamp: 1000 }));
    await append(log, batchOf({ count: 3, timestamp: 5000, compression: 'gzip' }));
    await append(log, batchOf({ count: 2, timestamp: 2000 }));
    expect(await log.offsetOfMaxTimestamp()).toEqual({
      offset: 4,
      timestamp: 5002,
      leaderEpoch: 0,
    });
  });
});
