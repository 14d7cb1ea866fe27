/**
 * A log directory whose records are flushed by count, worked on until the power goes or the program
 * dies, opened again and checked, many times over: all of it follows from a seed.
 *
 * What is checked at each start: every record that was acknowledged is there, at its offset; nothing
 * is there that was truncated or deleted, when that was acknowledged; offsets have no gap and
 * checksums are right; what is there besides was sent and not answered.
 */
import { baseOffset, checksumMatches, encodeBatch, lastOffset } from '@odradek/protocol';
import type { Environment } from '@odradek/runtime';
import { Draw, type SimulatedHost, SimulatedWorld } from '@odradek/testkit';
import { defaultLogConfig } from '../../packages/broker/src/log/log-config.ts';
import { LogManager } from '../../packages/broker/src/log/log-manager.ts';
import type { PartitionLog } from '../../packages/broker/src/log/partition-log.ts';

const TOPIC = 'flushed';
const LIVES = 5;
const VALUE_BYTES_MAX = 700;
/** Now and then a batch that is too large for the journal. */
const LARGE_BYTES = 140_000;
const ACTIONS_PER_LIFE = 40;

interface Sent {
  readonly mark: string;
  readonly first: number;
  readonly next: number;
  /** `doubtful`: something was asked for that would take it away. */
  state: 'sent' | 'acknowledged' | 'doubtful';
}

/** What may and what must be in a partition's log. */
class Model {
  readonly name: string;
  #sent: Sent[] = [];
  readonly #gone = new Set<string>();
  /** They left by way of the log start, or a cut that was not finished: a crash may know nothing of it. */
  readonly #retired = new Set<string>();
  /** All below may be gone by way of the log start. */
  requiredFrom = 0;
  /** Without flushing, the end of a segment may be lost, and the next segment not. */
  mayHaveHoles = false;

  constructor(name: string) {
    this.name = name;
  }

  sent(mark: string, first: number, next: number): void {
    this.#sent.push({ mark, first, next, state: 'sent' });
  }

  acknowledged(endOffset: number): void {
    for (const entry of this.#sent) {
      if (entry.next <= endOffset && entry.state === 'sent') entry.state = 'acknowledged';
    }
  }

