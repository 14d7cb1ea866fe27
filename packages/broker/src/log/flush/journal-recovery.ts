/**
 * What an unclean stop left in the flush journal, and how a log gets back what its segments lack.
 *
 * Groups that matter are numbered without a gap, up to the last one that is whole: what comes
 * behind it was never acknowledged. A group that is missing or broken before that is damage, which
 * is told. Of each log only frames of its newest incarnation count. They are appended where they
 * continue the log: by offset, and with a leader epoch that is not older than what is there.
 */
import { baseOffset } from '@odradek/protocol';
import type { DiskFile, Environment } from '@odradek/runtime';
import { factsOf } from '../batches.ts';
import { partitionKey } from '../checkpoint-file.ts';
import type { LeaderEpochs } from '../leader-epochs.ts';
import { soundBatch } from '../scan.ts';
import { journalFiles, removeJournal } from './journal.ts';
import {
  type FoundFrame,
  type FoundGroup,
  findGroups,
  type GroupHead,
  JOURNAL_ID_BYTES,
} from './journal-format.ts';

/** A frame that matters, and where its batches lie. */
interface LeftFrame extends FoundFrame {
  readonly file: string;
}

interface LeftGroup {
  readonly file: string;
  readonly group: FoundGroup;
}

/** Where the last segment of a log ends. */
export interface SegmentEnd {
  readonly file: DiskFile;
  readonly position: number;
  readonly nextOffset: number;
  readonly epochs: LeaderEpochs;
}

/** A log that was loaded. */
export interface RestoredLog {
  readonly topic: string;
  readonly partition: number;
  readonly logEndOffset: number;
}

/** Appends to a segment what it lacks. @returns the bytes appended */
export type RestoreTail = (end: SegmentEnd) => Promise<number>;

export class LeftJournal {
  readonly #environment: Environment;
  readonly #directory: string;
  readonly #newest: Pick<GroupHead, 'journalId' | 'number'>;
  readonly #framesOf: ReadonlyMap<string, readonly LeftFrame[]>;

  private constructor(
    environment: Environment,
    directory: string,
    newest: Pick<GroupHead, 'journalId' | 'number'>,
    framesOf: ReadonlyMap<string, readonly LeftFrame[]>,
  ) {
    this.#environment = environment;
    this.#directory = directory;
    this.#newest = newest;
    this.#framesOf = framesOf;
  }

  /**
   * Reads the journal of a directory; null when there is none.
   * @param cleanShutdown an orderly stop of ours leaves no journal: what is there is older than what
   *   somebody else has done to the directory since, and is left out
   */
  static async read(
    environment: Environment,
    directory: string,
    cleanShutdown: boolean,
  ): Promise<LeftJournal | null> {
    const files = await journalFiles(environment, directory);
    if (files.length === 0) return null;
    const groups: LeftGroup[] = [];
    for (const file of files) {
      const content = (await environment.disk.readFile(file)) ?? Buffer.alloc(0);
      for (const group of findGroups(content)) groups.push({ file, group });
    }
    const newest = newestWhole(groups);
    const seen = {
      journalId: newest?.journalId ?? Buffer.alloc(JOURNAL_ID_BYTES),
      number: Math.max(0, ...groups.map(({ group }) => group.number)), // One that is torn too.
    };
    if (cleanShutdown) {
      environment.log.warn('a flush journal from before the last orderly stop is left out', {
        directory,
      });
    }
    if (newest === null || cleanShutdown) {
      return new LeftJournal(environment, directory, seen, new Map());
    }
    const live = groupsThatMatter(groups, newest, (damage) =>
      environment.log.error('the flush journal is damaged', { directory, ...damage }),
    );
    return new LeftJournal(environment, directory, seen, newestFrames(live));
  }

  /** What a log may get back, for its loader; null when there is nothing of it here. */
  restorerOf(topic: string, partition: number): RestoreTail | null {
    const frames = this.#framesOf.get(partitionKey(topic, partition));
    return frames === undefined ? null : (end) => this.#restore(frames, end);
  }

