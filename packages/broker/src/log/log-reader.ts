/**
 * Reading a log: from the tail cache without waiting when the wanted offset is in it, else with one
 * positioned read of the wanted size. Answers are whole batches.
 *
 * A reader that goes on where it stopped needs no index: the place where the last answers ended is
 * remembered. Otherwise the offset index says where to start looking, and batch headers from there on
 * tell the exact place.
 */
import { baseOffset, KafkaError } from '@odradek/protocol';
import { DiskError, type DiskFile, InvariantViolation, type PooledBuffer } from '@odradek/runtime';
import {
  BATCH_PREFIX_BYTES,
  claimedSize,
  endOfWholeBatches,
  entryLastOffset,
  startOfBatchWith,
} from './batches.ts';
import type { LogResources } from './log-resources.ts';
import type { LogState } from './log-state.ts';
import type { LogSlice } from './log-types.ts';
import type { IndexedPosition } from './offset-index.ts';
import type { Segment } from './segment.ts';
import { joinNeighbours } from './tail-cache.ts';

/** Places remembered per log: about as many consumers of old data as go on without an index lookup. */
export const REMEMBERED_PLACES_MAX = 8;

/** Bytes read at once while looking for the batch that holds an offset. */
const LOCATE_BYTES = 16 * 1024;

/**
 * Bytes read in one go: more is read in several, and other readers get their turn in between. Consumers
 * ask for a megabyte of a partition by default; each go costs a turn of the event loop and some microseconds.
 */
export const READ_PIECE_BYTES = 4 * 1024 * 1024;

export interface ReadRequest {
  readonly offset: number;
  readonly maxBytes: number;
  /** Only batches that end below it. */
  readonly maxOffset: number;
  /** Give the first batch even if it is larger than `maxBytes`. */
  readonly minOneBatch: boolean;
}

interface Place {
  readonly segment: Segment;
  readonly offset: number;
  readonly position: number;
}

export class LogReader {
  readonly #resources: LogResources;
  readonly #state: LogState;
  #places: Place[] = [];
  /** While it is pending no file is to be opened. */
  #heldBack: Promise<void> | null = null;

  constructor(resources: LogResources, state: LogState) {
    this.#resources = resources;
    this.#state = state;
  }

  /** The answer from memory, or null when the offset is not in the tail cache. */
  readTail({ offset, maxBytes, maxOffset, minOneBatch }: ReadRequest): LogSlice | null {
    const { tail } = this.#state;
    let index = tail.find(offset);
    let entry = tail.at(index);
    if (index < 0 || entry === undefined) return null;
    const chunks: Buffer[] = [];
    const lent = new Set<PooledBuffer>();
    let sizeBytes = 0;
    let nextOffset = offset;
    let { bytes } = entry;
    let start = startOfBatchWith(bytes, 0, offset);
    const firstOffset = baseOffset(bytes, start);
    for (;;) {
      const room = maxBytes - sizeBytes;
      if (bytes.length - start > room || entry.nextOffset > maxOffset) {
        const atLeastOne = minOneBatch && sizeBytes === 0;
        const part = wholeBatches(bytes, start, room, maxOffset, atLeastOne);
        if (part.end > start) {
          chunks.push(bytes.subarray(start, part.end));
          lent.add(entry.memory);
          sizeBytes += part.end - start;
          nextOffset = part.nextOffset;
        }
        break;
      }
      chunks.push(start === 0 ? bytes : bytes.subarray(start));
      lent.add(entry.memory);
      sizeBytes += bytes.length - start;
      nextOffset = entry.nextOffset;
      start = 0;
      entry = tail.at(++index);
      if (entry === undefined) break;
      bytes = entry.bytes;
    }
    if (sizeBytes === 0) return emptySlice(offset);
    for (const memory of lent) memory.hold();
    return {
      chunks: joinNeighbours(chunks),
      lent: [...lent],
      sizeBytes,
      firstOffset,
      nextOffset,
    };
  }

