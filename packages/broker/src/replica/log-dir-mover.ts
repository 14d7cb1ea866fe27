/**
 * Moving replicas between the data directories of this broker: each log that is to move is copied,
 * batch by batch, into its future log (../log/future-logs.ts) until that is level, and then replaced
 * by it between two turns, so that neither readers nor producers notice.
 *
 * So many moves go on at once; the others wait their turn. Each reads one piece at a time, from the
 * disk or from what is in memory anyway, no faster than the quota allows. A failure of the world lets
 * a move pause and try again; a directory that fails ends it, and so does `stop`. What is to be done
 * next is ../core/partition/move.ts's to say, which replica is to move log-dir-changes.ts's.
 */
import { KafkaError } from '@odradek/protocol';
import { type Clock, type Log, millis, OdradekError, type Timers } from '@odradek/runtime';
import { nextMoveStep } from '../core/partition/move.ts';
import { MoveQuota, type MoveQuotaOptions } from '../core/partition/move-quota.ts';
import type { LogManager } from '../log/log-manager.ts';
import { UnexpectedAppendOffset } from '../log/log-types.ts';
import type { PartitionLog } from '../log/partition-log.ts';
import type { MovingCopy, Partition } from './partition.ts';

export interface LogDirMoverOptions {
  readonly logs: Pick<LogManager, 'futures' | 'replace' | 'retire'>;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly log: Log;
  /** num.replica.alter.log.dirs.threads: replicas that are copied at once. */
  readonly concurrentMoves: number;
  /** replica.fetch.max.bytes: read at once. */
  readonly readMaxBytes: number;
  readonly quota: MoveQuotaOptions;
  /** replica.alter.log.dirs.io.max.bytes.per.second, as it is now; Infinity for none. */
  bytesPerSecond(): number;
  /** replica.fetch.backoff.ms */
  readonly backoffMs: number;
}

/** Tries to find the log without a write on its way, before appends are held back for a moment. */
const ROUNDS_UNTIL_APPENDS_WAIT = 50;

export class LogDirMover {
  readonly #options: LogDirMoverOptions;
  readonly #quota: MoveQuota;
  readonly #moves = new Map<Partition, Move>();
  readonly #waiting: Move[] = [];
  #runningCount = 0;

  constructor(options: LogDirMoverOptions) {
    this.#options = options;
    this.#quota = new MoveQuota(options.quota);
  }

  isMoving(partition: Partition): boolean {
    return this.#moves.has(partition);
  }