  /** A cut at `offset` was asked for. @returns what to call when it is done, and whether it lasts */
  cuts(offset: number): (isLasting: boolean) => void {
    const cut = this.#sent.filter(({ next }) => next > offset);
    for (const entry of cut) entry.state = 'doubtful';
    return (isLasting) => {
      for (const { mark } of cut) (isLasting ? this.#gone : this.#retired).add(mark);
      this.#sent = this.#sent.filter((entry) => !cut.includes(entry));
    };
  }

  /** Compares with a log that was just opened, which is what there is from here on. */
  check(found: readonly Omit<Sent, 'state'>[], startOffset: number, endOffset: number): string[] {
    const breaches: string[] = [];
    let next = startOffset;
    for (const batch of found) {
      const known = this.#sent.find(({ mark }) => mark === batch.mark);
      // Segments on their way out go one by one.
      const isLeaving =
        this.mayHaveHoles || known?.state === 'doubtful' || batch.first <= this.requiredFrom;
      if (batch.first > next && !isLeaving) {
        breaches.push(`${this.name}: a gap before ${batch.first}`);
      }
      next = batch.next;
      if (this.#gone.has(batch.mark)) breaches.push(`${this.name}: ${batch.mark} came back`);
      if (this.#retired.has(batch.mark)) continue;
      if (known === undefined || known.first !== batch.first) {
        breaches.push(`${this.name}: ${batch.mark} at ${batch.first} is from nowhere`);
      }
    }
    const isBeingCut = this.mayHaveHoles || this.#sent.some(({ state }) => state === 'doubtful');
    if (next !== endOffset && next > this.requiredFrom && !isBeingCut) {
      breaches.push(`${this.name}: a gap at the end, ${next} to ${endOffset}`);
    }
    const marks = new Set(found.map(({ mark }) => mark));
    for (const { mark, first, next: end, state } of this.#sent) {
      const mayBeBack = state === 'doubtful' || end <= this.requiredFrom || end <= startOffset;
      if (mayBeBack) this.#retired.add(mark);
      else if (state === 'acknowledged' && !marks.has(mark))
        breaches.push(`${this.name}: ${mark} at ${first} is lost`);
    }
    const states = new Map(this.#sent.map(({ mark, state }) => [mark, state]));
    this.#sent = found.map((batch) => ({
      ...batch,
      state: states.get(batch.mark) === 'acknowledged' ? 'acknowledged' : 'sent',
    }));
    return breaches;
  }
}

export interface FlushedLogOutcome {
  readonly breaches: readonly string[];
  /** How often something happened, so that a test can see that it does. */
  readonly counts: Readonly<Record<string, number>>;
}

export interface FlushedLogPlan {
  readonly seed: number;
  readonly partitions: number;
  readonly flushMessages: number;
  /** Flushing is switched off and on now and then. */
  readonly toggles: boolean;
}

/** Lives of one directory. */
export async function runFlushedLog(plan: FlushedLogPlan): Promise<FlushedLogOutcome> {
  const run = new FlushedLogRun(plan);
  await run.run();
  return { breaches: run.breaches, counts: run.counts };
}

class FlushedLogRun {
  readonly breaches: string[] = [];
  readonly counts: Record<string, number> = {};
  readonly #plan: FlushedLogPlan;
  readonly #draw: Draw;
  readonly #world: SimulatedWorld;
  readonly #host: SimulatedHost;
  readonly #models: readonly Model[];
  readonly #segmentBytes: number;
  #marks = 0;
  #epoch = 0;
  #isServing = false;
  #hasEnded = false;

  constructor(plan: FlushedLogPlan) {
    this.#plan = plan;
    this.#draw = new Draw(`${plan.seed}/flushed log`);
    this.#segmentBytes = this.#draw.oneOf([4_096, 8_192, 300_000]);
    this.#world = new SimulatedWorld(plan.seed);
    this.#host = this.#world.addHost('broker');
    this.#models = Array.from({ length: plan.partitions }, (_, index) => new Model(`p${index}`));
  }

  async run(): Promise<void> {
    for (let life = 0; life < LIVES && this.breaches.length === 0; life++) await this.#live();
    this.#host.disk.capacityBytes = Number.POSITIVE_INFINITY;
    this.#start(0);
    await this.#world.runUntil(() => this.#isServing, 60_000);
    if (!this.#isServing) {
      this.breaches.push('it did not start');
    }
  }

  async #live(): Promise<void> {
    const draw = this.#draw;
    const host = this.#host;
    host.disk.pace = { callUs: draw.oneOf([5, 15, 60]), syncUs: draw.oneOf([50, 400, 3_000]) };
    // Now and then nothing is done but to start: what was restored must last as well.
    this.#start(draw.chance(0.2) ? 0 : ACTIONS_PER_LIFE);
    if (draw.chance(0.15)) {
      await this.#world.runFor(draw.below(20)); // While it still recovers, or just after.
    } else {
      await this.#world.runUntil(() => this.#isServing, 60_000);
      if (draw.chance(0.1)) host.disk.fillUp(draw.below(30_000));
      await this.#world.runUntil(() => this.#hasEnded, 5 + draw.below(150));
    }
    if (draw.chance(0.3)) {
      this.#note('kill');
      host.kill();
    } else {
      this.#note('power');
      host.losePower();
    }
    host.disk.capacityBytes = Number.POSITIVE_INFINITY;
  }

