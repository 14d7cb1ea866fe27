/**
 * Finding records by time: the first one that is at least so young, and the youngest of all.
 *
 * Segments whose largest timestamp is too small are passed over; in the others the time index says
 * from where on to look at batches, and only the batch that must hold the record is decoded.
 */
import { decodeAnyBatchAsync } from '@odradek/protocol';
import type { DiskFile } from '@odradek/runtime';
import type { BatchFacts } from './batches.ts';
import type { LogReader } from './log-reader.ts';
import type { LogResources } from './log-resources.ts';
import type { LogState } from './log-state.ts';
import type { TimestampedOffset } from './log-types.ts';
import { scanBatches } from './scan.ts';
import type { Segment } from './segment.ts';

/** The most bytes that a batch may unfold to when its records are looked at for their times. */
export const TIME_LOOKUP_BATCH_BYTES_MAX = 128 * 1024 * 1024;

export class TimeLookup {
  readonly #resources: LogResources;
  readonly #state: LogState;
  readonly #reader: LogReader;

  constructor(resources: LogResources, state: LogState, reader: LogReader) {
    this.#resources = resources;
    this.#state = state;
    this.#reader = reader;
  }

  /** The first record from the log's start on that has `timestamp` or a later one, below `maxOffset`. */
  first(timestamp: number, maxOffset: number): Promise<TimestampedOffset | null> {
    return this.#resources.timeLookups.run(() =>
      this.#reader.undisturbed(() => this.#first(timestamp, maxOffset)),
    );
  }

  /** The first record with the largest timestamp of the log; null when no record has one. */
  youngest(): Promise<TimestampedOffset | null> {
    return this.#resources.timeLookups.run(() => this.#reader.undisturbed(() => this.#youngest()));
  }

  async #first(timestamp: number, maxOffset: number): Promise<TimestampedOffset | null> {
    for (const segment of this.#state.segments.all) {
      if (segment.baseOffset >= maxOffset) return null;
      if (segment.maxTimestamp < timestamp) continue;
      const found = await this.#firstIn(segment, timestamp, maxOffset);
      if (found !== null) return found;
    }
    return null;
  }

  async #youngest(): Promise<TimestampedOffset | null> {
    let best: Segment | null = null;
    for (const segment of this.#state.segments.all) {
      if (segment.maxTimestamp > (best?.maxTimestamp ?? -1)) best = segment;
    }
    if (best === null) return null;
    return this.#firstIn(best, best.maxTimestamp, this.#state.logEndOffset);
  }

  async #firstIn(
    segment: Segment,
    timestamp: number,
    maxOffset: number,
  ): Promise<TimestampedOffset | null> {
    let position: number | null = await this.#startOfSearch(segment, timestamp);
    while (position !== null && position < segment.writtenBytes) {
      const candidate = await this.#nextCandidate(segment, position, timestamp);
      if (candidate === null || candidate.facts.firstOffset >= maxOffset) return null;
      const found = await this.#firstInBatch(candidate, timestamp, maxOffset);
      if (found !== null) return found;
      position = candidate.position + candidate.facts.sizeBytes;
    }
    return null;
  }

  async #startOfSearch(segment: Segment, timestamp: number): Promise<number | null> {
    const { timeIndex } = segment;
    const { reads, indexes } = this.#resources;
    const resident = await reads.run(() => indexes.get(timeIndex.entries));
    // An entry's own batch may hold the first record of exactly this time.
    const from = timeIndex.floor(resident, timestamp - 1);
    return this.#reader.locate(segment, Math.max(from, this.#state.logStartOffset));
  }

  async #nextCandidate(
    segment: Segment,
    from: number,
    timestamp: number,
  ): Promise<Candidate | null> {
    const { logStartOffset } = this.#state;
    const { reads, files } = this.#resources;
    let found: Candidate | null = null;
    const scan = (file: DiskFile): Promise<unknown> =>
      scanBatches(
        file,
        { from, to: segment.writtenBytes, verify: false },
        (facts, buffer, at, position) => {
          if (facts.maxTimestamp < timestamp || facts.lastOffset < logStartOffset) return true;
          found = { facts, bytes: buffer.subarray(at, at + facts.sizeBytes), position };
          return false;
        },
      );
    await reads.run(() => files.read(segment.logPath, scan));
    return found;
  }

  async #firstInBatch(
    { facts, bytes }: Candidate,
    timestamp: number,
    maxOffset: number,
  ): Promise<TimestampedOffset | null> {
    const { leaderEpoch } = facts;
    const { records } = await decodeAnyBatchAsync(bytes, 0, {
      limitBytes: TIME_LOOKUP_BATCH_BYTES_MAX,
      verifyChecksum: false,
    });
    const found = records.find(
      (record) =>
        record.timestamp >= timestamp &&
        record.offset >= this.#state.logStartOffset &&
        record.offset < maxOffset,
    );
    return found === undefined
      ? null
      : { offset: found.offset, timestamp: found.timestamp, leaderEpoch };
  }
}

interface Candidate {
  readonly facts: BatchFacts;
  readonly bytes: Buffer;
  readonly position: number;
}
