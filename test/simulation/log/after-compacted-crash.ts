/** What a compacted log must be like when it is opened again, and what its model takes over from it then. */
import type { PartitionLog } from '../../../packages/broker/src/log/partition-log.ts';
import { adoptWay, expectStart } from './after-crash.ts';
import {
  type CompactionRules,
  excuseAborted,
  excuseMissing,
  expectCompacted,
  expectCompactedAnswers,
  type Found,
  identified,
  outcomesOf,
} from './compacted-judge.ts';
import { hold, readWhole } from './judge.ts';
import type { LogModel, ModelBatch } from './log-model.ts';

/** @throws Breach */
export async function judgeOpenedCompacted(
  model: LogModel,
  log: PartitionLog,
  rules: CompactionRules,
  wallTimeMs: number,
): Promise<void> {
  const { logStartOffset: start, logEndOffset: end } = log;
  const found = identified(model, log, await readWhole(log, start, true));
  const { synced, acknowledged, nextOffset, lostPower, begunAnew, cutFrom } = model;
  const promised = lostPower ? synced : Math.min(acknowledged, nextOffset);
  hold(end >= promised, () => `${log.name} ends at ${end}, ${promised} was promised`);
  const way = wayOf(model, log, found, promised);
  expectStart(model, log);
  if (begunAnew && (cutFrom !== null || lostPower)) model.hasUnknownPast = true;
  if (lostPower && start > synced) model.hasUnknownPast = true;
  if (found.length === 0) model.hasUnknownPast = true;
  if (lostPower && lacksProducers(way, found, promised)) model.hasUnknownPast = true;
  for (const each of [model.branch, cutFrom ?? []]) excuseAborted(model, each);
  expectCompacted(model, log, { way, found, promised, wallTimeMs, rules });
  excuseMissing(model, way, found);
  // What was compacted on another way may be back.
  const changed = found.findLast(({ batch, bytes }) => !batch.bytes.equals(bytes));
  const reach = Math.max(model.compaction.reachMax, (changed?.batch.lastOffset ?? -1) + 1);
  model.compaction.reachMax = Math.min(reach, end);
  adoptWay(model, log, way);
  log.updateHighWatermark(end);
  await expectCompactedAnswers(model, log, { way: model.branch, found }, () => true);
}

/** All that was appended up to the end of what is there, be it gone by now. */
function wayOf(
  model: LogModel,
  log: PartitionLog,
  found: readonly Found[],
  promised: number,
): readonly ModelBatch[] {
  const { branch, cutFrom, lostPower, compaction } = model;
  const ways = cutFrom === null ? [branch] : [branch, cutFrom];
  const way = ways.find((each) => found.every(({ batch }) => each.includes(batch)));
  const end = log.logEndOffset;
  if (way !== undefined && !lostPower) return way.filter(({ lastOffset }) => lastOffset < end);
  hold(lostPower, () => `${log.name}: what is served is of a way that the log had left`);
  const filled: ModelBatch[] = [];
  for (const { batch } of found) {
    const from = filled.at(-1)?.lastOffset ?? -1;
    const between: ModelBatch[] = [];
    let at = batch.previous;
    for (; at !== null && at.firstOffset > from; at = at.previous)
      if (!model.compaction.lost.has(at)) between.unshift(at);
    filled.push(...between, batch);
  }
  const there = new Set(found.map(({ batch }) => batch));
  const isKept = (batch: ModelBatch): boolean =>
    there.has(batch) || batch.lastOffset < Math.max(promised, compaction.reachMax);
  // What is behind the last one that is there was lost, not compacted.
  const kept = filled.filter(isKept);
  for (const batch of filled) if (!isKept(batch)) compaction.lost.add(batch);
  for (const batch of branch.filter(({ lastOffset }) => lastOffset < promised)) {
    hold(
      kept.includes(batch) || kept.length === 0 || batch.lastOffset < log.logStartOffset,
      () => `${log.name}: ${batch.firstOffset} was on the medium, and another way is there`,
    );
  }
  return kept;
}

/**
 * Something of a producer is missing, and the power may have taken it, or the marker that it went by; or what it wrote
 * last, for which compaction had dropped what it wrote before.
 */
function lacksProducers(
  way: readonly ModelBatch[],
  found: readonly Found[],
  promised: number,
): boolean {
  const there = new Set(found.map(({ batch }) => batch));
  const outcomes = outcomesOf(way);
  const newest = new Map(
    way.flatMap((batch) => (batch.records.length > 0 ? [[batch.producer?.id, batch]] : [])),
  );
  return way.some(
    (batch) =>
      batch.producer !== null &&
      !there.has(batch) &&
      (batch.lastOffset >= promised ||
        outcomes.get(batch) === 'open' ||
        newest.get(batch.producer.id) === batch),
  );
}
