/**
 * A broker for measuring: the built package and nothing else, whose workers are threads or, for comparison, the event
 * loop itself. Tells the delays of its event loop since the last time when it gets SIGUSR2.
 */
import { readFileSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { readBrokerConfig, startBroker } from '@odradek/broker';
import { inlineWorkers, nodeEnvironment, parseProperties } from '@odradek/runtime';

const [, , file = '', place = 'threads'] = process.argv;
const entries = parseProperties(readFileSync(file, 'utf8'), file);
const config = readBrokerConfig(entries, { source: file, homeDirectory: '/' });
const environment = nodeEnvironment();
const workers = place === 'threads' ? environment.workers : inlineWorkers(environment);
await startBroker({ ...environment, workers }, config);
const delays = monitorEventLoopDelay({ resolution: 1 });
delays.enable();
process.on('SIGUSR2', () => {
  const inMs = (nanoseconds) => Math.max(0, nanoseconds / 1e6 - 1);
  console.log(
    `delays ${JSON.stringify({ maxMs: inMs(delays.max), p99Ms: inMs(delays.percentile(99)) })}`,
  );
  delays.reset();
});
process.on('SIGTERM', () => process.exit());
console.log('serving');
