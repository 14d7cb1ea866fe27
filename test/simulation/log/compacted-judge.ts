/**
 * Holds a compacted log against its model: of each key the newest record is there, or nothing at all when that was a
 * tombstone whose time is over; nothing is touched that compaction had no business with; nothing that was deleted comes
 * back to life; what was compacted has each key once; readers of committed records see neither more nor less.
 */
import { type DecodedBatch, decodeRecordSet } from '@odradek/protocol';
import type { LogConfig } from '../../../packages/broker/src/log/log-config.ts';
import type { PartitionLog } from '../../../packages/broker/src/log/partition-log.ts';
import { hold, type Served } from './judge.ts';
import type { LogModel, ModelBatch, ModelRecord } from './log-model.ts';

/** A batch as it was served, and what it was when it was appended. */
export interface Found {
  readonly batch: ModelBatch;
  readonly served: DecodedBatch;
  readonly bytes: Buffer;
}

export type CompactionRules = Pick<LogConfig, 'minCompactionLagMs' | 'deleteRetentionMs'>;

/** Takes down how far compaction can have come by now. */
export function noteReach(model: LogModel, log: PartitionLog, wallTimeMs: number): void {
  const notes = model.compaction;
  const reach = reachOf(log);
  if (reach > notes.reachMax) {
    for (const { records } of model.branch) {
      for (const record of records) {
        const isNew = record.offset >= notes.reachMax && record.offset < reach;
        // It was not within reach when that was noted last.
        if (isNew) notes.reachedSinceMs.set(record, notes.notedAtMs);
      }
    }
    notes.reachMax = reach;
  }
  notes.notedAtMs = wallTimeMs;
}

function reachOf(log: PartitionLog): number {
  return Math.min(log.lastStableOffset, log.segmentBaseOf(log.logEndOffset));
}

/** The batches of the model that these are, or what compaction may make of them. @throws Breach */
export function identified(
  model: LogModel,
  log: PartitionLog,
  served: readonly Served[],
): readonly Found[] {
  return served.map(({ firstOffset, bytes }) => {
    const found = foundIn(model, firstOffset, bytes);
    hold(
      found !== null,
      () =>
        `${log.name}: what is served at ${firstOffset} is nothing that compaction can make of what was appended there`,
    );
    // Of a way that the log has left: the power has brought it back.
    const isOld = !model.branch.includes(found.batch);
    const isChanged = !isOld && !found.batch.bytes.equals(bytes);
    hold(
      !isChanged || firstOffset < model.compaction.reachMax,
      () => `${log.name}: ${firstOffset} was changed, above all that may be compacted`,
    );
    return found;
  });
}

export function foundIn(model: LogModel, firstOffset: number, bytes: Buffer): Found | null {
  const [served] = decodeRecordSet(bytes);
  const ever = (model.ever.get(firstOffset) ?? []).toReversed();
  const here = ever.filter((batch) => model.branch.includes(batch));
  const fits = (batch: ModelBatch): boolean => served !== undefined && isMadeOf(served, batch);
  const batch =
    [...here, ...ever].find((each) => each.bytes.equals(bytes)) ?? [...here, ...ever].find(fits);
  return batch === undefined || served === undefined ? null : { batch, served, bytes };
}

function isMadeOf(served: DecodedBatch, batch: ModelBatch): boolean {
  const { producer, records } = batch;
  const isMarker = producer?.kind === 'commit' || producer?.kind === 'abort';
  const [record] = served.records;
  const isSameMarker =
    !isMarker || record === undefined || isAbort(served) === (producer.kind === 'abort');
  return (
    served.lastOffset === batch.lastOffset &&
    served.partitionLeaderEpoch === batch.epoch &&
    served.producerId === (producer?.id ?? -1n) &&
    served.producerEpoch === (producer?.epoch ?? -1) &&
    served.baseSequence === (producer?.firstSequence ?? -1) &&
    served.control === isMarker &&
    isSameMarker &&
    (isMarker || served.records.every((each) => records.some((known) => isSame(each, known))))
  );
}

function isSame(
  { offset, timestamp, key, value, headers }: DecodedBatch['records'][number],
  known: ModelRecord,
): boolean {
  return (
    offset === known.offset &&
    timestamp === known.timestamp &&
    key?.toString() === known.key &&
    (value === null) === known.isTombstone &&
    headers[0]?.value?.toString() === String(known.serial)
  );
}

/** Of a marker that was not emptied. */
function isAbort({ records }: DecodedBatch): boolean {
  return records[0]?.key?.readInt16BE(2) === 0;
}

type Outcome = 'none' | 'open' | 'committed' | 'aborted';

