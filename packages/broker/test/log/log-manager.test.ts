/** The logs of a broker: whose the directories are, which partition goes where, what is left by a stop. */
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { ConfigError, DirectoryLocked } from '@odradek/runtime';
import { CHOICES_MAX } from '../../src/log/log-placement.ts';
import { MemoryDisk } from './memory-disk.ts';
import { append, batchOf, openManager, timedEnvironment, withFolder } from './support.ts';

const ID = 'abcdefghijklmnopqrstuQ';
const OTHER_ID = 'bbcdefghijklmnopqrstuQ';

describe('whose a directory is', () => {
  const meta = (lines: string): string => `#\n#Thu Jan 01 00:00:00 UTC 1970\n${lines}\n`;

  test('an empty one becomes ours, and stays ours', async () => {
    const disk = new MemoryDisk();
    const environment = timedEnvironment(disk);
    await (await openManager('/data', { environment, brokerId: 3 })).close();
    const content = disk.content('/data/meta.properties').toString();
    expect(content).toBe(
      '#\n#Tue Nov 14 22:13:20 UTC 2023\nbroker.id=3\nversion=0\ncluster.id=AAAAAAAAAAAAAAAAAAAAAA\n',
    );
    await (await openManager('/data', { environment, brokerId: 3 })).close();
  });

  test.each([
    {
      name: 'another cluster',
      lines: `cluster.id=${ID}\nversion=0\nbroker.id=0`,
      says: [ID, 'AAAAAAAAAAAAAAAAAAAAAA'],
    },
    {
      name: 'another broker',
      lines: 'cluster.id=AAAAAAAAAAAAAAAAAAAAAA\nversion=0\nbroker.id=5',
      says: ['broker.id=5', 'broker.id=0'],
    },
    {
      name: 'a KRaft broker',
      lines: 'cluster.id=AAAAAAAAAAAAAAAAAAAAAA\nversion=1\nnode.id=0',
      says: ['version=1', 'KRaft'],
    },
  ])('$name: refused in words', async ({ lines, says }) => {
    const disk = new MemoryDisk();
    disk.put('/data/meta.properties', meta(lines));
    const opening = openManager('/data', { environment: timedEnvironment(disk) });
    await expect(opening).rejects.toThrow(ConfigError);
    for (const word of says) await expect(opening).rejects.toThrow(word);
    await expect(opening).rejects.toThrow('/data/meta.properties');
  });

  test('what else is in the file is kept', async () => {
    const disk = new MemoryDisk();
    disk.put('/data/meta.properties', meta(`version=0\ndirectory.id=${ID}`));
    await openManager('/data', { environment: timedEnvironment(disk) });
    expect(disk.content('/data/meta.properties').toString()).toContain(`directory.id=${ID}\n`);
    expect(disk.content('/data/meta.properties').toString()).toContain('broker.id=0\n');
  });

  test('one process at a time', () =>
    withFolder(async (folder) => {
      const manager = await openManager(folder);
      await expect(openManager(folder)).rejects.toThrow(DirectoryLocked);
      await manager.close();
      await (await openManager(folder)).close();
    }));
});