  #note(what: string, times = 1): void {
    this.counts[what] = (this.counts[what] ?? 0) + times;
  }

  #start(actions: number): void {
    this.#isServing = false;
    this.#hasEnded = false;
    this.#host.start((environment) => void this.#program(environment, actions));
  }

  async #program(environment: Environment, actions: number): Promise<void> {
    let restored = 0;
    const { log } = environment;
    const manager = await LogManager.open({
      directories: ['/data'],
      clusterId: 'AAAAAAAAAAAAAAAAAAAAAA',
      brokerId: 0,
      environment: {
        ...environment,
        log: {
          ...log,
          info: (message, context) => {
            if (message.startsWith('restored')) restored += 1;
            log.info(message, context);
          },
          error: (message, context) => {
            if (/journal is damaged|could not be restored/.test(message)) {
              this.breaches.push(`${message} ${JSON.stringify(context)}`);
            }
            log.error(message, context);
          },
        },
      },
      flushJournal: {
        fileBytes: this.#draw.oneOf([4_096, 8_192, 16_384]),
        filesMax: this.#draw.oneOf([2, 3]),
      },
      initialTaskDelayMs: 20,
      recoveryPointCheckpointIntervalMs: 25,
      logStartCheckpointIntervalMs: 25,
      logConfigOf: () => ({
        ...defaultLogConfig,
        segmentBytes: this.#segmentBytes,
        fileDeleteDelayMs: 30,
        retentionMs: -1,
        flushIntervalMessages: this.#plan.flushMessages,
      }),
    });
    this.#note('restored', restored);
    for (const [partition, model] of this.#models.entries()) {
      const log = await manager.getOrCreate(TOPIC, partition, null);
      this.breaches.push(
        ...model.check(await contentOf(log), log.logStartOffset, log.logEndOffset),
      );
      log.onAdvance = (advanced) => this.#advanced(advanced, model);
    }
    this.#isServing = true;
    const working = this.#models.map((_, partition) => this.#work(manager, partition, actions));
    await Promise.allSettled(working);
    if (actions > 0 && this.#draw.chance(0.2)) {
      await manager.close();
      this.#note('closed');
    }
    this.#hasEnded = true;
  }

  /** Of what was answered, only so many of the newest records may be lost. */
  #advanced(log: PartitionLog, model: Model): void {
    const unflushedMax = log.config.flushIntervalMessages - 1;
    if (isFlushing(log)) model.acknowledged(log.logEndOffset - unflushedMax);
  }

  /** A stream of things done to one partition, each waiting for the last one most of the time. */
  async #work(manager: LogManager, partition: number, actions: number): Promise<void> {
    const model = this.#models[partition];
    if (model === undefined) return;
    let log = await manager.getOrCreate(TOPIC, partition, null);
    for (let count = 0; count < actions; count++) {
      const action = this.#draw.weighted({
        append: 30,
        truncate: 2,
        restart: 1,
        remove: 1,
        start: 1,
        flush: 1,
        rest: 1,
        toggle: this.#plan.toggles ? 1 : 0,
      });
      this.#note(action);
      if (this.#draw.chance(0.2)) this.#epoch += 1;
      switch (action) {
        case 'append':
          await this.#append(log, model);
          break;
        case 'truncate': {
          const offset = log.logEndOffset - this.#draw.below(12);
          if (offset < log.logStartOffset) break;
          await idle(log);
          const done = model.cuts(batchStart(await contentOf(log), offset));
          await log.truncateTo(offset);
          done(isFlushing(log));
          break;
        }
        case 'restart': {
          const offset = log.nextOffset + this.#draw.below(3) * 100;
          const done = model.cuts(-1);
          await log.truncateFullyAndStartAt(offset);
          done(isFlushing(log));
          break;
        }
        case 'remove': {
          const done = model.cuts(-1);
          await manager.delete(TOPIC, partition);
          if (manager.onlineDirectories.length === 0) return; // It is the next start's to do.
          done(true);
          model.requiredFrom = 0;
          log = await manager.getOrCreate(TOPIC, partition, null);
          log.onAdvance = (advanced) => this.#advanced(advanced, model);
          break;
        }
        case 'start':
          model.requiredFrom = Math.max(model.requiredFrom, log.logEndOffset - 3);
          log.updateHighWatermark(log.logEndOffset);
          await log.advanceLogStart(Math.max(log.logStartOffset, log.logEndOffset - 3));
          break;
        case 'flush':
          await log.flush();
          break;
        case 'toggle': {
          await idle(log);
          model.mayHaveHoles = true;
          const { flushMessages } = this.#plan;
          log.config = {
            ...log.config,
            flushIntervalMessages: isFlushing(log) ? Number.POSITIVE_INFINITY : flushMessages,
          };
          break;
        }
        case 'rest':
          for (let turn = 0; turn < 20; turn++) await log.flush();
          break;
      }
    }
    await idle(log);
  }

  async #append(log: PartitionLog, model: Model): Promise<void> {
    const pipelined = 1 + this.#draw.below(3);
    for (let count = 0; count < pipelined; count++) {
      this.#marks += 1;
      const mark = `m${this.#marks}.`;
      const isLarge = this.#segmentBytes > LARGE_BYTES && this.#draw.chance(0.01);
      const records = isLarge ? 1 : this.#draw.between(1, 3);
      const size = isLarge ? LARGE_BYTES : this.#draw.below(VALUE_BYTES_MAX);
      const bytes = encodeBatch({
        records: Array.from({ length: records }, () => ({
          key: Buffer.from(mark),
          value: Buffer.alloc(size, 7),
          timestamp: 1_700_000_000_000,
        })),
      });
      const { firstOffset, lastOffset: last } = log.appendAsLeader(bytes, {
        leaderEpoch: this.#epoch,
        origin: 'client',
      });
      model.sent(mark, firstOffset, last + 1);
    }
    if (this.#draw.chance(0.8)) await idle(log);
    else await log.segmentOffsetsBefore(0, 1);
  }
}

