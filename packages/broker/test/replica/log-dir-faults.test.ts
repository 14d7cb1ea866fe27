/**
 * A move between directories that is cut short: the process ends, or one of the disks fails, at every single
 * operation on the disk while records come in. What was acknowledged by then must be in the log that the next
 * start opens, in one directory.
 */
import { describe, expect, test } from '@jest/globals';
import { apis } from '@odradek/protocol';
import { type Environment, nodeEnvironment } from '@odradek/runtime';
import { defaultLogConfig } from '../../src/log/log-config.ts';
import { LogManager } from '../../src/log/log-manager.ts';
import { MemoryDisk, type Operation } from '../log/memory-disk.ts';
import { readAll } from '../log/support.ts';
import { recordsOf, TestBroker, TestController, TOPIC, until } from './support.ts';

const DIRECTORIES = ['/data/broker-1-a', '/data/broker-1-b'] as const;
const CLUSTER_ID = 'AAAAAAAAAAAAAAAAAAAAAQ';

const environmentOf = (disk: MemoryDisk): Environment => {
  const quiet = () => undefined;
  const log = { error: quiet, warn: quiet, info: quiet, debug: quiet, child: () => log };
  return { ...nodeEnvironment(), disk, log };
};

interface Run {
  readonly broker: TestBroker;
  readonly controller: TestController;
  readonly acknowledged: string[];
  /** Where the replica was, and where it is to go. */
  readonly from: string;
  readonly to: string;
  /** Moves, with records coming in, until nothing is going on any more. */
  move(): Promise<void>;
}

async function prepared(disk: MemoryDisk): Promise<Run> {
  const controller = new TestController([1]);
  const broker = await TestBroker.start({
    id: 1,
    controller,
    folder: '/data',
    directories: ['-a', '-b'],
    environment: environmentOf(disk),
    logConfig: { segmentBytes: 4_000, indexIntervalBytes: 500, fileDeleteDelayMs: 0 },
    settings: { fetchPartitionMaxBytes: 1_000 },
  });
  controller.announce();
  await controller.elect(1, [1]);
  const acknowledged: string[] = [];
  const produce = async (from: number, count: number): Promise<void> => {
    const values = Array.from({ length: count }, (_, index) => `${from + index} ${'v'.repeat(90)}`);
    const { error } = await broker.produce(values);
    if (error === 'NONE') acknowledged.push(...values);
  };
  for (let at = 0; at < 60; at += 5) await produce(at, 5);
  const from = broker.partition.log.directory;
  const to = from === DIRECTORIES[0] ? DIRECTORIES[1] : DIRECTORIES[0];
  return {
    broker,
    controller,
    acknowledged,
    from,
    to,
    async move() {
      await broker.send(apis.alterReplicaLogDirs, 2, {
        dirs: [{ path: to, topics: [{ name: TOPIC, partitions: [0] }] }],
      });
      const { partition } = broker;
      for (let at = 60; at < 90; at += 3) await produce(at, 3);
      await until(
        () =>
          partition.isOffline ||
          partition.copy === null ||
          broker.lines.some(({ message }) => message === 'a log directory is offline'),
      );
    },
  };
}

/** What a start finds in the partition's log; and that there is nothing else. */
async function found(disk: MemoryDisk): Promise<readonly string[]> {
  const manager = await LogManager.open({
    directories: DIRECTORIES,
    clusterId: CLUSTER_ID,
    brokerId: 1,
    logConfigOf: () => ({ ...defaultLogConfig, fileDeleteDelayMs: 0 }),
    environment: environmentOf(disk),
  });
  const log = manager.get(TOPIC, 0);
  if (log === undefined) throw new Error('the log is gone');
  const values = recordsOf(await readAll(log)).map(({ value }) => value);
  const live = [...disk.folders].filter((folder) => folder.endsWith(`/${TOPIC}-0`));
  expect(live).toEqual([log.path]);
  expect(log.topicId).not.toBeNull();
  await manager.close();
  return values;
}

