/**
 * What a broker does with its logs while it lives: appends as leader and as follower, with every kind of
 * producer, and all that moves the ends of a log; drawn from the seed, noted in the models.
 */
import {
  baseOffset,
  batchSize,
  encodeBatch,
  encodeTransactionMarker,
  KafkaError,
  setBaseOffset,
  setPartitionLeaderEpoch,
} from '@odradek/protocol';
import { type Environment, millis } from '@odradek/runtime';
import type { Draw } from '@odradek/testkit';
import type { LogConfig } from '../../../packages/broker/src/log/log-config.ts';
import type { LogManager } from '../../../packages/broker/src/log/log-manager.ts';
import type { AppendOrigin } from '../../../packages/broker/src/log/log-types.ts';
import type { PartitionLog } from '../../../packages/broker/src/log/partition-log.ts';
import {
  excuseReached,
  expectCompacted,
  expectCompactedAnswers,
  foundIn,
  identified,
  noteReach,
} from './compacted-judge.ts';
import { expectAnswers, expectServed, hold, readWhole } from './judge.ts';
import type { LogModel, ModelBatch, ModelProducer, ModelRecord } from './log-model.ts';

const OPERATIONS = {
  append: 30,
  flood: 4,
  flush: 5,
  flushBeside: 3,
  truncate: 3,
  beginAnew: 1,
  advanceStart: 2,
  highWatermark: 5,
  checkpoint: 3,
  retention: 2,
  read: 6,
  ask: 2,
  newEpoch: 3,
  wait: 4,
  waitLong: 1,
} as const;

/** Compaction reaches what is below the high watermark and behind the active segment, and takes its time. */
const COMPACTED_OPERATIONS = {
  ...OPERATIONS,
  append: 40,
  truncate: 2,
  highWatermark: 14,
  read: 4,
  ask: 4,
  wait: 12,
  waitLong: 3,
} as const;

/** A record's own share of a log is made to stand out when it is looked at in hexadecimal. */
const FILL = 0xa5;

export interface Worker {
  readonly environment: Environment;
  readonly manager: LogManager;
  readonly draw: Draw;
  /** Their index is their partition. */
  readonly models: readonly LogModel[];
  /** Leader epoch that batches are appended in, by partition; only rises. */
  readonly epochs: number[];
  readonly config: LogConfig;
  /** How often a compaction has begun; null where logs are not compacted. */
  readonly passes: (() => number) | null;
  /** A line for whoever reads the trace. */
  readonly tell: (text: string) => void;
}

/** @throws Breach */
export async function performOne(worker: Worker): Promise<void> {
  const { draw, models, manager } = worker;
  const partition = draw.below(models.length);
  const model = models[partition] as LogModel;
  const log = manager.get(model.topic, partition);
  if (log === undefined || log.offline) return;
  const operation = draw.weighted(worker.passes === null ? OPERATIONS : COMPACTED_OPERATIONS);
  worker.tell(`${log.name} ${operation}: ${stateOf(model, log)}`);
  try {
    await perform(worker, operation, model, log, partition);
    worker.tell(`${log.name} ${operation} done: ${stateOf(model, log)}`);
  } catch (error) {
    // The disk is full or failing, or another operation cuts the log just now.
    if (!(error instanceof KafkaError)) throw error;
    worker.tell(`${log.name} ${operation} refused: ${error.message}`);
  }
}

function stateOf(model: LogModel, log: PartitionLog): string {
  const { logStartOffset, recoveryPoint, highWatermark, logEndOffset, nextOffset } = log;
  return `${logStartOffset}..${recoveryPoint}..${highWatermark}..${logEndOffset}..${nextOffset}, synced ${model.synced}`;
}

/** Takes the log's own promises down. */
export function notePromises(
  { config, wallTimeMs }: Pick<Worker, 'config'> & { readonly wallTimeMs: number },
  model: LogModel,
  log: PartitionLog,
): void {
  if (model.cutFrom !== null) return;
  noteReach(model, log, wallTimeMs);
  // A cut in a gap that compaction left at the leader ends a log behind its last batch, until a restart.
  const promised = (offset: number): number =>
    (model.branch.findLast(({ lastOffset }) => lastOffset < offset)?.lastOffset ?? -1) + 1;
  model.acknowledged = Math.max(model.acknowledged, promised(log.logEndOffset));
  // Of a log without batches nothing can be lost.
  const isEmpty = (model.branch.at(-1)?.lastOffset ?? -1) < log.logStartOffset;
  if (!isEmpty && promised(log.recoveryPoint) > log.logStartOffset) {
    model.synced = Math.max(model.synced, promised(log.recoveryPoint));
    // What a kill left in the system's memory was not acknowledged; what comes behind it rests on it.
    if (config.flushIntervalMessages === 1 && log.logEndOffset > model.openedAt)
      model.synced = Math.max(model.synced, promised(log.logEndOffset));
  }
  model.startOffset = log.logStartOffset;
  model.raisedStart = Math.max(model.raisedStart, log.logStartOffset);
}

