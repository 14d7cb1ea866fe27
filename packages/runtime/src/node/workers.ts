/**
 * Workers over Node's worker_threads.
 *
 * Short tasks share a few threads, and so does what waits for them; each long task has a thread to
 * itself. A thread is started for the first job that finds none idle, and ends after a while without
 * work, so that a broker with nothing to do has none. An idle thread does not keep the process alive.
 */
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import {
  inlineWorkers,
  QUEUED_JOBS_MAX,
  WorkerDied,
  type Workers,
  WorkersBusy,
  type WorkerTask,
  type WorkKind,
  type WorkOptions,
} from '../workers.ts';
import { builtModule } from './built-module.ts';
import { putTogether } from './carried-error.ts';
import { nodeClock } from './clock.ts';
import { nodeDisk } from './disk.ts';
import { nodeTimers } from './timers.ts';
import type { Order, Outcome } from './worker-thread.ts';

/** Short tasks that run at once, on a machine with cores enough: one core is left to the event loop. */
export const SHORT_THREADS_MAX = 8;
/** Long tasks that run at once. */
export const LONG_THREADS_MAX = 16;
/** A thread without work for this long ends. */
export const IDLE_THREAD_MS = 30_000;

export interface NodeWorkersOptions {
  /** A job that is under way keeps the process alive. */
  readonly holdsProcess?: boolean;
  readonly shortThreadsMax?: number;
  readonly longThreadsMax?: number;
  readonly queuedJobsMax?: number;
  readonly idleMs?: number;
}

export interface NodeWorkers extends Workers {
  /** Threads that there are now. */
  readonly threadCount: number;
  /** Ends the threads; jobs under way are rejected with WorkerDied. They come back with the next job. */
  close(): Promise<void>;
}

interface Ticket {
  readonly kind: WorkKind;
  readonly module: string;
  readonly task: Pick<WorkerTask<never, unknown>, 'exportName' | 'errors'>;
  readonly job: unknown;
  readonly transfer: readonly ArrayBuffer[];
  readonly signal: AbortSignal | undefined;
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: unknown) => void;
}

/** One thread, with at most one job. Knows nothing of queues. */
class Thread {
  readonly #worker: Worker;
  readonly #holdsProcess: boolean;
  readonly #freed: (thread: Thread) => void;
  readonly #gone: (thread: Thread) => void;
  #ticket: Ticket | null = null;
  #isGone = false;
  /** Why the thread dies, told just before it has. */
  #failure: unknown;

