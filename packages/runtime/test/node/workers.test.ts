/**
 * Goal: a job goes to a thread and its result or its error comes back as what it was; a job that is called
 * off, a thread that dies and a thread without work leave nothing behind.
 * Method: real threads with tasks in modules written for the test, and the same tasks in the caller's own
 * thread; what tells a thread that it may go on is a file that the test makes, never a span of time.
 */
import { existsSync, mkdtempSync, utimesSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import {
  ConnectFailed,
  DiskError,
  InvariantViolation,
  inlineWorkers,
  limitWorkers,
  type NodeWorkers,
  nodeEnvironment,
  nodeWorkers,
  OdradekError,
  type WorkerContext,
  WorkerDied,
  type Workers,
  WorkersBusy,
  type WorkerTask,
} from '../../src/index.ts';
import { builtModule } from '../../src/node/built-module.ts';
import { putTogether, takeApart } from '../../src/node/carried-error.ts';

class Strange extends OdradekError {
  override readonly name = 'Strange';
  readonly code = 'STRANGE';
  readonly retriable = true;
}

const MODULE = `
import { isMainThread, threadId } from 'node:worker_threads';
import { existsSync, writeFileSync } from 'node:fs';
class Strange extends Error { name = 'Strange'; code = 'STRANGE'; retriable = true; }
const pause = () => new Promise((resolve) => setTimeout(resolve, 1));
export const double = {
  run: (job) => ({ bytes: job.map((each) => each * 2), isMainThread, threadId }),
  transfers: ({ bytes }) => [bytes.buffer],
};
export const wait = {
  async run(path, { signal }) {
    while (!existsSync(path)) { await pause(); signal.throwIfAborted(); }
    return threadId;
  },
};
export const stubborn = {
  async run(path, { signal }) {
    writeFileSync(path + '.begun', '');
    while (!signal.aborted) await pause();
    while (!existsSync(path)) await pause();
    return 'done all the same';
  },
};
export const fail = {
  async run(kind, { disk }) {
    if (kind === 'disk') await disk.open('/nowhere/at/all', 'read');
    if (kind === 'strange') throw new Strange('odd', { cause: new RangeError('too far') });
    if (kind === 'text') throw 'only words';
    return () => 'cannot be cloned';
  },
};
export const die = { run: () => { setTimeout(() => { throw new Error('at nobody') }, 1); return new Promise(() => {}); } };
export const notATask = 1;
`;

const folder = mkdtempSync(join(tmpdir(), 'odradek-workers-'));
const module = pathToFileURL(join(folder, 'tasks.mjs')).href;
let opened: NodeWorkers[] = [];

function start(options: Parameters<typeof nodeWorkers>[0] = {}): NodeWorkers {
  const workers = nodeWorkers({ shortThreadsMax: 2, ...options });
  opened.push(workers);
  return workers;
}

const elsewhere = (): never => {
  throw new Error('not in this thread');
};
const taskOf = <Job, Result>(exportName: string): WorkerTask<Job, Result> => ({
  module,
  exportName,
  run: elsewhere,
  errors: [Strange],
});
const double = taskOf<Uint8Array<ArrayBuffer>, Doubled>('double');
const wait = taskOf<string, number>('wait');
const fail = taskOf<string, unknown>('fail');
interface Doubled {
  readonly bytes: Uint8Array;
  readonly isMainThread: boolean;
  readonly threadId: number;
}

let gates = 0;
/** A file that is not there until it is opened. */
function gate(): { readonly path: string; open(): Promise<void> } {
  gates += 1;
  const path = join(folder, `gate-${gates}`);
  return { path, open: () => writeFile(path, '') };
}

/** Turns the event loop until `holds`. */
async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 1));
}

const failureOf = (work: Promise<unknown>): Promise<Error> =>
  work.then(
    () => Promise.reject(new Error('it succeeded')),
    (error: Error) => error,
  );

const short = { kind: 'short' } as const;

beforeAll(() => writeFile(join(folder, 'tasks.mjs'), MODULE));
afterEach(async () => {
  await Promise.all(opened.map((workers) => workers.close()));
  opened = [];
});
afterAll(() => rm(folder, { recursive: true }));

test.each(['short', 'long'] as const)('a %s job is done in another thread', async (kind) => {
  const workers = start();
  expect(workers.threadCount).toBe(0);
  const job = Uint8Array.of(1, 2, 3);
  const result = await workers.run(double, job, { kind, transfer: [job.buffer] });
  expect([...result.bytes]).toEqual([2, 4, 6]);
  expect(result.isMainThread).toBe(false);
  expect(job.byteLength).toBe(0); // It moved.
  expect(workers.threadCount).toBe(1);
});

