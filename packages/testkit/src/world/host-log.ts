/**
 * What the programs of a host log: into the trace, and the last lines kept for the report of a failure.
 */
import { type Log, type LogFields, type LogLevel, textLine } from '@odradek/runtime';
import { type Trace, traceKinds } from './trace.ts';

const LINES_KEPT_MAX = 2_000;
/** The stamp at the front of a line of the log; the trace has its own. */
const STAMP_CHARACTERS = 25;

export interface LoggedLine {
  readonly level: LogLevel;
  readonly text: string;
}

export class HostLog {
  readonly #trace: Trace;
  readonly #name: string;
  readonly #index: number;
  #lines: LoggedLine[] = [];

  constructor(trace: Trace, name: string, index: number) {
    this.#trace = trace;
    this.#name = name;
    this.#index = index;
  }

  get lines(): readonly LoggedLine[] {
    return this.#lines;
  }

  /** The port that a program is given. */
  port(component = ''): Log {
    const take = (level: LogLevel) => (message: string, fields?: LogFields) => {
      const text = textLine({ atMs: 0, level, component, message, fields }).slice(STAMP_CHARACTERS);
      this.#trace.mixText(traceKinds.log, this.#index, `${level} ${message}`);
      if (this.#lines.length >= LINES_KEPT_MAX) this.#lines = this.#lines.slice(LINES_KEPT_MAX / 2);
      this.#lines.push({ level, text });
      this.#trace.tell(this.#name, () => text);
    };
    return {
      error: take('error'),
      warn: take('warn'),
      info: take('info'),
      debug: () => undefined,
      child: (name) => this.port(component === '' ? name : `${component}.${name}`),
    };
  }
}
