/**
 * Opens a partition's folder: finds its segments, completes or drops what was in flight when the
 * process ended, recovers what may be damaged, and gathers the state that a log starts with.
 *
 * After a clean stop files are believed: sizes, the last index entries and a snapshot at the end
 * are all that is read, so thousands of partitions open quickly. After anything else every segment
 * that reaches past the recovery point is recovered (recovery.ts).
 */
import path from 'node:path';
import { RECORD_BATCH_OVERHEAD } from '@odradek/protocol';
import { ProducerStates } from '../core/producer-state/producer-states.ts';
import { factsOf } from './batches.ts';
import { readEpochCheckpoint } from './checkpoint-file.ts';
import { LEADER_EPOCH_FILE, offsetOfFileName, SUFFIX } from './file-names.ts';
import { LeaderEpochs } from './leader-epochs.ts';
import type { LogConfig } from './log-config.ts';
import type { LogResources } from './log-resources.ts';
import { readTopicId } from './meta-properties.ts';
import { OffsetIndex } from './offset-index.ts';
import { ProducerSnapshots } from './producer-snapshots.ts';
import { recoverSegment, replayProducers } from './recovery.ts';
import { scanBatches } from './scan.ts';
import { Segment, type SegmentOptions, type SegmentState } from './segment.ts';
import { TimeIndex, type TimeIndexEntry } from './time-index.ts';

export interface LoadOptions {
  readonly folder: string;
  readonly config: LogConfig;
  /** The data directory was left by an orderly stop. */
  readonly cleanShutdown: boolean;
  /** Everything below was forced to the medium; 0 when unknown. */
  readonly recoveryPoint: number;
  /** From the checkpoint; 0 when it has no entry. */
  readonly logStartOffset: number;
}

/** What a log starts with. */
export interface LoadedLog {
  readonly topicId: string | null;
  readonly segments: readonly Segment[];
  readonly logStartOffset: number;
  readonly recoveryPoint: number;
  readonly epochs: LeaderEpochs;
  readonly producers: ProducerStates;
  readonly snapshots: ProducerSnapshots;
}

/** Names of the files that make up a segment besides its log. */
const SIDE_SUFFIXES = [SUFFIX.offsetIndex, SUFFIX.timeIndex, SUFFIX.transactionIndex];

export async function loadLog(resources: LogResources, options: LoadOptions): Promise<LoadedLog> {
  return new Loader(resources, options).load();
}

class Loader {
  readonly #resources: LogResources;
  readonly #options: LoadOptions;
  readonly #createdAtMs: number;
  readonly #names = new Set<string>();

  constructor(resources: LogResources, options: LoadOptions) {
    this.#resources = resources;
    this.#options = options;
    this.#createdAtMs = resources.environment.clock.wallTime();
  }

