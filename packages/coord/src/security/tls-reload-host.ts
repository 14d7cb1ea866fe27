/**
 * Takes up renewed certificates without a restart: looks now and then whether a file has changed,
 * and hands on what is in it. Files that are no good, because only half of them is written yet or for
 * ever, change nothing but the log, and are looked at again when they change again.
 */
import {
  ConfigError,
  type Disarm,
  DiskError,
  type Environment,
  millis,
  OdradekError,
} from '@odradek/runtime';

/** How long a renewed certificate waits at most. */
const LOOK_INTERVAL_MS = 10_000;

export interface TlsReload<Tls> {
  readonly environment: Pick<Environment, 'disk' | 'clock' | 'timers' | 'log'>;
  readonly files: readonly string[];
  /** null: there is no TLS any more, which a running server does not follow. */
  readonly load: () => Promise<Tls | null>;
  readonly renew: (tls: Tls) => void;
}

/**
 * Begins to look; what is in the files now counts as known.
 * @returns stops looking
 */
export async function startTlsReload<Tls>(parts: TlsReload<Tls>): Promise<Disarm> {
  const { environment } = parts;
  const { clock, timers, log } = environment;
  let known = await traceOf(parts);
  let isStopped = false;
  let disarm: Disarm = () => undefined;

  const look = async (): Promise<void> => {
    const trace = await traceOf(parts);
    if (trace !== known && !isStopped) {
      known = trace;
      await takeUp(parts).catch((error: unknown) => {
        if (!(error instanceof OdradekError)) throw error;
        const reason = error instanceof ConfigError ? error.message : String(error);
        log.error('renewed certificates are no good; the old ones stay', { reason });
      });
    }
    arm();
  };
  const arm = (): void => {
    if (isStopped) return;
    disarm = timers.wakeAt(millis(clock.now() + LOOK_INTERVAL_MS), () => void look());
  };
  arm();
  return () => {
    isStopped = true;
    disarm();
  };
}

async function takeUp<Tls>({ environment, load, renew }: TlsReload<Tls>): Promise<void> {
  const tls = await load();
  if (tls === null) return;
  renew(tls);
  environment.log.info('renewed certificates are in use');
}

/** Differs when any of the files does, or can be seen no more. */
async function traceOf({
  environment: { disk },
  files,
}: Pick<TlsReload<unknown>, 'environment' | 'files'>): Promise<string> {
  const traces = await Promise.all(
    files.map(async (path) => {
      try {
        const status = await disk.status(path);
        return status === null ? 'none' : `${status.modifiedAtMs}/${status.sizeBytes}`;
      } catch (error) {
        if (!(error instanceof DiskError)) throw error;
        return error.code;
      }
    }),
  );
  return traces.join(' ');
}