describe('partitions', () => {
  test('are made once, also when asked for twice at the same time', async () => {
    const manager = await openManager('/data', { environment: timedEnvironment(new MemoryDisk()) });
    const [one, two] = await Promise.all([
      manager.getOrCreate('t', 0, ID),
      manager.getOrCreate('t', 0, null),
    ]);
    expect(one).toBe(two);
    expect([...manager.all()]).toEqual([one]);
    expect(manager.get('t', 1)).toBeUndefined();
  });

  test('lie where somebody chose, as long as that is remembered', async () => {
    const manager = await openManager('/a', {
      environment: timedEnvironment(new MemoryDisk()),
      directories: ['/a', '/b'],
    });
    manager.prefer('forgotten', 0, '/b');
    for (let partition = 0; partition < CHOICES_MAX - 1; partition++)
      manager.prefer('never-made', partition, '/a');
    manager.prefer('remembered', 0, '/b');
    expect((await manager.getOrCreate('remembered', 0, null)).directory).toBe('/b');
    // The other directory has fewer logs, so a choice that were remembered would show.
    expect((await manager.getOrCreate('forgotten', 0, null)).directory).toBe('/a');
    await manager.close();
  });

  test('are spread over the directories', async () => {
    const options = {
      environment: timedEnvironment(new MemoryDisk()),
      directories: ['/a', '/b', '/c'],
    };
    const manager = await openManager('/a', options);
    const homes = new Map<string, number>();
    for (let partition = 0; partition < 9; partition++) {
      const { directory } = await manager.getOrCreate('t', partition, null);
      homes.set(directory, (homes.get(directory) ?? 0) + 1);
    }
    expect(homes).toEqual(
      new Map([
        ['/a', 3],
        ['/b', 3],
        ['/c', 3],
      ]),
    );
  });

  test('carry the id of their topic', async () => {
    const disk = new MemoryDisk();
    const environment = timedEnvironment(disk);
    const manager = await openManager('/data', { environment });
    const log = await manager.getOrCreate('t', 0, null);
    expect(log.topicId).toBeNull();
    await manager.getOrCreate('t', 0, ID);
    expect(log.topicId).toBe(ID);
    expect(disk.content('/data/t-0/partition.metadata').toString()).toBe(
      `version: 0\ntopic_id: ${ID}`,
    );
    await expect(manager.getOrCreate('t', 0, OTHER_ID)).rejects.toThrow('INCONSISTENT_TOPIC_ID');
    await manager.close();
    const again = await openManager('/data', { environment });
    expect(again.get('t', 0)?.topicId).toBe(ID);
  });

  test('are deleted: gone at once for us, later from the disk', async () => {
    const disk = new MemoryDisk();
    const environment = timedEnvironment(disk);
    const manager = await openManager('/data', { environment });
    const log = await manager.getOrCreate('t', 0, ID);
    await append(log, batchOf());
    await manager.delete('t', 0);
    expect(manager.get('t', 0)).toBeUndefined();
    expect(() => log.appendAsLeader(batchOf(), { leaderEpoch: 0, origin: 'client' })).toThrow(
      'NOT_LEADER_OR_FOLLOWER',
    );
    const [doomed] = [...disk.folders].filter((folder) => folder.endsWith('-delete'));
    expect(doomed).toMatch(/^\/data\/t-0\.[0-9a-f]{32}-delete$/);
    const anew = await manager.getOrCreate('t', 0, OTHER_ID);
    expect([anew.logEndOffset, anew.topicId]).toEqual([0, OTHER_ID]);
    environment.pass(60_000);
    await environment.settle();
    expect(disk.folders.has(doomed ?? '')).toBe(false);
    expect(disk.folders.has('/data/t-0')).toBe(true);
  });

  test('that are made anew after a deletion know nothing of the old ones, even after a crash', async () => {
    const disk = new MemoryDisk();
    const manager = await openManager('/data', { environment: timedEnvironment(disk) });
    const old = await manager.getOrCreate('t', 0, ID);
    await append(old, batchOf({ count: 50 }));
    old.updateHighWatermark(50);
    await old.advanceLogStart(40);
    await manager.close();
    const second = await openManager('/data', { environment: timedEnvironment(disk) });
    const [, anew] = await Promise.all([
      second.delete('t', 0),
      second.getOrCreate('t', 0, OTHER_ID),
    ]);
    await append(anew, batchOf({ count: 3 }));
    const third = await openManager('/data', { environment: timedEnvironment(disk.copy()) });
    expect(third.get('t', 0)).toMatchObject({
      logStartOffset: 0,
      logEndOffset: 3,
      highWatermark: 0,
      topicId: OTHER_ID,
    });
  });

  test('made at the same time are spread as well', async () => {
    const options = { environment: timedEnvironment(new MemoryDisk()), directories: ['/a', '/b'] };
    const manager = await openManager('/a', options);
    const logs = await Promise.all([0, 1, 2, 3].map((n) => manager.getOrCreate('t', n, null)));
    expect(logs.filter(({ directory }) => directory === '/a')).toHaveLength(2);
  });

  test('whose deletion was not finished are removed by the next start', async () => {
    const disk = new MemoryDisk();
    disk.put('/data/t-0.0123456789abcdef0123456789abcdef-delete/00000000000000000000.log', 'x');
    const environment = timedEnvironment(disk);
    const manager = await openManager('/data', { environment });
    expect([...manager.all()]).toEqual([]);
    environment.pass(60_000);
    await environment.settle();
    expect([...disk.files.keys()].filter((file) => file.includes('-delete'))).toEqual([]);
  });

  test('are found again, with dashes and dots in the topic', () =>
    withFolder(async (folder) => {
      const names: [string, number][] = [
        ['a-b', 12],
        ['a', 0],
        ['x.y_z-1', 3],
      ];
      const first = await openManager(folder);
      for (const [topic, partition] of names)
        await append(await first.getOrCreate(topic, partition, null), batchOf());
      await first.close();
      expect(await readdir(folder)).toEqual(
        expect.arrayContaining(['a-b-12', 'a-0', 'x.y_z-1-3', '.kafka_cleanshutdown']),
      );
      const second = await openManager(folder);
      for (const [topic, partition] of names)
        expect(second.get(topic, partition)?.logEndOffset).toBe(1);
      await second.close();
    }));
});