test('short jobs share threads and wait for them in order; long ones have their own', async () => {
  const workers = start({ shortThreadsMax: 1, longThreadsMax: 2, queuedJobsMax: 2 });
  const hold = gate();
  const order: string[] = [];
  const note = (name: string) => (threadId: number | Doubled) => {
    order.push(name);
    return threadId;
  };
  const first = workers.run(wait, hold.path, short).then(note('first'));
  const second = workers.run(wait, hold.path, short).then(note('second'));
  const third = workers.run(double, Uint8Array.of(1), short).then(note('third'));
  await expect(workers.run(wait, hold.path, short)).rejects.toBeInstanceOf(WorkersBusy);
  const long = workers.run(wait, hold.path, { kind: 'long' });
  const longer = workers.run(wait, hold.path, { kind: 'long' });
  await until(() => workers.threadCount === 3);
  await hold.open();
  expect(await second).toBe(await first);
  expect(((await third) as Doubled).threadId).toBe(await first);
  expect(order).toEqual(['first', 'second', 'third']);
  expect(new Set([await first, await long, await longer]).size).toBe(3);
});

test('errors come back as what they were', async () => {
  const workers = start();
  const disk = await failureOf(workers.run(fail, 'disk', short));
  expect(disk).toBeInstanceOf(DiskError);
  expect(disk).toMatchObject({ code: 'ENOENT', path: '/nowhere/at/all', retriable: false });
  const strange = await failureOf(workers.run(fail, 'strange', short));
  expect(strange).toBeInstanceOf(Strange);
  expect(strange).toMatchObject({ code: 'STRANGE', message: 'odd' });
  expect(strange.cause).toBeInstanceOf(RangeError);
  const unknown = await failureOf(workers.run({ ...fail, errors: [] }, 'strange', short));
  expect(unknown).toMatchObject({ name: 'Strange', code: 'STRANGE', message: 'odd' });
  await expect(workers.run(fail, 'text', short)).rejects.toThrow('only words');
  await expect(workers.run(fail, 'uncloneable', short)).rejects.toThrow('could not be cloned');
  await expect(workers.run(taskOf('notATask'), 1, short)).rejects.toBeInstanceOf(
    InvariantViolation,
  );
  await expect(workers.run(taskOf('wait'), elsewhere, short)).rejects.toThrow(
    'could not be cloned',
  );
  expect([...(await workers.run(double, Uint8Array.of(4), short)).bytes]).toEqual([8]);
});

test('a job that is called off: before, while it waits, and while it runs', async () => {
  const workers = start({ shortThreadsMax: 1 });
  const reason = new Error('nobody wants it');
  await expect(
    workers.run(wait, '', { kind: 'short', signal: AbortSignal.abort(reason) }),
  ).rejects.toBe(reason);
  expect(workers.threadCount).toBe(0);
  const hold = gate();
  const running = new AbortController();
  const queued = new AbortController();
  const first = workers.run(wait, hold.path, { kind: 'short', signal: running.signal });
  const second = workers.run(wait, hold.path, { kind: 'short', signal: queued.signal });
  queued.abort(reason);
  await expect(second).rejects.toBe(reason);
  running.abort(reason);
  await expect(first).rejects.toBe(reason);
  expect([...(await workers.run(double, Uint8Array.of(1), short)).bytes]).toEqual([2]);
});

test('a job that is called off settles when it has stopped, not before', async () => {
  const workers = start();
  const hold = gate();
  const abort = new AbortController();
  let isSettled = false;
  const result = workers
    .run(taskOf<string, string>('stubborn'), hold.path, { kind: 'long', signal: abort.signal })
    .finally(() => {
      isSettled = true;
    });
  await until(() => existsSync(`${hold.path}.begun`));
  abort.abort();
  // Another thread starts, works and answers meanwhile: time enough for a hasty one.
  await workers.run(double, Uint8Array.of(1), short);
  expect(isSettled).toBe(false);
  await hold.open();
  expect(await result).toBe('done all the same');
});

test('a thread that dies rejects its job and is replaced', async () => {
  const workers = start({ shortThreadsMax: 1 });
  const dying = workers.run(taskOf('die'), 1, short);
  const next = workers.run(double, Uint8Array.of(3), short); // Waits for the same thread.
  const error = await failureOf(dying);
  expect(error).toBeInstanceOf(WorkerDied);
  expect(error).toMatchObject({ code: 'WORKER_DIED', retriable: true });
  expect(String(error.cause)).toContain('at nobody');
  expect([...(await next).bytes]).toEqual([6]);
  expect(workers.threadCount).toBe(1);
});