/** What became of each batch of data. */
export function outcomesOf(way: readonly ModelBatch[]): ReadonlyMap<ModelBatch, Outcome> {
  const outcomes = new Map<ModelBatch, Outcome>();
  const open = new Map<bigint, ModelBatch[]>();
  for (const batch of way) {
    const { producer } = batch;
    if (producer?.kind === 'transactional') {
      outcomes.set(batch, 'open');
      open.set(producer.id, [...(open.get(producer.id) ?? []), batch]);
    } else if (producer?.kind === 'commit' || producer?.kind === 'abort') {
      const outcome = producer.kind === 'commit' ? 'committed' : 'aborted';
      for (const each of open.get(producer.id) ?? []) outcomes.set(each, outcome);
      open.delete(producer.id);
    } else outcomes.set(batch, 'none');
  }
  return outcomes;
}

export interface CompactedFacts {
  /** All that was appended on the way that the log went. */
  readonly way: readonly ModelBatch[];
  readonly found: readonly Found[];
  /** Everything below must be there, as far as compaction does not take it. */
  readonly promised: number;
  readonly wallTimeMs: number;
  readonly rules: CompactionRules;
}

/** @throws Breach */
export function expectCompacted(model: LogModel, log: PartitionLog, facts: CompactedFacts): void {
  const { reachMax, excused } = model.compaction;
  const { way, found, promised } = facts;
  const start = log.logStartOffset;
  const outcomes = outcomesOf(way);
  const there = recordsThere(found);
  const live = way.filter(({ lastOffset }) => lastOffset >= start);
  const keys = new Map<string, ModelRecord[]>();
  for (const batch of live) {
    const outcome = outcomes.get(batch);
    for (const record of batch.records) {
      if (record.offset < start) continue;
      hold(
        there.has(record) ||
          record.offset < reachMax ||
          record.offset >= promised ||
          excused.has(record),
        () => `${log.name}: ${record.offset} is gone, above all that may be compacted`,
      );
      if (outcome !== 'aborted') keys.set(record.key, [...(keys.get(record.key) ?? []), record]);
      else if (!model.hasUnknownPast && there.has(record))
        hold(
          record.offset >= (log.compaction.cleanedUpTo ?? 0),
          () => `${log.name}: ${record.offset} was aborted, and is there though compacted`,
        );
    }
  }
  for (const records of keys.values()) expectKey(model, log, records, there, facts);
}

/** @param records of one key, none of them aborted, oldest first */
function expectKey(
  { compaction }: LogModel,
  log: PartitionLog,
  records: readonly ModelRecord[],
  there: ReadonlySet<ModelRecord>,
  { promised, wallTimeMs, rules }: CompactedFacts,
): void {
  const { excused, reachMax, reachedSinceMs } = compaction;
  const isOver = (record: ModelRecord): boolean => {
    const sinceMs = reachedSinceMs.get(record);
    return (
      record.isTombstone && sinceMs !== undefined && wallTimeMs >= sinceMs + rules.deleteRetentionMs
    );
  };
  const isSuperseded = (record: ModelRecord): boolean =>
    records.some(
      ({ offset, timestamp }) =>
        offset > record.offset &&
        offset < reachMax &&
        timestamp <= wallTimeMs - rules.minCompactionLagMs,
    );
  for (const record of records) {
    const mayGo = there.has(record) || excused.has(record) || record.offset >= promised;
    hold(
      mayGo || isSuperseded(record) || isOver(record),
      () => `${log.name}: ${record.offset}, the newest of ${record.key}, is gone`,
    );
  }
  const newest = records.findLast(({ offset }) => offset < promised);
  if (newest === undefined || excused.has(newest)) return;
  const since = records.filter(({ offset }) => offset >= newest.offset);
  hold(
    since.some((record) => there.has(record) || isOver(record)),
    () => `${log.name}: of ${newest.key} neither ${newest.offset} nor a later one is there`,
  );
  const last = since.at(-1);
  const older = records.findLast((record) => record !== last && there.has(record));
  hold(
    last === undefined || last.offset >= promised || there.has(last) || older === undefined,
    () => `${log.name}: ${older?.offset} of ${newest.key} is there, and ${last?.offset} deleted it`,
  );
  const clean = records.filter(
    (record) => there.has(record) && record.offset < (log.compaction.cleanedUpTo ?? 0),
  );
  hold(
    clean.length < 2,
    () =>
      `${log.name}: ${newest.key} is at ${clean.map(({ offset }) => offset)}, all of it compacted`,
  );
}

function recordsThere(found: readonly Found[]): ReadonlySet<ModelRecord> {
  const there = new Set<ModelRecord>();
  for (const { batch, served } of found) {
    const offsets = new Set(served.records.map(({ offset }) => offset));
    for (const record of batch.records) if (offsets.has(record.offset)) there.add(record);
  }
  return there;
}

/** From here on nobody can say why they went. */
export function excuseMissing(
  { compaction }: LogModel,
  way: readonly ModelBatch[],
  found: readonly Found[],
): void {
  const there = recordsThere(found);
  for (const { records } of way)
    for (const record of records) if (!there.has(record)) compaction.excused.add(record);
}

