/** Which segments retention takes: the decision as a table, and the deed on a log. */
import { describe, expect, test } from '@jest/globals';
import { defaultLogConfig } from '../../src/log/log-config.ts';
import { expiredSegments } from '../../src/log/retention.ts';
import { MemoryDisk } from './memory-disk.ts';
import { append, batchOf, openManager, timedEnvironment } from './support.ts';

const NOW = 10_000;
/** Four segments of 100 bytes and 10 offsets each, one older than the other. */
const segments = [1000, 3000, 5000, 9000].map((youngestMs, index) => ({
  endOffset: (index + 1) * 10,
  sizeBytes: 100,
  youngestMs,
}));
const keepAll = { cleanupPolicy: ['delete'] as const, retentionBytes: -1, retentionMs: -1 };

describe('the decision', () => {
  const table = [
    { name: 'nothing by default', config: {}, count: 0, reason: null },
    { name: 'time', config: { retentionMs: 6000 }, count: 2, reason: 'time' },
    { name: 'time, exactly at the limit', config: { retentionMs: 7000 }, count: 1, reason: 'time' },
    { name: 'time, all of them', config: { retentionMs: 500 }, count: 4, reason: 'time' },
    { name: 'time zero', config: { retentionMs: 0 }, count: 4, reason: 'time' },
    { name: 'size', config: { retentionBytes: 250 }, count: 1, reason: 'size' },
    {
      name: 'size, never below the limit',
      config: { retentionBytes: 201 },
      count: 1,
      reason: 'size',
    },
    { name: 'size, exactly', config: { retentionBytes: 200 }, count: 2, reason: 'size' },
    { name: 'size zero', config: { retentionBytes: 0 }, count: 4, reason: 'size' },
    {
      name: 'size, then time',
      config: { retentionBytes: 300, retentionMs: 6000 },
      count: 2,
      reason: 'time',
    },
    { name: 'log start', config: {}, logStartOffset: 20, count: 2, reason: 'log-start' },
    {
      name: 'log start inside of a segment',
      config: {},
      logStartOffset: 19,
      count: 1,
      reason: 'log-start',
    },
    { name: 'log start at the end', config: {}, logStartOffset: 40, count: 3, reason: 'log-start' },
    {
      name: 'not above the high watermark',
      config: { retentionMs: 0 },
      highWatermark: 29,
      count: 2,
      reason: 'time',
    },
    {
      name: 'compacted logs are kept',
      config: { cleanupPolicy: ['compact'] as const, retentionMs: 0, retentionBytes: 0 },
      count: 0,
      reason: null,
    },
    {
      name: 'compacted logs lose what is below their start',
      config: { cleanupPolicy: ['compact'] as const, retentionMs: 0 },
      logStartOffset: 10,
      count: 1,
      reason: 'log-start',
    },
    {
      name: 'compact and delete',
      config: { cleanupPolicy: ['compact', 'delete'] as const, retentionMs: 6000 },
      count: 2,
      reason: 'time',
    },
  ];
  test.each(table)(
    '$name: $count',
    ({ config, logStartOffset = 0, highWatermark = 40, count, reason }) => {
      const decision = expiredSegments({
        segments,
        logStartOffset,
        highWatermark,
        config: { ...keepAll, ...config },
        wallTimeMs: NOW,
      });
      expect(decision).toEqual({ count, reason });
    },
  );

  test('the first that stays ends it, however old those behind are', () => {
    const mixed = [...segments]
      .reverse()
      .map((segment, index) => ({ ...segment, endOffset: (index + 1) * 10 }));
    const input = { segments: mixed, logStartOffset: 0, highWatermark: 40, wallTimeMs: NOW };
    expect(expiredSegments({ ...input, config: { ...keepAll, retentionMs: 6000 } }).count).toBe(0);
  });

  test('an empty active segment is never taken', () => {
    const empty = [{ endOffset: 0, sizeBytes: 0, youngestMs: 0 }];
    const input = { segments: empty, logStartOffset: 0, highWatermark: 0, wallTimeMs: NOW };
    expect(expiredSegments({ ...input, config: { ...keepAll, retentionMs: 0 } }).count).toBe(0);
  });
});

