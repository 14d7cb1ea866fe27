/**
 * Cutting the end of a log off, as a follower does with what the leader does not have.
 *
 * The caller has stopped appends and waited for writes. Log files first, then what is derived
 * from them; a crash in between leaves a longer or a shorter log, either of which recovery settles.
 * A batch is never split: one that reaches past the offset goes as a whole.
 */
import { baseOffset, RECORD_BATCH_OVERHEAD } from '@odradek/protocol';
import { ProducerStates } from '../core/producer-state/producer-states.ts';
import { BATCH_PREFIX_BYTES, factsOf } from './batches.ts';
import { createSegmentFiles, jitterOf } from './log-loader.ts';
import type { LogResources } from './log-resources.ts';
import type { LogParts } from './log-state.ts';
import { replayProducers } from './recovery.ts';
import { retireSegments } from './retire.ts';
import { scanBatches } from './scan.ts';
import { Segment } from './segment.ts';

/** Removes everything from the batch that holds `offset` on. */
export async function truncateLog(parts: LogParts, offset: number): Promise<void> {
  const { state, resources } = parts;
  if (offset < state.segments.first.baseOffset) return restartLog(parts, offset);
  const removed = state.segments.removeFrom(offset + 1);
  await retireSegments(resources, removed, state.config.fileDeleteDelayMs);
  // Were one of them back after a crash, and this one cut, the log would have a hole.
  if (removed.length > 0) await resources.environment.disk.syncDirectory(state.folder);
  const endOffset = await truncateActive(parts, state.segments.active, offset);
  state.epochs.truncateEnd(endOffset);
  await state.snapshots.removeWhere((at) => at > endOffset);
  state.producers = await producersAt(parts, endOffset);
  settle(parts, endOffset);
}

/** Removes everything and goes on at `offset`, as if the log had been trimmed up to there. */
export async function restartLog(parts: LogParts, offset: number): Promise<void> {
  const { state, resources } = parts;
  const { config, folder } = state;
  const createdAtMs = resources.environment.clock.wallTime();
  const jitterMs = jitterOf(resources, config);
  const fresh = new Segment({ folder, baseOffset: offset, createdAtMs, jitterMs });
  // Memory first: from here on readers find an empty log instead of files that are on their way out.
  const removed = state.segments.replaceAll(fresh);
  state.epochs.clear();
  state.producers = new ProducerStates();
  state.logStartOffset = offset;
  settle(parts, offset);
  await retireSegments(resources, removed, config.fileDeleteDelayMs);
  await state.snapshots.removeWhere(() => true);
  // As above: what was must be gone for good before there is something far behind it.
  await resources.environment.disk.syncDirectory(folder);
  await createSegmentFiles(resources, fresh, config);
}

/** @returns where the log ends now */
async function truncateActive(
  { resources, reader }: LogParts,
  active: Segment,
  offset: number,
): Promise<number> {
  const position = await reader.locate(active, offset);
  if (position === null) return Math.min(offset, active.nextOffset);
  const endOffset = await resources.files.use(active.logPath, async (file) => {
    const prefix = Buffer.alloc(BATCH_PREFIX_BYTES);
    await file.read(prefix, position);
    await file.truncate(position);
    return Math.min(offset, baseOffset(prefix, 0));
  });
  active.truncated(position, endOffset);
  await refreshAge(resources, active);
  await truncateIndexes(resources, active, endOffset);
  await findMaxTimestamp(resources, active);
  return endOffset;
}

/** What tells when to roll: an emptied segment begins anew, one that is active again must know how old it is. */
async function refreshAge({ environment, files }: LogResources, segment: Segment): Promise<void> {
  if (segment.sizeBytes === 0) segment.createdAtMs = environment.clock.wallTime();
  else if (segment.firstTimestamp < 0) {
    const header = Buffer.alloc(RECORD_BATCH_OVERHEAD); // One of an old format may be shorter.
    await files.read(segment.logPath, (file) => file.read(header, 0));
    segment.firstTimestamp = factsOf(header, 0).maxTimestamp;
  }
}

async function truncateIndexes(
  { files, indexes }: LogResources,
  segment: Segment,
  endOffset: number,
): Promise<void> {
  for (const index of [segment.offsetIndex, segment.timeIndex]) {
    index.truncate(await indexes.get(index.entries), endOffset);
    await files.use(index.entries.path, (file) => index.entries.cutFile(file));
  }
  await segment.transactionIndex?.truncate(files, endOffset);
}

/** The time index knows the largest timestamp up to its last entry; what follows is looked at. */
async function findMaxTimestamp({ files, indexes }: LogResources, segment: Segment): Promise<void> {
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

async function producersAt(
  { state, resources }: LogParts,
  endOffset: number,
): Promise<ProducerStates> {
  const latest = await state.snapshots.latestUpTo(endOffset);
  const producers = latest?.producers ?? new ProducerStates();
  const from = Math.max(latest?.offset ?? 0, state.logStartOffset);
  for (const segment of state.segments.all) {
    if (segment.nextOffset > from) await replayProducers(resources, segment, from, producers);
  }
  return producers;
}

function settle({ state, resources, reader }: LogParts, endOffset: number): void {
  state.generation += 1;
  resources.tails.clear(state.tail);
  reader.forgetPlaces();
  state.logEndOffset = endOffset;
  state.nextOffset = endOffset;
  state.logStartOffset = Math.min(state.logStartOffset, endOffset);
  state.recoveryPoint = Math.min(state.recoveryPoint, endOffset);
  state.highWatermark = Math.min(Math.max(state.highWatermark, state.logStartOffset), endOffset);
  // Transactions that were replayed count as settled where they were before.
  state.producers.passHighWatermark(state.highWatermark);
}