  async load(): Promise<LoadedLog> {
    const { folder, cleanShutdown } = this.#options;
    const { disk } = this.#resources.environment;
    await this.#settleFiles();
    const bases = this.#offsets(SUFFIX.log);
    const snapshots = new ProducerSnapshots(disk, folder, this.#offsets(SUFFIX.producerSnapshot));
    const epochs = new LeaderEpochs(
      await readEpochCheckpoint(disk, path.join(folder, LEADER_EPOCH_FILE)),
    );
    const { segments, producers } = await this.#openSegments(bases, snapshots, epochs);
    const logEndOffset = segments.at(-1)?.nextOffset ?? 0;
    epochs.truncateEnd(logEndOffset);
    await snapshots.removeWhere((offset) => offset > logEndOffset);
    await snapshots.removeStray(new Set(segments.map(({ baseOffset }) => baseOffset)));
    const firstBase = segments[0]?.baseOffset ?? 0;
    const loaded = {
      topicId: await readTopicId(disk, folder),
      epochs,
      snapshots,
    };
    if (logEndOffset < this.#options.logStartOffset) return this.#startAnew(segments, loaded);
    const logStartOffset = Math.max(this.#options.logStartOffset, firstBase);
    epochs.truncateStart(logStartOffset);
    return {
      ...loaded,
      segments,
      producers,
      logStartOffset,
      recoveryPoint: cleanShutdown
        ? logEndOffset
        : Math.min(Math.max(this.#options.recoveryPoint, firstBase), logEndOffset),
    };
  }

  /** Drops what was being removed or written when the process ended; finishes swaps of a compaction. */
  async #settleFiles(): Promise<void> {
    const { disk } = this.#resources.environment;
    for (const { name, kind } of await disk.list(this.#options.folder)) {
      if (kind === 'file') this.#names.add(name);
    }
    const cleaned = this.#suffixed(SUFFIX.cleaned).map((name) => baseOf(name));
    const firstCleaned = Math.min(...cleaned);
    for (const name of this.#suffixed(SUFFIX.swap)) {
      // A compaction that had not finished all its output did not happen.
      if (baseOf(name) >= firstCleaned) await this.#remove(name);
    }
    for (const name of [...this.#suffixed(SUFFIX.deleted), ...this.#suffixed(SUFFIX.cleaned)]) {
      await this.#remove(name);
    }
    await this.#completeSwaps();
    for (const suffix of SIDE_SUFFIXES) {
      for (const offset of this.#offsets(suffix)) {
        const stem = String(offset).padStart(20, '0');
        if (!this.#names.has(stem + SUFFIX.log)) await this.#remove(stem + suffix);
      }
    }
  }

  async #completeSwaps(): Promise<void> {
    const swapped = this.#suffixed(SUFFIX.swap);
    for (const name of swapped.filter((swap) => swap.endsWith(SUFFIX.log + SUFFIX.swap))) {
      const start = baseOf(name);
      const end = await this.#endOfFile(path.join(this.#options.folder, name), start);
      for (const base of this.#offsets(SUFFIX.log)) {
        if (base < start || base >= end) continue;
        const stem = String(base).padStart(20, '0');
        for (const suffix of [SUFFIX.log, ...SIDE_SUFFIXES]) await this.#remove(stem + suffix);
      }
    }
    const { disk } = this.#resources.environment;
    for (const name of swapped) {
      const final = name.slice(0, -SUFFIX.swap.length);
      await disk.rename(
        path.join(this.#options.folder, name),
        path.join(this.#options.folder, final),
      );
      this.#names.delete(name);
      this.#names.add(final);
    }
  }

  async #openSegments(
    bases: readonly number[],
    snapshots: ProducerSnapshots,
    epochs: LeaderEpochs,
  ): Promise<{ segments: Segment[]; producers: ProducerStates }> {
    if (bases.length === 0) {
      const created = await createSegment(
        this.#resources,
        this.#segmentOptions(this.#options.logStartOffset),
        this.#options.config,
      );
      return { segments: [created], producers: new ProducerStates() };
    }
    const { cleanShutdown, recoveryPoint } = this.#options;
    const firstUnsafe = cleanShutdown
      ? bases.length
      : Math.max(
          0,
          bases.findLastIndex((base) => base <= recoveryPoint),
        );
    const segments: Segment[] = [];
    for (const [index, base] of bases.slice(0, firstUnsafe).entries()) {
      segments.push(await this.#believe(base, bases[index + 1] ?? null, epochs));
    }
    const unsafe = bases.slice(firstUnsafe);
    const producers = await this.#producersAt(segments, unsafe[0] ?? null, snapshots);
    for (const [index, base] of unsafe.entries()) {
      const { segment, cutBytes } = await recoverSegment(
        this.#resources,
        this.#segmentOptions(base),
        this.#options.config,
        { producers, epochs },
      );
      segments.push(segment);
      await snapshots.write(segment.nextOffset, ProducerSnapshots.encode(producers));
      if (cutBytes === 0) continue;
      this.#resources.environment.log.warn('cut a damaged segment', {
        file: segment.logPath,
        cutBytes,
        logEndOffset: segment.nextOffset,
      });
      for (const lost of unsafe.slice(index + 1)) await this.#removeSegment(lost);
      break;
    }
    return { segments, producers };
  }

  /** Producer state at the end of `sound` segments; `end` is the base of the first one to recover. */
  async #producersAt(
    sound: readonly Segment[],
    end: number | null,
    snapshots: ProducerSnapshots,
  ): Promise<ProducerStates> {
    const offset = end ?? sound.at(-1)?.nextOffset ?? 0;
    const latest = await snapshots.latestUpTo(offset);
    // Snapshots past the end were taken of batches that may be about to be cut.
    await snapshots.removeWhere((at) => at > offset);
    // A cleanly stopped log without any snapshot was written before there were producers to note.
    if (latest === null && this.#options.cleanShutdown) return new ProducerStates();
    const from = latest?.offset ?? 0;
    const producers = latest?.producers ?? new ProducerStates();
    for (const [index, segment] of sound.entries()) {
      const next = sound[index + 1]?.baseOffset ?? offset;
      if (next > from) await replayProducers(this.#resources, segment, from, producers);
    }
    return producers;
  }

  /** A segment that was flushed and is taken as it stands; recovered all the same if an index is missing or odd. */
  async #believe(base: number, nextBase: number | null, epochs: LeaderEpochs): Promise<Segment> {
    const options = this.#segmentOptions(base);
    const stem = String(base).padStart(20, '0');
    const indexed =
      this.#names.has(stem + SUFFIX.offsetIndex) && this.#names.has(stem + SUFFIX.timeIndex);
    const state = indexed ? await this.#readState(options, nextBase) : null;
    if (state !== null) return new Segment(options, state);
    this.#resources.environment.log.warn('rebuilding the indexes of a segment', {
      folder: this.#options.folder,
      segment: stem,
    });
    const { segment } = await recoverSegment(this.#resources, options, this.#options.config, {
      producers: new ProducerStates(), // Replayed later, with those of the other segments.
      epochs,
    });
    return segment;
  }

  /** @returns null when sizes, indexes or the tail contradict each other */
  async #readState(options: SegmentOptions, nextBase: number | null): Promise<SegmentState | null> {
    const shell = new Segment(options);
    const { disk } = this.#resources.environment;
    const sizeBytes = (await disk.status(shell.logPath))?.sizeBytes ?? 0;
    const offsetIndexBytes = (await disk.status(shell.offsetIndex.entries.path))?.sizeBytes ?? 0;
    const timeIndexBytes = (await disk.status(shell.timeIndex.entries.path))?.sizeBytes ?? 0;
    const offsetIndexCount = OffsetIndex.countIn(offsetIndexBytes);
    const timeIndexCount = TimeIndex.countIn(timeIndexBytes);
    if (offsetIndexCount * shell.offsetIndex.entries.entryBytes !== offsetIndexBytes) return null;
    if (timeIndexCount * TimeIndex.entryBytes !== timeIndexBytes) return null;
    const lastTimeEntry = await this.#lastTimeEntry(shell, timeIndexCount);
    if (lastTimeEntry !== null && lastTimeEntry.offset < options.baseOffset) return null;
    const state = { sizeBytes, offsetIndexCount, timeIndexCount, lastTimeEntry };
    if (nextBase !== null) return { ...state, nextOffset: nextBase, firstTimestamp: -1 };
    const tail = await this.#readTail(shell, sizeBytes, offsetIndexCount);
    return tail === null ? null : { ...state, ...tail };
  }

  async #lastTimeEntry(shell: Segment, count: number): Promise<TimeIndexEntry | null> {
    if (count === 0) return null;
    const bytes = Buffer.alloc(TimeIndex.entryBytes);
    const position = (count - 1) * TimeIndex.entryBytes;
    await this.#resources.files.use(shell.timeIndex.entries.path, (file) =>
      file.read(bytes, position),
    );
    return TimeIndex.decode(bytes, 0, shell.baseOffset);
  }