describe('the deed', () => {
  const T = 1_700_000_000_000;
  const FOLDER = '/data/t-0';

  async function logOfFour() {
    const disk = new MemoryDisk();
    const environment = timedEnvironment(disk, T);
    const options = {
      environment,
      config: { segmentBytes: 300, retentionMs: 5000, retentionBytes: -1 },
      retentionCheckIntervalMs: 1000,
      initialTaskDelayMs: 0,
    };
    const manager = await openManager('/data', options);
    const log = await manager.getOrCreate('t', 0, null);
    for (let index = 0; index < 4; index++) {
      await append(
        log,
        batchOf({
          valueBytes: 150,
          timestamp: T + index * 1000,
          producerId: 3n,
          baseSequence: index,
        }),
        index,
      );
    }
    return { disk, environment, manager, log, options };
  }

  const logs = (disk: MemoryDisk) =>
    disk.names(FOLDER).filter((name) => name.endsWith('.log')).length;

  test('old segments go, with their snapshots and epochs, when the high watermark has passed them', async () => {
    const { disk, environment, log, options } = await logOfFour();
    expect(logs(disk)).toBe(4);
    environment.pass(6500);
    await environment.settle();
    expect(logs(disk)).toBe(4);
    log.updateHighWatermark(4);
    environment.pass(1000);
    await environment.settle();
    // At T + 7500 the limit is T + 2500.
    expect([log.logStartOffset, log.firstSegmentOffset]).toEqual([3, 3]);
    expect(disk.names(FOLDER).filter((name) => name.endsWith('.log.deleted'))).toHaveLength(3);
    expect(disk.names(FOLDER).filter((name) => name.endsWith('.snapshot'))).toHaveLength(1);
    expect(() => log.read(2, 1, 4, true)).toThrow('OFFSET_OUT_OF_RANGE');
    expect(log.endOffsetForEpoch(2)).toEqual({ epoch: 2, endOffset: 3 });
    const reopened = await openManager('/data', {
      ...options,
      environment: timedEnvironment(disk.copy(), T),
    });
    expect(reopened.get('t', 0)?.logStartOffset).toBe(3);
  });

  test.each([
    { goes: 'all but the last', retentionMs: 3500, count: 3 },
    { goes: 'all of it', retentionMs: 0, count: 4 },
  ])(
    'what goes is on the medium before it loses its names: $goes',
    async ({ retentionMs, count }) => {
      const { disk, options } = await logOfFour();
      // Killed: all is read again, and its indexes are the system's alone.
      const killed = disk.copy();
      const environment = timedEnvironment(killed, T + 6000);
      const manager = await openManager('/data', { ...options, environment });
      const log = manager.get('t', 0);
      log?.updateHighWatermark(4);
      const synced = new Set<string>();
      const early: string[] = [];
      const renamed: string[] = [];
      killed.fail = (operation, path) => {
        if (operation === 'sync') synced.add(path);
        if (operation !== 'rename') return null;
        renamed.push(path);
        if (!synced.has(path)) early.push(path);
        return null;
      };
      manager.reconfigure('t', { ...defaultLogConfig, ...options.config, retentionMs });
      await manager.applyRetention();
      expect(renamed.filter((path) => path.endsWith('.log'))).toHaveLength(count);
      expect(early).toEqual([]);
      expect(log?.recoveryPoint).toBe(count);
    },
  );

  test('when all of it is old, a fresh segment is begun', async () => {
    const { disk, environment, log } = await logOfFour();
    log.updateHighWatermark(4);
    environment.pass(60_000);
    await environment.settle();
    expect([log.logStartOffset, log.logEndOffset, log.sizeBytes]).toEqual([4, 4, 0]);
    expect(logs(disk)).toBe(1);
    expect((await append(log, batchOf())).firstOffset).toBe(4);
  });

  test('settings that change are obeyed', async () => {
    const { log, manager } = await logOfFour();
    log.updateHighWatermark(4);
    manager.reconfigure('t', { ...log.config, retentionBytes: log.sizeBytes / 2, retentionMs: -1 });
    await manager.applyRetention();
    expect(log.logStartOffset).toBe(2);
  });

  test('a raised log start takes whole segments and is remembered', async () => {
    const { log, manager, environment, options } = await logOfFour();
    log.updateHighWatermark(4);
    await log.advanceLogStart(2);
    expect([log.logStartOffset, log.firstSegmentOffset]).toEqual([2, 2]);
    await append(log, batchOf({ count: 5 }), 4);
    await log.advanceLogStart(6);
    expect([log.logStartOffset, log.firstSegmentOffset]).toEqual([6, 4]);
    await expect(log.advanceLogStart(100)).rejects.toThrow('OFFSET_OUT_OF_RANGE');
    await manager.close();
    const reopened = await openManager('/data', { ...options, environment });
    expect(reopened.get('t', 0)?.logStartOffset).toBe(6);
  });
});
