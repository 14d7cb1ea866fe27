/**
 * What of a compaction is done in a worker thread: looking at the keys of what is dirty, and writing a
 * group of segments anew. Each is one task on plain data; between them, and for putting the new
 * segment in the place of the old ones, the event loop decides (compaction-pass.ts).
 *
 * A task reads files that nobody writes any more, and writes files that nobody else knows of, which
 * it removes again when it does not finish. The table of keys moves along from task to task.
 */
import path from 'node:path';
import { zstdReady } from '@odradek/protocol';
import type { WorkerContext, WorkerTask } from '@odradek/runtime';
import { BatchFilter } from '../../core/compaction/batch-filter.ts';
import { indexBatch } from '../../core/compaction/index-keys.ts';
import { KeyOffsets, type KeyTable } from '../../core/compaction/key-offsets.ts';
import { type LastRecordColumns, lastRecordsOf } from '../../core/compaction/last-records.ts';
import { type TraceState, TransactionTrace } from '../../core/compaction/transaction-trace.ts';
import { SUFFIX, segmentFileName } from '../file-names.ts';
import { LogDamaged } from '../log-types.ts';
import {
  type AbortedTransaction,
  decodeAborted,
  TRANSACTION_ENTRY_BYTES,
} from '../transaction-index.ts';
import { CleanedSegment, type CleanedState } from './cleaned-segment.ts';
import { onSoundBatch } from './damage.ts';
import { ReadBuffer, readSegment } from './read-segment.ts';
import { Throttle } from './throttle.ts';

/** How a task may use the disk. */
export interface TaskLimits {
  /** Memory for reading, in bytes. */
  readonly bufferBytes: number;
  readonly bytesPerSecond: number;
}

export interface SourceSegment {
  readonly baseOffset: number;
  readonly sizeBytes: number;
}

export interface IndexJob {
  readonly folder: string;
  readonly limits: TaskLimits;
  /** Neighbours, oldest first. */
  readonly segments: readonly SourceSegment[];
  readonly firstDirtyOffset: number;
  /** Where the last of the segments ends. */
  readonly endOffset: number;
  /** Entries of transaction indexes, as they lie in a file. */
  readonly aborted: Uint8Array;
  readonly table: {
    readonly memoryBytes: number;
    readonly loadFactor: number;
    readonly keysMax: number;
    readonly seed: number;
  };
}

export interface IndexResult {
  readonly table: KeyTable;
  /** 0 to 1. */
  readonly utilization: number;
  readonly bytesRead: number;
}

export interface CleanJob {
  readonly folder: string;
  readonly limits: TaskLimits;
  /** What becomes one segment: neighbours, oldest first, at least one. */
  readonly segments: readonly SourceSegment[];
  readonly table: KeyTable;
  readonly aborted: Uint8Array;
  readonly trace: TraceState;
  readonly lastRecords: LastRecordColumns;
  readonly wallTimeMs: number;
  readonly deleteRetentionMs: number;
  /** Tombstones of magic 0 and 1 stay in files that were changed after this. */
  readonly oldTombstonesKeptAfterMs: number;
  /** Where the whole compaction ends. */
  readonly endOffset: number;
  readonly indexIntervalBytes: number;
}

export interface CleanResult {
  readonly table: KeyTable;
  readonly trace: TraceState;
  readonly cleaned: CleanedState;
  readonly bytesRead: number;
  readonly bytesWritten: number;
  readonly recordsRead: number;
  readonly recordsKept: number;
  readonly keylessRecords: number;
}

export const indexKeysTask: WorkerTask<IndexJob, IndexResult> = {
  module: import.meta.url,
  exportName: 'indexKeysTask',
  run: indexKeys,
  transfers: ({ table }) => [table.memory],
  errors: [LogDamaged],
};

export const cleanGroupTask: WorkerTask<CleanJob, CleanResult> = {
  module: import.meta.url,
  exportName: 'cleanGroupTask',
  run: cleanGroup,
  transfers: ({ table }) => [table.memory],
  errors: [LogDamaged],
};

