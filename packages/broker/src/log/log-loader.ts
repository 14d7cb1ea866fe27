/**
 * Opens a partition's folder: finds its segments, completes or drops what was in flight when the
 * process ended, recovers what may be damaged, and gathers the state that a log starts with.
 *
 * After a clean stop files are believed: sizes, the last index entries and a snapshot at the end
 * are all that is read, so thousands of partitions open quickly. After anything else every segment
 * that reaches past the recovery point is recovered (recovery.ts).
 */
import path from 'node:path';
import { MalformedMessage } from '@odradek/protocol';
import { ProducerStates } from '../core/producer-state/producer-states.ts';
import { writeIndexes } from './append-queue.ts';
import type { AtMost } from './at-most.ts';
import { believeSegment } from './believed-segment.ts';
import { decodeEpochCheckpoint } from './checkpoint-file.ts';
import {
  LEADER_EPOCH_FILE,
  offsetOfFileName,
  PARTITION_METADATA_FILE,
  SUFFIX,
  segmentFileName,
} from './file-names.ts';
import type { RestoreTail } from './flush/journal-recovery.ts';
import { LeaderEpochs } from './leader-epochs.ts';
import type { DirectoryProgress } from './load-progress.ts';
import type { LogConfig } from './log-config.ts';
import type { LogResources } from './log-resources.ts';
import { findMaxTimestamp } from './max-timestamp.ts';
import { decodeTopicId } from './meta-properties.ts';
import { ProducerSnapshots, type ProducersAt } from './producer-snapshots.ts';
import {
  type DerivedState,
  type RecoveredSegment,
  recoverSegment,
  replayProducers,
  type SegmentTail,
} from './recovery.ts';
import { scanBatches } from './scan.ts';
import { Segment, type SegmentOptions } from './segment.ts';
import { SegmentSplit } from './split-segment.ts';

export interface LoadOptions {
  readonly folder: string;
  readonly config: LogConfig;
  /** The data directory was left by an orderly stop. */
  readonly cleanShutdown: boolean;
  /** Everything below was forced to the medium; 0 when unknown. */
  readonly recoveryPoint: number;
  /** From the checkpoint; 0 when it has no entry. */
  readonly logStartOffset: number;
  /** Below it the log was compacted once, whatever its policy is now; null when it never was. */
  readonly cleanedUpTo?: number | null;
  /** Gives segments back what the flush journal has of them; null when it has nothing. */
  readonly restore?: RestoreTail | null;
  /** For logs that are found at a start, of which there may be many. */
  readonly start?: {
    /** Lets so many logs be recovered at a time. */
    readonly recoveries: AtMost;
    readonly progress: DirectoryProgress;
  };
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
  for (;;) {
    try {
      return await new Loader(resources, options).load();
    } catch (error) {
      if (!(error instanceof SegmentSplit)) throw error; // Each time there is one more segment.
    }
  }
}

