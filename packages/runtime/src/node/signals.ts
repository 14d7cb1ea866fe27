/**
 * SIGINT and SIGTERM: the first one asks for an orderly stop, a second one ends the process at once.
 */
import type { Log } from '../log.ts';

const SIGNALS = ['SIGINT', 'SIGTERM'] as const;
/** What shells report for a process that a signal ended: 128 and the signal's number. */
const EXIT_CODES = { SIGINT: 130, SIGTERM: 143 } as const;

/**
 * Resolves with the first signal's name.
 * @param options.exit what a second signal calls; default: process.exit
 */
export function stopRequested(
  log: Log,
  { exit = (code: number): void => process.exit(code) }: { exit?: (code: number) => void } = {},
): Promise<'SIGINT' | 'SIGTERM'> {
  return new Promise((resolve) => {
    let asked = false;
    for (const signal of SIGNALS) {
      process.on(signal, () => {
        if (asked) {
          log.warn('asked twice to stop: ending at once', { signal });
          exit(EXIT_CODES[signal]);
          return;
        }
        asked = true;
        log.info('asked to stop', { signal });
        resolve(signal);
      });
    }
  });
}
