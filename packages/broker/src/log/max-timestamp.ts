/**
 * The largest timestamp of a segment whose time index may not tell it: the index knows it up to its last
 * entry, what follows is looked at.
 */
import type { LogResources } from './log-resources.ts';
import { scanBatches } from './scan.ts';
import type { Segment } from './segment.ts';

export async function findMaxTimestamp(
  { files, indexes }: LogResources,
  segment: Segment,
): Promise<void> {
  const { last } = segment.timeIndex;
  segment.maxTimestamp = last?.timestamp ?? -1;
  segment.offsetOfMaxTimestamp = last?.offset ?? -1;
  const resident = await indexes.get(segment.offsetIndex.entries);
  const from = last === null ? 0 : segment.offsetIndex.floor(resident, last.offset).position;
  await files.read(segment.logPath, (file) =>
    scanBatches(file, { from, to: segment.sizeBytes, verify: false }, (batch) => {
      if (batch.maxTimestamp > segment.maxTimestamp) {
        segment.maxTimestamp = batch.maxTimestamp;
        segment.offsetOfMaxTimestamp = batch.lastOffset;
      }
      return true;
    }),
  );
}
