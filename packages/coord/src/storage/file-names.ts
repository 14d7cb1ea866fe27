/**
 * The names of the storage's files: `log.<zxid>` by its first record, `snapshot.<zxid>` by the last
 * transaction applied when it began; the zxid in 16 hexadecimal digits, so that names sort as zxids do.
 */
import { join } from 'node:path';
import type { Disk } from '@odradek/runtime';

/** Our folder in the data directory; Apache's is `version-2` and is never touched. */
export const STORAGE_FOLDER = 'odradek';
export const LOCK_FILE = 'lock';
/** A file that is being made; renamed when it is complete. */
export const UNFINISHED = '.tmp';

export type FileKind = 'log' | 'snapshot';

export interface StorageFile {
  readonly path: string;
  readonly zxid: bigint;
}

/** @param kind `install`: a snapshot that takes the place of everything else (install.ts) */
export function storagePath(folder: string, kind: FileKind | 'install', zxid: bigint): string {
  return join(folder, `${kind}.${zxid.toString(16).padStart(16, '0')}`);
}

/** The complete files of one kind, oldest first. */
export async function listFiles(
  disk: Disk,
  folder: string,
  kind: FileKind | 'install',
): Promise<readonly StorageFile[]> {
  const pattern = new RegExp(`^${kind}\\.([0-9a-f]{16})$`);
  const files: StorageFile[] = [];
  for (const { name, kind: entryKind } of await disk.list(folder)) {
    const digits = pattern.exec(name)?.[1];
    if (entryKind !== 'file' || digits === undefined) continue;
    files.push({ path: join(folder, name), zxid: BigInt(`0x${digits}`) });
  }
  return files; // The disk lists by name.
}

/** Removes what a crash left half made. */
export async function removeUnfinished(disk: Disk, folder: string): Promise<void> {
  for (const { name } of await disk.list(folder)) {
    if (/^((log|snapshot|install)\.[0-9a-f]{16}|mark)\.tmp$/.test(name))
      await disk.remove(join(folder, name));
  }
}
