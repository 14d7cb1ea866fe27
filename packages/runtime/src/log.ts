/**
 * The log port: one event, one line; and the two ways a line is written. winston carries it out in
 * `node/winston-log.ts`.
 */
import { OdradekError } from './errors.ts';

/** What belongs to an event besides its sentence; printed as key=value. */
export type LogFields = Readonly<
  Record<string, string | number | bigint | boolean | null | undefined | Error>
>;

export interface Log {
  error(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  debug(message: string, fields?: LogFields): void;
  /** A log for a part of the program; its name stands in front of each event. */
  child(component: string): Log;
}

/** Takes every event and drops it. */
export const silentLog: Log = {
  error: () => undefined,
  warn: () => undefined,
  info: () => undefined,
  debug: () => undefined,
  child: () => silentLog,
};

/** From most to least important; a level shows itself and all before it. */
export const LOG_LEVELS = ['error', 'warn', 'info', 'debug'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export interface LogEvent {
  /** Milliseconds since 1970-01-01 UTC. */
  readonly atMs: number;
  readonly level: LogLevel;
  /** Names from the outside in, separated by dots; '' for the program itself. */
  readonly component: string;
  readonly message: string;
  readonly fields: LogFields | undefined;
}

/** How much of a stack trace a readable line shows. */
const STACK_FRAMES = 8;
/** How deep a chain of causes is told. */
const CAUSE_DEPTH = 4;

/** `2026-11-20T12:00:00.123Z INFO  [component] message key=value` */
export function textLine({ atMs, level, component, message, fields }: LogEvent): string {
  const stamp = new Date(atMs).toISOString();
  const place = component === '' ? '' : `[${component}] `;
  let line = `${stamp} ${level.toUpperCase().padEnd(5)} ${place}${oneLine(message)}`;
  for (const [key, value] of Object.entries(fields ?? {})) {
    if (value !== undefined) line += ` ${key}=${fieldText(value)}`;
  }
  return line;
}

/** The same event as one JSON object, for machines. */
export function jsonLine({ atMs, level, component, message, fields }: LogEvent): string {
  const event: Record<string, unknown> = { time: new Date(atMs).toISOString(), level };
  if (component !== '') event.component = component;
  event.message = message;
  for (const [key, value] of Object.entries(fields ?? {})) {
    const name = key in event ? `field.${key}` : key;
    if (isError(value)) event[name] = errorObject(value);
    else event[name] = typeof value === 'bigint' ? String(value) : value;
  }
  return JSON.stringify(event);
}

/** By shape: errors of another realm (a test runner's, a worker's) are errors too. */
function isError(value: unknown): value is Error {
  return typeof value === 'object' && value !== null && 'message' in value;
}

function fieldText(value: NonNullable<LogFields[string]> | null): string {
  const text = isError(value) ? errorText(value) : String(value);
  const plain = text !== '' && /^[^\s"=\p{Cc}]+$/u.test(text);
  return plain ? text : JSON.stringify(text);
}

/** Events are told apart by lines: line ends and other control characters are shown, not printed. */
function oneLine(text: string): string {
  return text.replace(/\p{Cc}/gu, (character) => JSON.stringify(character).slice(1, -1));
}

/** What went wrong and why; for a bug also where. */
function errorText(error: Error): string {
  let text = '';
  let current: unknown = error;
  for (let depth = 0; depth < CAUSE_DEPTH && isError(current); depth++) {
    const { name, message } = current;
    text += depth === 0 ? '' : ' because of ';
    text += message === '' ? name : `${name}: ${message}`;
    current = current.cause;
  }
  return error instanceof OdradekError ? text : text + stackText(error);
}

function stackText({ stack }: Error): string {
  const frames = (stack ?? '').split('\n').filter((line) => /^\s+at /.test(line));
  return frames
    .slice(0, STACK_FRAMES)
    .map((frame) => ` <- ${frame.trim().slice(3)}`)
    .join('');
}

function errorObject(error: Error): Record<string, unknown> {
  const { name, message, stack, cause } = error;
  const object: Record<string, unknown> = { name, message };
  if ('code' in error) object.code = error.code;
  if (!(error instanceof OdradekError)) object.stack = stack;
  if (isError(cause)) object.cause = errorText(cause);
  return object;
}