/** What was aborted on a way that a crash ends: the marker may be lost, and the records were compacted away. */
export function excuseAborted({ compaction }: LogModel, way: readonly ModelBatch[]): void {
  const outcomes = outcomesOf(way);
  for (const batch of way) {
    if (outcomes.get(batch) !== 'aborted') continue;
    for (const record of batch.records)
      if (record.offset < compaction.reachMax) compaction.excused.add(record);
  }
}

/** What may be gone by now, before a cut takes away what they went for. */
export function excuseReached({ compaction, branch }: LogModel, log: PartitionLog): void {
  // Segments may be rolled while the cut waits for a pass to end.
  const reach = Math.max(compaction.reachMax, log.lastStableOffset);
  for (const { records } of branch)
    for (const record of records) if (record.offset < reach) compaction.excused.add(record);
}

/** Everything that is asked of a log besides its records. @throws Breach */
export async function expectCompactedAnswers(
  model: LogModel,
  log: PartitionLog,
  { way, found }: Pick<CompactedFacts, 'way' | 'found'>,
  isUndisturbed: () => boolean,
): Promise<void> {
  const { logStartOffset: start, logEndOffset: end } = log;
  if (!model.hasUnknownPast) {
    for (const { batch } of found) {
      const epoch = log.epochOf(Math.max(batch.firstOffset, start));
      const isForgotten = epoch === -1 && batch.firstOffset < model.raisedStart;
      hold(
        epoch === batch.epoch || isForgotten,
        () => `${log.name}: ${batch.firstOffset} is of epoch ${epoch}, appended in ${batch.epoch}`,
      );
    }
    expectSequences(model, log);
    for (const from of [start, Math.floor((start + end) / 2)]) {
      const aborted = await log.abortedTransactions(from, end);
      if (!isUndisturbed()) return;
      expectCommitted(log, way, found, from, aborted);
    }
  }
  for (const { batch } of found) {
    const slice = await log.read(Math.max(start, batch.lastOffset), 1, end, true);
    for (const memory of slice.lent) memory.release();
    if (!isUndisturbed()) return;
    hold(
      slice.firstOffset === batch.firstOffset,
      () =>
        `${log.name}: a lookup of ${batch.lastOffset} finds ${slice.firstOffset} instead of ${batch.firstOffset}`,
    );
  }
  const records = found.flatMap(({ served }) => served.records);
  for (const time of [
    0,
    ...records.filter((_, index) => index % 4 === 0).map((each) => each.timestamp),
  ]) {
    const answer = await log.offsetForTimestamp(time, end);
    if (!isUndisturbed()) return;
    const expected = records.find(({ offset, timestamp }) => offset >= start && timestamp >= time);
    hold(
      (answer?.offset ?? null) === (expected?.offset ?? null),
      () =>
        `${log.name}: the first record since ${time} is at ${answer?.offset} instead of ${expected?.offset}`,
    );
  }
}

/** A producer's last sequence outlives its records. Of one that wrote only markers in its epoch nothing need be known. */
function expectSequences(model: LogModel, log: PartitionLog): void {
  const known = new Map([...log.activeProducers()].map((entry) => [entry.producerId, entry]));
  for (const [id, { epoch, openSince, batches }] of model.facts().producers) {
    const wanted = batches.at(-1);
    if (wanted === undefined) continue;
    const entry = known.get(id);
    const found = entry?.batches.at(-1);
    hold(
      entry?.epoch === epoch &&
        found?.lastSequence === wanted.lastSequence &&
        entry.transactionFirstOffset === openSince,
      () =>
        `${log.name}: producer ${id} is at epoch ${entry?.epoch}, sequence ${found?.lastSequence}, open since ${entry?.transactionFirstOffset} instead of ${epoch}, ${wanted.lastSequence}, ${openSince}`,
    );
  }
}

/** As a consumer of committed records reads: by what the broker tells of aborted transactions, and by markers. */
function expectCommitted(
  log: PartitionLog,
  way: readonly ModelBatch[],
  found: readonly Found[],
  from: number,
  aborted: readonly { readonly producerId: bigint; readonly firstOffset: number }[],
): void {
  const outcomes = outcomesOf(way);
  const ahead = [...aborted].sort((a, b) => a.firstOffset - b.firstOffset);
  const inAborted = new Set<bigint>();
  for (const { batch, served } of found) {
    if (batch.lastOffset < from || batch.firstOffset >= log.lastStableOffset) continue;
    while (ahead[0] !== undefined && ahead[0].firstOffset <= batch.lastOffset)
      inAborted.add((ahead.shift() as { producerId: bigint }).producerId);
    if (served.control) {
      if (served.records.length > 0 && isAbort(served)) inAborted.delete(served.producerId);
      continue;
    }
    if (served.records.length === 0) continue;
    const isSkipped = served.transactional && inAborted.has(served.producerId);
    hold(
      isSkipped === (outcomes.get(batch) === 'aborted'),
      () =>
        `${log.name}: ${batch.firstOffset} (${outcomes.get(batch)}) is ${isSkipped ? 'not ' : ''}read as committed from ${from} on`,
    );
  }
}
