/** A small file that may be missing, at a start: see `readPieces` of the Disk port. */
import { type Disk, DiskError } from '@odradek/runtime';

/** The file's first bytes, all of it unless `sizeBytes` says otherwise; null when there is none. */
export async function readIfThere(
  disk: Disk,
  path: string,
  sizeBytes = Number.MAX_SAFE_INTEGER,
): Promise<Buffer | null> {
  try {
    return (await disk.readPieces([{ path, position: 0, sizeBytes }]))[0] ?? null;
  } catch (error) {
    if (error instanceof DiskError && error.code === 'ENOENT') return null;
    throw error;
  }
}
