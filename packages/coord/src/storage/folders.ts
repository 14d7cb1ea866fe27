/**
 * The folders of a storage: taken for this process, and refused when what is in them is not what the
 * configuration says.
 */
import { join } from 'node:path';
import { StorageNotUsable } from './errors.ts';
import { LOCK_FILE, listFiles } from './file-names.ts';
import type { StorageOptions } from './types.ts';

type StorageEnvironment = StorageOptions['environment'];

export interface Folders {
  readonly dataFolder: string;
  readonly logFolder: string;
}

export interface DirectoryLock {
  release(): Promise<void>;
}

export function foldersOf({ dataFolder, logFolder }: Folders): readonly string[] {
  return dataFolder === logFolder ? [dataFolder] : [dataFolder, logFolder];
}

/** An empty tree where an operator expects Apache's data would be a nasty surprise. */
export async function refuseForeignData(
  { disk }: StorageEnvironment,
  { dataDirectory, logDirectory }: StorageOptions,
  folders: Folders,
): Promise<void> {
  if ((await disk.status(folders.dataFolder)) !== null) return;
  for (const directory of new Set([dataDirectory, logDirectory])) {
    const entries = await disk.list(join(directory, 'version-2'));
    if (!entries.some(({ name }) => /^(snapshot|log)\.[0-9a-f]+/.test(name))) continue;
    throw new StorageNotUsable(
      `${directory} holds data of Apache ZooKeeper (version-2), but none of this server: import it with ` +
        `'odradek coord-import --from ${directory} --to ${directory}', configure another dataDir, ` +
        'or move version-2 away to begin with an empty tree',
    );
  }
}

export async function lockFolders(
  { disk }: StorageEnvironment,
  folders: Folders,
): Promise<readonly DirectoryLock[]> {
  const locks: DirectoryLock[] = [];
  try {
    for (const folder of foldersOf(folders)) {
      await disk.makeDirectory(folder);
      locks.push(await disk.lock(join(folder, LOCK_FILE)));
    }
    return locks;
  } catch (error) {
    for (const lock of locks) await lock.release();
    throw error;
  }
}

/** After a change of dataLogDir the old log would be left out without a word. */
export async function refuseMisplacedFiles(
  { disk }: StorageEnvironment,
  { dataFolder, logFolder }: Folders,
): Promise<void> {
  if (dataFolder === logFolder) return;
  for (const { kind, found, wanted } of [
    { kind: 'log', found: dataFolder, wanted: logFolder },
    { kind: 'snapshot', found: logFolder, wanted: dataFolder },
  ] as const) {
    if ((await listFiles(disk, found, kind)).length === 0) continue;
    throw new StorageNotUsable(
      `${found} holds ${kind} files, but they are configured to be in ${wanted}: move them there`,
    );
  }
}