  /** Tells of records that were acknowledged and are in no segment: all logs of the directory are loaded. */
  tellOfLosses(logs: readonly RestoredLog[]): void {
    for (const { topic, partition, logEndOffset } of logs) {
      const endOffset = this.#framesOf.get(partitionKey(topic, partition))?.at(-1)?.endOffset ?? 0;
      if (logEndOffset >= endOffset) continue;
      this.#environment.log.error('flushed records could not be restored', {
        directory: this.#directory,
        partition: partitionKey(topic, partition),
        logEndOffset,
        flushedThrough: endOffset,
      });
    }
  }

  /** Everything is in segments that are on the medium. */
  remove(): Promise<void> {
    return removeJournal(this.#environment, this.#directory, this.#newest);
  }

  async #restore(frames: readonly LeftFrame[], end: SegmentEnd): Promise<number> {
    let { nextOffset, position } = end;
    for (const frame of frames) {
      if (frame.endOffset <= nextOffset || frame.previousEnd > nextOffset) continue;
      const missing = missingBatches(await this.#batchesOf(frame), nextOffset, end);
      if (missing.bytes.length === 0) continue;
      await end.file.write([missing.bytes], position);
      position += missing.bytes.length;
      nextOffset = missing.nextOffset;
    }
    const restoredBytes = position - end.position;
    // Also what is there need not be on the medium: only the process may have come to an end.
    await end.file.sync();
    if (restoredBytes === 0) return 0;
    this.#environment.log.info('restored records from the flush journal', {
      file: end.file.path,
      bytes: restoredBytes,
      fromOffset: end.nextOffset,
      logEndOffset: nextOffset,
    });
    return restoredBytes;
  }

  async #batchesOf({ file, batchesAt, batchesBytes }: LeftFrame): Promise<Buffer> {
    const open = await this.#environment.disk.open(file, 'read');
    try {
      const bytes = Buffer.alloc(batchesBytes);
      return bytes.subarray(0, await open.read(bytes, batchesAt));
    } finally {
      await open.close();
    }
  }
}

interface Damage {
  readonly group: number;
  readonly file?: string;
  readonly position?: number;
}

/** The newest group of which everything is there. */
function newestWhole(groups: readonly LeftGroup[]): FoundGroup | null {
  return groups.reduce<FoundGroup | null>(
    (best, { group }) =>
      group.isWhole && (best === null || group.number > best.number) ? group : best,
    null,
  );
}

/** The groups between the oldest that matters and the newest that is whole, in order. */
function groupsThatMatter(
  groups: readonly LeftGroup[],
  newest: FoundGroup,
  report: (damage: Damage) => void,
): LeftGroup[] {
  const byNumber = new Map<number, LeftGroup>();
  for (const left of groups) {
    if (left.group.journalId.equals(newest.journalId)) byNumber.set(left.group.number, left);
  }
  const live: LeftGroup[] = [];
  for (let number = Math.max(1, newest.oldestLive); number <= newest.number; number++) {
    const left = byNumber.get(number);
    if (left !== undefined) live.push(left);
    if (left?.group.isWhole) continue;
    report({
      group: number,
      ...(left === undefined ? {} : { file: left.file, position: left.group.position }),
    });
  }
  return live;
}

/** Frames with batches, by log, in order; of each log those of its newest incarnation. */
function newestFrames(groups: readonly LeftGroup[]): Map<string, LeftFrame[]> {
  const newest = new Map<string, number>();
  const framesOf = new Map<string, LeftFrame[]>();
  for (const { file, group } of groups) {
    for (const frame of group.frames) {
      const key = partitionKey(frame.topic, frame.partition);
      const incarnation = newest.get(key) ?? 0;
      if (frame.incarnation < incarnation) continue;
      if (frame.incarnation > incarnation) framesOf.delete(key);
      newest.set(key, frame.incarnation);
      if (frame.kind === 'cut') continue;
      const frames = framesOf.get(key) ?? [];
      frames.push({ ...frame, file });
      framesOf.set(key, frames);
    }
  }
  return framesOf;
}

/** Of the batches of a frame those that continue a log that ends at `nextOffset`. */
function missingBatches(
  batches: Buffer,
  nextOffset: number,
  { epochs }: SegmentEnd,
): { readonly bytes: Buffer; readonly nextOffset: number } {
  let from: number | null = null;
  let at = 0;
  let end = nextOffset;
  while (at < batches.length) {
    const facts = soundBatch(batches, at, true);
    if (typeof facts === 'string') break;
    if (baseOffset(batches, at) >= end) {
      const isStale =
        facts.leaderEpoch >= 0 && facts.leaderEpoch < epochs.epochOf(facts.firstOffset);
      if (isStale) break;
      from ??= at;
      end = facts.lastOffset + 1;
    } else if (factsOf(batches, at).lastOffset >= end) break; // Across the end: not of this log.
    at += facts.sizeBytes;
  }
  return { bytes: from === null ? Buffer.alloc(0) : batches.subarray(from, at), nextOffset: end };
}
