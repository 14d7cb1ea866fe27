/**
 * The way of an append: when its bytes are written, what is seen of it until then, what a failing
 * disk does, and when a new segment is begun.
 */
import { describe, expect, test } from '@jest/globals';
import { baseOffset, encodeTransactionMarker, partitionLeaderEpoch } from '@odradek/protocol';
import { UnexpectedAppendOffset } from '../../src/log/log-types.ts';
import type { PartitionLog } from '../../src/log/partition-log.ts';
import { MemoryDisk } from './memory-disk.ts';
import {
  append,
  batchOf,
  bytesOf,
  openManager,
  readAll,
  timedEnvironment,
  written,
} from './support.ts';

const LEADER = { leaderEpoch: 4, origin: 'client' } as const;
const FOLDER = '/data/t-0';

async function newLog(config: Parameters<typeof openManager>[1] = {}) {
  const disk = new MemoryDisk();
  const environment = timedEnvironment(disk);
  const manager = await openManager('/data', { environment, ...config });
  const log = await manager.getOrCreate('t', 0, null);
  return { disk, environment, manager, log };
}

describe('one write per turn', () => {
  test('appends of a turn are one write, those during a write are the next', async () => {
    const { disk, environment, log } = await newLog();
    const before = disk.count('write');
    for (let count = 0; count < 10; count++) log.appendAsLeader(batchOf(), LEADER);
    expect(disk.count('write')).toBe(before);
    let open: () => void = () => {};
    disk.gate = new Promise((resolve) => {
      open = resolve;
    });
    await environment.settle(2);
    for (let count = 0; count < 5; count++) log.appendAsLeader(batchOf(), LEADER);
    await environment.settle(2);
    expect([log.logEndOffset, log.nextOffset]).toEqual([0, 15]);
    disk.gate = null;
    open();
    await written(log);
    expect(disk.count('write') - before).toBe(2);
    expect(log.logEndOffset).toBe(15);
  });

  test('the end moves once per write, and whoever is told can read', async () => {
    const { log } = await newLog();
    const ends: number[] = [];
    log.onAdvance = (advanced) => {
      ends.push(advanced.logEndOffset);
      expect(advanced.read(0, 1, advanced.logEndOffset, true)).toMatchObject({ firstOffset: 0 });
    };
    log.appendAsLeader(batchOf({ count: 3 }), LEADER);
    log.appendAsLeader(batchOf({ count: 2 }), LEADER);
    await written(log);
    expect(ends).toEqual([5]);
  });

  test('the bytes are patched where they lie, and the caller has them back at once', async () => {
    const { log } = await newLog();
    await append(log, batchOf({ count: 7 }));
    const batch = batchOf();
    log.appendAsLeader(batch, { leaderEpoch: 4, origin: 'client' });
    expect([baseOffset(batch, 0), partitionLeaderEpoch(batch, 0)]).toEqual([7, 4]);
    const appended = Buffer.from(batch);
    batch.fill(0xdb);
    await written(log);
    expect(bytesOf(await log.read(7, 1000, 8, true))).toEqual(appended);
  });
});

describe('back-pressure', () => {
  test('pending bytes are counted until they are written, and whoever waits is called once', async () => {
    const pendingBytesLimit = 1000;
    const { log, manager } = await newLog({ pendingBytesLimit });
    let calls = 0;
    manager.onBelowLimit(() => {
      calls += 1;
    });
    const batch = batchOf({ valueBytes: 400 });
    log.appendAsLeader(Buffer.from(batch), LEADER);
    log.appendAsLeader(Buffer.from(batch), LEADER);
    expect([manager.pendingBytes, manager.overLimit]).toEqual([2 * batch.length, false]);
    log.appendAsLeader(Buffer.from(batch), LEADER);
    expect(manager.overLimit).toBe(true);
    await written(log);
    expect([manager.pendingBytes, manager.overLimit, calls]).toEqual([0, false, 1]);
  });
});

