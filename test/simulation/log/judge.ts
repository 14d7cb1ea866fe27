/**
 * Holds a log against its model. What must be true at any time: whatever is served is what was appended at
 * that offset, whole and in order; lookups by offset and by time find what a walk through all batches finds;
 * producers, transactions and epochs are what follows from the batches. What must be true after a crash is
 * in after-crash.ts.
 */
import { baseOffset, batchSize, checksumMatches, lastOffset } from '@odradek/protocol';
import type { Draw } from '@odradek/testkit';
import type { PartitionLog } from '../../../packages/broker/src/log/partition-log.ts';
import { factsOf, type LogModel, type ModelBatch } from './log-model.ts';

/** Something that must not be. */
export class Breach extends Error {
  override readonly name = 'Breach';
}

export function hold(holds: boolean, text: () => string): asserts holds {
  if (!holds) throw new Breach(text());
}

/** A batch as it was served. */
export interface Served {
  readonly firstOffset: number;
  readonly lastOffset: number;
  readonly bytes: Buffer;
}

/** Everything that is served from `from` on. @throws Breach when it is not whole and in order */
export async function readWhole(
  log: PartitionLog,
  from: number,
  hasGaps: boolean,
): Promise<Served[]> {
  const served: Served[] = [];
  const end = log.logEndOffset;
  for (let at = from; at < end; ) {
    const slice = await log.read(at, 3_000, end, true);
    if (slice.sizeBytes === 0 && hasGaps) break; // There is one at the end.
    hold(
      slice.sizeBytes > 0,
      () => `${log.name}: nothing is served at ${at}, below the end ${end}`,
    );
    const bytes = Buffer.from(Buffer.concat(slice.chunks));
    for (const memory of slice.lent) memory.release();
    served.push(...split(log, bytes, at));
    hold(slice.nextOffset > at, () => `${log.name}: a read at ${at} leads to ${slice.nextOffset}`);
    at = slice.nextOffset;
  }
  return served;
}

function split(log: PartitionLog, bytes: Buffer, from: number): Served[] {
  const served: Served[] = [];
  let next = from;
  for (let at = 0; at < bytes.length; ) {
    const size = batchSize(bytes, at);
    hold(size > 0, () => `${log.name}: half a batch is served behind ${next}`);
    const batch = bytes.subarray(at, at + size);
    const firstOffset = baseOffset(batch, 0);
    hold(
      checksumMatches(batch, 0),
      () => `${log.name}: ${firstOffset} is served with a wrong checksum`,
    );
    const last = lastOffset(batch, 0);
    hold(last >= next, () => `${log.name}: ${firstOffset}..${last} is served behind ${next}`);
    served.push({ firstOffset, lastOffset: last, bytes: batch });
    next = last + 1;
    at += size;
  }
  return served;
}

/** Some read in the middle of the work: what the log has by now, byte for byte. */
export async function expectServed(model: LogModel, log: PartitionLog, draw: Draw): Promise<void> {
  if (model.cutFrom !== null) return;
  const from = draw.between(log.logStartOffset, log.logEndOffset);
  const end = log.logEndOffset;
  const { branch } = model;
  const slice = await log.read(from, draw.oneOf([1, 500, 100_000]), end, true);
  // It may have been cut while it was read from the files.
  if (branch !== model.branch && !model.branch.includes(branch.at(-1) as ModelBatch)) return;
  const expected = branch.filter(
    (batch) => batch.lastOffset >= from && batch.lastOffset < slice.nextOffset,
  );
  hold(
    Buffer.concat(expected.map(({ bytes }) => bytes)).equals(Buffer.concat(slice.chunks)),
    () => `${log.name}: ${from} to ${slice.nextOffset} is not what was appended`,
  );
  for (const memory of slice.lent) memory.release();
}

export interface Circumstances {
  /** Of each producer only the last batch may be known, and transactions above the high watermark count as settled. */
  readonly afterRestart: boolean;
  /** A bit of a time index turned, which nobody can see. */
  readonly timesMayBeWrong: boolean;
}