function endOf({ branch, startOffset }: LogModel): number {
  const last = branch.at(-1);
  return last === undefined ? startOffset : last.lastOffset + 1;
}

async function perform(
  worker: Worker,
  operation: keyof typeof OPERATIONS,
  model: LogModel,
  log: PartitionLog,
  partition: number,
): Promise<void> {
  const { draw, manager, environment } = worker;
  switch (operation) {
    case 'append':
      append(worker, model, log, partition);
      if (draw.chance(0.7)) await written(worker, log);
      return;
    case 'flood':
      for (let count = draw.between(2, 8); count > 0; count -= 1)
        append(worker, model, log, partition);
      return;
    case 'flush': {
      const end = endOf(model);
      const isEmpty = end <= log.logStartOffset;
      await log.flush();
      if (!isEmpty) model.synced = Math.max(model.synced, end);
      model.begunAnew = false;
      return;
    }
    case 'flushBeside':
      log.flush().catch(ofTheDisk);
      return;
    case 'truncate':
      return truncate(
        worker,
        model,
        log,
        draw.between(leastEnd(worker, model, log), model.nextOffset),
      );
    case 'beginAnew':
      return beginAnew(model, log, draw.chance(0.5) ? 0 : model.nextOffset + draw.below(50));
    case 'advanceStart':
      log.updateHighWatermark(log.logEndOffset);
      await log.advanceLogStart(draw.between(log.logStartOffset, log.logEndOffset));
      return;
    case 'highWatermark':
      log.updateHighWatermark(
        worker.passes !== null && draw.chance(0.6)
          ? log.logEndOffset
          : draw.between(log.highWatermark, log.logEndOffset),
      );
      return;
    case 'checkpoint':
      return manager.checkpointHighWatermarks(() => null);
    case 'retention':
      return manager.applyRetention();
    case 'read':
      return worker.passes === null
        ? expectServed(model, log, draw)
        : expectServedCompacted(worker, model, log);
    case 'ask':
      if (worker.passes !== null) return expectWholeCompacted(worker, model, log);
      return expectAnswers(model, log, { afterRestart: model.isReloaded, timesMayBeWrong: false });
    case 'newEpoch':
      worker.epochs[partition] = (worker.epochs[partition] ?? 0) + draw.between(1, 3);
      if (draw.chance(0.5)) log.startEpoch(worker.epochs[partition] ?? 0);
      return;
    case 'wait':
      return pause(environment, draw.between(1, 300));
    case 'waitLong':
      return pause(environment, draw.between(1_000, 15_000));
  }
}

/** Some read in the middle of the work and of compactions: all of it was appended, in this order. */
async function expectServedCompacted(
  { draw }: Worker,
  model: LogModel,
  log: PartitionLog,
): Promise<void> {
  if (model.cutFrom !== null) return;
  const from = draw.between(log.logStartOffset, log.logEndOffset);
  const { branch } = model;
  const slice = await log.read(from, draw.oneOf([1, 500, 100_000]), log.logEndOffset, true);
  const bytes = Buffer.concat(slice.chunks);
  for (const memory of slice.lent) memory.release();
  if (model.branch !== branch) return;
  let next = from;
  for (let at = 0; at < bytes.length; at += batchSize(bytes, at)) {
    const batch = bytes.subarray(at, at + batchSize(bytes, at));
    const first = baseOffset(batch, 0);
    const found = foundIn(model, first, batch);
    hold(
      found !== null && branch.includes(found.batch) && found.batch.lastOffset >= next,
      () => `${log.name}: ${first} is served behind ${next}, and was not appended so`,
    );
    next = found.batch.lastOffset + 1;
  }
}

/** All of the log, unless a compaction begins or ends while it is read: then it was never there all at once. */
async function expectWholeCompacted(
  { environment, config, passes }: Worker,
  model: LogModel,
  log: PartitionLog,
): Promise<void> {
  if (model.cutFrom !== null || log.logEndOffset !== log.nextOffset) return;
  const { branch } = model;
  const { logStartOffset: start, logEndOffset: end } = log;
  const began = passes?.();
  const { cleanedUpTo } = log.compaction;
  const isUndisturbed = (): boolean =>
    model.branch === branch &&
    log.logStartOffset === start &&
    log.logEndOffset === end &&
    log.compaction.cleanedUpTo === cleanedUpTo &&
    passes?.() === began;
  const served = await readWhole(log, start, true);
  if (!isUndisturbed()) return;
  const wallTimeMs = environment.clock.wallTime();
  noteReach(model, log, wallTimeMs);
  const found = identified(model, log, served);
  expectCompacted(model, log, { way: branch, found, promised: end, wallTimeMs, rules: config });
  // What happens to segments of a pass that is under way may still change what is found.
  await expectCompactedAnswers(
    model,
    log,
    { way: branch, found },
    () => isUndisturbed() && log.compaction.lease.free,
  );
}

