/**
 * Puts a snapshot that came from elsewhere in the place of everything there is.
 *
 * It is written under the name `install.<zxid>`, which it has only when all of it is on the disk: from
 * that instant on the old content counts no more. What is old is then removed and the snapshot gets its
 * usual name. A start that finds such a file does the rest again.
 */
import { dirname } from 'node:path';
import type { Disk, Random } from '@odradek/runtime';
import { BlockFileWriter } from './block-file-writer.ts';
import { listFiles, storagePath } from './file-names.ts';
import { checkSnapshot, type ValidSnapshot } from './snapshot-reader.ts';
import type { StorageSettings } from './types.ts';

interface Folders {
  readonly dataFolder: string;
  readonly logFolder: string;
}

/** Writes the file; when it resolves, the old content counts no more. */
export async function writeInstall(
  environment: { readonly disk: Disk; readonly random: Random },
  { dataFolder }: Folders,
  zxid: bigint,
  entries: AsyncIterable<Uint8Array>,
  settings: StorageSettings,
): Promise<void> {
  const path = storagePath(dataFolder, 'install', zxid);
  const file = await BlockFileWriter.create(environment, path, 'snapshot', { zxid }, settings);
  try {
    for await (const entry of entries) {
      file.add(entry);
      if (file.isFull) await file.flush();
    }
    await file.finish(zxid);
  } catch (error) {
    await file.abandon();
    throw error;
  }
}

/**
 * A snapshot whose installation was interrupted: it is all that counts.
 * @throws StorageDamaged when it is not whole: what was before it may be gone in part
 */
export async function findInstall(disk: Disk, dataFolder: string): Promise<ValidSnapshot | null> {
  const install = (await listFiles(disk, dataFolder, 'install')).at(-1);
  return install === undefined ? null : await checkSnapshot(disk, install);
}

/** Removes what the installed snapshot replaces, and gives it its name. Nothing to do when there is none. */
export async function finishInstall(disk: Disk, { dataFolder, logFolder }: Folders): Promise<void> {
  const install = (await listFiles(disk, dataFolder, 'install')).at(-1);
  if (install === undefined) return;
  const outdated = [
    ...(await listFiles(disk, logFolder, 'log')),
    ...(await listFiles(disk, dataFolder, 'snapshot')),
  ];
  for (const { path } of outdated) await disk.remove(path);
  for (const folder of new Set([dataFolder, logFolder])) await disk.syncDirectory(folder);
  const path = storagePath(dataFolder, 'snapshot', install.zxid);
  await disk.rename(install.path, path);
  await disk.syncDirectory(dirname(path));
}