  /**
   * The answer from the files.
   * @throws KafkaError OFFSET_OUT_OF_RANGE when the offset has left the log meanwhile
   */
  readFiles(request: ReadRequest): Promise<LogSlice> {
    return this.undisturbed(() => {
      const { logStartOffset, logEndOffset } = this.#state;
      if (request.offset < logStartOffset || request.offset > logEndOffset) {
        throw new KafkaError('OFFSET_OUT_OF_RANGE', `${request.offset} has left the log`);
      }
      return this.#readSegments(request);
    });
  }

  /**
   * Reads again what was read while the log was cut or segments were replaced, or from a segment that
   * left it meanwhile.
   */
  async undisturbed<T>(read: () => Promise<T>): Promise<T> {
    for (;;) {
      if (this.#heldBack !== null) await this.#heldBack;
      const { generation, segments } = this.#state;
      const before = segments.all;
      try {
        const result = await read();
        if (generation === this.#state.generation) return result;
      } catch (error) {
        // Under the name of an old file there may be another one since, in which nothing fits.
        if (generation !== this.#state.generation) continue;
        const gone = error instanceof DiskError && error.code === 'ENOENT';
        if (!gone || segments.all === before) throw error;
      }
    }
  }

  /** The position of the batch that holds `offset` or is the first behind it; null when all end below. */
  async locate(segment: Segment, offset: number): Promise<number | null> {
    if (segment.writtenBytes === 0) return null;
    const { reads, indexes, files } = this.#resources;
    const index = segment.offsetIndex;
    const resident = await reads.run(() => indexes.get(index.entries));
    const floor = index.floor(resident, offset);
    const walk = async (file: DiskFile): Promise<number | null> => {
      let position = floor.position;
      const end = segment.writtenBytes;
      // An entry has no checksum: one that a bit turned in must not lead past the records asked for.
      if (position > 0 && !(await isTrue(file, floor, segment))) position = 0;
      while (end - position >= BATCH_PREFIX_BYTES) {
        const chunk = Buffer.allocUnsafe(Math.min(LOCATE_BYTES, end - position));
        const readBytes = await file.read(chunk, position);
        const found = walkTo(chunk.subarray(0, readBytes), offset);
        if (found.reached) return position + found.at;
        if (found.at === 0) return null;
        position += found.at;
      }
      return null;
    };
    return reads.run(() => files.read(segment.logPath, walk));
  }

  /** Lets reads of files wait while `run` changes their names; those under way are made again. */
  async holdingBack(run: () => Promise<void>): Promise<void> {
    this.#state.generation += 1;
    const running = run();
    this.#heldBack = running.catch(() => undefined);
    try {
      await running;
    } finally {
      this.#heldBack = null;
    }
  }

  /** Forgets remembered places: the files have changed. */
  forgetPlaces(): void {
    this.#places = [];
  }

  async #readSegments(request: ReadRequest): Promise<LogSlice> {
    const { segments } = this.#state;
    let index = Math.max(0, segments.indexOf(request.offset));
    for (;;) {
      const segment = segments.at(index);
      if (segment === undefined || segment.baseOffset >= request.maxOffset) break;
      const slice = await this.#readSegment(segment, request);
      if (slice !== null) return slice;
      index += 1;
    }
    return emptySlice(request.offset);
  }

  /** null when the segment has nothing at or behind the offset: compaction left a gap at its end. */
  async #readSegment(segment: Segment, request: ReadRequest): Promise<LogSlice | null> {
    if (segment.writtenBytes === 0) return null; // Its files may be about to be made.
    const position =
      this.#placeOf(segment, request.offset) ?? (await this.locate(segment, request.offset));
    if (position === null) return null;
    const end = segment.writtenBytes;
    if (position >= end) return null;
    const wanted = Math.max(request.maxBytes, BATCH_PREFIX_BYTES);
    let read = await this.#read(segment, position, Math.min(wanted, end - position));
    if (read.bytes.length < BATCH_PREFIX_BYTES) return null;
    const sizeBytes = claimedSize(read.bytes, 0);
    if (sizeBytes > end - position || sizeBytes < BATCH_PREFIX_BYTES) {
      throw new KafkaError('CORRUPT_MESSAGE', `${segment.logPath} at ${position}`);
    }
    if (sizeBytes > read.bytes.length && request.minOneBatch) {
      read.memory.release();
      read = await this.#read(segment, position, sizeBytes);
    }
    const { bytes, memory } = read;
    const { end: endOfPart, nextOffset } = wholeBatches(
      bytes,
      0,
      Math.min(request.maxBytes, bytes.length),
      request.maxOffset,
      request.minOneBatch,
    );
    if (endOfPart === 0) {
      memory.release();
      return emptySlice(request.offset);
    }
    this.#remember({ segment, offset: nextOffset, position: position + endOfPart });
    return {
      chunks: [endOfPart === bytes.length ? bytes : bytes.subarray(0, endOfPart)],
      lent: [memory],
      sizeBytes: endOfPart,
      firstOffset: baseOffset(bytes, 0),
      nextOffset,
    };
  }

  /**
   * Reads into memory of the pool, held once, a piece at a time: whoever waits holds neither memory nor
   * an open file. A read that fails leaves the memory to the garbage collector.
   */
  async #read(
    segment: Segment,
    position: number,
    sizeBytes: number,
  ): Promise<{ bytes: Buffer; memory: PooledBuffer }> {
    const { reads, files, buffers } = this.#resources;
    let memory: PooledBuffer | null = null;
    let filled = 0;
    const piece = async (file: DiskFile): Promise<number> => {
      memory ??= buffers.take(sizeBytes);
      const to = Math.min(sizeBytes, filled + READ_PIECE_BYTES);
      return await file.read(memory.bytes.subarray(filled, to), position + filled);
    };
    for (;;) {
      const count = await reads.run(() => files.read(segment.logPath, piece));
      filled += count;
      if (memory === null) throw new InvariantViolation('a read that did not run');
      const held: PooledBuffer = memory;
      if (count === 0 || filled >= sizeBytes)
        return { bytes: held.bytes.subarray(0, filled), memory: held };
    }
  }

