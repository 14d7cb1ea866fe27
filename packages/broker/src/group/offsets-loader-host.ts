/**
 * Reads a partition of __consumer_offsets from its start and makes groups and offsets of it. The last record of a key
 * counts; a transaction's offsets count when its commit marker is met, and not at all before.
 */
import {
  batchSize,
  controlMarkerOf,
  type DecodedBatch,
  decodeBatchAsync,
  KafkaError,
  ProtocolError,
} from '@odradek/protocol';
import type { Log } from '@odradek/runtime';
import type { GroupSnapshot } from '../core/group/group-types.ts';
import { OffsetTable } from '../core/group/offsets.ts';
import {
  committedOf,
  type OffsetsRecord,
  readOffsetsRecord,
  snapshotOf,
} from '../core/group/records.ts';

/** The part of a log that loading reads. */
export interface ReadableLog {
  readonly logStartOffset: number;
  readonly logEndOffset: number;
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

interface Applied {
  readonly record: OffsetsRecord;
  readonly logOffset: number;
}

/** @param wanted asked between reads: false ends the loading early, because the partition went elsewhere */
export async function loadOffsetsPartition(
  log: ReadableLog,
  bufferBytes: number,
  wanted: () => boolean,
  events: Log,
): Promise<ReadonlyMap<string, LoadedGroup>> {
  const groups = new Map<string, LoadedGroup>();
  const open = new Map<bigint, Applied[]>();
  const end = log.logEndOffset;
  for (let offset = log.logStartOffset; offset < end && wanted(); ) {
    const slice = await log.read(offset, bufferBytes, end, true);
    if (slice.nextOffset <= offset) break;
    for await (const batch of batchesOf(slice.chunks)) absorb(groups, open, batch, events);
    offset = slice.nextOffset;
  }
  // A key that ended in a tombstone leaves an empty shell behind.
  for (const [groupId, { stored, offsets }] of groups) {
    if (stored === null && offsets.isEmpty) groups.delete(groupId);
  }
  return groups;
}

/** Batches are never split over chunks. */
async function* batchesOf(chunks: readonly Buffer[]): AsyncGenerator<DecodedBatch> {
  for (const chunk of chunks) {
    for (let at = 0; at < chunk.length; ) {
      const size = batchSize(chunk, at);
      if (size < 0)
        throw new KafkaError('CORRUPT_MESSAGE', 'a batch of the offsets topic is cut off');
      yield await decodeBatchAsync(chunk, at);
      at += size;
    }
  }
}

function absorb(
  groups: Map<string, LoadedGroup>,
  open: Map<bigint, Applied[]>,
  batch: DecodedBatch,
  events: Log,
): void {
  if (batch.control) {
    const pending = open.get(batch.producerId) ?? [];
    open.delete(batch.producerId);
    if (controlMarkerOf(batch)?.outcome === 'commit') {
      for (const applied of pending) apply(groups, applied);
    }
    return;
  }
  for (const { key, value, offset } of batch.records) {
    if (key === null || key.length < 2) continue;
    let record: OffsetsRecord;
    try {
      record = readOffsetsRecord(key, value);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      events.warn('a record of the offsets topic cannot be read and is left out', {
        offset,
        error,
      });
      continue;
    }
    if (!batch.transactional) {
      apply(groups, { record, logOffset: offset });
      continue;
    }
    const pending = open.get(batch.producerId);
    if (pending === undefined) open.set(batch.producerId, [{ record, logOffset: offset }]);
    else pending.push({ record, logOffset: offset });
  }
}

function apply(groups: Map<string, LoadedGroup>, { record, logOffset }: Applied): void {
  if (record.kind === 'unknown') return;
  let group = groups.get(record.group);
  if (group === undefined) {
    group = { stored: null, stateSinceMs: null, offsets: new OffsetTable() };
    groups.set(record.group, group);
  }
  if (record.kind === 'group') {
    group.stored = record.value && snapshotOf(record.value);
    const since = record.value?.currentStateTimestamp ?? -1;
    group.stateSinceMs = since < 0 ? null : since;
  } else if (record.value === null) {
    group.offsets.remove(record.topic, record.partition);
  } else {
    group.offsets.set(record.topic, record.partition, committedOf(record.value, logOffset));
  }
}