async function indexKeys(job: IndexJob, context: WorkerContext): Promise<IndexResult> {
  await zstdReady; // Of this thread; batches are unfolded synchronously.
  const { memoryBytes, loadFactor, keysMax, seed } = job.table;
  const { firstDirtyOffset, segments } = job;
  const keys = KeyOffsets.sized(memoryBytes, loadFactor, keysMax, seed);
  const trace = new TransactionTrace(abortedIn(job.aborted));
  const indexing = { keys, trace, firstDirtyOffset };
  const buffer = new ReadBuffer(job.limits.bufferBytes);
  const throttle = new Throttle(context, job.limits.bytesPerSecond);
  let bytesRead = 0;
  let full = false;
  for (const [index, segment] of segments.entries()) {
    const file = logPath(job.folder, segment);
    await withFile(context, file, (open) =>
      readSegment(open, { from: 0, to: segment.sizeBytes }, buffer, {
        batch(facts, bytes, at) {
          full = !onSoundBatch(file, facts.firstOffset, () => indexBatch(indexing, bytes, at));
          return !full;
        },
        async pieceRead(sizeBytes) {
          bytesRead += sizeBytes;
          await throttle.took(sizeBytes, context.signal);
          context.signal.throwIfAborted();
        },
      }),
    );
    if (full) break;
    // What lies between the last batch and the next segment was compacted away.
    const end = segments[index + 1]?.baseOffset ?? job.endOffset;
    keys.latestOffset = Math.max(keys.latestOffset, end - 1);
  }
  return { table: keys.table(), utilization: keys.utilization, bytesRead };
}

async function cleanGroup(job: CleanJob, context: WorkerContext): Promise<CleanResult> {
  await zstdReady;
  const baseOffset = job.segments[0]?.baseOffset ?? 0;
  const output = await CleanedSegment.create(context.disk, job, baseOffset);
  try {
    return await fill(output, job, context);
  } catch (error) {
    await output.discard();
    throw error;
  }
}

async function fill(
  output: CleanedSegment,
  job: CleanJob,
  context: WorkerContext,
): Promise<CleanResult> {
  const keptMarkers: AbortedTransaction[] = [];
  const keys = new KeyOffsets(job.table);
  const trace = new TransactionTrace(abortedIn(job.aborted), job.trace, (transaction) =>
    keptMarkers.push(transaction),
  );
  const { wallTimeMs, deleteRetentionMs, endOffset } = job;
  const lastRecords = lastRecordsOf(job.lastRecords);
  const filter = new BatchFilter({
    keys,
    trace,
    lastRecords,
    wallTimeMs,
    deleteRetentionMs,
    endOffset,
  });
  const buffer = new ReadBuffer(job.limits.bufferBytes);
  const throttle = new Throttle(context, job.limits.bytesPerSecond);
  let bytesRead = 0;
  let modifiedAtMs = wallTimeMs;
  for (const segment of job.segments) {
    const file = logPath(job.folder, segment);
    modifiedAtMs = (await context.disk.status(file))?.modifiedAtMs ?? wallTimeMs;
    const keepOldTombstones = modifiedAtMs > job.oldTombstonesKeptAfterMs;
    await withFile(context, file, (open) =>
      readSegment(open, { from: 0, to: segment.sizeBytes }, buffer, {
        batch(facts, bytes, at) {
          output.follows(facts, file);
          const remains = onSoundBatch(file, facts.firstOffset, () =>
            filter.judge(bytes, at, keepOldTombstones),
          );
          if (remains === 'whole') output.keep(facts, bytes, at);
          else if (remains !== 'nothing') output.put(remains);
          return true;
        },
        async pieceRead(sizeBytes) {
          bytesRead += sizeBytes;
          const writtenBytes = await output.write();
          await throttle.took(sizeBytes + writtenBytes, context.signal);
          context.signal.throwIfAborted();
        },
      }),
    );
  }
  const cleaned = await output.finish(keptMarkers, modifiedAtMs);
  const { recordsRead, recordsKept, keylessRecords } = filter;
  return {
    table: keys.table(),
    trace: trace.state(),
    cleaned,
    bytesRead,
    bytesWritten: cleaned.sizeBytes,
    recordsRead,
    recordsKept,
    keylessRecords,
  };
}

function abortedIn(entries: Uint8Array): AbortedTransaction[] {
  const bytes = Buffer.from(entries.buffer, entries.byteOffset, entries.byteLength);
  const transactions: AbortedTransaction[] = [];
  for (let at = 0; at < bytes.length; at += TRANSACTION_ENTRY_BYTES) {
    transactions.push(decodeAborted(bytes, at));
  }
  return transactions;
}

function logPath(folder: string, { baseOffset }: SourceSegment): string {
  return path.join(folder, segmentFileName(baseOffset, SUFFIX.log));
}

async function withFile<T>(
  { disk }: WorkerContext,
  file: string,
  run: (open: Awaited<ReturnType<WorkerContext['disk']['open']>>) => Promise<T>,
): Promise<T> {
  const open = await disk.open(file, 'read');
  try {
    return await run(open);
  } finally {
    await open.close();
  }
}
