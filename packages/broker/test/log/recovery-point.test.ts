/**
 * Goal: below the recovery point everything is on the medium, indexes too, in a log that is flushed with
 * every append. Method: a disk in memory on which the sync of one file takes as long as the test wants.
 */
import { expect, test } from '@jest/globals';
import type { DiskFile } from '@odradek/runtime';
import { MemoryDisk } from './memory-disk.ts';
import { append, batchOf, openManager, timedEnvironment } from './support.ts';

/** Syncs of files with this ending wait for the gate. */
class SlowSyncDisk extends MemoryDisk {
  #open: () => void = () => undefined;
  readonly #gate = new Promise<void>((resolve) => {
    this.#open = resolve;
  });
  readonly #ending: string;

  constructor(ending: string) {
    super();
    this.#ending = ending;
  }

  openGate(): void {
    this.#open();
  }

  override async open(path: string, mode: 'read' | 'write' | 'create'): Promise<DiskFile> {
    const file = await super.open(path, mode);
    if (!path.endsWith(this.#ending)) return file;
    return {
      ...file,
      sync: async () => {
        await this.#gate;
        await file.sync();
      },
    };
  }
}

test('the recovery point does not pass a roll before what it added to the time index is on the medium', async () => {
  const disk = new SlowSyncDisk('/00000000000000000000.timeindex');
  const environment = timedEnvironment(disk);
  const config = { flushIntervalMessages: 1, segmentBytes: 300 };
  const manager = await openManager('/data', { environment, config });
  const log = await manager.getOrCreate('t', 0, null);
  await append(log, batchOf({ valueBytes: 220 }));
  expect(log.recoveryPoint).toBe(1);
  await append(log, batchOf({ valueBytes: 10 }));
  await append(log, batchOf({ valueBytes: 10 }));
  expect([log.logEndOffset, log.recoveryPoint]).toEqual([3, 1]);
  disk.openGate();
  await environment.settle();
  await append(log, batchOf({ valueBytes: 10 }));
  expect([log.logEndOffset, log.recoveryPoint]).toEqual([4, 4]);
});