  /** Log end and first timestamp of the active segment: from its last index entry on, and its first batch. */
  async #readTail(
    shell: Segment,
    sizeBytes: number,
    indexCount: number,
  ): Promise<{ nextOffset: number; firstTimestamp: number } | null> {
    if (sizeBytes === 0) return { nextOffset: shell.baseOffset, firstTimestamp: -1 };
    let from = 0;
    if (indexCount > 0) {
      const entry = Buffer.alloc(8);
      await this.#resources.files.use(shell.offsetIndex.entries.path, (file) =>
        file.read(entry, (indexCount - 1) * entry.length),
      );
      from = entry.readInt32BE(4);
      if (entry.readInt32BE(0) < 0 || from < 0 || from >= sizeBytes) return null;
    }
    let nextOffset = shell.baseOffset;
    const header = Buffer.alloc(RECORD_BATCH_OVERHEAD);
    const end = await this.#resources.files.use(shell.logPath, async (file) => {
      await file.read(header, 0);
      return scanBatches(file, { from, to: sizeBytes, verify: false }, (batch) => {
        nextOffset = batch.lastOffset + 1;
        return true;
      });
    });
    return end === sizeBytes
      ? { nextOffset, firstTimestamp: factsOf(header, 0).maxTimestamp }
      : null;
  }

  async #endOfFile(file: string, start: number): Promise<number> {
    let end = start;
    await this.#resources.files.use(file, async (open) =>
      scanBatches(open, { from: 0, to: await open.sizeBytes(), verify: false }, (batch) => {
        end = batch.lastOffset + 1;
        return true;
      }),
    );
    this.#resources.files.drop(file);
    return end;
  }

  /** The log ends before it should start: what is left of it is of no use to anybody. */
  async #startAnew(
    segments: readonly Segment[],
    loaded: Pick<LoadedLog, 'topicId' | 'epochs' | 'snapshots'>,
  ): Promise<LoadedLog> {
    const { logStartOffset, config, folder } = this.#options;
    this.#resources.environment.log.warn('the log ends below its start offset: starting anew', {
      folder,
      logStartOffset,
    });
    for (const { baseOffset } of segments) await this.#removeSegment(baseOffset);
    await loaded.snapshots.removeWhere(() => true);
    loaded.epochs.clear();
    const options = this.#segmentOptions(logStartOffset);
    return {
      ...loaded,
      segments: [await createSegment(this.#resources, options, config)],
      producers: new ProducerStates(),
      logStartOffset,
      recoveryPoint: logStartOffset,
    };
  }

  #segmentOptions(baseOffset: number): SegmentOptions {
    return {
      folder: this.#options.folder,
      baseOffset,
      createdAtMs: this.#createdAtMs,
      jitterMs: jitterOf(this.#resources, this.#options.config),
    };
  }

  async #removeSegment(base: number): Promise<void> {
    const stem = String(base).padStart(20, '0');
    for (const suffix of [SUFFIX.log, ...SIDE_SUFFIXES]) await this.#remove(stem + suffix);
  }

  async #remove(name: string): Promise<void> {
    if (!this.#names.delete(name)) return;
    const file = path.join(this.#options.folder, name);
    this.#resources.files.drop(file);
    await this.#resources.environment.disk.remove(file);
  }

  #offsets(suffix: string): number[] {
    const offsets: number[] = [];
    for (const name of this.#names) {
      const offset = offsetOfFileName(name, suffix);
      if (offset !== null) offsets.push(offset);
    }
    return offsets.sort((a, b) => a - b);
  }

  #suffixed(suffix: string): string[] {
    return [...this.#names].filter((name) => name.endsWith(suffix));
  }
}

function baseOf(name: string): number {
  return Number(name.slice(0, 20));
}

/** How much earlier than segment.ms a new segment is rolled, so that partitions do not roll all at once. */
export function jitterOf({ environment }: LogResources, config: LogConfig): number {
  const limit = Math.min(config.segmentJitterMs, config.segmentMs);
  return limit >= 1 ? environment.random.below(limit) : 0;
}

/** A new segment with its three files. */
export async function createSegment(
  resources: LogResources,
  options: SegmentOptions,
  config: LogConfig,
): Promise<Segment> {
  const segment = new Segment(options);
  await createSegmentFiles(resources, segment, config);
  return segment;
}

export async function createSegmentFiles(
  { files }: LogResources,
  segment: Segment,
  config: LogConfig,
): Promise<void> {
  await files.use(segment.logPath, (file) =>
    config.preallocate ? file.truncate(config.segmentBytes) : Promise.resolve(),
  );
  // Not at segment.index.bytes, as Kafka makes them for its memory maps: files grow with their entries.
  await files.use(segment.offsetIndex.entries.path, () => Promise.resolve());
  await files.use(segment.timeIndex.entries.path, () => Promise.resolve());
}
