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
import { findMaxTimestamp } from './max-timestamp.ts';
import { replayProducers } from './recovery.ts';
import { retireSegments } from './retire.ts';
import { Segment } from './segment.ts';

/** Removes everything from the batch that holds `offset` on. */
export async function truncateLog(parts: LogParts, offset: number): Promise<void> {
  const { state, resources } = parts;
  if (offset < state.segments.first.baseOffset) return restartLog(parts, offset);
  const end = await findEnd(parts, offset);
  await promiseLess(parts, end.offset);
  const removed = state.segments.removeFrom(offset + 1);
  // The last one first: where names are kept in order, a loss of power leaves no hole.
  await retireSegments(resources, removed.toReversed(), state.config.fileDeleteDelayMs);
  // Were one of them back after a crash, and this one cut, the log would have a hole.
  if (removed.length > 0) await resources.environment.disk.syncDirectory(state.folder);
  if (end.position !== null) await cutActive(parts, end.position, end.offset);
  state.epochs.truncateEnd(end.offset);
  await state.snapshots.removeWhere((at) => at > end.offset);
  state.producers = await producersAt(parts, end.offset);
  settle(parts, end.offset);
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
  // Nothing of what is on the medium by now is worth being believed.
  state.recoveryPoint = Math.min(state.recoveryPoint, 0);
  await parts.checkpoint();
  await retireSegments(resources, removed, config.fileDeleteDelayMs);
  await state.snapshots.removeWhere(() => true);
  // As above: what was must be gone for good before there is something far behind it.
  await resources.environment.disk.syncDirectory(folder);
  await createSegmentFiles(resources, fresh, config);
}

/** Where a log ends from which everything behind `offset` goes. */
interface NewEnd {
  readonly offset: number;
  /** Where the segment is to be cut; null when it stays whole. */
  readonly position: number | null;
}

async function findEnd({ state, resources, reader }: LogParts, offset: number): Promise<NewEnd> {
  const segment = state.segments.at(state.segments.indexOf(offset)) ?? state.segments.first;
  const position = await reader.locate(segment, offset);
  if (position === null) return { offset: Math.min(offset, segment.nextOffset), position };
  const prefix = Buffer.alloc(BATCH_PREFIX_BYTES);
  await resources.files.read(segment.logPath, (file) => file.read(prefix, position));
  return { offset: Math.min(offset, baseOffset(prefix, 0)), position };
}

/**
 * Takes back, on the medium, what checkpoints say of offsets that are about to be cut: they would be
 * believed of the batches that come to stand there next. First this, then the cut; a crash in between
 * costs a longer recovery.
 */
async function promiseLess({ state, checkpoint }: LogParts, endOffset: number): Promise<void> {
  state.generation += 1; // A flush that is under way must not raise the recovery point again.
  // Back to the start of the segment: until it is flushed again, its file may get its old length back.
  const base = state.segments.at(state.segments.indexOf(endOffset))?.baseOffset ?? 0;
  if (base >= state.recoveryPoint && endOffset >= state.logStartOffset) return;
  state.recoveryPoint = Math.min(state.recoveryPoint, base);
  state.logStartOffset = Math.min(state.logStartOffset, endOffset);
  await checkpoint();
}

async function cutActive(
  { resources, state }: LogParts,
  position: number,
  endOffset: number,
): Promise<void> {
  const { active } = state.segments;
  await resources.files.use(active.logPath, (file) => file.truncate(position));
  active.truncated(position, endOffset);
  await refreshAge(resources, active);
  await truncateIndexes(resources, active, endOffset);
  await findMaxTimestamp(resources, active);
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
  segment.hasLooseIndexes = true; // Else what was cut off may be back once the segment is believed.
  await segment.transactionIndex?.truncate(files, endOffset);
}

async function producersAt(
  { state, resources }: LogParts,
  endOffset: number,
): Promise<ProducerStates> {
  const latest = await state.snapshots.latestUpTo(endOffset);
  const producers = latest?.producers ?? new ProducerStates();
  const from = latest?.offset ?? 0;
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
