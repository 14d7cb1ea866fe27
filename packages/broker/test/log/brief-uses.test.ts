/** However many logs roll, change leaders or are made at once: descriptors stay bounded. */
import { expect, test } from '@jest/globals';
import type { DiskFile, DiskMode } from '@odradek/runtime';
import { BRIEF_USES_MAX, forBriefUses } from '../../src/log/brief-uses.ts';
import { CLOSING_FILES_MAX } from '../../src/log/open-files.ts';
import { MemoryDisk } from './memory-disk.ts';
import { batchOf, openManager, timedEnvironment, written } from './support.ts';

const OPEN_FILES = 64;
const LOGS = 400;

/** Counts descriptors; replacing a file and syncing a folder hold one each for some turns. */
class CountingDisk extends MemoryDisk {
  most = 0;
  #brief = 0;

  override async open(file: string, mode: DiskMode): Promise<DiskFile> {
    const opened = await super.open(file, mode as 'write');
    this.#note();
    return opened;
  }

  override replaceFile(file: string, content: Uint8Array | string): Promise<void> {
    return this.#briefly(() => super.replaceFile(file, content));
  }

  override syncDirectory(): Promise<void> {
    return this.#briefly(() => super.syncDirectory());
  }

  async #briefly(run: () => Promise<void>): Promise<void> {
    this.#brief += 1;
    this.#note();
    for (let turn = 0; turn < 3; turn++) await new Promise<void>((done) => setImmediate(done));
    await run();
    this.#brief -= 1;
  }

  #note(): void {
    this.most = Math.max(this.most, this.openCount + this.#brief);
  }
}

test('many logs that are made, led, rolled and closed in one turn', async () => {
  const disk = new CountingDisk();
  const manager = await openManager('/data', {
    environment: timedEnvironment(disk),
    openFilesLimit: OPEN_FILES,
    config: { segmentBytes: 200 },
  });
  const logs = await Promise.all(
    Array.from({ length: LOGS }, (_, index) =>
      manager.getOrCreate('t', index, 'abcdefghijklmnopqrstuQ'),
    ),
  );
  for (const log of logs) log.startEpoch(1);
  for (let round = 0; round < 3; round++) {
    for (const log of logs) {
      const records = batchOf({ valueBytes: 60, producerId: 7n, baseSequence: round });
      log.appendAsLeader(records, { leaderEpoch: 1, origin: 'client' });
    }
  }
  await Promise.all(logs.map((log) => written(log)));
  await manager.close();
  expect(disk.most).toBeLessThanOrEqual(OPEN_FILES + CLOSING_FILES_MAX + BRIEF_USES_MAX);
  expect(disk.names('/data/t-399').filter((name) => name.endsWith('.log')).length).toBe(3);
  expect(disk.openCount).toBe(0);
});

test('a file that cannot be opened takes nobody’s place', async () => {
  const disk = new MemoryDisk();
  disk.fail = (operation, path) => (operation === 'open' && path === '/bad' ? 'EIO' : null);
  const brief = forBriefUses(disk);
  for (let n = 0; n < 2 * BRIEF_USES_MAX; n++) {
    await expect(brief.open('/bad', 'write')).rejects.toThrow('EIO');
    const file = await brief.open('/good', 'write');
    await file.close();
  }
});
