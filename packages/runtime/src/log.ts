/**
 * The log port: one event, one line. winston carries it out in `node/`.
 */

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