describe('what does not belong into a data directory', () => {
  test('a folder of another kind: the directory is not used', () =>
    withFolder(async (folder) => {
      await mkdir(path.join(folder, 'lost+found'));
      await expect(openManager(folder)).rejects.toThrow('lost+found');
    }));

  test("a cache of Kafka's tiered storage is left alone", () =>
    withFolder(async (folder) => {
      await mkdir(path.join(folder, 'remote-log-index-cache'));
      await (await openManager(folder)).close();
      expect(await readdir(folder)).toContain('remote-log-index-cache');
    }));

  test('a damaged checkpoint: the directory is not used, others are', async () => {
    const disk = new MemoryDisk();
    disk.put('/a/recovery-point-offset-checkpoint', '0\n2\nt 0 5\n');
    const manager = await openManager('/a', {
      environment: timedEnvironment(disk),
      directories: ['/a', '/b'],
    });
    expect(manager.onlineDirectories).toEqual(['/b']);
    await expect(openManager('/a', { environment: timedEnvironment(disk) })).rejects.toThrow(
      'checkpoint',
    );
  });

  test('the same partition twice', async () => {
    const disk = new MemoryDisk();
    for (const directory of ['/a', '/b']) disk.put(`${directory}/t-0/00000000000000000000.log`, '');
    const manager = await openManager('/a', {
      environment: timedEnvironment(disk),
      directories: ['/a', '/b'],
    });
    expect(manager.onlineDirectories).toEqual(['/a', '/b']);
    expect([...manager.all()]).toHaveLength(1);
  });
});

describe('high watermarks', () => {
  test('are written and read back', async () => {
    const disk = new MemoryDisk();
    const environment = timedEnvironment(disk);
    const manager = await openManager('/data', { environment });
    const log = await manager.getOrCreate('t', 0, null);
    const silent = await manager.getOrCreate('u', 4, null);
    await append(log, batchOf({ count: 5 }));
    await append(silent, batchOf({ count: 5 }));
    await manager.checkpointHighWatermarks((each) => (each === log ? 3 : null));
    expect(disk.content('/data/replication-offset-checkpoint').toString()).toBe(
      '0\n2\nt 0 3\nu 4 0\n',
    );
    expect(log.highWatermark).toBe(3);
    const again = await openManager('/data', { environment: timedEnvironment(disk.copy()) });
    expect(again.readHighWatermarks()).toEqual(
      new Map([
        ['t-0', 3],
        ['u-4', 0],
      ]),
    );
    expect(again.get('t', 0)?.highWatermark).toBe(3);
  });

  test('are never above what a crash has left', async () => {
    const disk = new MemoryDisk();
    disk.put('/data/replication-offset-checkpoint', '0\n1\nt 0 99\n');
    disk.put('/data/t-0/00000000000000000000.log', '');
    const manager = await openManager('/data', { environment: timedEnvironment(disk) });
    expect(manager.get('t', 0)?.highWatermark).toBe(0);
  });
});

test('a stop under load writes everything that was accepted', () =>
  withFolder(async (folder) => {
    const manager = await openManager(folder, { config: { segmentBytes: 2000 } });
    const logs = await Promise.all(
      [0, 1, 2].map((partition) => manager.getOrCreate('t', partition, null)),
    );
    for (let count = 0; count < 100; count++) {
      for (const log of logs)
        log.appendAsLeader(batchOf({ mark: count }), { leaderEpoch: 0, origin: 'client' });
    }
    await manager.close();
    expect(await readFile(path.join(folder, '.kafka_cleanshutdown'), 'utf8')).toBe(
      '{"version":0,"brokerEpoch":-1}',
    );
    expect(await readFile(path.join(folder, 'recovery-point-offset-checkpoint'), 'utf8')).toMatch(
      /^0\n3\n(t [012] 100\n){3}$/,
    );
    const again = await openManager(folder);
    for (const partition of [0, 1, 2]) expect(again.get('t', partition)?.logEndOffset).toBe(100);
    await again.close();
  }));

test('a lost index is made anew after an orderly stop', () =>
  withFolder(async (folder) => {
    const first = await openManager(folder, { config: { indexIntervalBytes: 0 } });
    const log = await first.getOrCreate('t', 0, null);
    for (let count = 0; count < 10; count++)
      await append(log, batchOf({ timestamp: 1_700_000_000_000 + count }));
    await first.close();
    const file = path.join(folder, 't-0', '00000000000000000000.index');
    const index = await readFile(file);
    await writeFile(file, index.subarray(0, 11));
    const second = await openManager(folder, { config: { indexIntervalBytes: 0 } });
    expect(await readFile(file)).toEqual(index);
    await second.close();
  }));
