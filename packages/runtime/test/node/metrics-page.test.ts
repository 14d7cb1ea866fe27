/** The page of metrics, over a real socket. */
import { expect, test } from '@jest/globals';
import { AddressInUse, defineMetrics, Metrics, serveMetrics } from '../../src/index.ts';

test('metrics are at /metrics, nothing elsewhere, and a taken port is said', async () => {
  const metrics = new Metrics();
  const { test_turns_total: turns } = metrics.declare(
    defineMetrics({ test_turns_total: { kind: 'counter', help: 'Turns of the test.' } }),
  );
  turns.add();
  const page = await serveMetrics(metrics, { host: '127.0.0.1', port: 0 });
  const base = `http://127.0.0.1:${page.port}`;
  const answer = await fetch(`${base}/metrics`);
  expect(answer.status).toBe(200);
  expect(await answer.text()).toContain('test_turns_total 1');
  expect((await fetch(base)).status).toBe(404);
  await expect(serveMetrics(metrics, { host: '127.0.0.1', port: page.port })).rejects.toThrow(
    AddressInUse,
  );
  await page.close();
});
