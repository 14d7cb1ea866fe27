/**
 * Recovery of segments after a crash: every batch is read and checked, the file is cut at the first
 * one that is not whole and sound, and whatever is derived from batches is built anew: the indexes,
 * producer state, leader epochs.
 *
 * Which segments need it, and what happens to those behind a cut, is log-loader.ts's decision.
 */
import type { ProducerStates } from '../core/producer-state/producer-states.ts';
import { writeIndexes } from './append-queue.ts';
import { producerBatchOf } from './batches.ts';
import type { RestoreTail } from './flush/journal-recovery.ts';
import type { LeaderEpochs } from './leader-epochs.ts';
import type { LogConfig } from './log-config.ts';
import type { LogResources } from './log-resources.ts';
import { readIfThere } from './read-if-there.ts';
import { scanBatches, type VisitBatch } from './scan.ts';
import { Segment, type SegmentOptions } from './segment.ts';
import { SegmentSplit, splitSegment } from './split-segment.ts';
import { type AbortedTransaction, noteBatch } from './transaction-index.ts';

export interface RecoveredSegment {
  readonly segment: Segment;
  /** Bytes that were cut off; what follows this segment is then lost as well. */
  readonly cutBytes: number;
}

export interface DerivedState {
  readonly producers: ProducerStates;
  readonly epochs: LeaderEpochs;
}

/** How a segment may end that is recovered. */
export interface SegmentTail {
  /** What may be appended; null for nothing. */
  readonly restore: RestoreTail | null;
  /**
   * Base of the segment behind it. What stands at these offsets in this one is of a way that the log
   * left: it was cut, and came back with the length of the file.
   */
  readonly offsetLimit: number;
  /** Whether what is too far behind the base becomes a segment of its own; else it is cut, as damaged. */
  readonly splits: boolean;
}

/**
 * Recovers one segment, feeding `state` with its batches. Its transaction index is not there any more.
 * @throws SegmentSplit when it has become two: all that was gathered of the log is worth nothing then
 */
export async function recoverSegment(
  resources: LogResources,
  options: SegmentOptions,
  config: LogConfig,
  state: DerivedState,
  { restore, offsetLimit, splits }: SegmentTail,
): Promise<RecoveredSegment> {
  const segment = new Segment(options);
  const { files } = resources;
  let aborted: AbortedTransaction[] = [];
  /** With each piece that was read, so that a segment full of them needs no memory. */
  const saveAborted = async (): Promise<void> => {
    if (aborted.length > 0) await segment.needTransactionIndex().append(files, aborted);
    aborted = [];
  };
  let foundBytes = 0;
  let splitOffset: number | null = null;
  const soundBytes = await files.use(segment.logPath, async (file) => {
    foundBytes = await file.sizeBytes();
    const visit: VisitBatch = (facts, buffer, at) => {
      if (facts.firstOffset < segment.nextOffset) return false;
      if (facts.lastOffset >= offsetLimit) return false;
      if (!segment.covers(facts.lastOffset)) {
        if (splits && segment.sizeBytes > 0) splitOffset = facts.firstOffset;
        return false;
      }
      segment.append(facts, config.indexIntervalBytes);
      noteEpoch(state.epochs, facts.leaderEpoch, facts.firstOffset);
      const batch = producerBatchOf(buffer, at);
      const transaction = batch === null ? null : noteBatch(state.producers, batch);
      if (transaction !== null) aborted.push(transaction);
      return true;
    };
    const end = await scanBatches(
      file,
      { from: 0, to: foundBytes, verify: true, between: saveAborted },
      visit,
    );
    if (splitOffset !== null) return end;
    if (end < foundBytes) await file.truncate(end);
    if (restore === null) return end;
    const { nextOffset } = segment;
    const { epochs } = state;
    const to = end + (await restore({ file, position: end, nextOffset, epochs }));
    await scanBatches(file, { from: end, to, verify: true, between: saveAborted }, visit);
    return end;
  });
  if (splitOffset !== null) {
    await splitSegment(resources, segment, soundBytes, splitOffset);
    throw new SegmentSplit();
  }
  segment.finish();
  segment.writtenBytes = segment.sizeBytes;
  // Also where they are found right: who was killed may have left them to the system alone.
  segment.hasLooseIndexes = true;
  await rewriteIndexes(resources, segment);
  return { segment, cutBytes: foundBytes - soundBytes };
}

/** Replays the batches of a sound segment from `offset` on into producer state. */
export async function replayProducers(
  resources: LogResources,
  segment: Segment,
  offset: number,
  producers: ProducerStates,
): Promise<void> {
  await resources.files.use(segment.logPath, (file) =>
    scanBatches(file, { from: 0, to: segment.writtenBytes, verify: false }, (facts, buffer, at) => {
      if (facts.lastOffset < offset) return true;
      const batch = producerBatchOf(buffer, at);
      if (batch !== null) producers.update(batch);
      return true;
    }),
  );
}

/** Notes only what is news: an epoch that the checkpoint knows keeps its start. */
function noteEpoch(epochs: LeaderEpochs, epoch: number, startOffset: number): void {
  if (epoch >= 0 && epoch > (epochs.latest ?? -1)) epochs.assign(epoch, startOffset);
}

/** Puts freshly built entries into the index files, whatever these held; most of the time they hold them already. */
async function rewriteIndexes(resources: LogResources, segment: Segment): Promise<void> {
  const { files, indexes } = resources;
  for (const entries of segment.indexEntries) {
    // One byte more than there should be tells whether there is more.
    const { disk } = resources.environment;
    const found = await readIfThere(disk, entries.path, entries.unwrittenBytes + 1);
    if (found !== null && entries.adopt(found)) continue;
    await files.use(entries.path, (file) => file.truncate(0));
  }
  await writeIndexes(resources, segment);
  indexes.grew(segment.offsetIndex.entries);
  indexes.grew(segment.timeIndex.entries);
}