  /** Copies the log of `partition` into `copy` until that can take its place. */
  begin(partition: Partition, copy: PartitionLog): void {
    const move = new Move(partition, copy, this.#quota, this.#options);
    this.#moves.set(partition, move);
    partition.copy = move;
    this.#waiting.push(move);
    this.#startNext();
  }

  /** Resolves when nothing is done for the partition any more. Its copy stays as it is. */
  async stop(partition: Partition): Promise<void> {
    const move = this.#moves.get(partition);
    if (move === undefined) return;
    this.#forget(move);
    await move.stop();
  }

  async close(): Promise<void> {
    await Promise.all([...this.#moves.keys()].map((partition) => this.stop(partition)));
  }

  #startNext(): void {
    while (this.#runningCount < this.#options.concurrentMoves) {
      const move = this.#waiting.shift();
      if (move === undefined) return;
      this.#runningCount += 1;
      // Failures of the world are handled inside; what it throws is a bug and ends the process.
      void move.run().finally(() => {
        this.#runningCount -= 1;
        this.#forget(move);
        this.#startNext();
      });
    }
  }

  #forget(move: Move): void {
    const { partition } = move;
    if (this.#moves.get(partition) === move) this.#moves.delete(partition);
    if (partition.copy === move) partition.copy = null;
    const index = this.#waiting.indexOf(move);
    if (index >= 0) this.#waiting.splice(index, 1);
  }
}

class Move implements MovingCopy {
  readonly partition: Partition;
  readonly #options: LogDirMoverOptions;
  readonly #quota: MoveQuota;
  #copy: PartitionLog;
  #running: Promise<void> | null = null;
  #isStopped = false;
  #roundsSinceArrival = 0;
  /** All of the copy was made while nobody compacted the log. */
  readonly #isWhole: boolean;
  /** Ends a pause. */
  #wake: (() => void) | null = null;

  constructor(
    partition: Partition,
    copy: PartitionLog,
    quota: MoveQuota,
    options: LogDirMoverOptions,
  ) {
    this.partition = partition;
    this.#copy = copy;
    this.#isWhole = copy.nextOffset === copy.logStartOffset;
    this.#quota = quota;
    this.#options = options;
  }

  get logStartOffset(): number {
    return this.#copy.logStartOffset;
  }

  startMoved(): void {
    this.#wake?.();
  }

  run(): Promise<void> {
    this.#running = this.#runUncompacted(this.partition.log);
    return this.#running;
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#wake?.();
    await this.#running;
  }

  /** What is compacted while it is copied would have to be copied again. */
  async #runUncompacted(log: PartitionLog): Promise<void> {
    await log.compaction.lease.pause();
    try {
      await this.#run();
    } finally {
      log.compaction.lease.resume();
    }
  }

  async #run(): Promise<void> {
    const { log, backoffMs } = this.#options;
    const fields = { partition: this.partition.log.name, to: this.#copy.directory };
    log.info('copying a replica into another log directory', {
      ...fields,
      from: this.partition.log.directory,
      offset: this.#copy.logEndOffset,
    });
    let inTrouble = false;
    while (!this.#hasEnded) {
      try {
        if (await this.#step()) return;
        inTrouble = false;
      } catch (error) {
        if (!isOfTheWorld(error)) throw error;
        if (this.#hasEnded) return;
        if (!inTrouble) log.warn('copying a replica does not get on', { ...fields, error });
        inTrouble = true;
        await this.#pause(backoffMs);
      }
    }
  }

  get #hasEnded(): boolean {
    return this.#isStopped || this.#copy.offline || this.partition.isOffline;
  }

  /** @returns true when the copy has taken the log's place */
  async #step(): Promise<boolean> {
    const { partition } = this;
    const log = partition.log;
    this.#copy.updateHighWatermark(partition.highWatermark);
    if (!this.#copy.isFuture && ++this.#roundsSinceArrival > ROUNDS_UNTIL_APPENDS_WAIT) {
      this.#roundsSinceArrival = 0;
      await log.withoutAppends(() => this.#catchUp(log));
    }
    if (this.#replace(log)) {
      await this.#retire(log);
      return true;
    }
    if (await this.#follow(log)) return false;
    if (this.#copy.isFuture) {
      this.#copy = await this.#options.logs.futures.arrive(this.#copy, log.topicId);
      partition.lookAtLowWatermark();
    } else {
      await log.settled(); // What keeps us from being level is on its way.
    }
    return false;
  }

  /** Does what brings the copy nearer. @returns false when there is nothing: all is copied */
  async #follow(log: PartitionLog): Promise<boolean> {
    const copy = this.#copy;
    const step = nextMoveStep(log, copy);
    switch (step.kind) {
      case 'copy': {
        const pauseMs = this.#pauseMs();
        if (pauseMs > 0) await this.#pause(pauseMs);
        else await this.#copyFrom(log, step.offset);
        return true;
      }
      case 'start-anew':
        await copy.truncateFullyAndStartAt(step.offset);
        break;
      case 'truncate':
        await copy.truncateTo(step.offset);
        break;
      case 'raise-start':
        await copy.advanceLogStart(step.offset);
        break;
      case 'level':
        return false;
    }
    this.partition.lookAtLowWatermark();
    return true;
  }

  /** The last batches, while no more are coming. */
  async #catchUp(log: PartitionLog): Promise<void> {
    while (!this.#hasEnded) {
      const step = nextMoveStep(log, this.#copy);
      if (step.kind === 'level') {
        this.#replace(log);
        return;
      }
      if (step.kind !== 'copy') return; // Something happened: not in this round.
      await this.#copyFrom(log, step.offset);
    }
  }

  async #copyFrom(log: PartitionLog, offset: number): Promise<void> {
    const { readMaxBytes, backoffMs, clock } = this.#options;
    const { generation } = log;
    const slice = await log.read(offset, readMaxBytes, log.logEndOffset, true);
    try {
      if (this.#hasEnded) return;
      // Cut meanwhile: what was read may not be in the log any more.
      if (log.generation === generation)
        for (const chunk of slice.chunks) await this.#append(chunk);
    } finally {
      for (const memory of slice.lent) memory.release();
    }
    await this.#copy.settled();
    this.#quota.spent(slice.sizeBytes, clock.now());
    if (slice.sizeBytes > 0 || log.generation !== generation) return;
    // Compaction has left nothing up to the end of the log.
    if (this.#copy.nextOffset === this.#copy.logStartOffset)
      await this.#copy.truncateFullyAndStartAt(log.logEndOffset);
    else await this.#pause(backoffMs);
  }

  async #append(records: Buffer): Promise<void> {
    const copy = this.#copy;
    try {
      copy.appendAsFollower(records);
    } catch (error) {
      // The log begins inside of a batch: so does the copy.
      const startsInside =
        error instanceof UnexpectedAppendOffset &&
        copy.logStartOffset === copy.nextOffset &&
        error.firstOffset < copy.nextOffset;
      if (!startsInside) throw error;
      await copy.truncateFullyAndStartAt(error.firstOffset);
      copy.appendAsFollower(records);
    }
  }

  /** Lets the copy take the log's place, if it has the name for it, is level, and nothing is on its way. */
  #replace(log: PartitionLog): boolean {
    const { partition } = this;
    const copy = this.#copy;
    if (partition.log === copy) return true; // It was done while appends were held back.
    if (this.#hasEnded || copy.isFuture) return false;
    const isLevel =
      partition.log === log &&
      partition.isStill &&
      copy.nextOffset === log.nextOffset &&
      copy.logEndOffset === log.logEndOffset &&
      nextMoveStep(log, copy).kind === 'level';
    if (!isLevel) return false;
    if (this.#isWhole) copy.compaction.cleanedUpTo = log.compaction.cleanedUpTo;
    this.#options.logs.replace(copy);
    partition.moveTo(copy);
    partition.copy = null;
    partition.lookAtLowWatermark();
    return true;
  }

  async #retire(log: PartitionLog): Promise<void> {
    this.#options.log.info('a replica has moved to another log directory', {
      partition: log.name,
      from: log.directory,
      to: this.#copy.directory,
    });
    try {
      await this.#options.logs.retire(log);
    } catch (error) {
      if (!isOfTheWorld(error)) throw error;
      this.#options.log.warn('the log that was moved away could not be removed', {
        partition: log.name,
        directory: log.directory,
        error,
      });
    }
  }

  /** Until the quota lets us go on; looked at anew from time to time, because it may be changed. */
  #pauseMs(): number {
    const { clock, quota, bytesPerSecond } = this.#options;
    const pauseMs = this.#quota.pauseMs(bytesPerSecond(), clock.now());
    return Math.min(pauseMs, quota.windowMs);
  }

  #pause(durationMs: number): Promise<void> {
    if (this.#isStopped) return Promise.resolve();
    const { clock, timers } = this.#options;
    return new Promise((resolve) => {
      const disarm = timers.wakeAt(millis(clock.now() + durationMs), () => this.#wake?.());
      this.#wake = () => {
        this.#wake = null;
        disarm();
        resolve();
      };
    });
  }
}

/** A failure of the world, as opposed to a bug. */
export const isOfTheWorld = (error: unknown): error is KafkaError | OdradekError =>
  error instanceof KafkaError || error instanceof OdradekError;
