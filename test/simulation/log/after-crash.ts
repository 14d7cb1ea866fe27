/**
 * What a log must be like when it is opened again, by what its model was promised before, and what the
 * model takes over from it then.
 */
import type { PartitionLog } from '../../../packages/broker/src/log/partition-log.ts';
import { type Circumstances, expectAnswers, hold, readWhole, type Served } from './judge.ts';
import type { LogModel, ModelBatch } from './log-model.ts';

/** @throws Breach */
export async function judgeOpened(
  model: LogModel,
  log: PartitionLog,
  hasGaps: boolean,
): Promise<void> {
  const { logStartOffset: start, logEndOffset: end } = log;
  const served = await readWhole(log, start, hasGaps);
  const batches = served.map((batch) => knownBatch(model, log, batch));
  expectUnbroken(log, batches, hasGaps);
  if (!model.lostPower) expectWhatWasWritten(model, log, batches);
  expectWhatWasSynced(model, log, batches);
  const { synced, lostPower, begunAnew, cutFrom } = model;
  expectStart(model, log);
  if (begunAnew && (cutFrom !== null || lostPower)) model.hasUnknownPast = true;
  if (lostPower && start > synced) model.hasUnknownPast = true;
  // Where a gap is at the end, the log may end below its start, and then begins anew.
  if (hasGaps && batches.length === 0) model.hasUnknownPast = true;
  adopt(model, log, batches);
  log.updateHighWatermark(end);
  const circumstances: Circumstances = { afterRestart: true, timesMayBeWrong: false };
  await expectAnswers(model, log, circumstances);
}

export function expectStart(model: LogModel, log: PartitionLog): void {
  const { startOffset, synced, lostPower, begunAnew, cutFrom } = model;
  // Whole segments at the front may go with the power as long as nothing of them was promised.
  const mayBeginLater = lostPower && (begunAnew || synced <= startOffset);
  hold(
    log.logStartOffset <= startOffset || cutFrom !== null || mayBeginLater,
    () =>
      `${log.name} begins at ${log.logStartOffset}, behind the ${startOffset} that it was cut to`,
  );
}

function knownBatch(
  model: LogModel,
  log: PartitionLog,
  { firstOffset, bytes }: Served,
): ModelBatch {
  const known = model.known(firstOffset, bytes);
  hold(
    known !== null,
    () => `${log.name}: what is served at ${firstOffset} was never appended there`,
  );
  return known;
}

/**
 * Each batch came right behind the one before it: there is no hole that was not there. Where compaction
 * leaves gaps, those that a loss of power leaves cannot be told from them.
 */
function expectUnbroken(log: PartitionLog, batches: readonly ModelBatch[], hasGaps: boolean): void {
  let previous: ModelBatch | null = null;
  for (const batch of batches) {
    const end: number | null = previous === null ? null : previous.lastOffset + 1;
    hold(
      end === null || batch.after === end || batch.firstOffset === end || hasGaps,
      () =>
        `${log.name}: ${batch.firstOffset} follows ${end}, and was appended behind ${batch.after}`,
    );
    hold(
      previous === null || batch.epoch >= previous.epoch,
      () =>
        `${log.name}: ${batch.firstOffset} of epoch ${batch.epoch} follows epoch ${previous?.epoch}`,
    );
    previous = batch;
  }
}

/** The operating system lived on: what it had been handed is there. */
function expectWhatWasWritten(
  model: LogModel,
  log: PartitionLog,
  batches: readonly ModelBatch[],
): void {
  const ways = model.cutFrom === null ? [model.branch] : [model.branch, model.cutFrom];
  hold(
    ways.some((way) => isBeginning(way, batches, log.logStartOffset)),
    () => `${log.name}: ${rangeOf(batches)} is not the beginning of what was appended`,
  );
  const least = Math.min(model.acknowledged, model.nextOffset);
  hold(
    log.logEndOffset >= least,
    () => `${log.name} ends at ${log.logEndOffset}, ${least} was acknowledged`,
  );
}

function expectWhatWasSynced(
  model: LogModel,
  log: PartitionLog,
  batches: readonly ModelBatch[],
): void {
  hold(
    log.logEndOffset >= model.synced,
    () => `${log.name} ends at ${log.logEndOffset}, ${model.synced} was on the medium`,
  );
  const wanted = model.branch.filter(
    ({ lastOffset }) => lastOffset < model.synced && lastOffset >= log.logStartOffset,
  );
  hold(
    isBeginning(batches, wanted, log.logStartOffset),
    () => `${log.name}: ${rangeOf(wanted)} was on the medium, and ${rangeOf(batches)} is there`,
  );
}

/** Whether `part` is what `whole` begins with, leaving aside what ends below `start`. */
function isBeginning(
  whole: readonly ModelBatch[],
  part: readonly ModelBatch[],
  start: number,
): boolean {
  const live = whole.filter(({ lastOffset }) => lastOffset >= start);
  return part.every((batch, index) => live[index]?.bytes.equals(batch.bytes));
}

/** From here on the log is what was found; what was deleted before it stays the past of its producers. */
function adopt(model: LogModel, log: PartitionLog, batches: readonly ModelBatch[]): void {
  const ways = model.cutFrom === null ? [model.branch] : [model.branch, model.cutFrom];
  const way = ways.find((each) => isBeginning(each, batches, log.logStartOffset)) ?? model.branch;
  const past = way.filter(({ lastOffset }) => lastOffset < log.logStartOffset);
  adoptWay(model, log, [...past, ...batches]);
}

/** From here on the log went this way, and promises what was found. */
export function adoptWay(model: LogModel, log: PartitionLog, way: readonly ModelBatch[]): void {
  model.branch = way;
  model.cutFrom = null;
  model.lostPower = false;
  model.isReloaded = true;
  model.nextOffset = log.nextOffset;
  model.acknowledged = log.logEndOffset;
  model.openedAt = log.logEndOffset;
  model.synced = Math.min(model.synced, log.logEndOffset);
  model.startOffset = log.logStartOffset;
}

const rangeOf = (batches: readonly ModelBatch[]): string =>
  batches.length === 0
    ? 'nothing'
    : `${batches[0]?.firstOffset}..${batches.at(-1)?.lastOffset} (${batches.length} batches)`;
