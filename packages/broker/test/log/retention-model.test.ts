/**
 * Rolling and retention against models that are told as Kafka tells the rules: three passes of retention one after the
 * other, and the four reasons to roll, each by itself.
 */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { expiredSegments, type SegmentAge } from '../../src/log/retention.ts';
import { MemoryDisk } from './memory-disk.ts';
import { append, batchOf, openManager, timedEnvironment } from './support.ts';

const T = 1_700_000_000_000;

describe('the decision is that of three passes', () => {
  interface Setting {
    readonly segments: readonly SegmentAge[];
    readonly logStartOffset: number;
    readonly highWatermark: number;
    readonly policy: readonly ('delete' | 'compact')[];
    readonly retentionMs: number;
    readonly retentionBytes: number;
  }

  function passes({ segments, ...setting }: Setting): number {
    let left = segments.map((segment, index) => ({
      ...segment,
      isLast: index === segments.length - 1,
    }));
    const drop = (
      goes: (segment: (typeof left)[number], next: SegmentAge | undefined) => boolean,
    ) => {
      while (left[0] !== undefined) {
        const [first] = left;
        const isEmptyLast = first.isLast && first.sizeBytes === 0;
        if (isEmptyLast || first.endOffset > setting.highWatermark || !goes(first, left[1])) break;
        left = left.slice(1);
      }
    };
    drop((segment, next) => next !== undefined && setting.logStartOffset >= segment.endOffset);
    if (setting.policy.includes('delete')) {
      const totalBytes = left.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
      if (setting.retentionBytes >= 0 && totalBytes >= setting.retentionBytes) {
        let excessBytes = totalBytes - setting.retentionBytes;
        drop(({ sizeBytes }) => {
          if (excessBytes - sizeBytes < 0) return false;
          excessBytes -= sizeBytes;
          return true;
        });
      }
      if (setting.retentionMs >= 0) drop(({ youngestMs }) => T - youngestMs > setting.retentionMs);
    }
    return segments.length - left.length;
  }

  test('for any log', () => {
    const sizes = fc.array(
      fc.record({ sizeBytes: fc.integer({ min: 1, max: 50 }), ageMs: fc.nat(100) }),
      { minLength: 1, maxLength: 8 },
    );
    fc.assert(
      fc.property(
        sizes,
        fc.boolean(),
        fc.nat(90),
        fc.nat(90),
        fc.constantFrom<readonly ('delete' | 'compact')[]>(
          ['delete'],
          ['compact'],
          ['compact', 'delete'],
        ),
        fc.integer({ min: -1, max: 100 }),
        fc.integer({ min: -1, max: 300 }),
        (drawn, isLastEmpty, start, highWatermark, policy, retentionMs, retentionBytes) => {
          const segments = drawn.map(({ sizeBytes, ageMs }, index) => ({
            endOffset: (index + 1) * 10,
            sizeBytes: isLastEmpty && index === drawn.length - 1 ? 0 : sizeBytes,
            youngestMs: T - ageMs,
          }));
          const logStartOffset = Math.min(start, drawn.length * 10);
          const setting = {
            segments,
            logStartOffset,
            highWatermark,
            policy,
            retentionMs,
            retentionBytes,
          };
          const { count } = expiredSegments({
            segments,
            logStartOffset,
            highWatermark,
            config: { cleanupPolicy: policy, retentionMs, retentionBytes },
            wallTimeMs: T,
          });
          expect(count).toBe(passes(setting));
        },
      ),
      { numRuns: 2_000 },
    );
  });
});

describe('records without timestamps', () => {
  async function logWithout() {
    const disk = new MemoryDisk();
    const asked: string[] = [];
    const status = disk.status.bind(disk);
    disk.status = (file) => {
      asked.push(file);
      return status(file);
    };
    const environment = timedEnvironment(disk, T);
    const config = { segmentBytes: 150, retentionMs: 1_000, retentionBytes: -1 };
    const manager = await openManager('/data', { environment, config });
    const log = await manager.getOrCreate('t', 0, null);
    for (let index = 0; index < 4; index++) {
      await append(log, batchOf({ timestamp: -1, valueBytes: 60, mark: index }));
      await disk.setModifiedTime(
        `/data/t-0/${String(index).padStart(20, '0')}.log`,
        T + index * 1_000,
      );
    }
    log.updateHighWatermark(4);
    asked.length = 0;
    return { environment, log, asked };
  }

  test('count by the time of change of their file', async () => {
    const { environment, log, asked } = await logWithout();
    environment.pass(2_500);
    await log.deleteOldSegments();
    expect(log.logStartOffset).toBe(2);
    expect(asked.filter((file) => file.endsWith('.log')).length).toBeGreaterThan(2);
  });

  test('it is not asked for where it cannot matter', async () => {
    const { environment, log, asked } = await logWithout();
    environment.pass(60_000);
    log.config = { ...log.config, retentionMs: -1 };
    await log.deleteOldSegments();
    expect([log.logStartOffset, asked]).toEqual([0, []]);
  });
});

