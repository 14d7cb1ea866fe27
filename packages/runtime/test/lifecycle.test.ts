/** Services start in order and stop in reverse, whatever goes wrong on the way. */
import { expect, test } from '@jest/globals';
import { Lifecycle, type Log, type Service, StartInterrupted, silentLog } from '../src/index.ts';
import { ManualTime, settle } from './manual-time.ts';

function setUp() {
  const time = new ManualTime();
  const calls: string[] = [];
  const warnings: string[] = [];
  const note = (message: string, fields?: object): void => {
    warnings.push(`${message} ${Object.values(fields ?? {})[0]}`);
  };
  const log: Log = { ...silentLog, warn: note, error: note };
  const service = (name: string, over: Partial<Service> = {}): Service => ({
    name,
    start: () => {
      calls.push(`start ${name}`);
      return Promise.resolve();
    },
    stop: () => {
      calls.push(`stop ${name}`);
      return Promise.resolve();
    },
    ...over,
  });
  return { time, calls, warnings, service, lifecycle: new Lifecycle(time, log) };
}

test('started in order, stopped in reverse, once', async () => {
  const { calls, service, lifecycle, time } = setUp();
  await lifecycle.start([service('a'), service('b'), service('c')]);
  await Promise.all([lifecycle.stop(), lifecycle.stop()]);
  await lifecycle.stop();
  expect(calls).toEqual(['start a', 'start b', 'start c', 'stop c', 'stop b', 'stop a']);
  expect(time.armed).toBe(0);
});

test('a start that fails stops what had started and passes the failure on', async () => {
  const { calls, service, lifecycle } = setUp();
  const failure = new Error('port taken');
  const failing = service('b', { start: () => Promise.reject(failure) });
  await expect(lifecycle.start([service('a'), failing, service('c')])).rejects.toBe(failure);
  expect(calls).toEqual(['start a', 'stop a']);
});

test('a service that does not stop in time is left behind, and named', async () => {
  const { calls, warnings, service, lifecycle, time } = setUp();
  const stuck = service('stuck', { stop: () => new Promise(() => undefined), stopTimeoutMs: 500 });
  await lifecycle.start([service('a'), stuck]);
  const stopped = lifecycle.stop();
  await settle();
  time.pass(499);
  await settle();
  expect(calls).not.toContain('stop a');
  time.pass(1);
  await stopped;
  expect(calls).toEqual(['start a', 'start stuck', 'stop a']);
  expect(warnings).toEqual(['a service does not stop in time; going on without it stuck']);
});

test('a service that fails to stop does not keep the others from stopping', async () => {
  const { calls, warnings, service, lifecycle } = setUp();
  const failing = service('b', { stop: () => Promise.reject(new Error('broken')) });
  const throwing = service('c', {
    stop: () => {
      throw new Error('broken at once');
    },
  });
  await lifecycle.start([service('a'), failing, throwing]);
  await lifecycle.stop();
  expect(calls).toEqual(['start a', 'start b', 'start c', 'stop a']);
  expect(warnings).toEqual([
    'a service failed while it stopped c',
    'a service failed while it stopped b',
  ]);
});

test('a stop in the middle of the start lets the current service finish, then stops all', async () => {
  const { calls, service, lifecycle } = setUp();
  let finishStart: () => void = () => undefined;
  const slow = service('b', {
    start: () =>
      new Promise((resolve) => {
        finishStart = resolve;
      }),
  });
  const started = lifecycle.start([service('a'), slow, service('c')]);
  await settle();
  const stopped = lifecycle.stop();
  finishStart();
  await expect(started).rejects.toBeInstanceOf(StartInterrupted);
  await stopped;
  expect(calls).toEqual(['start a', 'stop b', 'stop a']);
});

test('a stop before any start has nothing to do', async () => {
  const { lifecycle, calls } = setUp();
  await lifecycle.stop();
  expect(calls).toEqual([]);
});
