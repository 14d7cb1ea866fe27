/**
 * A log that loads winston at its first event: most runs of a tool never have one, and should not pay for it.
 * Events that come while it loads are kept in order.
 */
import { LOG_LEVELS, type Log, type LogFields, type LogLevel, openLog } from '@odradek/runtime';

type Level = 'error' | 'warn' | 'info' | 'debug';

/** Events kept while winston loads; later ones are dropped. */
const EARLY_EVENTS_MAX = 1000;

export interface LazyLog {
  readonly log: Log;
  /** Resolves when all events are written. */
  flush(): Promise<void>;
}

export function lazyLog(
  level: LogLevel,
  format: 'text' | 'json',
  to: NodeJS.WritableStream,
): LazyLog {
  let opened: Log | null = null;
  let opening: Promise<void> | null = null;
  const early: (() => void)[] = [];
  const open = async (): Promise<void> => {
    opened = (await openLog({ level, format, to })).log;
    for (const emit of early.splice(0)) emit();
  };
  const makeLog = (resolve: () => Log | null): Log => {
    let real: Log | null = null;
    const emit = (name: Level, message: string, fields?: LogFields): void => {
      if (LOG_LEVELS.indexOf(name) > LOG_LEVELS.indexOf(level)) return;
      real ??= resolve();
      if (real !== null) {
        real[name](message, fields);
        return;
      }
      opening ??= open();
      if (early.length < EARLY_EVENTS_MAX) early.push(() => emit(name, message, fields));
    };
    return {
      error: (message, fields) => emit('error', message, fields),
      warn: (message, fields) => emit('warn', message, fields),
      info: (message, fields) => emit('info', message, fields),
      debug: (message, fields) => emit('debug', message, fields),
      child: (component) => makeLog(() => resolve()?.child(component) ?? null),
    };
  };
  return {
    log: makeLog(() => opened),
    flush: async () => {
      await opening;
    },
  };
}