describe('rolling', () => {
  interface Append {
    readonly valueBytes: number;
    /** Relative to T; null for none. */
    readonly timestampMs: number | null;
    readonly passMs: number;
    readonly count: number;
  }

  /** Base offsets of the segments by the rules. */
  function rolledAt(
    appends: readonly (Append & { readonly sizeBytes: number })[],
    config: {
      segmentBytes: number;
      segmentMs: number;
      segmentIndexBytes: number;
      indexIntervalBytes: number;
    },
  ): number[] {
    const bases = [0];
    let now = T;
    let offset = 0;
    const fresh = () => ({
      sizeBytes: 0,
      madeAt: now,
      first: null as number | null,
      sinceEntry: 0,
      offsetEntries: 0,
      times: [] as number[],
      largest: -1,
    });
    let segment = fresh();
    for (const { sizeBytes, timestampMs, passMs, count } of appends) {
      now += passMs;
      const stamp = timestampMs === null ? -1 : T + timestampMs + count - 1;
      const waited =
        segment.first !== null && segment.first >= 0 ? stamp - segment.first : now - segment.madeAt;
      const isTooLarge = segment.sizeBytes > config.segmentBytes - sizeBytes;
      const isTooOld = segment.sizeBytes > 0 && waited > config.segmentMs;
      const isFull =
        segment.offsetEntries >= Math.floor(config.segmentIndexBytes / 8) ||
        segment.times.length >= Math.floor(config.segmentIndexBytes / 12) - 1;
      if (segment.sizeBytes > 0 && (isTooLarge || isTooOld || isFull)) {
        bases.push(offset);
        segment = fresh();
      }
      segment.first ??= stamp;
      segment.largest = Math.max(segment.largest, stamp);
      if (segment.sinceEntry > config.indexIntervalBytes) {
        segment.offsetEntries += 1;
        if (segment.largest > (segment.times.at(-1) ?? -1)) segment.times.push(segment.largest);
        segment.sinceEntry = 0;
      }
      segment.sinceEntry += sizeBytes;
      segment.sizeBytes += sizeBytes;
      offset += count;
    }
    return bases;
  }

  test('is when the rules say so, whatever is appended', async () => {
    const appendsDrawn = fc.array(
      fc.record({
        valueBytes: fc.nat(120),
        timestampMs: fc.option(fc.nat(3_000), { freq: 6 }),
        passMs: fc.nat(300),
        count: fc.integer({ min: 1, max: 3 }),
      }),
      { minLength: 1, maxLength: 40 },
    );
    const configs = fc.record({
      segmentBytes: fc.integer({ min: 600, max: 2_000 }),
      segmentMs: fc.integer({ min: 500, max: 5_000 }),
      segmentIndexBytes: fc.integer({ min: 30, max: 120 }),
      indexIntervalBytes: fc.integer({ min: 0, max: 300 }),
    });
    await fc.assert(
      fc.asyncProperty(appendsDrawn, configs, async (appends, config) => {
        const disk = new MemoryDisk();
        const environment = timedEnvironment(disk, T);
        const options = { retentionMs: -1, segmentJitterMs: 0 };
        const manager = await openManager('/data', {
          environment,
          config: { ...config, ...options },
        });
        const log = await manager.getOrCreate('t', 0, null);
        const sized = [];
        for (const each of appends) {
          environment.pass(each.passMs);
          // Without timestamps all records of a batch have -1: one, so that none becomes 0.
          const count = each.timestampMs === null ? 1 : each.count;
          const timestamp = each.timestampMs === null ? -1 : T + each.timestampMs;
          const bytes = batchOf({ count, timestamp, valueBytes: each.valueBytes });
          await append(log, bytes);
          sized.push({ ...each, count, sizeBytes: bytes.length });
        }
        const bases = disk
          .names('/data/t-0')
          .filter((name) => name.endsWith('.log'))
          .map((name) => Number(name.slice(0, 20)));
        expect(bases).toEqual(rolledAt(sized, config));
      }),
      { numRuns: 100 },
    );
  });

  test('happens before offsets are further apart than an index can tell', async () => {
    const disk = new MemoryDisk();
    const manager = await openManager('/data', { environment: timedEnvironment(disk, T) });
    const log = await manager.getOrCreate('t', 0, null);
    for (const baseOffset of [5, 5 + 2 ** 31 - 6, 2 ** 31 + 1_000])
      log.appendAsFollower(batchOf({ baseOffset }));
    await log.flush();
    expect(disk.names('/data/t-0').filter((name) => name.endsWith('.log'))).toEqual([
      '00000000000000000000.log',
      `${String(2 ** 31 + 1_000).padStart(20, '0')}.log`,
    ]);
  });

  test('counts from the first batch again when a truncation makes a segment the last one', async () => {
    const disk = new MemoryDisk();
    const environment = timedEnvironment(disk, T);
    const config = { segmentMs: 1_000, segmentJitterMs: 0 };
    const manager = await openManager('/data', { environment, config });
    const log = await manager.getOrCreate('t', 0, null);
    await append(log, batchOf({ timestamp: T }));
    await append(log, batchOf({ timestamp: T + 500 }));
    await append(log, batchOf({ timestamp: T + 2_000 }));
    await manager.close();
    const again = (await openManager('/data', { environment, config })).get('t', 0)!;
    await again.truncateTo(1);
    await append(again, batchOf({ timestamp: T + 900 }));
    await append(again, batchOf({ timestamp: T + 1_100 }));
    const bases = disk.names('/data/t-0').filter((name) => name.endsWith('.log'));
    expect(bases.map((name) => Number(name.slice(0, 20)))).toEqual([0, 2]);
  });
});
