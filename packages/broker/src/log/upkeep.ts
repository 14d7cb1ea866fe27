/**
 * What a log needs besides appends and reads: new segments, its data forced to the medium, old
 * segments let go, an orderly end. Disk failures are thrown as they are; partition-log.ts makes the
 * directory go offline for them.
 */
import { DiskError } from '@odradek/runtime';
import { writeIndexes } from './append-queue.ts';
import { createSegmentFiles, jitterOf } from './log-loader.ts';
import type { LogResources } from './log-resources.ts';
import type { LogParts } from './log-state.ts';
import { ProducerSnapshots } from './producer-snapshots.ts';
import { expiredSegments, type RetentionDecision } from './retention.ts';
import { retireSegments } from './retire.ts';
import { Segment } from './segment.ts';

/**
 * Starts a new segment in memory, at once. Its files, and the end of the old one's, follow in the
 * queue, before the batches that go into it.
 * @param finished called when the old segment is all written: time to flush it, beside later writes
 */
export function rollSegment(
  { resources, state, queue, flush }: LogParts,
  baseOffset: number,
  finished: () => void,
): Segment {
  const { segments, snapshots, producers, config, folder } = state;
  const old = segments.active;
  old.finish();
  const snapshot = ProducerSnapshots.encode(producers);
  const createdAtMs = resources.environment.clock.wallTime();
  const jitterMs = jitterOf(resources, config);
  const segment = new Segment({ folder, baseOffset, createdAtMs, jitterMs });
  segments.add(segment);
  void queue.task(async () => {
    await writeIndexes(resources, old);
    if (config.preallocate) {
      // Believed with zeros behind its batches, a segment could not be compacted.
      old.hasLooseIndexes = true;
      await resources.files.use(old.logPath, (file) => file.truncate(old.writtenBytes));
      old.hasLooseIndexes = true; // As in writeIndexes.
    }
    await snapshots.write(baseOffset, snapshot);
    await flush.seal(old);
    await createSegmentFiles(resources, segment, config);
    finished();
  });
  return segment;
}

/**
 * Forces the files of all segments that hold offsets in [recoveryPoint, offset) to the medium. One at a
 * time: what one has set about, none that comes after it may take for done.
 * @param generation the log's when `offset` was taken from it
 */
export function syncBelow(parts: LogParts, offset: number, generation: number): Promise<void> {
  const { state } = parts;
  const syncing = state.lastSync.then(() => syncNow(parts, offset, generation));
  state.lastSync = syncing.catch(() => undefined);
  return syncing;
}

async function syncNow(
  { resources, state }: LogParts,
  offset: number,
  generation: number,
): Promise<void> {
  for (const segment of state.segments.all) {
    if (segment.baseOffset >= offset) continue;
    const isSynced = segment.nextOffset <= state.recoveryPoint;
    // A roll ends the time index of a segment that may have been flushed up to its end before.
    const { transactionIndex } = segment;
    if (isSynced && !segment.hasLooseIndexes && !transactionIndex?.isLoose) continue;
    segment.hasLooseIndexes = false;
    if (transactionIndex !== null) transactionIndex.isLoose = false;
    segment.isSyncing = true;
    try {
      for (const path of [segment.logPath, ...segment.indexPaths]) {
        await syncFile(resources, path);
      }
    } catch (error) {
      // What left the log meanwhile needs no flush.
      if (!(error instanceof DiskError && segment.removed)) throw error;
    } finally {
      segment.isSyncing = false;
    }
  }
  if (offset <= state.recoveryPoint && !state.snapshots.hasVolatile(offset)) return;
  await state.snapshots.makeLasting(offset);
  // After a truncation other batches may stand at these offsets by now, of which nothing is known.
  if (generation !== state.generation) return;
  state.recoveryPoint = Math.max(state.recoveryPoint, offset);
}

function syncFile({ files, syncs }: LogResources, path: string): Promise<void> {
  return syncs.run(() => files.read(path, (file) => file.sync()));
}