describe('a failing disk', () => {
  test.each(['ENOSPC', 'EIO'])(
    '%s: nothing more is acknowledged, everything before is kept',
    async (code) => {
      const { disk, environment, log, manager } = await newLog();
      const other = await manager.getOrCreate('u', 0, null);
      await append(log, batchOf({ count: 3 }));
      const failures: string[] = [];
      manager.onDirectoryFailure((directory, logs) => {
        failures.push(`${directory}: ${logs.map(({ name }) => name).join(', ')}`);
      });
      log.onFailure = (failed) => failures.push(failed.name);
      disk.fail = (operation, path) =>
        operation === 'write' && path.endsWith('.log') ? code : null;
      const advanced: number[] = [];
      log.onAdvance = ({ logEndOffset }) => advanced.push(logEndOffset);
      log.appendAsLeader(batchOf({ count: 2 }), LEADER);
      await environment.settle();
      disk.fail = null;
      expect(advanced).toEqual([]);
      expect(failures).toEqual(['t-0', '/data: t-0, u-0']);
      expect([log.offline, other.offline, log.logEndOffset]).toEqual([true, true, 3]);
      expect(manager.onlineDirectories).toEqual([]);
      expect(manager.pendingBytes).toBe(0);
      for (const each of [log, other]) {
        expect(() => each.appendAsLeader(batchOf(), LEADER)).toThrow('KAFKA_STORAGE_ERROR');
        expect(() => each.appendAsFollower(batchOf())).toThrow('KAFKA_STORAGE_ERROR');
        expect(() => each.read(0, 1, 1, true)).toThrow('KAFKA_STORAGE_ERROR');
        await expect(each.truncateTo(0)).rejects.toThrow('KAFKA_STORAGE_ERROR');
      }
      await expect(manager.getOrCreate('v', 0, null)).rejects.toThrow('KAFKA_STORAGE_ERROR');
      await manager.close();
      expect(disk.files.has('/data/.kafka_cleanshutdown')).toBe(false);
      const again = await openManager('/data', { environment: timedEnvironment(disk) });
      expect(again.get('t', 0)?.logEndOffset).toBe(3);
    },
  );

  test('the other directories go on', async () => {
    const disk = new MemoryDisk();
    const environment = timedEnvironment(disk);
    const manager = await openManager('/a', { environment, directories: ['/a', '/b'] });
    const one = await manager.getOrCreate('t', 0, null);
    const two = await manager.getOrCreate('t', 1, null);
    expect(new Set([one.directory, two.directory])).toEqual(new Set(['/a', '/b']));
    disk.fail = (operation, path) =>
      operation === 'write' && path.startsWith(one.directory) ? 'EIO' : null;
    one.appendAsLeader(batchOf(), LEADER);
    await append(two, batchOf());
    await environment.settle();
    expect([one.offline, two.offline, two.logEndOffset]).toEqual([true, false, 1]);
    expect((await manager.getOrCreate('t', 2, null)).directory).toBe(two.directory);
    await manager.close();
    expect(disk.files.has(`${two.directory}/.kafka_cleanshutdown`)).toBe(true);
    expect(disk.files.has(`${one.directory}/.kafka_cleanshutdown`)).toBe(false);
  });

  test('a failed read takes the directory offline as well', async () => {
    const { disk, log } = await newLog({ tailCacheBytes: 0 });
    await append(log, batchOf());
    disk.fail = (operation) => (operation === 'read' ? 'EIO' : null);
    await expect(log.read(0, 1, 1, true)).rejects.toThrow('KAFKA_STORAGE_ERROR');
    expect(log.offline).toBe(true);
  });
});