test('the process ends at any operation: all that was acknowledged is there', async () => {
  const disk = new MemoryDisk();
  const run = await prepared(disk);
  const moments: { disk: MemoryDisk; acknowledgedCount: number; operation: string }[] = [];
  /** Written and not forced to the medium yet. */
  const unsynced = new Set<string>();
  const unsyncedAtArrival: string[][] = [];
  disk.fail = (operation, path) => {
    if (operation === 'write') unsynced.add(path);
    if (operation === 'sync') unsynced.delete(path);
    if (operation === 'rename' && path.endsWith('-future'))
      unsyncedAtArrival.push([...unsynced].filter((file) => file.startsWith(path)));
    // Reads change nothing.
    if (operation !== 'read' && operation !== 'sync')
      moments.push({
        disk: disk.copy(),
        acknowledgedCount: run.acknowledged.length,
        operation: `${operation} ${path}`,
      });
    return null;
  };
  await run.move();
  await until(() => run.broker.lines.some(({ message }) => message.includes('has moved')));
  await run.broker.stop();
  disk.fail = null;
  expect(moments.length).toBeGreaterThan(50);
  // From there on a start believes the copy, also after a loss of power.
  expect(unsyncedAtArrival).toHaveLength(1);
  expect(unsyncedAtArrival.flat().filter((file) => file.endsWith('.log'))).toEqual([]);
  let twice = 0;
  for (const moment of moments) {
    const folders = [...moment.disk.folders].filter((name) => name.endsWith(`/${TOPIC}-0`));
    if (folders.length === 2) twice += 1;
    const values = await found(moment.disk);
    expect({ at: moment.operation, values: values.slice(0, moment.acknowledgedCount) }).toEqual({
      at: moment.operation,
      values: run.acknowledged.slice(0, moment.acknowledgedCount),
    });
  }
  expect(twice).toBeGreaterThan(0); // Else the dangerous moments were not among them.
  expect(await found(disk)).toEqual(run.acknowledged);
});

describe.each(['from', 'to'] as const)('the directory it moves %s fails', (which) => {
  const changing: readonly Operation[] = [
    'open',
    'write',
    'rename',
    'truncate',
    'replace',
    'read',
    'sync',
  ];

  /** How many operations a whole move makes there. */
  async function operationsThere(): Promise<number> {
    const disk = new MemoryDisk();
    const run = await prepared(disk);
    let count = 0;
    disk.fail = (operation, path) => {
      if (changing.includes(operation) && path.startsWith(run[which])) count += 1;
      return null;
    };
    await run.move();
    await run.broker.stop();
    return count;
  }

  test('at any operation: the other goes on, and nothing acknowledged is lost', async () => {
    const count = await operationsThere();
    expect(count).toBeGreaterThan(20);
    let failedCount = 0;
    for (let at = 0; at < count; at += 1) {
      const disk = new MemoryDisk();
      const run = await prepared(disk);
      let seen = 0;
      let isBroken = false;
      disk.fail = (operation, path) => {
        if (!path.startsWith(run[which])) return null;
        if (changing.includes(operation)) seen += 1;
        if (seen > at) isBroken = true;
        return isBroken ? 'EIO' : null;
      };
      await run.move();
      const { partition } = run.broker;
      if (isBroken) failedCount += 1;
      // The replica is offline exactly when its log lies there.
      await until(
        () => !isBroken || partition.isOffline === (partition.log.directory === run[which]),
      );
      if (which === 'to' && partition.log.directory === run.from)
        expect((await run.broker.produce(['after'])).error).toBe('NONE');
      await run.broker.stop();
      disk.fail = null;
      const values = await found(disk);
      expect(values.slice(0, run.acknowledged.length)).toEqual(run.acknowledged);
    }
    expect(failedCount).toBeGreaterThan(count / 2);
  });
});
