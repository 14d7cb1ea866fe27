/**
 * Starting on what is there: segments that need not be read through are believed by a few bytes of their
 * indexes, and read through after all when these bytes contradict the rest. Whatever was done to the indexes,
 * the log is the same afterwards.
 */
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { LoadProgress } from '../../src/log/load-progress.ts';
import type { LogManager } from '../../src/log/log-manager.ts';
import { MemoryDisk } from './memory-disk.ts';
import { append, batchOf, openManager, readAll, timedEnvironment } from './support.ts';

const FOLDER = '/data/t-0';
const T = 1_700_000_000_000;
const settings = { indexIntervalBytes: 100, segmentBytes: 700, segmentIndexBytes: 10_000 };

function open(
  disk: MemoryDisk,
  options: Parameters<typeof openManager>[1] = {},
): Promise<LogManager> {
  const environment = timedEnvironment(disk, T);
  return openManager('/data', { environment, config: settings, ...options });
}

/** Twenty batches of three records in some segments, and where the log's batches lie. */
async function cleanlyStopped(): Promise<{ disk: MemoryDisk; content: Buffer }> {
  const disk = new MemoryDisk();
  const manager = await open(disk);
  const log = await manager.getOrCreate('t', 0, null);
  for (let index = 0; index < 20; index++) {
    const timestamp = T + index * 10;
    await append(log, batchOf({ count: 3, mark: index, timestamp, valueBytes: 20 }));
  }
  const content = await readAll(log);
  await manager.close();
  return { disk, content };
}

const indexNames = (disk: MemoryDisk): string[] =>
  disk.names(FOLDER).filter((name) => /\.(time)?index$/.test(name));

async function expectWhole(manager: LogManager, content: Buffer): Promise<void> {
  const log = manager.get('t', 0)!;
  expect([log.logStartOffset, log.logEndOffset]).toEqual([0, 60]);
  expect(await readAll(log)).toEqual(content);
  for (let index = 0; index < 20; index++) {
    expect((await log.read(index * 3 + 1, 1, 60, true)).firstOffset).toBe(index * 3);
    const found = await log.offsetForTimestamp(T + index * 10, 60);
    expect(found).toMatchObject({ offset: index * 3, timestamp: T + index * 10 });
  }
}

describe('indexes after a stop that was called clean', () => {
  test('are believed without reading the log', async () => {
    const { disk, content } = await cleanlyStopped();
    expect(indexNames(disk).length).toBeGreaterThan(6);
    disk.counts.clear();
    const manager = await open(disk);
    expect(disk.count('write')).toBe(0);
    expect(disk.count('truncate')).toBe(0);
    await expectWhole(manager, content);
  });

  const harms: readonly { name: string; harm: (bytes: Buffer) => Buffer | null }[] = [
    { name: 'missing', harm: () => null },
    { name: 'empty', harm: () => Buffer.alloc(0) },
    {
      name: 'as a mapped file of a killed broker, with zeros behind the entries',
      harm: (bytes) => Buffer.concat([bytes, Buffer.alloc(9_600 - bytes.length)]),
    },
    { name: 'nothing but zeros', harm: () => Buffer.alloc(9_600) },
    {
      name: 'not a whole number of entries',
      harm: (bytes) => Buffer.concat([bytes, bytes.subarray(0, 5)]),
    },
    { name: 'of another segment', harm: () => Buffer.alloc(24, 0x7f) },
    { name: 'below its base', harm: () => Buffer.alloc(24, 0xff) },
  ];
  test.each(harms)('$name: built anew', async ({ harm }) => {
    const { disk, content } = await cleanlyStopped();
    for (const name of indexNames(disk)) {
      const harmed = harm(disk.content(`${FOLDER}/${name}`));
      if (harmed === null) disk.files.delete(`${FOLDER}/${name}`);
      else disk.put(`${FOLDER}/${name}`, harmed);
    }
    const manager = await open(disk);
    await expectWhole(manager, content);
    await manager.close();
    await expectWhole(await open(disk), content);
  });

  test('any of them harmed in any of these ways', async () => {
    const { disk, content } = await cleanlyStopped();
    const names = indexNames(disk);
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.option(fc.constantFrom(...harms)), {
          minLength: names.length,
          maxLength: names.length,
        }),
        async (chosen) => {
          const harmed = disk.copy();
          for (const [index, name] of names.entries()) {
            const path = `${FOLDER}/${name}`;
            const harm = chosen[index]?.harm;
            if (harm === undefined) continue;
            const bytes = harm(harmed.content(path));
            if (bytes === null) harmed.files.delete(path);
            else harmed.put(path, bytes);
          }
          await expectWhole(await open(harmed), content);
        },
      ),
      { numRuns: 40 },
    );
  });
});

