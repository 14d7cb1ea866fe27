/**
 * Facts of the machine that monitoring asks for: sizes of folders, open files. Looked up when asked.
 */
import { join } from 'node:path';
import type { Disk } from '@odradek/runtime';

/** Bytes of all files in a folder and below; 0 when it is not there. */
export async function folderBytes(disk: Disk, folder: string): Promise<number> {
  let sizeBytes = 0;
  for (const { name, kind } of await disk.list(folder)) {
    const path = join(folder, name);
    if (kind === 'directory') sizeBytes += await folderBytes(disk, path);
    else sizeBytes += (await disk.status(path))?.sizeBytes ?? 0;
  }
  return sizeBytes;
}

/** Files this process has open and may have open; null where the system does not tell. */
export async function openFiles(disk: Disk): Promise<{ count: number; max: number } | null> {
  const entries = await disk.list('/proc/self/fd');
  const limits = await disk.readFile('/proc/self/limits');
  const max = /^Max open files\s+(\d+)/m.exec(limits?.toString('latin1') ?? '')?.[1];
  return entries.length === 0 || max === undefined
    ? null
    : { count: entries.length, max: Number(max) };
}
