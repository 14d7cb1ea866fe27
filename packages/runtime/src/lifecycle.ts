/**
 * Orderly start and stop of a daemon's parts: started one after the other, stopped in reverse, each
 * with its own time-out, whatever state a failure or an early stop left them in.
 * Signals, which ask for the stop, are in node/signals.ts.
 */
import { invariant, OdradekError } from './errors.ts';
import type { Log } from './log.ts';
import { millis, type Time } from './time.ts';

export interface Service {
  /** Named in log lines and errors. */
  readonly name: string;
  start(): Promise<void>;
  /** Only called after `start` resolved. */
  stop(): Promise<void>;
  /** After this long the stop goes on without this service. Default: {@link STOP_TIMEOUT_MS}. */
  readonly stopTimeoutMs?: number;
}

export const STOP_TIMEOUT_MS = 30_000;

/** `start` was overtaken by `stop`. */
export class StartInterrupted extends OdradekError {
  override readonly name = 'StartInterrupted';
  readonly code = 'START_INTERRUPTED';
  readonly retriable = false;
}

export class Lifecycle {
  readonly #time: Time;
  readonly #log: Log;
  /** Services that have started, in order. */
  readonly #running: Service[] = [];
  #starting: Promise<void> | null = null;
  #stopping: Promise<void> | null = null;

  constructor(time: Time, log: Log) {
    this.#time = time;
    this.#log = log;
  }

  /**
   * Starts the services in order. May be called once.
   * @throws what the first failing `start` threw, after those before it were stopped;
   *   StartInterrupted when `stop` was called meanwhile
   */
  start(services: readonly Service[]): Promise<void> {
    invariant(this.#starting === null, 'a lifecycle starts once');
    this.#starting = this.#startAll(services);
    return this.#starting;
  }

  async #startAll(services: readonly Service[]): Promise<void> {
    for (const service of services) {
      if (this.#stopping !== null) {
        throw new StartInterrupted(`stopped before ${service.name} was started`);
      }
      try {
        await service.start();
      } catch (error) {
        await this.#stopRunning();
        throw error;
      }
      this.#running.push(service);
    }
  }

  /** Stops what runs, last started first; also while still starting. Never rejects; again: the same. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stopAll();
    return this.#stopping;
  }

  async #stopAll(): Promise<void> {
    // A service in the middle of its start is let finish: nobody but itself could clean up after it.
    await this.#starting?.catch(() => undefined);
    await this.#stopRunning();
  }

  async #stopRunning(): Promise<void> {
    for (let service = this.#running.pop(); service !== undefined; service = this.#running.pop()) {
      await this.#stopOne(service);
    }
  }

  #stopOne(service: Service): Promise<void> {
    const { name, stopTimeoutMs = STOP_TIMEOUT_MS } = service;
    const { clock, timers } = this.#time;
    return new Promise((resolve) => {
      const disarm = timers.wakeAt(millis(clock.now() + stopTimeoutMs), () => {
        this.#log.warn('a service does not stop in time; going on without it', {
          service: name,
          stopTimeoutMs,
        });
        resolve();
      });
      const stopped = async (): Promise<void> => {
        try {
          await service.stop();
        } catch (error) {
          this.#log.error('a service failed while it stopped', {
            service: name,
            error: error instanceof Error ? error : new Error(String(error)),
          });
        }
        disarm();
        resolve();
      };
      void stopped();
    });
  }
}