test('a thread without work ends; the next job gets a new one', async () => {
  const workers = start({ idleMs: 1 });
  const first = await workers.run(double, Uint8Array.of(1), short);
  await until(() => workers.threadCount === 0);
  const second = await workers.run(double, Uint8Array.of(1), short);
  expect(second.threadId).not.toBe(first.threadId);
});

test('closing rejects what runs and what waits', async () => {
  const workers = start({ shortThreadsMax: 1 });
  const { path } = gate();
  const jobs = [workers.run(wait, path, short), workers.run(wait, path, short)];
  const outcomes = Promise.allSettled(jobs);
  await workers.close();
  for (const outcome of await outcomes) {
    expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'WORKER_DIED' } });
  }
  expect(workers.threadCount).toBe(0);
});

test('a limit of the caller on top', async () => {
  let max = 1;
  const workers = limitWorkers(start({ shortThreadsMax: 2 }), () => max);
  const [one, two] = [gate(), gate()];
  const settled: string[] = [];
  const first = workers.run(wait, one.path, short).then(() => settled.push('first'));
  const second = workers.run(wait, two.path, short).then(() => settled.push('second'));
  const third = workers.run(double, Uint8Array.of(1), short).then(() => settled.push('third'));
  max = 2;
  await one.open();
  await first;
  await third; // The second, let in with it, still waits for its gate.
  expect(settled).toEqual(['first', 'third']);
  await two.open();
  await second;
});

test('what was not built, or was changed since, is not what a thread gets', async () => {
  const root = join(folder, 'package');
  const [source, built] = [join(root, 'src/a/b.ts'), join(root, 'dist/a/b.js')];
  const url = pathToFileURL(source).href;
  await mkdir(join(root, 'src/a'), { recursive: true });
  await mkdir(join(root, 'dist/a'), { recursive: true });
  await writeFile(source, '');
  expect(builtModule(url)).toBeNull();
  await writeFile(built, '');
  utimesSync(source, 1, 1);
  expect(builtModule(url)).toBe(pathToFileURL(built).href);
  expect(builtModule(pathToFileURL(built).href)).toBe(pathToFileURL(built).href);
  utimesSync(built, 0, 0);
  expect(builtModule(url)).toBeNull();
  await writeFile(join(root, 'dist/.tsbuildinfo'), ''); // Looked at since, and found the same.
  expect(builtModule(url)).toBe(pathToFileURL(built).href);
  utimesSync(join(root, 'dist/.tsbuildinfo'), 0, 0);
  expect(builtModule(url)).toBeNull();

  const inline: WorkerTask<number, number> = { module: url, exportName: 'x', run: (n) => n + 1 };
  expect(await start().run(inline, 1, short)).toBe(2);
});

test('in the same thread: cloned, a turn later, with the ports of the caller', async () => {
  const environment = nodeEnvironment();
  const workers: Workers = inlineWorkers(environment);
  let given: WorkerContext | null = null;
  const task: WorkerTask<{ bytes: Uint8Array }, { bytes: Uint8Array }> = {
    module,
    exportName: 'x',
    run(job, context) {
      given = context;
      job.bytes[0] = 9;
      return job;
    },
    transfers: ({ bytes }) => [bytes.buffer as ArrayBuffer],
  };
  const bytes = Uint8Array.of(1, 2);
  const promise = workers.run(task, { bytes }, short);
  expect(given).toBeNull();
  expect([...(await promise).bytes]).toEqual([9, 2]);
  expect([...bytes]).toEqual([1, 2]);
  expect(given).toMatchObject({ disk: environment.disk, clock: environment.clock });
  const refusing = { ...task, run: () => Promise.reject(new ConnectFailed('x', 'no')) };
  await expect(workers.run(refusing, { bytes }, short)).rejects.toBeInstanceOf(ConnectFailed);
  const abort = new AbortController();
  const off = workers.run(task, { bytes }, { kind: 'short', signal: abort.signal });
  abort.abort('enough');
  await expect(off).rejects.toBe('enough');
});

test('errors taken apart and put together, with a cause that goes round', () => {
  const error = new DiskError('EIO', '/a', 'read');
  error.cause = error;
  const back = putTogether(structuredClone(takeApart(error)));
  expect(back).toBeInstanceOf(DiskError);
  expect(back.stack).toBe(error.stack);
  expect(back.cause).toBeInstanceOf(DiskError);
});
