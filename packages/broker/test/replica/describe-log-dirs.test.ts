/** What DescribeLogDirs tells: of a data plane with a real log, and of directories that a table makes up. */
import { describe, expect, test } from '@jest/globals';
import { apis, type DescribeLogDirsResponse, errorCodes } from '@odradek/protocol';
import { DiskError } from '@odradek/runtime';
import { describeLogDirsHandler } from '../../src/api/describe-log-dirs.ts';
import type { RequestContext } from '../../src/api/registry.ts';
import type { PartitionLog } from '../../src/log/partition-log.ts';
import { TOPIC, withCluster } from './support.ts';

test.each([0, 1, 2, 3, 4, 5])('a replica is told in v%i', (version) =>
  withCluster(1, async (controller, [one]) => {
    if (!one) throw new Error('a broker');
    await controller.elect(1, [1]);
    await one.produce(['a', 'b']);
    const { log } = one.partition;
    const response = await one.send(apis.describeLogDirs, version, { topics: null });
    const [dir] = response.results;
    expect(response).toMatchObject({ throttleTimeMs: 0, errorCode: 0 });
    expect(dir).toMatchObject({
      errorCode: 0,
      logDir: log.directory,
      isCordoned: false,
      topics: [
        {
          name: TOPIC,
          partitions: [
            { partitionIndex: 0, partitionSize: log.sizeBytes, offsetLag: 0, isFutureKey: false },
          ],
        },
      ],
    });
    expect(log.sizeBytes).toBeGreaterThan(0);
    if (version < 4) expect(dir).toMatchObject({ totalBytes: -1, usableBytes: -1 });
    else expect(dir?.totalBytes).toBeGreaterThanOrEqual(dir?.usableBytes ?? 0);
  }),
);

describe('several directories', () => {
  const log = (topic: string, partition: number, directory: string, behind = 0) =>
    ({
      topic,
      partition,
      directory,
      sizeBytes: 100 + partition,
      highWatermark: 10,
      logEndOffset: 10 - behind,
    }) as PartitionLog;

  const logs = [log('t', 0, '/a'), log('t', 1, '/b'), log('u', 2, '/a', 4), log('t', 3, '/d')];
  /** On its way; and one whose log has failed. */
  const copies = [log('u', 2, '/c', 7), log('v', 0, '/c')];
  const { handle } = describeLogDirsHandler({
    logs: {
      directories: [
        { path: '/a', online: true },
        { path: '/b', online: false },
        { path: '/c', online: true },
        { path: '/d', online: true },
      ],
      all: () => logs.values(),
      get: (topic, partition) =>
        logs.find((one) => one.topic === topic && one.partition === partition),
      futures: { all: () => copies.values() },
    },
    disk: {
      space: async (path) => {
        if (path === '/d') throw new DiskError('EIO', path, 'statfs');
        return { totalBytes: 1_000, usableBytes: 400 };
      },
    },
  });

  const told = async (
    topics: { topic: string; partitions: number[] }[] | null,
  ): Promise<DescribeLogDirsResponse> =>
    (await handle({ topics }, {} as RequestContext)) as DescribeLogDirsResponse;

  const offline = {
    errorCode: errorCodes.KAFKA_STORAGE_ERROR,
    topics: [],
    totalBytes: -1,
    usableBytes: -1,
  };
  const online = { errorCode: 0, totalBytes: 1_000, usableBytes: 400 };
  const partition = (index: number, offsetLag = 0) => ({
    partitionIndex: index,
    partitionSize: 100 + index,
    offsetLag,
    isFutureKey: false,
  });

  test('each has its own logs; a failed one, and one that cannot be looked at, has an error', async () => {
    expect((await told(null)).results).toEqual([
      {
        ...online,
        logDir: '/a',
        topics: [
          { name: 't', partitions: [partition(0)] },
          { name: 'u', partitions: [partition(2, 4)] },
        ],
      },
      { ...offline, logDir: '/b' },
      {
        ...online,
        logDir: '/c',
        topics: [
          { name: 'u', partitions: [{ ...partition(2, 3), isFutureKey: true }] },
          { name: 'v', partitions: [{ ...partition(0, -1), isFutureKey: true }] },
        ],
      },
      { ...offline, logDir: '/d' },
    ]);
  });

  test('only what is asked for is told', async () => {
    const names = async (topics: { topic: string; partitions: number[] }[]) =>
      (await told(topics)).results.map((result) => result.topics.map(({ name }) => name));
    expect(await names([{ topic: 'u', partitions: [2, 7] }])).toEqual([['u'], [], ['u'], []]);
    expect(await names([{ topic: 't', partitions: [] }])).toEqual([[], [], [], []]);
    expect(await names([])).toEqual([[], [], [], []]);
  });
});