describe('flushing', () => {
  const syncs = (disk: MemoryDisk): number => disk.count('sync');

  test('by default nothing is forced to the medium', async () => {
    const { disk, log } = await newLog();
    for (let count = 0; count < 20; count++) await append(log, batchOf());
    expect(syncs(disk)).toBe(0);
    expect(log.recoveryPoint).toBe(0);
  });

  test('flush.messages: a batch counts when the medium has it', async () => {
    const { disk, environment, log } = await newLog({ config: { flushIntervalMessages: 3 } });
    await append(log, batchOf({ count: 2 }));
    expect(syncs(disk)).toBe(0);
    disk.fail = (operation) => (operation === 'sync' ? 'EIO' : null);
    log.appendAsLeader(batchOf(), LEADER);
    await environment.settle();
    expect([log.logEndOffset, log.offline]).toEqual([2, true]);
  });

  test('flush.ms: data waits no longer than that', async () => {
    const { environment, log } = await newLog({
      config: { flushIntervalMs: 500 },
      flushCheckIntervalMs: 100,
      initialTaskDelayMs: 0,
    });
    await append(log, batchOf({ count: 4 }));
    environment.pass(400);
    await environment.settle();
    expect(log.recoveryPoint).toBe(0);
    environment.pass(200);
    await environment.settle();
    expect(log.recoveryPoint).toBe(4);
  });

  test('a finished segment is flushed, and the recovery point follows', async () => {
    const { environment, log } = await newLog({ config: { segmentBytes: 200 } });
    for (let count = 0; count < 4; count++) await append(log, batchOf({ valueBytes: 50 }));
    await environment.settle();
    expect(log.recoveryPoint).toBe(3);
  });

  test('the recovery point is written down from time to time', async () => {
    const { disk, environment, log } = await newLog({
      recoveryPointCheckpointIntervalMs: 1000,
      initialTaskDelayMs: 0,
    });
    await append(log, batchOf({ count: 6 }));
    await log.flush();
    environment.pass(1000);
    await environment.settle();
    expect(disk.content('/data/recovery-point-offset-checkpoint').toString()).toBe('0\n1\nt 0 6\n');
  });
});

describe('a new segment is begun', () => {
  const bases = (disk: MemoryDisk): number[] =>
    disk
      .names(FOLDER)
      .filter((name) => name.endsWith('.log'))
      .map((name) => Number(name.slice(0, 20)));
  const size = batchOf().length;

  test('when the batch would make it too large', async () => {
    const { disk, log } = await newLog({ config: { segmentBytes: 2 * size } });
    for (let count = 0; count < 5; count++) await append(log, batchOf());
    expect(bases(disk)).toEqual([0, 2, 4]);
  });

  test('but a batch larger than a segment is refused', async () => {
    const { log } = await newLog({ config: { segmentBytes: size } });
    expect(() => log.appendAsLeader(batchOf({ count: 2 }), LEADER)).toThrow(
      'RECORD_LIST_TOO_LARGE',
    );
    await append(log, batchOf());
  });

  test('when the index is full', async () => {
    const { disk, log } = await newLog({
      config: { segmentIndexBytes: 36, indexIntervalBytes: 0 },
    });
    for (let count = 0; count < 8; count++) {
      await append(log, batchOf({ timestamp: 1_700_000_000_000 + count }));
    }
    // Three time entries fit, one of which is kept for the end; the first batch has no entry.
    expect(bases(disk)).toEqual([0, 3, 6]);
  });

  test('when its records span more than segment.ms', async () => {
    const { disk, log } = await newLog({ config: { segmentMs: 1000 } });
    for (const timestamp of [0, 500, 1000, 1001, 2001, 2002]) {
      await append(log, batchOf({ timestamp: 1_700_000_000_000 + timestamp }));
    }
    expect(bases(disk)).toEqual([0, 3, 5]);
  });

  test('when records have no times, by the clock', async () => {
    const { disk, environment, log } = await newLog({ config: { segmentMs: 1000 } });
    await append(log, batchOf({ timestamp: -1 }));
    environment.pass(1001);
    await append(log, batchOf({ timestamp: -1 }));
    expect(bases(disk)).toEqual([0, 1]);
  });

  test('when offsets are too far from the base', async () => {
    const { disk, log } = await newLog();
    log.appendAsFollower(batchOf({ baseOffset: 5, leaderEpoch: 0 }));
    log.appendAsFollower(batchOf({ baseOffset: 0x7fff_ffff, leaderEpoch: 0 }));
    log.appendAsFollower(batchOf({ baseOffset: 0x8000_0000, leaderEpoch: 0 }));
    await written(log);
    expect(bases(disk)).toEqual([0, 0x8000_0000]);
  });

  test('its files follow the old one, and the old one is complete', async () => {
    const { disk, log } = await newLog({
      config: { segmentBytes: 2 * size, indexIntervalBytes: 0 },
    });
    for (let count = 0; count < 3; count++)
      log.appendAsLeader(batchOf({ timestamp: 1_700_000_000_000 + count }), LEADER);
    await written(log);
    const old = disk.names(FOLDER).filter((name) => name.startsWith('00000000000000000000.'));
    expect(old).toEqual([
      '00000000000000000000.index',
      '00000000000000000000.log',
      '00000000000000000000.timeindex',
    ]);
    expect(disk.content(`${FOLDER}/00000000000000000000.index`).toString('hex')).toBe(
      `00000001${size.toString(16).padStart(8, '0')}`,
    );
    expect(disk.content(`${FOLDER}/00000000000000000000.timeindex`).toString('hex')).toBe(
      '0000018bcfe5680100000001',
    );
    expect(disk.names(FOLDER)).toContain('00000000000000000002.snapshot');
  });
});

