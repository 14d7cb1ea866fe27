/**
 * How far the loading of the logs is: for whoever waits for a broker that has much to recover, and for metrics.
 */
import { type Disarm, type Environment, millis } from '@odradek/runtime';

/** How often a start that takes long says how far it is. */
const REPORT_EVERY_MS = 10_000;

/** What is left to do in one data directory. */
export interface DirectoryProgress {
  readonly directory: string;
  /** Logs that were found. */
  logCount: number;
  /** Logs that are not loaded yet. */
  logsLeft: number;
  /** Segments still to be read through in the logs that are being recovered right now. */
  segmentsLeft: number;
  /** Segments that were read through. */
  segmentsRecovered: number;
}

export class LoadProgress {
  readonly #directories = new Map<string, DirectoryProgress>();

  /** That of a directory; nothing is left in one that was not heard of yet. */
  of(directory: string): DirectoryProgress {
    const known = this.#directories.get(directory);
    if (known !== undefined) return known;
    const fresh = { directory, logCount: 0, logsLeft: 0, segmentsLeft: 0, segmentsRecovered: 0 };
    this.#directories.set(directory, fresh);
    return fresh;
  }

  /** Writes a line every {@link REPORT_EVERY_MS} for each directory that is not done. @returns ends that */
  report({ clock, timers, log }: Pick<Environment, 'clock' | 'timers' | 'log'>): Disarm {
    let disarm = (): void => {};
    const again = (): void => {
      disarm = timers.wakeAt(millis(clock.now() + REPORT_EVERY_MS), () => {
        for (const { directory, logsLeft, logCount, segmentsLeft } of this.#directories.values()) {
          if (logsLeft > 0)
            log.info('loading logs', { directory, logsLeft, of: logCount, segmentsLeft });
        }
        again();
      });
    };
    again();
    return () => disarm();
  }
}
