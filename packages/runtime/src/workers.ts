/**
 * Work that would hold up the event loop, done elsewhere: compressing, compacting, converting.
 *
 * A task is a function that a module exports, so that a thread which shares no memory with its caller
 * can find it by name. What it is given and what it gives back are structured clones: no class of ours
 * survives the way but errors, and a view into a larger piece of memory takes the whole piece along,
 * so copy what is small out of what is large, or move it with `transfer`.
 * The threads are in node/workers.ts; here is what runs a task in the caller's own thread.
 */
import type { Disk } from './environment.ts';
import { OdradekError } from './errors.ts';
import type { Clock, Timers } from './time.ts';

/** What a task is given beside its job; in a worker thread these are that thread's own. */
export interface WorkerContext {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly timers: Timers;
  /** The caller wants no result any more: stop soon by throwing `signal.reason`. */
  readonly signal: AbortSignal;
}

/** Errors that can come back from a task as what they were. */
export type ErrorClass = abstract new (...parameters: never) => Error;

/** Work that would hold up the event loop; declared once at the top level of a module, exported. */
export interface WorkerTask<Job, Result> {
  /** `import.meta.url` of the module that exports the task. */
  readonly module: string;
  /** The name under which the module exports it. */
  readonly exportName: string;
  readonly run: (job: Job, context: WorkerContext) => Result | Promise<Result>;
  /** Memory of the result that moves instead of being cloned. */
  readonly transfers?: (result: Result) => readonly ArrayBuffer[];
  /**
   * Classes of errors that come back as they were thrown, beside those of this package; others come
   * back as plain errors with the same name, message, `code` and other fields.
   */
  readonly errors?: readonly ErrorClass[];
}

/** `short` tasks take milliseconds and share a few threads; a `long` one has a thread of its own. */
export type WorkKind = 'short' | 'long';

export interface WorkOptions {
  readonly kind: WorkKind;
  /** Memory of the job that moves: the caller has it no more. */
  readonly transfer?: readonly ArrayBuffer[];
  readonly signal?: AbortSignal;
}

export interface Workers {
  /**
   * Runs a task. Settles when the task does nothing any more, also after `signal`, and never inside this call.
   * @throws what the task threw; `signal.reason` when the task stopped for it or had not begun;
   *   WorkerDied, WorkersBusy
   */
  run<Job, Result>(task: WorkerTask<Job, Result>, job: Job, options: WorkOptions): Promise<Result>;
}

/** The thread that had the job ended in the middle of it, such as for want of memory. */
export class WorkerDied extends OdradekError {
  override readonly name = 'WorkerDied';
  readonly code = 'WORKER_DIED';
  readonly retriable = true;
  constructor(task: string, options?: ErrorOptions) {
    super(`the worker thread died while it ran ${task}`, options);
  }
}

/** More jobs wait for a thread than may. */
export class WorkersBusy extends OdradekError {
  override readonly name = 'WorkersBusy';
  readonly code = 'WORKERS_BUSY';
  readonly retriable = true;
  constructor(waiting: number) {
    super(`${waiting} jobs wait for a worker thread already`);
  }
}

/** Jobs of one kind that may wait for a thread. Callers bound their memory themselves; this ends what runs away. */
export const QUEUED_JOBS_MAX = 4096;

/** A task's reason to stop that nobody can call for. */
const never = new AbortController().signal;

/**
 * Runs tasks in the caller's thread, a turn later, with the caller's own disk, clock and timers: for
 * simulated worlds, and where no thread can be had. Jobs and results are cloned as they would be on
 * their way to a thread, so that what does not work there does not work here.
 */
export function inlineWorkers({
  disk,
  clock,
  timers,
}: Pick<WorkerContext, 'disk' | 'clock' | 'timers'>): Workers {
  return {
    async run<Job, Result>(
      task: WorkerTask<Job, Result>,
      job: Job,
      { transfer = [], signal = never }: WorkOptions,
    ): Promise<Result> {
      signal.throwIfAborted();
      const theirs = structuredClone(job, { transfer: [...transfer] });
      await new Promise<void>((resolve) => timers.afterTurn(resolve));
      signal.throwIfAborted();
      const result = await task.run(theirs, { disk, clock, timers, signal });
      return structuredClone(result, { transfer: [...(task.transfers?.(result) ?? [])] });
    },
  };
}

/**
 * Workers of which at most `shortMax()`, asked each time, run short tasks for this caller at once;
 * other jobs wait in line, and learn of their abort when it is their turn.
 */
export function limitWorkers(workers: Workers, shortMax: () => number): Workers {
  let running = 0;
  const waiting: (() => void)[] = [];
  const letIn = (): void => {
    while (running < shortMax()) {
      const next = waiting.shift();
      if (next === undefined) return;
      running += 1; // Here, not when it comes round: nobody else may slip in before.
      next();
    }
  };
  return {
    async run<Job, Result>(
      task: WorkerTask<Job, Result>,
      job: Job,
      options: WorkOptions,
    ): Promise<Result> {
      if (options.kind === 'long') return workers.run(task, job, options);
      if (waiting.length >= QUEUED_JOBS_MAX) throw new WorkersBusy(waiting.length);
      const admitted = new Promise<void>((resolve) => waiting.push(resolve));
      letIn();
      await admitted;
      try {
        return await workers.run(task, job, options);
      } finally {
        running -= 1;
        letIn();
      }
    },
  };
}