  constructor(
    module: string,
    holdsProcess: boolean,
    freed: (thread: Thread) => void,
    gone: (thread: Thread) => void,
  ) {
    this.#holdsProcess = holdsProcess;
    this.#freed = freed;
    this.#gone = gone;
    // Without the loaders that this process may have been started with.
    this.#worker = new Worker(new URL(module), { execArgv: [], name: 'odradek-worker' });
    this.#worker.unref();
    this.#worker.on('message', (outcome: Outcome) => this.#settle(outcome));
    this.#worker.on('error', (error) => {
      this.#failure = error;
    });
    this.#worker.on('messageerror', (error) => {
      this.#failure = error; // What came cannot be read, so nobody knows which job is done.
      void this.end();
    });
    this.#worker.on('exit', () => this.#ended());
  }

  start(ticket: Ticket): void {
    const { module, task, job, transfer, signal } = ticket;
    const order: Order = { kind: 'run', module, exportName: task.exportName, job };
    try {
      this.#worker.postMessage(order, [...transfer]);
    } catch (error) {
      ticket.reject(error); // The job cannot be cloned; the thread has not heard of it.
      queueMicrotask(() => this.#freed(this));
      return;
    }
    this.#ticket = ticket;
    if (this.#holdsProcess) this.#worker.ref();
    signal?.addEventListener('abort', this.#abort);
  }

  readonly #abort = (): void => {
    const order: Order = { kind: 'abort' };
    this.#worker.postMessage(order);
  };

  #take(): Ticket | null {
    const ticket = this.#ticket;
    this.#ticket = null;
    this.#worker.unref();
    ticket?.signal?.removeEventListener('abort', this.#abort);
    return ticket;
  }

  #settle(outcome: Outcome): void {
    const ticket = this.#take();
    if (ticket === null) return;
    if (outcome.kind === 'done') ticket.resolve(outcome.result);
    else if (outcome.kind === 'stopped') ticket.reject(ticket.signal?.reason);
    else ticket.reject(putTogether(outcome.error, ticket.task.errors));
    this.#freed(this);
  }

  #ended(): void {
    if (this.#isGone) return;
    this.#isGone = true;
    const ticket = this.#take();
    ticket?.reject(new WorkerDied(ticket.task.exportName, { cause: this.#failure }));
    this.#gone(this);
  }

  async end(): Promise<void> {
    await this.#worker.terminate();
    this.#ended();
  }
}

/** The threads for one kind of task, and the jobs that wait for them. */
class ThreadPool {
  readonly #module: string;
  readonly #threadsMax: number;
  readonly #queuedJobsMax: number;
  readonly #idleMs: number;
  readonly #holdsProcess: boolean;
  readonly #threads = new Set<Thread>();
  /** The one idle for the longest first. */
  readonly #idle = new Map<Thread, NodeJS.Timeout>();
  readonly #waiting: { readonly ticket: Ticket; readonly giveUp: () => void }[] = [];

  constructor(module: string, threadsMax: number, options: Required<NodeWorkersOptions>) {
    this.#module = module;
    this.#threadsMax = threadsMax;
    this.#queuedJobsMax = options.queuedJobsMax;
    this.#idleMs = options.idleMs;
    this.#holdsProcess = options.holdsProcess;
  }

  get threadCount(): number {
    return this.#threads.size;
  }

  take(ticket: Ticket): void {
    const thread = this.#idleThread() ?? this.#newThread();
    if (thread !== null) {
      thread.start(ticket);
      return;
    }
    if (this.#waiting.length >= this.#queuedJobsMax) {
      ticket.reject(new WorkersBusy(this.#waiting.length));
      return;
    }
    const giveUp = (): void => {
      this.#waiting.splice(
        this.#waiting.findIndex((other) => other.ticket === ticket),
        1,
      );
      ticket.reject(ticket.signal?.reason);
    };
    this.#waiting.push({ ticket, giveUp });
    ticket.signal?.addEventListener('abort', giveUp, { once: true });
  }

  /** The job that has waited for the longest; from now on a thread tells it of its abort. */
  #nextWaiting(): Ticket | null {
    const next = this.#waiting.shift();
    if (next === undefined) return null;
    next.ticket.signal?.removeEventListener('abort', next.giveUp);
    return next.ticket;
  }

  /** The one that worked last, so that the others may end. */
  #idleThread(): Thread | null {
    const last = [...this.#idle].at(-1);
    if (last === undefined) return null;
    const [thread, alarm] = last;
    clearTimeout(alarm);
    this.#idle.delete(thread);
    return thread;
  }

  #newThread(): Thread | null {
    if (this.#threads.size >= this.#threadsMax) return null;
    const thread = new Thread(
      this.#module,
      this.#holdsProcess,
      (freed) => this.#goOn(freed),
      (gone) => this.#replace(gone),
    );
    this.#threads.add(thread);
    return thread;
  }

  #goOn(thread: Thread): void {
    if (!this.#threads.has(thread)) return;
    const next = this.#nextWaiting();
    if (next !== null) {
      thread.start(next);
      return;
    }
    const alarm = setTimeout(() => {
      this.#idle.delete(thread); // Before it has ended, or a job could still be given to it.
      void thread.end();
    }, this.#idleMs);
    this.#idle.set(thread, alarm.unref());
  }

  /** A thread has ended. What waited for it gets a new one. */
  #replace(thread: Thread): void {
    clearTimeout(this.#idle.get(thread));
    this.#idle.delete(thread);
    this.#threads.delete(thread);
    const next = this.#nextWaiting();
    if (next !== null) this.#newThread()?.start(next);
  }

  async close(): Promise<void> {
    for (let next = this.#nextWaiting(); next !== null; next = this.#nextWaiting()) {
      next.reject(new WorkerDied(next.task.exportName));
    }
    await Promise.all([...this.#threads].map((thread) => thread.end()));
  }
}

/**
 * Worker threads, none of which is started before it is needed. What was not built, because it runs
 * from source, runs in the caller's thread.
 */
export function nodeWorkers(options: NodeWorkersOptions = {}): NodeWorkers {
  const all: Required<NodeWorkersOptions> = {
    holdsProcess: options.holdsProcess ?? false,
    shortThreadsMax:
      options.shortThreadsMax ??
      Math.min(Math.max(availableParallelism() - 1, 1), SHORT_THREADS_MAX),
    longThreadsMax: options.longThreadsMax ?? LONG_THREADS_MAX,
    queuedJobsMax: options.queuedJobsMax ?? QUEUED_JOBS_MAX,
    idleMs: options.idleMs ?? IDLE_THREAD_MS,
  };
  const inline = inlineWorkers({ disk: nodeDisk(), clock: nodeClock, timers: nodeTimers });
  const thread = import.meta.url.replace(/workers\.(ts|js)$/, 'worker-thread.$1');
  /** By the module as it runs here; asked of the disk once. */
  const builtModules = new Map<string, string | null>();
  const built = (module: string): string | null => {
    const known = builtModules.get(module);
    if (known !== undefined) return known;
    const found = builtModule(module);
    builtModules.set(module, found);
    return found;
  };
  let pools: Readonly<Record<WorkKind, ThreadPool>> | null = null;
  const poolOf = (module: string, kind: WorkKind): ThreadPool => {
    pools ??= {
      short: new ThreadPool(module, all.shortThreadsMax, all),
      long: new ThreadPool(module, all.longThreadsMax, all),
    };
    return pools[kind];
  };
  return {
    get threadCount() {
      return (pools?.short.threadCount ?? 0) + (pools?.long.threadCount ?? 0);
    },

    async run<Job, Result>(
      task: WorkerTask<Job, Result>,
      job: Job,
      workOptions: WorkOptions,
    ): Promise<Result> {
      const { kind, transfer = [], signal } = workOptions;
      signal?.throwIfAborted();
      const threadModule = built(thread);
      const module = built(task.module);
      if (threadModule === null || module === null) return inline.run(task, job, workOptions);
      return new Promise<Result>((resolve, reject) => {
        poolOf(threadModule, kind).take({
          kind,
          module,
          task,
          job,
          transfer,
          signal,
          resolve: (result) => resolve(result as Result),
          reject,
        });
      });
    },

    async close() {
      await Promise.all([pools?.short.close(), pools?.long.close()]);
    },
  };
}
