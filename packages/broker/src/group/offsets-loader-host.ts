/**
 * Reads a partition of __consumer_offsets from its start and makes groups and offsets of it. The last record of a key
 * counts; a transaction's offsets count when its commit marker is met, and are held as undecided while there is none.
 */
import {
  batchSize,
  controlMarkerOf,
  type DecodedBatch,
  decodeAnyBatchAsync,
  KafkaError,
  ProtocolError,
} from '@odradek/protocol';
import { type Log, millis, type Time } from '@odradek/runtime';
import type { GroupSnapshot } from '../core/group/group-types.ts';
import type { Room } from '../core/group/limits.ts';
import { OffsetTable } from '../core/group/offsets.ts';
import {
  committedOf,
  type OffsetsRecord,
  readOffsetsRecord,
  snapshotOf,
} from '../core/group/records.ts';

/** Work that is done between two turns of the event loop: a record is 1. */
const WORK_PER_TURN = 5_000;
const WORK_PER_BATCH = 4;
/** How long to wait for bytes that were appended and are not written yet. */
const UNWRITTEN_PAUSE_MS = 5;

/** The part of a log that loading reads. */
export interface ReadableLog {
  readonly logStartOffset: number;
  readonly logEndOffset: number;
  /** The next offset to be assigned: at or behind `logEndOffset`, while appended bytes are being written. */
  readonly nextOffset: number;
  read(
    offset: number,
    maxBytes: number,
    maxOffset: number,
    minOneBatch: boolean,
  ): LoadedSlice | Promise<LoadedSlice>;
}

interface LoadedSlice {
  readonly chunks: readonly Buffer[];
  readonly nextOffset: number;
}

export interface LoadedGroup {
  /** null: only offsets were stored. */
  stored: GroupSnapshot | null;
  stateSinceMs: number | null;
  readonly offsets: OffsetTable;
}

export interface LoadOptions {
  readonly time: Time;
  readonly events: Log;
  readonly bufferBytes: number;
  /** Where the offsets are to be counted. */
  readonly room: Room;
  /** Asked between reads: false ends the loading early, because the partition went elsewhere. */
  readonly wanted: () => boolean;
}

/**
 * @returns null when it was called off
 * @throws KafkaError, ProtocolError, DiskError when the log cannot be read
 */
export async function loadOffsetsPartition(
  log: ReadableLog,
  options: LoadOptions,
): Promise<ReadonlyMap<string, LoadedGroup> | null> {
  const state = new LoadedState(options.room, options.events);
  let isWhole = false;
  try {
    await readAll(log, options, state);
    isWhole = options.wanted();
  } finally {
    if (!isWhole) state.discard();
  }
  return isWhole ? state.finish() : null;
}

async function readAll(
  log: ReadableLog,
  { time, bufferBytes, wanted }: LoadOptions,
  state: LoadedState,
): Promise<void> {
  // What was appended before this broker became the leader counts, be it written already or not.
  const end = log.nextOffset;
  let untilTurn = WORK_PER_TURN;
  for (let offset = log.logStartOffset; offset < end && wanted(); ) {
    if (offset >= log.logEndOffset) {
      await pause(time, UNWRITTEN_PAUSE_MS);
      continue;
    }
    const slice = await log.read(offset, bufferBytes, end, true);
    if (slice.nextOffset <= offset) break; // Compaction left nothing behind it.
    for await (const batch of batchesOf(slice.chunks)) {
      state.take(batch);
      untilTurn -= WORK_PER_BATCH + batch.records.length;
      if (untilTurn > 0) continue;
      untilTurn = WORK_PER_TURN;
      await turn(time);
      if (!wanted()) break;
    }
    offset = slice.nextOffset;
  }
}

/** Lets the event loop come round. */
export function turn({ timers }: Time): Promise<void> {
  return new Promise((resolve) => timers.afterTurn(resolve));
}

function pause({ clock, timers }: Time, spanMs: number): Promise<void> {
  return new Promise((resolve) => timers.wakeAt(millis(clock.now() + spanMs), resolve));
}

/** Batches are never split over chunks. */
async function* batchesOf(chunks: readonly Buffer[]): AsyncGenerator<DecodedBatch> {
  for (const chunk of chunks) {
    for (let at = 0; at < chunk.length; ) {
      const sizeBytes = batchSize(chunk, at);
      if (sizeBytes < 0)
        throw new KafkaError('CORRUPT_MESSAGE', 'a batch of the offsets topic is cut off');
      yield await decodeAnyBatchAsync(chunk, at);
      at += sizeBytes;
    }
  }
}

/** Groups as far as the log has been read. */
class LoadedState {
  readonly #groups = new Map<string, LoadedGroup>();
  /** Groups in which an open transaction has offsets, by producer id. */
  readonly #open = new Map<bigint, Set<string>>();
  readonly #room: Room;
  readonly #events: Log;
  #unknownCount = 0;

  constructor(room: Room, events: Log) {
    this.#room = room;
    this.#events = events;
  }

  take(batch: DecodedBatch): void {
    if (batch.control) {
      this.#endTransaction(batch);
      return;
    }
    for (const { key, value, offset } of batch.records) {
      try {
        if (key === null) continue;
        this.#apply(readOffsetsRecord(key, value), offset, batch);
      } catch (error) {
        if (!(error instanceof ProtocolError)) throw error;
        const what = 'a record of the offsets topic cannot be read and is left out';
        this.#events.warn(what, { offset, error });
      }
    }
  }

  finish(): ReadonlyMap<string, LoadedGroup> {
    // A key that ended in a tombstone leaves an empty shell behind.
    for (const [groupId, { stored, offsets }] of this.#groups) {
      if (stored === null && offsets.isEmpty) this.#groups.delete(groupId);
    }
    if (this.#unknownCount > 0)
      this.#events.info('records of kinds that only newer releases know were left out', {
        count: this.#unknownCount,
      });
    return this.#groups;
  }

  /** Gives the room back. */
  discard(): void {
    for (const { offsets } of this.#groups.values()) offsets.clear();
  }

  #endTransaction(batch: DecodedBatch): void {
    const marker = controlMarkerOf(batch);
    if (marker === null) return;
    for (const groupId of this.#open.get(batch.producerId) ?? [])
      this.#groups.get(groupId)?.offsets.endTransaction(batch.producerId, marker.outcome);
    this.#open.delete(batch.producerId);
  }

  #apply(record: OffsetsRecord, logOffset: number, batch: DecodedBatch): void {
    if (record.kind === 'unknown') {
      this.#unknownCount += 1;
      return;
    }
    const group = this.#group(record.group);
    if (record.kind === 'group') {
      group.stored = record.value && snapshotOf(record.value);
      const since = record.value?.currentStateTimestamp ?? -1;
      group.stateSinceMs = since < 0 ? null : since;
      return;
    }
    const { topic, partition, value } = record;
    if (value === null) {
      group.offsets.remove(topic, partition, logOffset);
      return;
    }
    const committed = committedOf(value, logOffset);
    if (!batch.transactional) {
      group.offsets.set(topic, partition, committed);
      return;
    }
    group.offsets.hold(batch.producerId, { topic, partition, committed });
    const groups = this.#open.get(batch.producerId);
    if (groups === undefined) this.#open.set(batch.producerId, new Set([record.group]));
    else groups.add(record.group);
  }

  #group(groupId: string): LoadedGroup {
    let group = this.#groups.get(groupId);
    if (group === undefined) {
      group = { stored: null, stateSinceMs: null, offsets: new OffsetTable(this.#room) };
      this.#groups.set(groupId, group);
    }
    return group;
  }
}
