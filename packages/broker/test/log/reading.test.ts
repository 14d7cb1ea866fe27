/**
 * Reads against a naive scan: whatever the sizes of batches and segments and the density of the
 * index, an offset leads to the batch that holds it, limits are kept, and memory and files agree.
 */
import { describe, expect, test } from '@jest/globals';
import { baseOffset } from '@odradek/protocol';
import fc from 'fast-check';
import type { LogSlice } from '../../src/log/log-types.ts';
import type { PartitionLog } from '../../src/log/partition-log.ts';
import { MemoryDisk } from './memory-disk.ts';
import { append, batchOf, bytesOf, openManager, timedEnvironment, written } from './support.ts';

interface Known {
  readonly bytes: Buffer;
  readonly firstOffset: number;
  readonly nextOffset: number;
}

/** What a read must give, found by looking at every batch. */
function naiveRead(
  batches: readonly Known[],
  segmentBase: (offset: number) => number,
  wholeLog: boolean,
  request: { offset: number; maxBytes: number; maxOffset: number; minOneBatch: boolean },
): Buffer {
  const parts: Buffer[] = [];
  let room = request.maxBytes;
  const first = batches.find(({ nextOffset }) => nextOffset > request.offset);
  for (const batch of batches) {
    if (first === undefined || batch.firstOffset < first.firstOffset) continue;
    if (batch.nextOffset > request.maxOffset) break;
    // Files are read one segment at a time; the tail cache knows no segments.
    if (!wholeLog && segmentBase(batch.firstOffset) !== segmentBase(first.firstOffset)) break;
    const obliged = request.minOneBatch && parts.length === 0;
    if (batch.bytes.length > room && !obliged) break;
    parts.push(batch.bytes);
    room -= batch.bytes.length;
    if (room <= 0) break;
  }
  return Buffer.concat(parts);
}

const logSpec = fc.record({
  batches: fc.array(
    fc.record({
      count: fc.integer({ min: 1, max: 5 }),
      valueBytes: fc.integer({ min: 0, max: 400 }),
    }),
    { minLength: 1, maxLength: 25 },
  ),
  indexIntervalBytes: fc.constantFrom(0, 50, 300, 5000),
  segmentBytes: fc.constantFrom(3000, 100_000),
  tailCacheBytes: fc.constantFrom(0, 6000, 1_000_000),
  indexCacheBytes: fc.constantFrom(0, 100_000),
});

const requestSpec = fc.record({
  at: fc.double({ min: 0, max: 1, noNaN: true }),
  maxBytes: fc.constantFrom(0, 100, 700, 100_000),
  minOneBatch: fc.boolean(),
  reach: fc.constantFrom(0, 3, 1000),
});

test('a read gives what a scan of all batches gives', async () => {
  const requests = fc.array(requestSpec, { minLength: 1, maxLength: 40 });
  await fc.assert(
    fc.asyncProperty(logSpec, requests, async (spec, wanted) => {
      const { manager, log, batches } = await filled(spec);
      const end = log.logEndOffset;
      for (const { at, maxBytes, minOneBatch, reach } of wanted) {
        const offset = Math.floor(at * end);
        const maxOffset = Math.min(end, offset + reach);
        const request = { offset, maxBytes, maxOffset, minOneBatch };
        const answer = log.read(offset, maxBytes, maxOffset, minOneBatch);
        const fromMemory = !(answer instanceof Promise);
        const slice = await answer;
        const expected = naiveRead(batches, (of) => log.segmentBaseOf(of), fromMemory, request);
        expect(bytesOf(slice)).toEqual(expected);
        expectConsistent(slice, batches, offset);
      }
      await manager.close();
    }),
    { numRuns: 100 },
  );
});

function expectConsistent(slice: LogSlice, batches: readonly Known[], offset: number): void {
  expect(slice.sizeBytes).toBe(bytesOf(slice).length);
  if (slice.sizeBytes === 0) {
    expect([slice.firstOffset, slice.nextOffset]).toEqual([offset, offset]);
    return;
  }
  expect(slice.firstOffset).toBe(baseOffset(bytesOf(slice), 0));
  expect(batches.some(({ nextOffset }) => nextOffset === slice.nextOffset)).toBe(true);
}

async function filled(spec: {
  batches: readonly { count: number; valueBytes: number }[];
  indexIntervalBytes: number;
  segmentBytes: number;
  tailCacheBytes: number;
  indexCacheBytes: number;
}) {
  const { indexIntervalBytes, segmentBytes, tailCacheBytes, indexCacheBytes } = spec;
  const manager = await openManager('/data', {
    environment: timedEnvironment(new MemoryDisk()),
    config: { indexIntervalBytes, segmentBytes },
    tailCacheBytes,
    indexCacheBytes,
  });
  const log = await manager.getOrCreate('t', 0, null);
  const batches: Known[] = [];
  for (const [mark, shape] of spec.batches.entries()) {
    const bytes = batchOf({ ...shape, mark });
    const { firstOffset, lastOffset } = log.appendAsLeader(bytes, {
      leaderEpoch: 0,
      origin: 'client',
    });
    batches.push({ bytes, firstOffset, nextOffset: lastOffset + 1 });
  }
  await written(log);
  return { manager, log, batches };
}

