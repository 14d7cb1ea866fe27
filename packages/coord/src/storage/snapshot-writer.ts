/**
 * Writes a snapshot slice by slice while the server goes on: entries are pulled for a few
 * milliseconds, the block they make is written, and everybody else gets their turn.
 */
import type { Clock, Disk, Random, Timers } from '@odradek/runtime';
import { type BlockFileResult, BlockFileWriter } from './block-file-writer.ts';
import { storagePath } from './file-names.ts';
import type { StorageSettings } from './types.ts';

export interface SnapshotEnvironment {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly disk: Disk;
}

/**
 * Writes the snapshot and gives it its name only when all of it is on the disk.
 * @param options.endZxid asked after the last entry: up to where the log must reach, once it is durable up to there
 * @param options.checkOpen throws when the work is to be given up; asked after each slice
 */
export async function writeSnapshotFile(
  environment: SnapshotEnvironment,
  {
    folder,
    zxid,
    entries,
    settings,
    endZxid,
    checkOpen,
  }: {
    readonly folder: string;
    readonly zxid: bigint;
    readonly entries: Iterable<Uint8Array>;
    readonly settings: StorageSettings;
    readonly endZxid: () => Promise<bigint>;
    readonly checkOpen: () => void;
  },
): Promise<BlockFileResult> {
  const { clock, timers } = environment;
  const path = storagePath(folder, 'snapshot', zxid);
  const file = await BlockFileWriter.create(environment, path, 'snapshot', { zxid }, settings);
  try {
    let sliceEndsAt = clock.now() + settings.snapshotSliceMs;
    for (const entry of entries) {
      file.add(entry);
      if (!file.isFull && clock.now() < sliceEndsAt) continue;
      await file.flush();
      await nextTurn(timers);
      checkOpen();
      sliceEndsAt = clock.now() + settings.snapshotSliceMs;
    }
    await file.flush();
    return await file.finish(await endZxid());
  } catch (error) {
    await file.abandon();
    throw error;
  }
}

function nextTurn(timers: Timers): Promise<void> {
  return new Promise((resolve) => {
    timers.afterTurn(resolve);
  });
}