class Loader {
  readonly #resources: LogResources;
  readonly #options: LoadOptions;
  readonly #createdAtMs: number;
  /** Sizes of the files in the folder, by name. */
  readonly #sizes = new Map<string, number>();

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
    const snapshots = new ProducerSnapshots(
      disk,
      folder,
      this.#offsets(SUFFIX.producerSnapshot),
      cleanShutdown,
    );
    const { topicId, epochs } = await this.#readNotes();
    const { segments, producers } = await this.#openSegments(bases, snapshots, epochs);
    const logEndOffset = segments.at(-1)?.nextOffset ?? 0;
    epochs.truncateEnd(logEndOffset);
    await snapshots.removeWhere((offset) => offset > logEndOffset);
    await snapshots.removeStray(new Set(segments.map(({ baseOffset }) => baseOffset)));
    const firstBase = segments[0]?.baseOffset ?? 0;
    const loaded = {
      topicId,
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
      recoveryPoint: cleanShutdown ? logEndOffset : this.#recoveryPoint(segments),
    };
  }

  /**
   * The checkpoint's, within the log. Of a segment that ends there the indexes were rewritten just now,
   * and no flush would force them to the medium: it counts as not flushed.
   */
  #recoveryPoint(segments: readonly Segment[]): number {
    const active = segments.at(-1);
    const firstBase = segments[0]?.baseOffset ?? 0;
    if (active === undefined) return firstBase;
    const { recoveryPoint } = this.#options;
    return active.nextOffset <= recoveryPoint
      ? active.baseOffset
      : Math.max(recoveryPoint, firstBase);
  }

  /** Drops what was being removed or written when the process ended; finishes swaps of a compaction. */
  async #settleFiles(): Promise<void> {
    const { disk } = this.#resources.environment;
    for (const { name, kind, sizeBytes } of await disk.survey(this.#options.folder)) {
      if (kind === 'file') this.#sizes.set(name, sizeBytes);
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
        if (!this.#sizes.has(stem + SUFFIX.log)) await this.#remove(stem + suffix);
      }
    }
  }

  async #completeSwaps(): Promise<void> {
    const swapped = this.#suffixed(SUFFIX.swap);
    for (const name of swapped.filter((swap) => swap.endsWith(SUFFIX.log + SUFFIX.swap))) {
      const start = baseOf(name);
      const end = await this.#endOfFile(path.join(this.#options.folder, name), start);
      // Whatever is left of the segments that it replaces: a log may be gone and its indexes still there,
      // of which an old transaction index would do harm beside the new log.
      for (const suffix of [SUFFIX.log, ...SIDE_SUFFIXES]) {
        for (const base of this.#offsets(suffix)) {
          const replaced = base === start || (base > start && base < end);
          if (replaced) await this.#remove(String(base).padStart(20, '0') + suffix);
        }
      }
    }
    const { disk } = this.#resources.environment;
    for (const name of swapped) {
      const final = name.slice(0, -SUFFIX.swap.length);
      await disk.rename(
        path.join(this.#options.folder, name),
        path.join(this.#options.folder, final),
      );
      this.#sizes.set(final, this.#sizes.get(name) ?? 0);
      this.#sizes.delete(name);
    }
  }

  /** The two small files about the partition that are not about its segments. */
  async #readNotes(): Promise<{ topicId: string | null; epochs: LeaderEpochs }> {
    const [metadata, checkpoint] = await Promise.all(
      [PARTITION_METADATA_FILE, LEADER_EPOCH_FILE].map((name) => this.#readWhole(name)),
    );
    const pathOf = (name: string): string => path.join(this.#options.folder, name);
    return {
      topicId: metadata ? decodeTopicId(metadata, pathOf(PARTITION_METADATA_FILE)) : null,
      epochs: new LeaderEpochs(
        checkpoint ? decodeEpochCheckpoint(checkpoint, pathOf(LEADER_EPOCH_FILE)) : [],
      ),
    };
  }

  async #readWhole(name: string): Promise<Buffer | null> {
    const sizeBytes = this.#sizes.get(name);
    if (sizeBytes === undefined) return null;
    const { disk } = this.#resources.environment;
    const piece = { path: path.join(this.#options.folder, name), position: 0, sizeBytes };
    const [content] = await disk.readPieces([piece]);
    return content ?? null;
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
    const { cleanShutdown, recoveryPoint, config } = this.#options;
    // A segment that ends at the recovery point may have spare room yet, that is cut off when it is rolled.
    const isSafe = (end: number): boolean =>
      config.preallocate ? end < recoveryPoint : end <= recoveryPoint;
    const firstUnsafe = cleanShutdown ? bases.length : Math.max(0, bases.findLastIndex(isSafe));
    const segments: Segment[] = [];
    for (const [index, base] of bases.slice(0, firstUnsafe).entries()) {
      const next = bases[index + 1] ?? null;
      segments.push(
        (await this.#believe(base, next)) ??
          (await this.#rebuild(base, next, segments, snapshots, epochs)),
      );
    }
    const unsafe = bases.slice(firstUnsafe);
    if (unsafe[0] === recoveryPoint) await this.#endTimeIndex(segments.at(-1));
    const lastBelieved = segments.at(-1);
    // A roll may have ended its indexes just before the crash.
    if (unsafe.length > 0 && lastBelieved !== undefined) lastBelieved.hasLooseIndexes = true;
    const producers = await this.#producersAt(segments, unsafe[0] ?? null, snapshots);
    const [firstBase] = unsafe;
    if (firstBase === undefined) return { segments, producers };
    // In the place of one that was torn: once retention has removed what is before it, there is nothing else.
    if (segments.length > 0 && producers.size > 0 && !snapshots.offsets.includes(firstBase))
      await snapshots.write(firstBase, ProducerSnapshots.encode(producers));
    // What the checkpoint says of batches that are about to be read may be of a way that the log left.
    epochs.truncateEnd(firstBase);
    const recover = (): Promise<Segment[]> =>
      this.#recover(unsafe, { producers, epochs, snapshots });
    const recovered = await (this.#options.start?.recoveries.run(recover) ?? recover());
    return { segments: [...segments, ...recovered], producers };
  }

  /** A segment that was flushed up to its end before it was rolled may lack the entry that the roll adds. */
  async #endTimeIndex(last: Segment | undefined): Promise<void> {
    if (last === undefined) return;
    await findMaxTimestamp(this.#resources, last);
    last.finish();
    await writeIndexes(this.#resources, last);
  }

  /**
   * Reads segments through, up to the first that is damaged or does not reach the next one; those
   * behind it go. Only compaction leaves gaps between segments: otherwise the power went when the
   * medium had of the later one what it had not of this one.
   */
  async #recover(
    bases: readonly number[],
    state: DerivedState & { readonly snapshots: ProducerSnapshots },
  ): Promise<Segment[]> {
    const progress = this.#options.start?.progress;
    const segments: Segment[] = [];
    if (progress) progress.segmentsLeft += bases.length;
    for (const [index, base] of bases.entries()) {
      // One that has another behind it was forced to the medium before; a compaction may have cut it short.
      const isLast = index === bases.length - 1;
      const tail = {
        restore: isLast ? (this.#options.restore ?? null) : null,
        offsetLimit: bases[index + 1] ?? Number.POSITIVE_INFINITY,
        splits: this.#mayHaveGapsAt(base),
      };
      const { segment, cutBytes } = await this.#recoverOne(base, state, tail).catch((error) => {
        if (progress) progress.segmentsLeft -= bases.length - index;
        throw error;
      });
      segments.push(segment);
      if (progress) {
        progress.segmentsLeft -= 1;
        progress.segmentsRecovered += 1;
      }
      const behind = bases.slice(index + 1);
      const [next] = behind;
      const isShort = next !== undefined && segment.nextOffset < next && !this.#mayHaveGapsAt(base);
      // What was cut behind the last batch, such as the zeros of a preallocated file, was none of the log's.
      const isWhole = segment.nextOffset === next;
      if ((cutBytes > 0 && !isWhole) || isShort) {
        this.#resources.environment.log.warn('cut a damaged segment', {
          file: segment.logPath,
          cutBytes,
          logEndOffset: segment.nextOffset,
          segmentsRemoved: behind.length,
        });
        for (const lost of behind) await this.#removeSegment(lost);
        if (progress) progress.segmentsLeft -= behind.length;
        break;
      }
      // As a roll leaves it. At the log's end there is no use for one: another crash means reading the last segment again.
      const wanted = state.producers.size > 0 || state.snapshots.offsets.length > 0;
      if (next !== undefined && wanted)
        await state.snapshots.write(next, ProducerSnapshots.encode(state.producers));
    }
    return segments;
  }

  /** Tells whether compaction may have left nothing at the end of the segment. */
  #mayHaveGapsAt(base: number): boolean {
    const { config, cleanedUpTo } = this.#options;
    return config.cleanupPolicy.includes('compact') || base < (cleanedUpTo ?? 0);
  }

  /** @param restore gives it back what it lacks */
  async #recoverOne(
    base: number,
    state: DerivedState,
    tail: SegmentTail,
  ): Promise<RecoveredSegment> {
    await this.#remove(segmentFileName(base, SUFFIX.transactionIndex));
    const { config } = this.#options;
    return recoverSegment(this.#resources, this.#segmentOptions(base), config, state, tail);
  }

  /** Producer state at the end of `sound` segments; `end` is the base of the first one to recover. */
  async #producersAt(
    sound: readonly Segment[],
    end: number | null,
    snapshots: ProducerSnapshots,
  ): Promise<ProducerStates> {
    const offset = end ?? sound.at(-1)?.nextOffset ?? 0;
    const hasNone = snapshots.offsets.length === 0;
    const latest = await snapshots.latestUpTo(offset);
    // Snapshots past the end were taken of batches that may be about to be cut.
    await snapshots.removeWhere((at) => at > offset);
    // A cleanly stopped log without any snapshot was written before there were producers to note.
    if (hasNone && this.#options.cleanShutdown) return new ProducerStates();
    return this.#replayed(latest, sound, offset);
  }

  /** What was noted, and what `sound` segments say about the time from then on up to `offset`. */
  async #replayed(
    noted: ProducersAt | null,
    sound: readonly Segment[],
    offset: number,
  ): Promise<ProducerStates> {
    const from = noted?.offset ?? 0;
    const producers = noted?.producers ?? new ProducerStates();
    for (const [index, segment] of sound.entries()) {
      const next = sound[index + 1]?.baseOffset ?? offset;
      if (next > from) await replayProducers(this.#resources, segment, from, producers);
    }
    return producers;
  }

  /** A segment that was flushed and is taken as it stands; null if an index is missing or odd. */
  async #believe(base: number, nextBase: number | null): Promise<Segment | null> {
    const options = this.#segmentOptions(base);
    const { environment, files } = this.#resources;
    const { disk } = environment;
    try {
      return await believeSegment(options, { disk, files, sizes: this.#sizes, nextBase });
    } catch (error) {
      // A batch says what no batch can say.
      if (!(error instanceof MalformedMessage)) throw error;
      return null;
    }
  }

  /** Builds the indexes of a segment anew that is sound otherwise. */
  async #rebuild(
    base: number,
    nextBase: number | null,
    before: readonly Segment[],
    snapshots: ProducerSnapshots,
    epochs: LeaderEpochs,
  ): Promise<Segment> {
    const { environment } = this.#resources;
    const { folder } = this.#options;
    environment.log.warn('rebuilding the indexes of a segment', { folder, segment: base });
    // Its transaction index depends on what was open when it began.
    const producers = await this.#replayed(await snapshots.latestUpTo(base), before, base);
    const tail = {
      restore: null,
      offsetLimit: nextBase ?? Number.POSITIVE_INFINITY,
      splits: this.#mayHaveGapsAt(base),
    };
    const { segment } = await this.#recoverOne(base, { producers, epochs }, tail);
    // The next start will believe it as well, so it must be as lasting as the others.
    await this.#sync(segment);
    return segment;
  }

  async #sync(segment: Segment): Promise<void> {
    const { files, environment } = this.#resources;
    for (const file of [segment.logPath, ...segment.indexPaths]) {
      await files.use(file, (open) => open.sync());
    }
    await environment.disk.syncDirectory(this.#options.folder);
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
    if (!this.#sizes.delete(name)) return;
    const file = path.join(this.#options.folder, name);
    this.#resources.files.drop(file);
    await this.#resources.environment.disk.remove(file);
  }

  #offsets(suffix: string): number[] {
    const offsets: number[] = [];
    for (const name of this.#sizes.keys()) {
      const offset = offsetOfFileName(name, suffix);
      if (offset !== null) offsets.push(offset);
    }
    return offsets.sort((a, b) => a - b);
  }

  #suffixed(suffix: string): string[] {
    return [...this.#sizes.keys()].filter((name) => name.endsWith(suffix));
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