describe('bounds', () => {
  async function smallLog(): Promise<PartitionLog> {
    const { log } = await filled({
      batches: [
        { count: 5, valueBytes: 10 },
        { count: 5, valueBytes: 10 },
      ],
      indexIntervalBytes: 4096,
      segmentBytes: 100_000,
      tailCacheBytes: 0,
      indexCacheBytes: 1000,
    });
    return log;
  }

  test.each([-1, 11])('offset %i is out of range', async (offset) => {
    const log = await smallLog();
    expect(() => log.read(offset, 100, 100, true)).toThrow('OFFSET_OUT_OF_RANGE');
  });

  test('below the log start is out of range, also inside of the first segment', async () => {
    const log = await smallLog();
    await log.advanceLogStart(5);
    expect(() => log.read(4, 100, 100, true)).toThrow('OFFSET_OUT_OF_RANGE');
    expect((await log.read(5, 1000, 100, true)).firstOffset).toBe(5);
  });

  test('the end gives nothing, at once', async () => {
    const log = await smallLog();
    expect(log.read(10, 100, 100, true)).toEqual({
      chunks: [],
      lent: [],
      sizeBytes: 0,
      firstOffset: 10,
      nextOffset: 10,
    });
  });

  test('what is not written yet cannot be read', async () => {
    const log = await smallLog();
    log.appendAsLeader(batchOf(), { leaderEpoch: 0, origin: 'client' });
    expect(() => log.read(11, 100, 100, true)).toThrow('OFFSET_OUT_OF_RANGE');
    expect((await log.read(10, 100, 100, true)).sizeBytes).toBe(0);
    await written(log);
    expect((await log.read(10, 100, 100, true)).nextOffset).toBe(11);
  });
});

test('whoever reads on where it stopped needs one read per answer', async () => {
  const disk = new MemoryDisk();
  const manager = await openManager('/data', {
    environment: timedEnvironment(disk),
    config: { indexIntervalBytes: 0 },
    tailCacheBytes: 0,
  });
  const log = await manager.getOrCreate('t', 0, null);
  for (let count = 0; count < 20; count++) await append(log, batchOf({ valueBytes: 1000 }));
  let offset = (await log.read(0, 2000, 20, true)).nextOffset;
  const readsBefore = disk.count('read');
  let answers = 0;
  while (offset < 20) {
    offset = (await log.read(offset, 2500, 20, true)).nextOffset;
    answers += 1;
  }
  expect(disk.count('read') - readsBefore).toBe(answers);
});

test('indexes in memory and open files are bounded, and everything can still be read', async () => {
  const disk = new MemoryDisk();
  const openFilesLimit = 2;
  const manager = await openManager('/data', {
    environment: timedEnvironment(disk),
    config: { indexIntervalBytes: 0, segmentBytes: 1000 },
    tailCacheBytes: 0,
    indexCacheBytes: 64,
    openFilesLimit,
  });
  const log = await manager.getOrCreate('t', 0, null);
  for (let count = 0; count < 60; count++)
    await append(log, batchOf({ valueBytes: 100, mark: count }));
  for (let offset = 59; offset >= 0; offset -= 7) {
    expect((await log.read(offset, 1, 60, true)).firstOffset).toBe(offset);
  }
  expect(disk.openCount).toBeLessThanOrEqual(openFilesLimit);
});

describe('a segment that leaves the log while it is read', () => {
  async function oldLog() {
    const disk = new MemoryDisk();
    const manager = await openManager('/data', {
      environment: timedEnvironment(disk),
      config: { segmentBytes: 200 },
      tailCacheBytes: 0,
      openFilesLimit: 1,
    });
    const log = await manager.getOrCreate('t', 0, null);
    for (let count = 0; count < 6; count++) await append(log, batchOf({ valueBytes: 100 }));
    log.updateHighWatermark(6);
    return { disk, log };
  }

  test('its offsets are out of range then, and its files are not made anew', async () => {
    const { disk, log } = await oldLog();
    const reading = Promise.resolve(log.read(1, 10, 6, true));
    const outcome = reading.then(
      (slice) => slice.firstOffset,
      (error: Error) => error.message,
    );
    await log.advanceLogStart(5);
    expect([1, expect.stringContaining('OFFSET_OUT_OF_RANGE')]).toContainEqual(await outcome);
    expect(log.offline).toBe(false);
    expect(disk.names('/data/t-0').filter((name) => name.endsWith('.log'))).toEqual([
      '00000000000000000005.log',
    ]);
  });

  test('but a file that somebody else took away is a failing disk', async () => {
    const { disk, log } = await oldLog();
    disk.files.delete('/data/t-0/00000000000000000001.log');
    await expect(log.read(1, 10, 6, true)).rejects.toThrow('KAFKA_STORAGE_ERROR');
    expect(log.offline).toBe(true);
  });
});
