/**
 * How many of the files that the process may have open are the logs'. The others are for connections, and for what
 * else is opened for a moment.
 */
import { ConfigError, type Log } from '@odradek/runtime';

/** More would be a gain only for a broker that writes to more partitions than this all the time. */
const LOG_FILES_MAX = 10_000;
/** Where nobody can tell how many may be open: what every system allows. */
const LIMIT_UNKNOWN = 1_024;
/** Below this a broker serves a few clients and is at its end. */
const LIMIT_LOW = 1_024;
/** Kept free of logs whatever the settings say. */
const OTHERS_MIN = 128;
/** Logs need this many at least: those that are recovered at once hold two each. */
const LOG_FILES_MIN = 64;

/**
 * @param wanted odradek.log.open.files.max
 * @param limit files that the process may have open; null when that is not known
 * @throws ConfigError when more are wanted than the process may have
 */
export function openLogFilesMax(wanted: number | null, limit: number | null, log: Log): number {
  if (wanted === null) {
    if (limit !== null && limit < LIMIT_LOW)
      log.warn(
        'few files may be open (ulimit -n): half of them are for logs, half for connections, and beyond that connections are refused',
        { limit, wanted: LIMIT_LOW },
      );
    return Math.min(
      LOG_FILES_MAX,
      Math.max(LOG_FILES_MIN, Math.floor((limit ?? LIMIT_UNKNOWN) / 2)),
    );
  }
  if (limit !== null && wanted > limit - OTHERS_MIN)
    throw new ConfigError(
      `odradek.log.open.files.max=${wanted}: this process may have ${limit} files and connections open in all; ` +
        `raise that (ulimit -n ${wanted * 2}) or lower the setting to at most ${Math.max(LOG_FILES_MIN, limit - OTHERS_MIN)}`,
    );
  return wanted;
}
