/**
 * `survey` and `readPieces` of the Disk port by way of its other operations, for disks that have no quicker way.
 */
import { join } from 'node:path';
import type { Disk, FilePiece, SurveyedEntry } from './environment.ts';

export async function surveyByStatus(
  disk: Pick<Disk, 'list' | 'status'>,
  folder: string,
): Promise<readonly SurveyedEntry[]> {
  const found: SurveyedEntry[] = [];
  for (const { name } of await disk.list(folder)) {
    const status = await disk.status(join(folder, name));
    if (status !== null) found.push({ name, ...status }); // Gone since: as if it had never been listed.
  }
  return found;
}

export async function readPiecesByFile(
  disk: Pick<Disk, 'open'>,
  pieces: readonly FilePiece[],
): Promise<readonly Buffer[]> {
  const found: Buffer[] = [];
  for (const { path, position, sizeBytes } of pieces) {
    const file = await disk.open(path, 'read');
    try {
      const leftBytes = (await file.sizeBytes()) - position;
      const target = Buffer.alloc(Math.max(0, Math.min(sizeBytes, leftBytes)));
      found.push(target.subarray(0, await file.read(target, position)));
    } finally {
      await file.close();
    }
  }
  return found;
}
