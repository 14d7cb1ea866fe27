/** Where the log events of a program go: a daemon's to standard output, a tool's warnings to standard error. */
export interface Logging {
  readonly level: 'warn' | 'info';
  readonly to: 'stdout' | 'stderr';
}

export const daemonLogging: Logging = { level: 'info', to: 'stdout' };
export const toolLogging: Logging = { level: 'warn', to: 'stderr' };
/** The whole cluster in one process speaks for itself; its parts only say what is wrong. */
export const quietLogging: Logging = { level: 'warn', to: 'stdout' };