describe('followers', () => {
  test('keep offsets and epochs, several batches at once, without a cut last one', async () => {
    const { log } = await newLog();
    const whole = [
      batchOf({ baseOffset: 10, count: 3, leaderEpoch: 2 }),
      batchOf({ baseOffset: 13, count: 1, leaderEpoch: 5 }),
    ];
    const cut = batchOf({ baseOffset: 14, leaderEpoch: 5 }).subarray(0, 40);
    const result = log.appendAsFollower(Buffer.concat([...whole, cut]));
    expect(result).toMatchObject({ firstOffset: 10, lastOffset: 13, recordCount: 4 });
    await written(log);
    expect(await readAll(log)).toEqual(Buffer.concat(whole));
    expect([log.epochOf(12), log.epochOf(13), log.logEndOffset]).toEqual([2, 5, 14]);
    expect(log.endOffsetForEpoch(2)).toEqual({ epoch: 2, endOffset: 13 });
    expect(log.endOffsetForEpoch(5)).toEqual({ epoch: 5, endOffset: 14 });
  });

  test('leave out batches of a later epoch than the leader told', async () => {
    const { log } = await newLog();
    const fetched = Buffer.concat([
      batchOf({ baseOffset: 0, leaderEpoch: 2 }),
      batchOf({ baseOffset: 1, leaderEpoch: 3 }),
      batchOf({ baseOffset: 2, leaderEpoch: 2 }),
    ]);
    expect(log.appendAsFollower(fetched, 2)).toMatchObject({ firstOffset: 0, lastOffset: 0 });
    expect(log.nextOffset).toBe(1);
  });

  test('take nothing of a set with a damaged batch', async () => {
    const { log } = await newLog();
    const damaged = batchOf({ baseOffset: 1, leaderEpoch: 0 });
    damaged[65] = (damaged[65] ?? 0) ^ 1;
    const fetched = Buffer.concat([batchOf({ baseOffset: 0, leaderEpoch: 0 }), damaged]);
    expect(() => log.appendAsFollower(fetched)).toThrow('CORRUPT_MESSAGE');
    expect(log.nextOffset).toBe(0);
  });

  test('nothing fetched is nothing appended', async () => {
    const { log } = await newLog();
    expect(log.appendAsFollower(Buffer.alloc(0))).toMatchObject({
      firstOffset: -1,
      lastOffset: -1,
      sizeBytes: 0,
    });
  });

  test('say what does not continue the log', async () => {
    const { log } = await newLog();
    await append(log, batchOf({ count: 5 }));
    const overlap = batchOf({ baseOffset: 3, count: 4, leaderEpoch: 0 });
    expect(() => log.appendAsFollower(overlap)).toThrow(UnexpectedAppendOffset);
    try {
      log.appendAsFollower(overlap);
    } catch (error) {
      expect(error).toMatchObject({ firstOffset: 3, lastOffset: 6 });
    }
  });

  test('a batch of an earlier epoch or place ends what was known of later ones', async () => {
    const { log } = await newLog();
    log.startEpoch(7);
    log.appendAsFollower(batchOf({ baseOffset: 0, count: 2, leaderEpoch: 3 }));
    expect(log.latestEpoch).toBe(3);
  });
});

