/**
 * One compaction of one log, from the first dirty offset as far as the table of keys reaches: the keys
 * are looked at, then group after group of segments is written anew and swapped in. After each swap
 * the log is whole; a pass that ends early has done less, never something wrong.
 */
import type { Workers } from '@odradek/runtime';
import { type Dirt, segmentsBetween } from '../../core/compaction/cleanable.ts';
import type { KeyTable } from '../../core/compaction/key-offsets.ts';
import { groupSegments } from '../../core/compaction/segment-groups.ts';
import { NO_TRACE, type TraceState } from '../../core/compaction/transaction-trace.ts';
import type { Segment } from '../segment.ts';
import type { LogCompaction } from './log-compaction.ts';
import {
  type CleanResult,
  cleanGroupTask,
  type IndexResult,
  indexKeysTask,
  type SourceSegment,
  type TaskLimits,
} from './tasks.ts';

export interface PassOptions {
  readonly workers: Workers;
  readonly limits: TaskLimits;
  /** Memory for the table of keys, in bytes. */
  readonly tableBytes: number;
  /** The share of it that may be used. */
  readonly loadFactor: number;
  /** For the hashes of keys. */
  readonly seed: number;
  readonly wallTimeMs: number;
  readonly signal: AbortSignal;
}

export interface PassResult {
  readonly startOffset: number;
  /** Up to here the log is compacted now. */
  readonly endOffset: number;
  /** All that was read, for the keys and for the records. */
  readonly bytesRead: number;
  /** What went in and what came out of the segments that were written anew. */
  readonly bytesBefore: number;
  readonly bytesAfter: number;
  readonly recordsBefore: number;
  readonly recordsAfter: number;
  /** Records without a key: such a topic should not have any. */
  readonly keylessRecords: number;
  /** How full the table of keys became, 0 to 1. */
  readonly tableUse: number;
}

/**
 * @throws CleaningEnded when the log was cut, moved or closed meanwhile
 * @throws LogDamaged when a batch is not sound
 * @throws KafkaError when the log cannot be had any more; WorkerDied, WorkersBusy
 */
export async function compactLog(
  log: LogCompaction,
  dirt: Dirt,
  options: PassOptions,
): Promise<PassResult> {
  const pass = new Pass(log, dirt, options);
  return pass.run();
}

class Pass {
  readonly #log: LogCompaction;
  readonly #dirt: Dirt;
  readonly #options: PassOptions;
  #trace: TraceState = NO_TRACE;
  #bytesRead = 0;
  #bytesBefore = 0;
  #bytesAfter = 0;
  #recordsBefore = 0;
  #recordsAfter = 0;
  #keylessRecords = 0;

  constructor(log: LogCompaction, dirt: Dirt, options: PassOptions) {
    this.#log = log;
    this.#dirt = dirt;
    this.#options = options;
  }

