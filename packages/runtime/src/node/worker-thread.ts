/**
 * What runs inside a worker thread: takes one job after the other from the thread that started it,
 * imports the module that has the task, and sends back what came of it. See workers.ts.
 */
import { parentPort } from 'node:worker_threads';
import { invariant } from '../errors.ts';
import type { WorkerTask } from '../workers.ts';
import { type CarriedError, takeApart } from './carried-error.ts';
import { nodeClock } from './clock.ts';
import { nodeDisk } from './disk.ts';
import { timersOn } from './timers.ts';

/** To the thread. */
export type Order =
  | {
      readonly kind: 'run';
      readonly module: string;
      readonly exportName: string;
      readonly job: unknown;
    }
  | { readonly kind: 'abort' };

/** From the thread; exactly one for each `run`. */
export type Outcome =
  | { readonly kind: 'done'; readonly result: unknown }
  | { readonly kind: 'failed'; readonly error: CarriedError }
  /** The task stopped because it was told to. */
  | { readonly kind: 'stopped' };

invariant(parentPort !== null, 'runs as a worker thread');
const port = parentPort;
const disk = nodeDisk();
const timers = timersOn(nodeClock);
let current: AbortController | null = null;

async function taskOf(module: string, exportName: string): Promise<WorkerTask<unknown, unknown>> {
  const exports: Record<string, unknown> = await import(module);
  const task = exports[exportName];
  invariant(
    typeof task === 'object' && task !== null && 'run' in task,
    `${module} exports the task ${exportName}`,
  );
  return task as WorkerTask<unknown, unknown>;
}

async function run({ module, exportName, job }: Order & { kind: 'run' }): Promise<void> {
  const aborted = new AbortController();
  const { signal } = aborted;
  current = aborted;
  try {
    const task = await taskOf(module, exportName);
    signal.throwIfAborted();
    const result = await task.run(job, { disk, clock: nodeClock, timers, signal });
    const outcome: Outcome = { kind: 'done', result };
    port.postMessage(outcome, [...(task.transfers?.(result) ?? [])]);
  } catch (error) {
    const outcome: Outcome =
      signal.aborted && error === signal.reason
        ? { kind: 'stopped' }
        : { kind: 'failed', error: takeApart(error) };
    port.postMessage(outcome);
  } finally {
    current = null;
  }
}

port.on('message', (order: Order) => {
  if (order.kind === 'abort') current?.abort();
  else void run(order); // Never rejects: what fails is the outcome.
});