function ofTheDisk(error: unknown): void {
  if (!(error instanceof KafkaError)) throw error;
}

export function pause({ clock, timers }: Environment, ms: number): Promise<void> {
  return new Promise((resolve) => timers.wakeAt(millis(clock.now() + ms), resolve));
}

async function written({ environment }: Worker, log: PartitionLog): Promise<void> {
  const wanted = log.nextOffset;
  while (log.logEndOffset < wanted && !log.offline) await pause(environment, 1);
}

/** Compacted logs are seldom cut below the high watermark: nobody can say then what a producer did that compaction has forgotten. */
function leastEnd({ passes, draw }: Worker, model: LogModel, log: PartitionLog): number {
  const isUsual = passes !== null && draw.chance(0.8);
  return isUsual ? Math.min(log.highWatermark, model.nextOffset) : model.startOffset;
}

async function truncate(
  { environment, passes }: Worker,
  model: LogModel,
  log: PartitionLog,
  offset: number,
): Promise<void> {
  if (model.cutFrom !== null) return;
  noteReach(model, log, environment.clock.wallTime());
  excuseReached(model, log);
  // Until it returns either may be found after a crash; what is cut is promised no more.
  model.cutFrom = model.branch;
  const kept = model.branch.filter(({ lastOffset }) => lastOffset < offset);
  // A batch is never split: the log ends where the one begins that holds the offset.
  const end = Math.min(offset, model.branch[kept.length]?.firstOffset ?? offset);
  model.branch = kept;
  model.nextOffset = Math.min(model.nextOffset, end);
  model.startOffset = Math.min(model.startOffset, end);
  model.acknowledged = Math.min(model.acknowledged, endOf(model));
  model.synced = Math.min(model.synced, endOf(model));
  const isCompacted = passes !== null && end < model.compaction.reachMax;
  if (isCompacted) {
    // What stands last may be gone: then the log ends before it, once it is opened again.
    model.acknowledged = 0;
    model.synced = 0;
    model.hasUnknownPast = true;
  }
  await log.truncateTo(offset);
  if (isCompacted) {
    const last = (await readWhole(log, log.logStartOffset, true)).at(-1)?.lastOffset ?? -1;
    model.branch = model.branch.filter(({ lastOffset }) => lastOffset <= last);
  }
  model.nextOffset = log.nextOffset;
  model.compaction.reachMax = Math.min(model.compaction.reachMax, log.nextOffset);
  model.cutFrom = null;
  model.isReloaded = true;
}

async function beginAnew(model: LogModel, log: PartitionLog, offset: number): Promise<void> {
  if (model.cutFrom !== null) return;
  model.cutFrom = model.branch;
  model.branch = [];
  model.nextOffset = offset;
  model.startOffset = offset;
  model.acknowledged = 0;
  model.synced = 0;
  model.begunAnew = true;
  await log.truncateFullyAndStartAt(offset);
  model.compaction.reachMax = 0;
  model.cutFrom = null;
  model.hasUnknownPast = false;
  model.acknowledged = offset;
}

/** One append of one batch or several, noted in the model. */
function append(worker: Worker, model: LogModel, log: PartitionLog, partition: number): void {
  if (model.cutFrom !== null) return;
  const { draw, environment } = worker;
  const asLeader = draw.chance(0.5);
  const hasGaps = worker.config.cleanupPolicy.includes('compact');
  const epoch = worker.epochs[partition] ?? 0;
  const producer = drawnProducer(model, draw);
  const origin: AppendOrigin =
    producer === null || producer.kind === 'idempotent' ? 'client' : 'coordinator';
  const count = origin === 'client' && asLeader ? 1 : draw.between(1, 3);
  const wallTimeMs = environment.clock.wallTime();
  const made: Omit<ModelBatch, 'bytes'>[] = [];
  const parts: Buffer[] = [];
  let offset = log.nextOffset;
  let after = endOf(model);
  for (let index = 0; index < count; index += 1) {
    // A follower of a compacted log sees gaps.
    const gap = hasGaps && !asLeader && draw.chance(0.1) ? draw.below(4) : 0;
    const who = index === 0 ? producer : null;
    const timestamp = wallTimeMs - draw.below(3_000);
    const firstOffset = offset + gap;
    const keyed = isMarker(who) ? [] : keyedRecords(worker, model, firstOffset, timestamp);
    const bytes = keyed.length > 0 ? keyedBatchOf(who, keyed, draw) : batchOf(who, timestamp, draw);
    const lastDelta = bytes.readInt32BE(23);
    setBaseOffset(bytes, 0, firstOffset);
    setPartitionLeaderEpoch(bytes, 0, epoch);
    parts.push(bytes);
    made.push({
      firstOffset,
      lastOffset: firstOffset + lastDelta,
      after,
      epoch,
      timestamp,
      producer: who,
      records: keyed,
      previous: null,
    });
    offset = firstOffset + lastDelta + 1;
    after = offset;
  }
  const records = Buffer.concat(parts);
  // Whoever appends may use its memory again at once.
  const handed = Buffer.from(records);
  // The leader gives the offset; clients begin at 0.
  if (asLeader && count === 1) setBaseOffset(handed, 0, 0);
  const { duplicate } = asLeader
    ? log.appendAsLeader(handed, { leaderEpoch: epoch, origin })
    : log.appendAsFollower(handed);
  // Of a producer whose past the model does not know.
  if (duplicate && model.hasUnknownPast) return;
  handed.fill(0xdd);
  let at = 0;
  for (const [index, batch] of made.entries()) {
    const size = parts[index]?.length ?? 0;
    const previous = model.branch.at(-1) ?? null;
    model.accept({ ...batch, previous, bytes: records.subarray(at, at + size) });
    at += size;
  }
}