describe('coordinators of this broker', () => {
  test('append several batches, control batches included', async () => {
    const { log } = await newLog();
    const marker = encodeTransactionMarker({
      kind: 'commit',
      coordinatorEpoch: 1,
      producerId: 9n,
      producerEpoch: 0,
      timestamp: 1,
    });
    const records = Buffer.concat([batchOf({ count: 2 }), marker, batchOf()]);
    const result = log.appendAsLeader(records, { leaderEpoch: 1, origin: 'coordinator' });
    expect(result).toMatchObject({ firstOffset: 0, lastOffset: 3, recordCount: 4 });
    await written(log);
    expect((await log.read(2, 1, 4, true)).firstOffset).toBe(2);
  });
});

describe('idempotent producers', () => {
  const from = (baseSequence: number, count = 2) =>
    batchOf({
      count,
      producerId: 8n,
      producerEpoch: 1,
      baseSequence,
      timestamp: 1_700_000_000_000,
    });

  test('a batch that was sent twice is there once, also while the first is being written', async () => {
    const { log } = await newLog();
    const first = log.appendAsLeader(from(0), LEADER);
    const again = log.appendAsLeader(from(0), LEADER);
    expect(again).toMatchObject({
      ...first,
      duplicate: true,
      sizeBytes: 0,
      logAppendTimeMs: 1_700_000_000_001,
    });
    await written(log);
    expect(log.logEndOffset).toBe(2);
    expect(() => log.appendAsLeader(from(3), LEADER)).toThrow('OUT_OF_ORDER_SEQUENCE_NUMBER');
    expect(log.appendAsLeader(from(2), LEADER)).toMatchObject({ duplicate: false, firstOffset: 2 });
  });

  test('a refused batch takes no offsets', async () => {
    const { log } = await newLog();
    log.appendAsLeader(from(0), LEADER);
    expect(() => log.appendAsLeader(from(9), LEADER)).toThrow('OUT_OF_ORDER_SEQUENCE_NUMBER');
    expect(log.nextOffset).toBe(2);
  });

  test('what a follower was sent counts when it becomes leader', async () => {
    const { log: leader } = await newLog();
    const { log: follower } = await newLog();
    await append(leader, from(0));
    await append(leader, from(2));
    follower.appendAsFollower(await readAll(leader));
    expect(follower.appendAsLeader(from(2), LEADER)).toMatchObject({
      duplicate: true,
      firstOffset: 2,
    });
  });

  test('are forgotten after a time', async () => {
    const { environment, log } = await newLog({
      producerIdExpirationMs: 1000,
      producerIdExpirationCheckIntervalMs: 100,
      initialTaskDelayMs: 0,
    });
    await append(log, from(0));
    environment.pass(2000);
    await environment.settle();
    expect([...log.activeProducers()]).toEqual([]);
    expect(log.appendAsLeader(from(50), LEADER).duplicate).toBe(false);
  });
});

describe('the last stable offset', () => {
  const transactional = (baseSequence: number) =>
    batchOf({ count: 2, producerId: 8n, baseSequence, transactional: true });

  async function endTransaction(log: PartitionLog): Promise<void> {
    const marker = encodeTransactionMarker({
      kind: 'abort',
      coordinatorEpoch: 1,
      producerId: 8n,
      producerEpoch: 0,
      timestamp: 1,
    });
    log.appendAsLeader(marker, { leaderEpoch: 1, origin: 'coordinator' });
    await written(log);
  }

  test('stops at an open transaction, and goes on when its end is replicated', async () => {
    const { log } = await newLog();
    await append(log, batchOf({ count: 3 }));
    await append(log, transactional(0));
    log.updateHighWatermark(5);
    expect(log.lastStableOffset).toBe(3);
    await endTransaction(log);
    log.updateHighWatermark(5);
    expect(log.lastStableOffset).toBe(3);
    log.updateHighWatermark(6);
    expect(log.lastStableOffset).toBe(6);
  });

  test('is found again after a restart', async () => {
    const { disk, log } = await newLog();
    await append(log, batchOf({ count: 3 }));
    await append(log, transactional(0));
    const again = (await openManager('/data', { environment: timedEnvironment(disk.copy()) })).get(
      't',
      0,
    );
    again?.updateHighWatermark(5);
    expect(again?.lastStableOffset).toBe(3);
  });
});
