/**
 * Puts a compacted segment in the place of the segments that it was made of, beside appends and reads.
 *
 *   1. `.cleaned` becomes `.swap`, and that is made durable: from here on a start goes on with the new
 *      segment; with the old ones for as long as one `.cleaned` file is left.
 *   2. Memory changes, in one turn: readers find the new segment under its `.swap` names; who was
 *      reading the old ones reads again.
 *   3. The old files become `.deleted`, made durable before the next step: else a loss of power could
 *      leave an old segment beside the new one under its final name, and its records would be back.
 *   4. `.swap` falls off the names. Readers wait for those few renames.
 *
 * Old files stay for file.delete.delay.ms. What a start makes of each step is in log-loader.ts.
 */
import { SUFFIX } from '../file-names.ts';
import type { LogResources } from '../log-resources.ts';
import type { LogParts } from '../log-state.ts';
import { retireSegments } from '../retire.ts';
import { Segment } from '../segment.ts';
import { TransactionIndex } from '../transaction-index.ts';
import { type CleanedState, cleanedSegment, SEGMENT_FILES } from './cleaned-segment.ts';

/** @param sources neighbours in the log, oldest first, none of them active; checked by the caller */
export async function replaceSegments(
  parts: LogParts,
  sources: readonly Segment[],
  cleaned: CleanedState,
): Promise<void> {
  const { resources, state, reader } = parts;
  const { disk } = resources.environment;
  const { folder, segments, config, snapshots } = state;
  const last = sources.at(-1);
  if (last === undefined) return;
  const swapped = segmentOf(parts, cleaned, last, SUFFIX.swap);
  await renameFiles(resources, cleanedSegment(folder, cleaned.baseOffset), swapped);
  await disk.syncDirectory(folder);

  segments.replace(sources, swapped);
  state.rewrites += 1;
  state.generation += 1;
  reader.forgetPlaces();
  // What was appended lately may still be in memory as it was: with records that are gone from the
  // files, and of aborted transactions that nobody is told of any more.
  resources.tails.dropBelow(state.tail, last.nextOffset);

  await retireSegments(resources, sources, config.fileDeleteDelayMs);
  const merged = new Set(sources.slice(1).map(({ baseOffset }) => baseOffset));
  await snapshots.removeWhere((offset) => merged.has(offset));
  await disk.syncDirectory(folder);

  const final = segmentOf(parts, cleaned, last, '');
  await reader.holdingBack(async () => {
    swapped.removed = true; // Who syncs it in the background may find its files gone.
    for (const entries of swapped.indexEntries) resources.indexes.drop(entries);
    await renameFiles(resources, swapped, final);
    segments.replace([swapped], final);
    state.generation += 1;
    reader.forgetPlaces();
  });
  await disk.syncDirectory(folder);
}

/** The new segment, as it is called for the time being. */
function segmentOf(
  { state }: LogParts,
  cleaned: CleanedState,
  last: Segment,
  fileSuffix: string,
): Segment {
  const { baseOffset, abortedCount, lastAbortedOffset, ...known } = cleaned;
  const { createdAtMs, jitterMs, nextOffset } = last;
  const { folder } = state;
  const segment = new Segment(
    { folder, baseOffset, createdAtMs, jitterMs, fileSuffix },
    { ...known, nextOffset },
  );
  if (abortedCount > 0) {
    const path = segment.pathOf(SUFFIX.transactionIndex);
    segment.transactionIndex = new TransactionIndex(path, abortedCount, lastAbortedOffset);
  }
  return segment;
}

/** Renames the files that there are, the log first: a start completes the others of a log that has its final name. */
async function renameFiles(
  { environment, files }: LogResources,
  from: Segment,
  to: Segment,
): Promise<void> {
  for (const suffix of SEGMENT_FILES) {
    const path = from.pathOf(suffix);
    files.drop(path);
    if (suffix === SUFFIX.transactionIndex && (await environment.disk.status(path)) === null) {
      continue;
    }
    await environment.disk.rename(path, to.pathOf(suffix));
    files.drop(path); // Opened meanwhile: another file will have this name one day.
  }
}
