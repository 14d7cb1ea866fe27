/**
 * A segment whose offsets are too far apart for its indexes, as an old broker's log cleaner left it, becomes several when it
 * is opened; nothing is lost, whenever the process dies in the middle of it.
 */
import { expect, test } from '@jest/globals';
import type { LogConfig } from '../../src/log/log-config.ts';
import { MemoryDisk } from './memory-disk.ts';
import { append, batchOf, openManager, readAll, timedEnvironment } from './support.ts';

const OFFSETS = [0, 5, 2 ** 31 - 1, 2 ** 31 + 7, 2 ** 31 + 90, 3 * 2 ** 31 + 1];
const batches = (): Buffer =>
  Buffer.concat(OFFSETS.map((baseOffset) => batchOf({ baseOffset, key: 'k', leaderEpoch: 0 })));

/** The log as it was found. */
async function found(isClean: boolean, config: Partial<LogConfig>): Promise<MemoryDisk> {
  const disk = new MemoryDisk();
  const manager = await openManager('/logs', { environment: timedEnvironment(disk), config });
  await manager.getOrCreate('t', 0, null);
  await manager.close();
  disk.put(`/logs/t-0/${'0'.repeat(20)}.log`, batches());
  if (!isClean) disk.files.delete('/logs/.kafka_cleanshutdown');
  return disk;
}

async function expectWhole(disk: MemoryDisk, config: Partial<LogConfig>): Promise<void> {
  const environment = timedEnvironment(disk);
  const manager = await openManager('/logs', { environment, config });
  const log = manager.get('t', 0);
  if (log === undefined) throw new Error('the log is gone');
  expect(await readAll(log)).toEqual(batches());
  for (const offset of OFFSETS) {
    const slice = await log.read(offset, 1, log.logEndOffset, true);
    expect(slice.firstOffset).toBe(offset);
    for (const memory of slice.lent) memory.release();
  }
  const names = disk.names('/logs/t-0').filter((name) => !name.endsWith('.snapshot'));
  expect(names.filter((name) => name.endsWith('.log'))).toEqual(
    [0, 2 ** 31 + 7, 3 * 2 ** 31 + 1].map((base) => `${String(base).padStart(20, '0')}.log`),
  );
  expect(names.filter((name) => /cleaned|swap|deleted/.test(name))).toEqual([]);
  expect(await append(log, batchOf({ key: 'k' }))).toMatchObject({
    firstOffset: 3 * 2 ** 31 + 2,
  });
  await manager.close();
}

const COMPACT: Partial<LogConfig> = { cleanupPolicy: ['compact'], indexIntervalBytes: 0 };

test.each([true, false])('it becomes several, after a clean stop: %p', async (isClean) => {
  await expectWhole(await found(isClean, COMPACT), COMPACT);
});

test.each([true, false])(
  'whenever the process dies in between, after a clean stop: %p',
  async (isClean) => {
    const disk = await found(isClean, COMPACT);
    const left: MemoryDisk[] = [];
    disk.fail = (operation) => {
      if (operation !== 'read') left.push(disk.copy());
      return null;
    };
    const manager = await openManager('/logs', {
      environment: timedEnvironment(disk),
      config: COMPACT,
    });
    disk.fail = null;
    await manager.close();
    expect(left.length).toBeGreaterThan(20);
    for (const each of left) await expectWhole(each, COMPACT);
  },
);

test('where nothing is compacted a batch so far off is damage', async () => {
  const disk = await found(false, {});
  const manager = await openManager('/logs', { environment: timedEnvironment(disk) });
  expect(manager.get('t', 0)?.logEndOffset).toBe(2 ** 31);
  await manager.close();
});
