/**
 * Runs a plan: a broker's logs on a simulated disk, life after life, each judged when the next one begins.
 */
import { KafkaError, zstdReady } from '@odradek/protocol';
import { BufferPool, ConfigError, type Environment } from '@odradek/runtime';
import { Draw, type SimulatedHost, SimulatedWorld } from '@odradek/testkit';
import { indexKeysTask } from '../../../packages/broker/src/log/compaction/tasks.ts';
import { defaultLogConfig } from '../../../packages/broker/src/log/log-config.ts';
import {
  LogManager,
  type LogManagerOptions,
} from '../../../packages/broker/src/log/log-manager.ts';
import type { PartitionLog } from '../../../packages/broker/src/log/partition-log.ts';
import { judgeOpenedCompacted } from './after-compacted-crash.ts';
import { judgeOpened } from './after-crash.ts';
import { Breach, hold } from './judge.ts';
import { LogModel } from './log-model.ts';
import type { Ending, LifePlan, LogPlan } from './plan.ts';
import { judgeRotten, turnBit } from './rot.ts';
import { notePromises, pause, performOne } from './work.ts';

const TOPIC = 'log';
const DIRECTORY = '/data';
/** Longer than anything takes. */
const LIFE_MS_MAX = 3_600_000;
/** Time in which a cleaner comes to all logs. */
const ROT_COMPACTED_MS = 30_000;

export interface LogOutcome {
  readonly plan: LogPlan;
  /** null: everything held. */
  readonly breach: string | null;
  readonly traceHash: string;
  /** Changes of the medium in each life. */
  readonly changes: readonly number[];
  readonly appends: number;
  /** Compactions that began. */
  readonly passes: number;
  readonly traceLines: readonly string[];
}

/** Errors that nobody caught go to the run that is going on. */
let abort: (error: unknown) => void = (error) => {
  throw error;
};
process.on('uncaughtException', (error) => abort(error));
process.on('unhandledRejection', (error) => abort(error));

export async function runLogPlan(plan: LogPlan, isRead = false): Promise<LogOutcome> {
  await zstdReady; // Nothing that a compaction waits for may take real time.
  const run = new Run(plan, isRead);
  const breach = await run.live();
  return {
    plan,
    breach,
    traceHash: run.world.trace.hash,
    changes: run.changes,
    appends: run.models.reduce((sum, { ever }) => sum + ever.size, 0),
    passes: run.passes,
    traceLines: run.world.trace.lines,
  };
}

class Run {
  readonly world: SimulatedWorld;
  readonly models: readonly LogModel[];
  readonly changes: number[] = [];
  readonly #plan: LogPlan;
  readonly #host: SimulatedHost;
  readonly #epochs: number[];
  #isRotten = false;
  /** How often a compaction has begun. */
  passes = 0;
  /** The cleaner waits while logs are judged that nothing has touched since the crash. */
  #mayClean = false;
  #wallTime = (): number => 0;
  /** Those of the life that is going on, by partition, once they were judged. */
  #logs: PartitionLog[] = [];

  constructor(plan: LogPlan, isRead: boolean) {
    this.#plan = plan;
    this.world = new SimulatedWorld(plan.seed, { skewMsMax: 0 }, isRead);
    this.#host = this.world.addHost('broker');
    // Kafka's way of deleting segments rests on it, and every file system that brokers run on has it.
    this.#host.disk.isJournaled = true;
    this.models = Array.from({ length: plan.logs }, () => new LogModel(TOPIC));
    this.#epochs = this.models.map(() => 0);
  }