/** Everything that is asked of a log besides its records. */
export async function expectAnswers(
  model: LogModel,
  log: PartitionLog,
  { afterRestart, timesMayBeWrong }: Circumstances,
): Promise<void> {
  if (model.cutFrom !== null || log.logEndOffset !== log.nextOffset) return;
  const branch = model.branch;
  const { logStartOffset: start, logEndOffset: end } = log;
  const live = branch.filter((batch) => batch.lastOffset >= start);
  if (!model.hasUnknownPast) expectEpochs(log, live, model.raisedStart);
  if (!model.hasUnknownPast) expectProducers(log, branch, afterRestart);
  const unchanged = (): boolean =>
    model.branch === branch && log.logStartOffset === start && log.logEndOffset === end;
  for (const range of [
    [start, end],
    [start, Math.floor((start + end) / 2)],
    [Math.floor((start + end) / 2), end],
  ] as const) {
    const [from, to] = range;
    if (model.hasUnknownPast) break;
    const found = await log.abortedTransactions(from, to);
    if (!unchanged()) return;
    const expected = factsOf(branch).aborted.filter(
      ({ firstOffset, lastOffset }) => from < to && lastOffset >= from && firstOffset < to,
    );
    hold(
      text(found) === text(expected),
      () => `${log.name}: aborted in ${from} to ${to}: ${text(found)} instead of ${text(expected)}`,
    );
  }
  for (const batch of live) {
    const slice = await log.read(Math.max(start, batch.lastOffset), 1, end, true);
    for (const memory of slice.lent) memory.release();
    if (!unchanged()) return;
    hold(
      slice.firstOffset === batch.firstOffset,
      () =>
        `${log.name}: a lookup of ${batch.lastOffset} finds ${slice.firstOffset} instead of ${batch.firstOffset}`,
    );
  }
  if (timesMayBeWrong) return;
  const times = [
    0,
    ...live.filter((_, index) => index % 3 === 0).map(({ timestamp }) => timestamp),
  ];
  for (const time of times) {
    const found = await log.offsetForTimestamp(time, end);
    if (!unchanged()) return;
    const expected = firstAtOrAfter(live, start, time);
    hold(
      (found?.offset ?? null) === expected,
      () =>
        `${log.name}: the first record since ${time} is at ${found?.offset} instead of ${expected}`,
    );
  }
}

function expectEpochs(log: PartitionLog, live: readonly ModelBatch[], raisedStart: number): void {
  for (const { firstOffset, epoch } of live) {
    const found = log.epochOf(Math.max(firstOffset, log.logStartOffset));
    // A crash may undo that the log's start was raised, but not what was forgotten with it.
    const isForgotten = found === -1 && firstOffset < raisedStart;
    hold(
      found === epoch || isForgotten,
      () => `${log.name}: ${firstOffset} is of epoch ${found}, appended in ${epoch}`,
    );
  }
}

function expectProducers(
  log: PartitionLog,
  branch: readonly ModelBatch[],
  afterRestart: boolean,
): void {
  const { producers, aborted } = factsOf(branch);
  const known = new Map([...log.activeProducers()].map((entry) => [entry.producerId, entry]));
  for (const [id, expected] of producers) {
    const entry = known.get(id);
    hold(entry !== undefined, () => `${log.name}: producer ${id} is forgotten`);
    const found = {
      epoch: entry.epoch,
      coordinatorEpoch: entry.coordinatorEpoch,
      openSince: entry.transactionFirstOffset,
      batches: entry.batches.map(({ firstOffset, lastSequence }) => ({
        firstOffset,
        lastSequence,
      })),
    };
    const count = afterRestart ? Math.min(found.batches.length, 5) : 5;
    const least = Math.min(1, expected.batches.length);
    const wanted = { ...expected, batches: count < least ? [] : expected.batches.slice(-count) };
    if (count === 0 && least === 0) wanted.batches = [];
    hold(
      text(found) === text(wanted) && found.batches.length >= least,
      () => `${log.name}: producer ${id} is ${text(found)} instead of ${text(wanted)}`,
    );
  }
  for (const id of known.keys()) {
    hold(producers.has(id), () => `${log.name}: producer ${id} never wrote here`);
  }
  const { highWatermark, logStartOffset, lastStableOffset } = log;
  const open = [...producers.values()].map(({ openSince }) => openSince).filter((at) => at >= 0);
  const undecided = [
    ...open,
    ...aborted
      .filter(({ lastOffset: at }) => at >= highWatermark)
      .map(({ firstOffset }) => firstOffset),
  ];
  const least = Math.min(
    highWatermark,
    Math.max(logStartOffset, Math.min(highWatermark, ...undecided)),
  );
  const most = Math.min(highWatermark, Math.max(logStartOffset, Math.min(highWatermark, ...open)));
  // Committed transactions above the high watermark hold it back too; the model keeps only aborted ones.
  hold(
    lastStableOffset <= most && (afterRestart || undecided.length > 0 || lastStableOffset <= least),
    () => `${log.name}: the last stable offset is ${lastStableOffset}, at most ${most} is right`,
  );
  if (highWatermark === log.logEndOffset) {
    hold(
      lastStableOffset === most,
      () => `${log.name}: the last stable offset is ${lastStableOffset} instead of ${most}`,
    );
  }
}

function firstAtOrAfter(live: readonly ModelBatch[], start: number, time: number): number | null {
  for (const { firstOffset, lastOffset: last, timestamp, producer } of live) {
    const isMarker = producer?.kind === 'commit' || producer?.kind === 'abort';
    for (let offset = firstOffset; offset <= last; offset += 1) {
      const at = timestamp + (isMarker ? 0 : offset - firstOffset);
      if (offset >= start && at >= time) return offset;
    }
  }
  return null;
}

const text = (value: unknown): string =>
  JSON.stringify(value, (_, field: unknown) => (typeof field === 'bigint' ? String(field) : field));