/** What the records of a batch are to be where logs are compacted; none where they are not. */
function keyedRecords(
  { draw, passes }: Worker,
  model: LogModel,
  firstOffset: number,
  timestamp: number,
): ModelRecord[] {
  if (passes === null) return [];
  return Array.from({ length: draw.between(1, 3) }, (_, index) => {
    model.serials += 1;
    return {
      offset: firstOffset + index,
      key: `k${draw.below(7)}`,
      serial: model.serials,
      isTombstone: draw.chance(0.25),
      timestamp: timestamp + index,
    };
  });
}

/** Uncompressed: lookups by time unfold in the thread pool of the real system, whose time is not the world's. */
function keyedBatchOf(
  producer: ModelProducer | null,
  records: readonly ModelRecord[],
  draw: Draw,
): Buffer {
  return encodeBatch({
    records: records.map(({ key, serial, isTombstone, timestamp }) => ({
      key: Buffer.from(key),
      value: isTombstone ? null : Buffer.alloc(draw.oneOf([0, 10, 60]), FILL),
      headers: [{ key: 's', value: Buffer.from(String(serial)) }],
      timestamp,
    })),
    transactional: producer?.kind === 'transactional',
    ...producerFields(producer),
  });
}

function isMarker(producer: ModelProducer | null): boolean {
  return producer?.kind === 'commit' || producer?.kind === 'abort';
}

function producerFields(producer: ModelProducer | null) {
  if (producer === null) return {};
  const { id, epoch, firstSequence } = producer;
  return { producerId: id, producerEpoch: epoch, baseSequence: firstSequence };
}

function batchOf(producer: ModelProducer | null, timestamp: number, draw: Draw): Buffer {
  if (producer?.kind === 'commit' || producer?.kind === 'abort') {
    return encodeTransactionMarker({
      kind: producer.kind,
      producerId: producer.id,
      producerEpoch: producer.epoch,
      coordinatorEpoch: producer.coordinatorEpoch,
      timestamp,
    });
  }
  const valueBytes = draw.oneOf([10, 60, 200, 450]);
  return encodeBatch({
    records: Array.from({ length: draw.between(1, 3) }, (_, index) => ({
      key: null,
      value: Buffer.alloc(valueBytes, draw.chance(0.5) ? FILL : draw.below(256)),
      timestamp: timestamp + index,
    })),
    transactional: producer?.kind === 'transactional',
    ...producerFields(producer),
  });
}

/** Two producers are idempotent, three have transactions; their next sequence follows from the model. */
function drawnProducer(model: LogModel, draw: Draw): ModelProducer | null {
  if (draw.chance(0.3)) return null;
  const id = BigInt(draw.between(1, 5));
  const state = model.facts().producers.get(id);
  const open = state !== undefined && state.openSince >= 0;
  const newEpoch = state !== undefined && !open && draw.chance(0.1);
  const epoch = (state?.epoch ?? 0) + (newEpoch ? 1 : 0);
  const last = newEpoch ? undefined : state?.batches.at(-1)?.lastSequence;
  const kind =
    id < 3n
      ? 'idempotent'
      : !open || draw.chance(0.5)
        ? 'transactional'
        : draw.oneOf(['commit', 'abort'] as const);
  const ends = kind === 'commit' || kind === 'abort';
  return {
    id,
    epoch,
    kind,
    firstSequence: ends ? -1 : (last ?? -1) + 1,
    coordinatorEpoch: ends ? Math.max(0, state?.coordinatorEpoch ?? 0) + draw.below(2) : -1,
  };
}