  async run(): Promise<PassResult> {
    const { firstDirtyOffset, firstUncleanableOffset } = this.#dirt;
    await this.#log.settled(firstUncleanableOffset);
    const all = this.#log.segments;
    const indexed = await this.#indexKeys(
      segmentsBetween(all, firstDirtyOffset, firstUncleanableOffset),
    );
    const endOffset = Math.max(firstDirtyOffset, indexed.table.latestOffset + 1);
    const oldTombstonesKeptAfterMs = await this.#oldTombstonesKeptAfter(all);
    let { table } = indexed;
    for (const group of this.#groups(all, endOffset)) {
      table = await this.#cleanGroup(group, table, oldTombstonesKeptAfterMs);
    }
    return {
      startOffset: firstDirtyOffset,
      endOffset,
      bytesRead: this.#bytesRead,
      bytesBefore: this.#bytesBefore,
      bytesAfter: this.#bytesAfter,
      recordsBefore: this.#recordsBefore,
      recordsAfter: this.#recordsAfter,
      keylessRecords: this.#keylessRecords,
      tableUse: indexed.utilization,
    };
  }

  async #indexKeys(dirty: readonly Segment[]): Promise<IndexResult> {
    const { workers, limits, tableBytes, loadFactor, seed, signal } = this.#options;
    const { firstDirtyOffset, firstUncleanableOffset } = this.#dirt;
    const job = {
      folder: this.#log.folder,
      limits,
      segments: dirty.map(sourceOf),
      firstDirtyOffset,
      endOffset: firstUncleanableOffset,
      aborted: await this.#log.abortedIn(firstDirtyOffset, firstUncleanableOffset),
      table: {
        memoryBytes: tableBytes,
        loadFactor,
        keysMax: firstUncleanableOffset - firstDirtyOffset,
        seed,
      },
    };
    const result = await this.#log.onSources(dirty, signal, () =>
      workers.run(indexKeysTask, job, { kind: 'long', signal }),
    );
    this.#bytesRead += result.bytesRead;
    return result;
  }

  /** Magic 0 and 1 have no horizon: a tombstone stays for as long as its file is younger than the newest one that was clean. */
  async #oldTombstonesKeptAfter(all: readonly Segment[]): Promise<number> {
    const lastClean = all.findLast(({ baseOffset }) => baseOffset < this.#dirt.firstDirtyOffset);
    if (lastClean === undefined) return 0;
    return (await this.#log.changedAt(lastClean)) - this.#log.config.deleteRetentionMs;
  }

  #groups(all: readonly Segment[], endOffset: number): readonly (readonly Segment[])[] {
    const { segmentBytes, segmentIndexBytes } = this.#log.config;
    const sources = all
      .filter(({ baseOffset }) => baseOffset < endOffset)
      .map((segment) => ({
        segment,
        ...sourceOf(segment),
        offsetIndexBytes: bytesIn(segment.offsetIndex.entries),
        timeIndexBytes: bytesIn(segment.timeIndex.entries),
      }));
    const limits = {
      segmentBytes,
      segmentIndexBytes,
      endOffset: this.#dirt.firstUncleanableOffset,
    };
    return groupSegments(sources, limits).map((group) => group.map(({ segment }) => segment));
  }

  async #cleanGroup(
    group: readonly Segment[],
    table: KeyTable,
    oldTombstonesKeptAfterMs: number,
  ): Promise<KeyTable> {
    const { workers, limits, wallTimeMs, signal } = this.#options;
    const log = this.#log;
    const from = group[0]?.baseOffset ?? 0;
    const job = {
      folder: log.folder,
      limits,
      segments: group.map(sourceOf),
      table,
      aborted: await log.abortedIn(from, group.at(-1)?.nextOffset ?? from),
      trace: this.#trace,
      lastRecords: log.lastRecords(),
      wallTimeMs,
      deleteRetentionMs: log.config.deleteRetentionMs,
      oldTombstonesKeptAfterMs,
      endOffset: this.#dirt.firstUncleanableOffset,
      indexIntervalBytes: log.config.indexIntervalBytes,
    };
    const result = await log.onSources(group, signal, () =>
      workers.run(cleanGroupTask, job, { kind: 'long', transfer: [table.memory], signal }),
    );
    await log.replace(group, result.cleaned, signal);
    this.#trace = result.trace;
    this.#count(group, result);
    return result.table;
  }

  #count(group: readonly Segment[], result: CleanResult): void {
    for (const { sizeBytes } of group) this.#bytesBefore += sizeBytes;
    this.#bytesRead += result.bytesRead;
    this.#bytesAfter += result.bytesWritten;
    this.#recordsBefore += result.recordsRead;
    this.#recordsAfter += result.recordsKept;
    this.#keylessRecords += result.keylessRecords;
  }
}

function sourceOf({ baseOffset, sizeBytes }: Segment): SourceSegment {
  return { baseOffset, sizeBytes };
}

function bytesIn({ count, entryBytes }: { count: number; entryBytes: number }): number {
  return count * entryBytes;
}