  #placeOf(segment: Segment, offset: number): number | null {
    const place = this.#places.find((known) => known.offset === offset);
    // At the end of a segment the next one may hold the offset, or this one may have grown.
    if (place === undefined || place.segment !== segment) return null;
    return place.position;
  }

  #remember(place: Place): void {
    this.#places = [place, ...this.#places.filter(({ offset }) => offset !== place.offset)];
    if (this.#places.length > REMEMBERED_PLACES_MAX) this.#places.pop();
  }
}

/** Whether a batch stands where an entry says, that begins in the segment and not behind the entry's offset. */
async function isTrue(
  file: DiskFile,
  { offset, position }: IndexedPosition,
  segment: Segment,
): Promise<boolean> {
  const prefix = Buffer.alloc(BATCH_PREFIX_BYTES);
  if ((await file.read(prefix, position)) < prefix.length) return false;
  const first = Number(prefix.readBigInt64BE(0)); // Whatever stands there.
  const sizeBytes = claimedSize(prefix, 0);
  const fits = sizeBytes >= BATCH_PREFIX_BYTES && sizeBytes <= segment.writtenBytes - position;
  return fits && first >= segment.baseOffset && first <= offset;
}

export function emptySlice(offset: number): LogSlice {
  return { chunks: [], lent: [], sizeBytes: 0, firstOffset: offset, nextOffset: offset };
}

/** As many whole batches from `start` as fit `room`; with `atLeastOne` the first whatever its size. */
function wholeBatches(
  bytes: Buffer,
  start: number,
  room: number,
  maxOffset: number,
  atLeastOne: boolean,
): { readonly end: number; readonly nextOffset: number } {
  const limit = Math.min(bytes.length, start + room);
  const part = endOfWholeBatches(bytes, start, limit, maxOffset);
  if (part.end > start || !atLeastOne) return part;
  return endOfWholeBatches(
    bytes,
    start,
    Math.min(bytes.length, start + claimedSize(bytes, start)),
    maxOffset,
  );
}

function walkTo(chunk: Buffer, offset: number): { readonly at: number; readonly reached: boolean } {
  let at = 0;
  while (chunk.length - at >= BATCH_PREFIX_BYTES) {
    if (entryLastOffset(chunk, at) >= offset) return { at, reached: true };
    const size = claimedSize(chunk, at);
    if (size < BATCH_PREFIX_BYTES) return { at: 0, reached: false };
    at += size;
  }
  return { at, reached: false };
}
