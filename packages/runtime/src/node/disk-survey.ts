/**
 * Many small looks at the disk in one go: the sizes of all files of a folder, a few bytes of each of many files.
 *
 * Each of them would be some microseconds of the system's time, and ten times that on its way to a thread of libuv's
 * and back. A broker that starts with thousands of partitions makes some hundred thousand of them, so here they are
 * made on the spot. One call holds the event loop for as long as its files take; between two calls others have their turn.
 */
import { closeSync, fstatSync, openSync, readdirSync, readSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { FilePiece, SurveyedEntry } from '../environment.ts';
import { systemCodeOf } from './system-error.ts';

/** Sorted by name; empty when the folder is not there. */
export function surveyNow(folder: string): SurveyedEntry[] {
  const found: SurveyedEntry[] = [];
  for (const name of namesIn(folder)) {
    const status = statSync(join(folder, name), { throwIfNoEntry: false });
    if (status === undefined) continue; // Gone since, or a link to nowhere.
    const kind = status.isFile() ? 'file' : status.isDirectory() ? 'directory' : 'other';
    found.push({ name, kind, sizeBytes: status.size, modifiedAtMs: status.mtimeMs });
  }
  return found;
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder).sort(); // By UTF-16 code units, as `list` sorts.
  } catch (error) {
    if (systemCodeOf(error) === 'ENOENT') return [];
    throw error;
  }
}

export function readPieceNow({ path, position, sizeBytes }: FilePiece): Buffer {
  const file = openSync(path, 'r');
  try {
    const leftBytes = fstatSync(file).size - position;
    const target = Buffer.allocUnsafe(Math.max(0, Math.min(sizeBytes, leftBytes)));
    let filledBytes = 0;
    while (filledBytes < target.length) {
      const readBytes = readSync(
        file,
        target,
        filledBytes,
        target.length - filledBytes,
        position + filledBytes,
      );
      if (readBytes === 0) break;
      filledBytes += readBytes;
    }
    return target.subarray(0, filledBytes);
  } finally {
    closeSync(file);
  }
}