/** What retention asks of the log that it works on. */
export interface RetirementNeeds {
  /** See {@link rollSegment}'s `finished`. */
  readonly rolled: () => void;
  /** Forces everything below an offset to the medium, and moves the recovery point there. */
  readonly syncBelow: (offset: number) => Promise<void>;
}

/**
 * Applies retention.ms, retention.bytes and the log start to the oldest segments. What goes is on the
 * medium first: a loss of power may bring its names back, when the recovery point of later batches
 * says that it can be believed. Nearly always it was flushed long ago.
 */
export async function retireOldSegments(
  parts: LogParts,
  { rolled, syncBelow: forceBelow }: RetirementNeeds,
): Promise<RetentionDecision> {
  const { resources, state, reader, queue } = parts;
  const { segments } = state;
  const decision = await decideRetention(parts);
  if (decision.count === 0) return decision;
  if (decision.count >= segments.all.length) rollSegment(parts, state.nextOffset, rolled);
  const firstBase = segments.at(decision.count)?.baseOffset ?? state.nextOffset;
  await queue.task(() => Promise.resolve()); // What a roll has still to write to them.
  await forceBelow(firstBase);
  const removed = segments.removeFirst(decision.count);
  reader.forgetPlaces();
  state.logStartOffset = Math.max(state.logStartOffset, firstBase);
  state.highWatermark = Math.max(state.highWatermark, firstBase);
  state.epochs.truncateStart(state.logStartOffset);
  await queue.task(async () => {
    await retireSegments(resources, removed, state.config.fileDeleteDelayMs);
    await state.snapshots.removeWhere((offset) => offset < firstBase);
  });
  return decision;
}

/**
 * The decision about the segments as they are. Of a segment without timestamps the file's time of change counts,
 * and is asked for only when it is that segment's turn: nearly all logs are looked at without a system call.
 */
async function decideRetention({ resources, state }: LogParts): Promise<RetentionDecision> {
  const { clock, disk } = resources.environment;
  const changedAtMs = new Map<Segment, number>();
  for (;;) {
    const wallTimeMs = clock.wallTime();
    const segments = state.segments.all;
    const decision = expiredSegments({
      segments: segments.map((segment, index) => ({
        endOffset: segments[index + 1]?.baseOffset ?? segment.nextOffset,
        sizeBytes: segment.sizeBytes,
        youngestMs:
          segment.maxTimestamp >= 0
            ? segment.maxTimestamp
            : (changedAtMs.get(segment) ?? wallTimeMs), // Not known: too young to go.
      })),
      logStartOffset: state.logStartOffset,
      highWatermark: state.highWatermark,
      config: state.config,
      wallTimeMs,
    });
    const stays = segments[decision.count];
    if (stays === undefined || stays.maxTimestamp >= 0 || changedAtMs.has(stays)) return decision;
    // Others than the last are empty where compaction has left nothing.
    if ((stays.sizeBytes === 0 && stays === segments.at(-1)) || state.config.retentionMs < 0)
      return decision;
    const status = await disk.status(stays.logPath);
    changedAtMs.set(stays, status?.modifiedAtMs ?? stays.createdAtMs);
  }
}

/** Leaves the folder so that the next start has nothing to repair. Appends have stopped. */
export async function finishLog(parts: LogParts): Promise<void> {
  const { resources, state } = parts;
  const { segments, snapshots, producers, nextOffset } = state;
  const { active } = segments;
  if (active.sizeBytes > 0) active.finish();
  await writeIndexes(resources, active);
  if (state.config.preallocate) {
    await resources.files.use(active.logPath, (file) => file.truncate(active.writtenBytes));
  }
  const noted = snapshots.offsets.at(-1);
  const wanted = producers.size > 0 || noted !== undefined;
  if (wanted && noted !== nextOffset) {
    await snapshots.write(nextOffset, ProducerSnapshots.encode(producers));
  }
  await syncBelow(parts, nextOffset, state.generation);
}
