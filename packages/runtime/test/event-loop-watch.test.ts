/** The watch over the event loop, with delays made up, and once with Node's own measurement. */
import { expect, test } from '@jest/globals';
import {
  type DelaySource,
  type Log,
  type LogFields,
  Metrics,
  nodeEventLoopDelay,
  silentLog,
  watchEventLoop,
} from '../src/index.ts';
import { ManualTime } from './manual-time.ts';

function setUp() {
  const time = new ManualTime();
  const metrics = new Metrics();
  const warnings: LogFields[] = [];
  const log: Log = {
    ...silentLog,
    warn: (_, fields) => {
      warnings.push(fields ?? {});
    },
  };
  let maxMs = 0;
  const source: DelaySource = {
    percentileMs: (percentile) => (maxMs * percentile) / 100,
    maxMs: () => maxMs,
    reset: () => {
      maxMs = 0;
    },
  };
  const stop = watchEventLoop(source, time, log, metrics);
  return {
    time,
    metrics,
    warnings,
    stop,
    second: (delayMs: number): void => {
      maxMs = delayMs;
      time.pass(1_000);
    },
  };
}

test('each second is measured by itself', () => {
  const { metrics, second, warnings } = setUp();
  second(40);
  expect(metrics.valueOf('event_loop_delay_max_ms')).toBe(40);
  expect(metrics.valueOf('event_loop_delay_p50_ms')).toBe(20);
  expect(metrics.valueOf('event_loop_delay_p99_ms')).toBeCloseTo(39.6);
  second(50);
  expect(metrics.valueOf('event_loop_delay_max_ms')).toBe(50);
  expect(metrics.valueOf('event_loop_blocks_total')).toBe(0);
  expect(warnings).toEqual([]);
});

test('a block above 50 ms is warned about at once, further ones together, once a minute', () => {
  const { metrics, second, warnings } = setUp();
  second(80.4);
  expect(warnings).toEqual([{ worstMs: 80, blocks: 1 }]);
  second(300);
  second(51);
  expect(warnings).toHaveLength(1);
  for (let n = 0; n < 60; n++) second(1);
  expect(warnings).toEqual([
    { worstMs: 80, blocks: 1 },
    { worstMs: 300, blocks: 2 },
  ]);
  expect(metrics.valueOf('event_loop_blocks_total')).toBe(3);
});

test('stopped, it leaves no wake-up behind', () => {
  const { stop, time, second } = setUp();
  second(0);
  expect(time.armed).toBe(1);
  stop();
  expect(time.armed).toBe(0);
});

test('a task that keeps the event loop shows in Node’s measurement', async () => {
  const source = nodeEventLoopDelay();
  const turn = () => new Promise((resolve) => setTimeout(resolve, 15));
  await turn();
  const blockedUntil = performance.now() + 60;
  while (performance.now() < blockedUntil);
  await turn();
  expect(source.maxMs()).toBeGreaterThan(40);
  source.reset();
  source.close();
});
