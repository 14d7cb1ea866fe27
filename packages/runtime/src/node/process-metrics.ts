/** What the process uses, as metrics: asked of the system when the page is made. */
import { defineMetrics, type Metrics } from '../metrics.ts';

const MICROSECONDS_PER_SECOND = 1e6;

export const processMetrics = defineMetrics({
  process_cpu_seconds_total: { kind: 'counter', help: 'CPU time, user and system, in seconds.' },
  process_resident_memory_bytes: { kind: 'gauge', help: 'Memory held in RAM.' },
  process_heap_used_bytes: { kind: 'gauge', help: 'JavaScript heap in use.' },
  process_external_memory_bytes: { kind: 'gauge', help: 'Buffers and other memory off the heap.' },
  process_uptime_seconds: { kind: 'gauge', help: 'Since the process began.' },
});

/** Adds the process's own metrics to a daemon's. */
export function watchProcess(metrics: Metrics): void {
  const meters = metrics.declare(processMetrics);
  meters.process_cpu_seconds_total.readFrom(() => {
    const { user, system } = process.cpuUsage();
    return (user + system) / MICROSECONDS_PER_SECOND;
  });
  meters.process_resident_memory_bytes.readFrom(() => process.memoryUsage.rss());
  meters.process_heap_used_bytes.readFrom(() => process.memoryUsage().heapUsed);
  meters.process_external_memory_bytes.readFrom(() => process.memoryUsage().external);
  meters.process_uptime_seconds.readFrom(() => process.uptime());
}
