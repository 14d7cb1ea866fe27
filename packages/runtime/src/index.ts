/** The runtime: ports, their Node implementation, and what every daemon shares. */
export * from './buffer-pool.ts';
export * from './config-docs.ts';
export * from './config-table.ts';
export * from './config-validators.ts';
export {
  allowedValues,
  type ConfigType,
  type ConfigValue,
  type ConfigValueTypes,
  formatConfigValue,
  parseConfigValue,
  type ValueRule,
} from './config-value.ts';
export * from './disk-survey.ts';
export * from './environment.ts';
export * from './errors.ts';
export * from './event-loop-watch.ts';
export * from './http.ts';
export * from './lifecycle.ts';
export * from './log.ts';
export * from './machine.ts';
export * from './metrics.ts';
export * from './metrics-docs.ts';
export * from './nearest.ts';
export { nodeEnvironment } from './node/environment.ts';
export { type NodeDelaySource, nodeEventLoopDelay } from './node/event-loop-delay.ts';
export { describeHost, type HostFacts } from './node/host-facts.ts';
export { serveHttp } from './node/http-server.ts';
export { type MetricsPage, serveMetrics } from './node/metrics-page.ts';
export { openFilesLimit } from './node/open-files-limit.ts';
export { watchProcess } from './node/process-metrics.ts';
export { poisonsReleasedMemory } from './node/released-memory.ts';
export { stopRequested } from './node/signals.ts';
export { type LogFile, type LogOptions, type OpenLog, openLog } from './node/winston-log.ts';
export { type NodeWorkers, type NodeWorkersOptions, nodeWorkers } from './node/workers.ts';
export * from './properties.ts';
export * from './secret.ts';
export * from './time.ts';
export * from './tls/cipher-suites.ts';
export { isDistinguishedName, subjectOf } from './tls/distinguished-name.ts';
export * from './tls/key-store.ts';
export * from './workers.ts';