/** Records are forced to the medium by count, and cuts at once. */
function isFlushing(log: PartitionLog): boolean {
  return log.config.flushIntervalMessages < Number.MAX_SAFE_INTEGER;
}

/** Resolves when all that was appended is acknowledged; never, when it never is. */
function idle(log: PartitionLog): Promise<void> {
  if (log.logEndOffset >= log.nextOffset) return Promise.resolve();
  return new Promise((resolve, reject) => {
    const before = log.onAdvance;
    const wanted = log.nextOffset;
    log.onFailure = (_, error) => reject(error);
    log.onAdvance = (advanced) => {
      before?.(advanced);
      if (advanced.logEndOffset < wanted) return;
      log.onAdvance = before;
      resolve();
    };
  });
}

/** Where a cut at `offset` really cuts: batches stay whole. */
function batchStart(batches: readonly Omit<Sent, 'state'>[], offset: number): number {
  const across = batches.find(({ first, next }) => first < offset && next > offset);
  return across?.first ?? offset;
}

async function contentOf(log: PartitionLog): Promise<Omit<Sent, 'state'>[]> {
  const found: Omit<Sent, 'state'>[] = [];
  for (let at = log.logStartOffset; at < log.logEndOffset; ) {
    const slice = await log.read(at, 1 << 16, log.logEndOffset, true);
    const bytes = Buffer.concat(slice.chunks);
    if (bytes.length === 0) break; // A hole, which the model is told of by where it ends.
    for (let from = 0; from < bytes.length; ) {
      const size = bytes.readInt32BE(from + 8) + 12;
      const batch = bytes.subarray(from, from + size);
      if (!checksumMatches(batch, 0)) throw new Error(`checksum at ${at} of ${log.name}`);
      const mark = /m\d+\./.exec(batch.toString('latin1', 61))?.[0] ?? '?';
      found.push({ mark, first: baseOffset(batch, 0), next: lastOffset(batch, 0) + 1 });
      from += size;
    }
    for (const memory of slice.lent) memory.release();
    at = slice.nextOffset;
  }
  return found;
}
