/** Metrics from their declaration to the page. */
import { expect, test } from '@jest/globals';
import {
  defineMetrics,
  InvariantViolation,
  Metrics,
  renderMetricDocs,
  watchProcess,
} from '../src/index.ts';

const table = defineMetrics({
  requests_total: { kind: 'counter', help: 'Requests.', labels: ['api', 'version'] },
  connections: { kind: 'gauge', help: 'Open connections.' },
  wait_ms: { kind: 'histogram', help: 'Waits.', buckets: [1, 10] },
  size_bytes: { kind: 'histogram', help: 'Sizes.', buckets: [100], labels: ['topic'] },
  uptime_seconds_total: { kind: 'counter', help: 'Up.' },
});

test('what was counted stands on the page', async () => {
  const metrics = new Metrics();
  const meters = metrics.declare(table);
  const produce = meters.requests_total.of('Produce', '9');
  produce.add();
  produce.add(2);
  meters.requests_total.of('Fetch "x"', '12').add();
  meters.connections.set(5);
  meters.connections.add(-2);
  for (const value of [0, 1, 1.5, 10, 11, 500]) meters.wait_ms.observe(value);
  meters.size_bytes.of('orders').observe(7);
  meters.uptime_seconds_total.readFrom(() => 42);
  const lines = (await metrics.render()).split('\n');
  expect(lines).toEqual(
    expect.arrayContaining([
      '# HELP requests_total Requests.',
      '# TYPE requests_total counter',
      'requests_total{api="Produce",version="9"} 3',
      'requests_total{api="Fetch \\"x\\"",version="12"} 1',
      '# TYPE connections gauge',
      'connections 3',
      '# TYPE wait_ms histogram',
      'wait_ms_bucket{le="1"} 2',
      'wait_ms_bucket{le="10"} 4',
      'wait_ms_bucket{le="+Inf"} 6',
      'wait_ms_sum 523.5',
      'wait_ms_count 6',
      'size_bytes_bucket{topic="orders",le="100"} 1',
      'uptime_seconds_total 42',
    ]),
  );
  expect(metrics.valueOf('connections')).toBe(3);
  expect(metrics.valueOf('requests_total', 'Produce', '9')).toBe(3);
  expect(metrics.valueOf('requests_total', 'Produce', '8')).toBeNull();
});

test('one series for the same labels; too many labels share one', async () => {
  const metrics = new Metrics();
  const { requests_total: requests } = metrics.declare(table);
  expect(requests.of('a', '1')).toBe(requests.of('a', '1'));
  expect(requests.of('a', '1')).not.toBe(requests.of('a', '2'));
  for (let n = 0; n < 3_000; n++) requests.of('client', String(n)).add();
  const series = (await metrics.render())
    .split('\n')
    .filter((line) => line.startsWith('requests_total{'));
  expect(series.length).toBeLessThanOrEqual(1_001);
  const total = series.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
  expect(total).toBe(3_000);
  expect(metrics.valueOf('requests_total', 'other', 'other')).toBeGreaterThan(1_000);
});

test('a name stands for one metric', () => {
  const metrics = new Metrics();
  metrics.declare(table);
  expect(() => metrics.declare(table)).toThrow(InvariantViolation);
});

test('the docs page has a row for each metric', () => {
  const page = renderMetricDocs([table], { title: 'Metrics', introduction: 'All.' });
  expect(page.split('\n')).toEqual(
    expect.arrayContaining([
      '| `requests_total` | counter | `api`, `version` | Requests. |',
      '| `connections` | gauge |  | Open connections. |',
    ]),
  );
});

test('the process tells what it uses', async () => {
  const metrics = new Metrics();
  watchProcess(metrics);
  expect(metrics.valueOf('process_resident_memory_bytes')).toBeGreaterThan(1e6);
  expect(metrics.valueOf('process_cpu_seconds_total')).toBeGreaterThan(0);
  expect(await metrics.render()).toMatch(/^process_uptime_seconds \d/m);
});

test('a summary has count, sum and the quantiles of what came last', async () => {
  const metrics = new Metrics();
  const { wait_ms: wait, by_key: byKey } = metrics.declare({
    wait_ms: { kind: 'summary', quantiles: [0.5, 0.99], help: 'Waiting.' },
    by_key: { kind: 'gauge', labels: ['key'], help: 'By key.' },
  } as const);
  expect(await metrics.render()).toMatch(/^wait_ms\{quantile="0.5"\} Nan$/im);
  for (let value = 2_000; value >= 1; value--) wait.observe(value);
  expect(wait.quantiles([0, 0.5, 1])).toEqual([1, 512, 1_024]);
  expect([wait.count, wait.min, wait.max, wait.average]).toEqual([2_000, 1, 2_000, 1_000.5]);
  expect(await metrics.render()).toMatch(
    /^wait_ms\{quantile="0.5"\} 512\nwait_ms\{quantile="0.99"\} 1014\nwait_ms_sum 2001000\nwait_ms_count 2000$/m,
  );
  wait.reset();
  expect([wait.count, wait.quantiles([0.5])]).toEqual([0, [0]]);
  byKey.of('a').set(1);
  byKey.clear();
  byKey.of('b').set(2);
  expect(await metrics.render()).not.toContain('key="a"');
  expect([...metrics.all()].map(({ name }) => name)).toEqual(['wait_ms', 'by_key']);
});