  /** @returns what did not hold */
  async live(): Promise<string | null> {
    const last: LifePlan = { operations: 5, ending: 'close', afterChanges: null, fromPass: 0 };
    const look: LifePlan = { operations: 0, ending: 'close', afterChanges: null, fromPass: 0 };
    let before: Ending | null = null;
    for (const [index, life] of [...this.#plan.lives, last, look].entries()) {
      if (before === 'rot') return this.#lookAtRot(index);
      const failure = await this.#liveOnce(life, index);
      if (failure === null) {
        before = life.ending;
        continue;
      }
      const { operations, ending, afterChanges } = life;
      return `life ${index} (${operations} operations, ${ending} after ${afterChanges ?? 'all'}; before it: ${before ?? 'nothing'}): ${failure}`;
    }
    return null;
  }

  async #liveOnce(life: LifePlan, index: number): Promise<string | null> {
    this.#tellFiles();
    let changes = 0;
    let isOver = false;
    let failure: unknown = null;
    const end = (): void => {
      isOver = true;
      this.#host.disk.onChange = null;
    };
    const fail = (error: unknown): void => {
      failure ??= error;
      end();
    };
    abort = fail;
    const passesBefore = this.passes;
    this.#host.disk.onChange = () => {
      if (this.passes - passesBefore < life.fromPass) return;
      changes += 1;
      if (changes !== life.afterChanges) return;
      if (this.#cutOff(life.ending)) end();
    };
    this.#host.start((environment) => {
      this.#work(environment, life, index).then(() => {
        this.#finish(life.ending);
        end();
      }, fail);
    });
    const isInTime = await this.world.runUntil(() => isOver, LIFE_MS_MAX);
    this.changes.push(changes);
    this.#takePromises();
    // Nothing of a program that has ended goes on, whatever its end was.
    if (failure === null) this.#host.kill();
    this.#host.disk.failing = null;
    this.#host.disk.capacityBytes = Number.POSITIVE_INFINITY;
    if (failure !== null) return told(failure);
    return isInTime ? null : 'it does not come to an end';
  }

  /** A bit turns while nothing runs: from then on all that counts is that nothing wrong is served as if it were right. */
  async #lookAtRot(index: number): Promise<string | null> {
    const turned = turnBit(this.#host.disk, new Draw(`${this.#plan.seed}/rot`));
    this.world.trace.tell('disk', () => `a bit turned in ${turned}`);
    this.#isRotten = true;
    const look: LifePlan = { operations: 0, ending: 'close', afterChanges: null, fromPass: 0 };
    const failure = await this.#liveOnce(look, index);
    return failure === null ? null : `a bit turned in ${turned}: ${failure}`;
  }

  /** What lies on the disk, for a reader of the trace. */
  #tellFiles(): void {
    const { disk } = this.#host;
    for (const path of this.world.trace.isRead ? disk.paths() : []) {
      const content = disk.contentOf(path) ?? Buffer.alloc(0);
      const shown = path.includes('checkpoint')
        ? `: ${content.toString().replaceAll('\n', ' ')}`
        : '';
      this.world.trace.tell('disk', () => `${path} ${content.length} bytes${shown}`);
    }
  }

  /** @returns true when the life is over */
  #cutOff(ending: Ending): boolean {
    const { disk } = this.#host;
    switch (ending) {
      case 'kill':
        this.#takePromises();
        this.#host.kill();
        return true;
      case 'power':
        this.#losePower();
        return true;
      case 'full':
        disk.fillUp(new Draw(`${this.#plan.seed}/full`).below(500));
        return false;
      case 'failing':
        disk.failing = { code: 'EIO', operations: ['write', 'sync', 'names'], share: 0.3 };
        return false;
      default:
        return false;
    }
  }

  /** Its work is done. */
  #finish(ending: Ending): void {
    this.#takePromises();
    if (ending === 'power') this.#losePower();
  }

  #losePower(): void {
    this.#takePromises();
    this.#host.losePower();
    for (const model of this.models) model.lostPower = true;
  }

  #takePromises(): void {
    const config = { ...defaultLogConfig, ...this.#plan.config };
    for (const [partition, log] of this.#logs.entries()) {
      notePromises(
        { config, wallTimeMs: this.#wallTime() },
        this.models[partition] as LogModel,
        log,
      );
    }
    if (!this.#host.isRunning) this.#logs = [];
  }

  /** Nothing that looks right may be made of something that is wrong. */
  async #judgeCompactedRot(environment: Environment, manager: LogManager): Promise<void> {
    await pause(environment, ROT_COMPACTED_MS);
    for (const [partition, model] of this.models.entries()) {
      const log = manager.get(TOPIC, partition);
      if (log !== undefined) await judgeRotten(model, log, true);
    }
  }

  #counted(environment: Environment): Environment {
    const { workers } = environment;
    const run: typeof workers.run = (task, job, options) => {
      if (task.exportName === indexKeysTask.exportName) this.passes += 1;
      return workers.run(task, job, options);
    };
    return { ...environment, workers: { run } };
  }

  async #work(environment: Environment, life: LifePlan, index: number): Promise<void> {
    const { seed, openFilesLimit, cleaner } = this.#plan;
    const config = { ...defaultLogConfig, ...this.#plan.config };
    this.#mayClean = false;
    this.#wallTime = () => environment.clock.wallTime();
    const manager = await openOr(life.ending, {
      cleaner:
        cleaner === null
          ? undefined
          : () => (this.#mayClean ? cleaner : { ...cleaner, threads: 0, backoffMs: 1 }),
      directories: [DIRECTORY],
      clusterId: 'AAAAAAAAAAAAAAAAAAAAAA',
      brokerId: 0,
      logConfigOf: () => config,
      environment: this.#counted(environment),
      buffers: new BufferPool({ poison: true }),
      openFilesLimit,
      indexCacheBytes: 200,
      tailCacheBytes: 4_000,
      initialTaskDelayMs: 1_000,
      retentionCheckIntervalMs: 5_000,
      flushCheckIntervalMs: 2_000,
      recoveryPointCheckpointIntervalMs: 3_000,
      logStartCheckpointIntervalMs: 4_000,
      producerIdExpirationMs: Number.MAX_SAFE_INTEGER,
    });
    if (manager === null) return;
    for (const [partition, model] of this.models.entries()) {
      let log: PartitionLog;
      try {
        log = await manager.getOrCreate(TOPIC, partition, null);
        if (this.#isRotten) {
          await judgeRotten(model, log, cleaner !== null);
          continue;
        }
        if (cleaner === null)
          await judgeOpened(model, log, config.cleanupPolicy.includes('compact'));
        else await judgeOpenedCompacted(model, log, config, environment.clock.wallTime());
      } catch (error) {
        if (error instanceof KafkaError && isUnwell(this.#host)) return;
        throw error;
      }
      this.#logs[partition] = log;
    }
    this.#mayClean = true;
    if (this.#isRotten && cleaner !== null) await this.#judgeCompactedRot(environment, manager);
    const draw = new Draw(`${seed}/work ${index}`);
    const worker = {
      environment,
      manager,
      draw,
      models: this.models,
      epochs: this.#epochs,
      config,
      passes: cleaner === null ? null : () => this.passes,
      tell: (text: string): void => this.world.trace.tell('work', () => text),
    };
    for (let count = 0; count < life.operations; count += 1) {
      await performOne(worker);
      this.#takePromises();
    }
    const { uncleanablePartitions } = manager.cleanerStats;
    hold(
      uncleanablePartitions === 0 || this.#isRotten,
      () => `${uncleanablePartitions} logs cannot be compacted`,
    );
    if (life.ending !== 'close' && life.ending !== 'rot') return;
    while ([...manager.all()].some((log) => log.logEndOffset < log.nextOffset && !log.offline)) {
      await pause(environment, 1);
    }
    await manager.close();
  }
}

/** @returns null when the disk has failed before anything could be done */
async function openOr(ending: Ending, options: LogManagerOptions): Promise<LogManager | null> {
  try {
    return await LogManager.open(options);
  } catch (error) {
    if (error instanceof ConfigError && (ending === 'full' || ending === 'failing')) return null;
    throw error;
  }
}

function told(failure: unknown): string {
  if (failure instanceof Breach) return failure.message;
  return failure instanceof Error ? (failure.stack ?? failure.message) : String(failure);
}

/** The disk is full or fails by now. */
function isUnwell({ disk }: SimulatedHost): boolean {
  return disk.failing !== null || disk.capacityBytes !== Number.POSITIVE_INFINITY;
}
