/**
 * Truncation at every offset: the log afterwards is the one that would have been written with only
 * the batches before it, in every respect, and can be appended to and restarted.
 */
import { describe, expect, test } from '@jest/globals';
import type { PartitionLog } from '../../src/log/partition-log.ts';
import { MemoryDisk } from './memory-disk.ts';
import { append, batchOf, openManager, readAll, timedEnvironment } from './support.ts';

const BATCHES = 12;
const FOLDER = '/data/t-0';

async function filledLog(segmentBytes: number) {
  const disk = new MemoryDisk();
  const environment = timedEnvironment(disk);
  const options = { environment, config: { segmentBytes, indexIntervalBytes: 150 } };
  const manager = await openManager('/data', options);
  const log = await manager.getOrCreate('t', 0, null);
  const batches: {
    bytes: Buffer;
    firstOffset: number;
    nextOffset: number;
    epoch: number;
    time: number;
  }[] = [];
  let sequence = 0;
  for (let index = 0; index < BATCHES; index++) {
    const count = 1 + (index % 3);
    const time = 1_700_000_000_000 + ((index * 7) % 5) * 1000;
    const bytes = batchOf({
      count,
      mark: index,
      timestamp: time,
      producerId: 9n,
      baseSequence: sequence,
    });
    sequence += count;
    const { firstOffset, lastOffset } = await append(log, bytes, index >> 2);
    batches.push({
      bytes,
      firstOffset,
      nextOffset: lastOffset + 1,
      epoch: index >> 2,
      time: time + count - 1,
    });
  }
  return { disk, environment, manager, log, batches, options };
}

type Batches = Awaited<ReturnType<typeof filledLog>>['batches'];

async function expectLog(log: PartitionLog, kept: Batches): Promise<void> {
  const end = kept.at(-1)?.nextOffset ?? 0;
  expect([log.logEndOffset, log.nextOffset]).toEqual([end, end]);
  expect(await readAll(log)).toEqual(Buffer.concat(kept.map(({ bytes }) => bytes)));
  expect(log.latestEpoch).toBe(kept.at(-1)?.epoch ?? null);
  const youngest = await log.offsetOfMaxTimestamp();
  expect(youngest?.timestamp ?? null).toBe(
    kept.length === 0 ? null : Math.max(...kept.map(({ time }) => time)),
  );
  const [producer] = [...log.activeProducers()];
  expect(producer?.batches.at(-1)?.lastOffset ?? null).toBe(kept.length === 0 ? null : end - 1);
}

test.each([{ segmentBytes: 300 }, { segmentBytes: 100_000 }])(
  'at every offset, segments of $segmentBytes bytes',
  async ({ segmentBytes }) => {
    const total = (await filledLog(segmentBytes)).log.logEndOffset;
    for (let offset = 0; offset <= total + 1; offset++) {
      const { disk, log, batches, manager, options } = await filledLog(segmentBytes);
      log.updateHighWatermark(log.logEndOffset);
      await log.truncateTo(offset);
      const kept = batches.filter(({ nextOffset }) => nextOffset <= offset);
      await expectLog(log, kept);
      expect(log.highWatermark).toBeLessThanOrEqual(log.logEndOffset);
      const crashed = disk.copy();
      const recovered = await openManager('/data', {
        ...options,
        environment: timedEnvironment(crashed),
      });
      await expectLog(recovered.get('t', 0)!, kept);
      const bytes = batchOf({ mark: 77, timestamp: 1_700_000_009_000 });
      const { firstOffset } = await append(log, bytes, 8);
      expect(firstOffset).toBe(kept.at(-1)?.nextOffset ?? 0);
      await manager.close();
      const reopened = (await openManager('/data', options)).get('t', 0)!;
      expect(await readAll(reopened)).toEqual(
        Buffer.concat([...kept.map((batch) => batch.bytes), bytes]),
      );
    }
  },
);

describe('the files of what was cut', () => {
  test('are renamed at once and removed after the delay', async () => {
    const { disk, log, environment } = await filledLog(300);
    const logsBefore = disk.names(FOLDER).filter((name) => name.endsWith('.log')).length;
    await log.truncateTo(1);
    const deleted = disk.names(FOLDER).filter((name) => name.endsWith('.log.deleted'));
    expect(deleted).toHaveLength(logsBefore - 1);
    environment.pass(59_999);
    await environment.settle();
    expect(disk.names(FOLDER)).toEqual(expect.arrayContaining(deleted));
    environment.pass(1);
    await environment.settle();
    expect(disk.names(FOLDER).filter((name) => name.endsWith('.deleted'))).toEqual([]);
  });
});

test('a full truncation begins anew at any offset', async () => {
  const { log, manager, options } = await filledLog(300);
  await log.truncateFullyAndStartAt(500);
  expect([log.logStartOffset, log.logEndOffset, log.latestEpoch]).toEqual([500, 500, null]);
  expect([...log.activeProducers()]).toEqual([]);
  expect((await append(log, batchOf(), 3)).firstOffset).toBe(500);
  await manager.close();
  const reopened = (await openManager('/data', options)).get('t', 0)!;
  expect([reopened.logStartOffset, reopened.logEndOffset]).toEqual([500, 501]);
});

test('appends are refused while the log is cut, and accepted afterwards', async () => {
  const { log } = await filledLog(100_000);
  const cutting = log.truncateTo(3);
  await Promise.resolve();
  expect(() => log.appendAsLeader(batchOf(), { leaderEpoch: 9, origin: 'client' })).toThrow(
    'NOT_LEADER_OR_FOLLOWER',
  );
  await cutting;
  expect((await append(log, batchOf(), 9)).firstOffset).toBe(3);
});

test('what waits to be written is written before the cut', async () => {
  const { log } = await filledLog(100_000);
  const end = log.logEndOffset;
  log.appendAsLeader(batchOf({ count: 4 }), { leaderEpoch: 9, origin: 'client' });
  await log.truncateTo(end);
  expect([log.logEndOffset, log.nextOffset]).toEqual([end, end]);
});

test('an epoch in which nothing was appended goes with a cut at the end of the log', async () => {
  // A broker that led for a moment has such an entry; kept, it would diverge from the next leader for ever.
  const { log } = await filledLog(100_000);
  const epoch = log.latestEpoch;
  log.startEpoch(9);
  expect(log.latestEpoch).toBe(9);
  await log.truncateTo(log.logEndOffset);
  expect(log.latestEpoch).toBe(epoch);
});
