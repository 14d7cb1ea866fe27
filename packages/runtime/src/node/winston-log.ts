/**
 * The log port over winston: to a stream or to files of bounded size.
 *
 * winston is loaded on first use, so that programs that do not log do not pay for it. A level that
 * is off costs one comparison: nothing is formatted or handed on.
 */
import {
  jsonLine,
  LOG_LEVELS,
  type Log,
  type LogEvent,
  type LogFields,
  type LogLevel,
  textLine,
} from '../log.ts';

export interface LogFile {
  readonly path: string;
  /** A file that reached this size is renamed to `<path>1`, `<path>2` ... and begun anew. */
  readonly maxSizeBytes: number;
  readonly maxFiles: number;
}

export interface LogOptions {
  readonly level: LogLevel;
  readonly format: 'text' | 'json';
  /** Default: standard output. */
  readonly to?: NodeJS.WritableStream | LogFile;
}

export interface OpenLog {
  readonly log: Log;
  setLevel(level: LogLevel): void;
  /** Resolves when all events are written. */
  close(): Promise<void>;
}

/** The level that counts now; shared by a log and its children. */
interface Threshold {
  rank: number;
}

const rankOf = (level: LogLevel): number => LOG_LEVELS.indexOf(level);

class WinstonLog implements Log {
  readonly #emit: (event: LogEvent) => void;
  readonly #threshold: Threshold;
  readonly #component: string;

  constructor(emit: (event: LogEvent) => void, threshold: Threshold, component: string) {
    this.#emit = emit;
    this.#threshold = threshold;
    this.#component = component;
  }

  error(message: string, fields?: LogFields): void {
    this.#write('error', 0, message, fields);
  }

  warn(message: string, fields?: LogFields): void {
    this.#write('warn', 1, message, fields);
  }

  info(message: string, fields?: LogFields): void {
    this.#write('info', 2, message, fields);
  }

  debug(message: string, fields?: LogFields): void {
    this.#write('debug', 3, message, fields);
  }

  child(component: string): Log {
    const name = this.#component === '' ? component : `${this.#component}.${component}`;
    return new WinstonLog(this.#emit, this.#threshold, name);
  }

  #write(level: LogLevel, rank: number, message: string, fields: LogFields | undefined): void {
    if (rank > this.#threshold.rank) return;
    this.#emit({ atMs: Date.now(), level, component: this.#component, message, fields });
  }
}

export async function openLog({
  level,
  format,
  to = process.stdout,
}: LogOptions): Promise<OpenLog> {
  const { createLogger, format: formats, transports } = (await import('winston')).default;
  const line = format === 'json' ? jsonLine : textLine;
  const transport =
    'maxFiles' in to
      ? new transports.File({ filename: to.path, maxsize: to.maxSizeBytes, maxFiles: to.maxFiles })
      : new transports.Stream({ stream: to, eol: '\n' });
  const logger = createLogger({
    levels: { error: 0, warn: 1, info: 2, debug: 3 },
    level: 'debug', // The threshold is kept here, where it costs nothing.
    format: formats.printf(({ message }) => String(message)),
    transports: [transport],
  });
  const threshold: Threshold = { rank: rankOf(level) };
  const emit = (event: LogEvent): void => {
    logger.log(event.level, line(event));
  };
  return {
    log: new WinstonLog(emit, threshold, ''),
    setLevel(next): void {
      threshold.rank = rankOf(next);
    },
    close: () =>
      new Promise((resolve) => {
        transport.once('finish', () => resolve());
        logger.end();
      }),
  };
}
