/**
 * A segment of a compacted log whose offsets are too far apart for its indexes, as the log cleaner of Kafka before 1.1
 * could make them, becomes two. Ours makes none: compaction and appends mind the distance.
 *
 * Both parts are written under `.cleaned` names and become `.swap`, the later one first: for as long as the earlier one
 * is `.cleaned` a start drops both, and from then on it puts them in the place of the segment (log-loader.ts).
 */
import path from 'node:path';
import { SUFFIX, segmentFileName } from './file-names.ts';
import type { LogResources } from './log-resources.ts';
import { SCAN_CHUNK_BYTES } from './scan.ts';
import type { Segment } from './segment.ts';

/** The folder's segments are others now: it is to be loaded again. */
export class SegmentSplit extends Error {
  override readonly name = 'SegmentSplit';
}

/**
 * @param at where in the file the second part begins
 * @param baseOffset of the second part
 */
export async function splitSegment(
  { environment, files }: LogResources,
  segment: Segment,
  at: number,
  baseOffset: number,
): Promise<void> {
  const { disk, log } = environment;
  const { folder, logPath } = segment;
  const source = await disk.open(logPath, 'read');
  const later = path.join(folder, segmentFileName(baseOffset, SUFFIX.log));
  try {
    const modifiedAtMs = (await disk.status(logPath))?.modifiedAtMs ?? 0;
    const sizeBytes = await source.sizeBytes();
    for (const { name, from, to } of [
      { name: later, from: at, to: sizeBytes },
      { name: logPath, from: 0, to: at },
    ]) {
      const cleaned = name + SUFFIX.cleaned;
      await disk.remove(cleaned);
      const part = await disk.open(cleaned, 'create');
      try {
        for (let position = from; position < to; position += SCAN_CHUNK_BYTES) {
          const piece = Buffer.allocUnsafe(Math.min(SCAN_CHUNK_BYTES, to - position));
          await source.read(piece, position);
          await part.write([piece], position - from);
        }
        await part.sync();
      } finally {
        await part.close();
      }
      await disk.setModifiedTime(cleaned, modifiedAtMs);
    }
  } finally {
    await source.close();
  }
  await disk.syncDirectory(folder);
  for (const name of [later, logPath]) await disk.rename(name + SUFFIX.cleaned, name + SUFFIX.swap);
  await disk.syncDirectory(folder);
  files.drop(logPath);
  log.warn('split a segment whose offsets are too far apart for its indexes', {
    file: logPath,
    atOffset: baseOffset,
  });
}