describe('after a crash', () => {
  /** Which segments' log files were read through. */
  function readThrough(disk: MemoryDisk, run: () => Promise<unknown>): Promise<Set<number>> {
    const read = new Set<number>();
    disk.fail = (operation, path) => {
      const base = /(\d{20})\.log$/.exec(path)?.[1];
      if (operation === 'read' && base !== undefined) read.add(Number(base));
      return null;
    };
    return run().then(() => read);
  }

  test('only segments that reach past the recovery point are read', async () => {
    const { disk, content } = await cleanlyStopped();
    const bases = disk
      .names(FOLDER)
      .filter((name) => name.endsWith('.log'))
      .map((name) => Number(name.slice(0, 20)));
    for (let point = 0; point <= 60; point++) {
      const crashed = disk.copy();
      crashed.files.delete('/data/.kafka_cleanshutdown');
      crashed.put('/data/recovery-point-offset-checkpoint', `0\n1\nt 0 ${point}\n`);
      let manager: LogManager | undefined;
      const read = await readThrough(crashed, async () => {
        manager = await open(crashed);
      });
      const first = bases.findLast((base) => base <= point) ?? 0;
      // Of one that ends at the recovery point the last few batches, for the end of its time index.
      const before = point === first ? bases[bases.indexOf(first) - 1] : undefined;
      expect([...read].sort((a, b) => a - b)).toEqual(
        bases.filter((base) => base >= first || base === before),
      );
      crashed.fail = null;
      await expectWhole(manager!, content);
      const { logEndOffset, recoveryPoint } = manager!.get('t', 0)!;
      expect(recoveryPoint).toBe(point >= logEndOffset ? bases.at(-1) : point);
    }
  });

  test('no more logs are recovered at once than there are threads for it; all is told', async () => {
    const { disk } = await cleanlyStopped();
    const crashed = new MemoryDisk();
    for (let partition = 0; partition < 12; partition++) {
      for (const name of disk.names(FOLDER))
        crashed.put(`/data/t-${partition}/${name}`, disk.content(`${FOLDER}/${name}`));
    }
    const progress = new LoadProgress();
    const told = new Set<number>();
    let most = 0;
    crashed.fail = () => {
      const { logsLeft, segmentsLeft } = progress.of('/data');
      told.add(logsLeft);
      most = Math.max(most, segmentsLeft);
      return null;
    };
    const manager = await open(crashed, { progress, recoveryThreads: 3 });
    expect([...manager.all()]).toHaveLength(12);
    const segmentCount = disk.names(FOLDER).filter((name) => name.endsWith('.log')).length;
    expect(most).toBe(3 * segmentCount);
    expect(told.has(12) && told.size > 3).toBe(true);
    expect(progress.of('/data')).toMatchObject({ logCount: 12, logsLeft: 0, segmentsLeft: 0 });
    expect(progress.of('/data').segmentsRecovered).toBe(12 * segmentCount);
  });

  test('a start that is called off leaves the folder to the next one', async () => {
    const { disk, content } = await cleanlyStopped();
    const interruption = new AbortController();
    interruption.abort();
    const opening = open(disk, { interrupted: interruption.signal });
    await expect(opening).rejects.toThrow('stopped while loading logs');
    await expectWhole(await open(disk), content);
  });
});

test('a snapshot of producers that somebody removed is no reason to stop: the log tells the same', async () => {
  const disk = new MemoryDisk();
  const manager = await open(disk);
  const log = await manager.getOrCreate('t', 0, null);
  for (let index = 0; index < 20; index++)
    await append(
      log,
      batchOf({ mark: index, producerId: 5n, baseSequence: index, valueBytes: 90 }),
    );
  const snapshots = disk.names(FOLDER).filter((name) => name.endsWith('.snapshot'));
  expect(snapshots.length).toBeGreaterThan(1);
  for (const name of snapshots) disk.files.delete(`${FOLDER}/${name}`);
  await log.truncateTo(15);
  expect(manager.onlineDirectories).toEqual(['/data']);
  const [producer] = [...log.activeProducers()];
  expect(producer?.batches.at(-1)?.lastSequence).toBe(14);
});

describe('a disk that fails while logs are loaded', () => {
  test.each([
    { name: 'after an orderly stop', isClean: true },
    { name: 'after a crash that left half a batch', isClean: false },
  ])(
    '$name: the other directory is used, and the log is whole at the next start',
    async ({ isClean }) => {
      const { disk, content } = await cleanlyStopped();
      if (!isClean) {
        disk.files.delete('/data/.kafka_cleanshutdown');
        disk.put('/data/recovery-point-offset-checkpoint', '0\n0\n');
        const last = disk
          .names(FOLDER)
          .filter((name) => name.endsWith('.log'))
          .at(-1);
        const torn = disk.content(`${FOLDER}/${last}`);
        disk.put(`${FOLDER}/${last}`, Buffer.concat([torn, torn.subarray(0, 50)]));
      }
      const openBoth = (on: MemoryDisk): Promise<LogManager> =>
        open(on, { directories: ['/data', '/other'] });
      let failures = 0;
      for (let step = 0; ; step++) {
        const failing = disk.copy();
        let steps = 0;
        let hasFailed = false;
        failing.fail = (_, path) => {
          if (!path.startsWith('/data') || steps++ !== step) return null;
          hasFailed = true;
          return 'EIO';
        };
        const manager = await openBoth(failing);
        failing.fail = null;
        if (!hasFailed) {
          await expectWhole(manager, content);
          break;
        }
        failures += 1;
        expect(manager.onlineDirectories).toEqual(['/other']);
        expect(manager.get('t', 0)?.offline ?? true).toBe(true);
        await expectWhole(await openBoth(failing.copy()), content);
      }
      expect(failures).toBeGreaterThan(isClean ? 20 : 40);
    },
  );
});
