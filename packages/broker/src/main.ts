/**
 * A broker from its configuration. Wires, and decides nothing.
 */
import {
  type DelaySource,
  type Environment,
  Metrics,
  type OdradekError,
  watchEventLoop,
} from '@odradek/runtime';
import type { BrokerConfig } from './config/broker-config.ts';
import { BrokerServer } from './server/broker-server.ts';

export interface RunningBroker {
  readonly brokerId: number;
  readonly clusterId: string;
  /** The ports that are bound, by listener name. */
  readonly ports: ReadonlyMap<string, number>;
  readonly metrics: Metrics;
  /** Resolves when the broker could not go on by itself; the caller stops it then. */
  readonly failure: Promise<OdradekError>;
  /** Hands leadership over, answers what is running, and puts everything away in order. */
  stop(): Promise<void>;
}

export interface StartOptions {
  /** Where the broker's metrics go; its own registry when not given. */
  readonly metrics?: Metrics;
  /** Measures how long the event loop keeps others waiting; not watched when not given. */
  readonly eventLoopDelay?: DelaySource;
  /** Calls the start off while it waits for the coordination service or loads logs. */
  readonly interrupted?: AbortSignal;
  /** Files and connections that this process may have open; null when that is not known. */
  readonly openFilesLimit?: number | null;
}

/**
 * Starts a broker and resolves when it serves. Waits for the coordination service as long as it takes.
 * @throws ConfigError, AddressInUse, DirectoryLocked, AlreadyRegistered, LogDamaged: one sentence each;
 *   StartInterrupted when it was called off
 */
export async function startBroker(
  environment: Environment,
  config: BrokerConfig,
  options: StartOptions = {},
): Promise<RunningBroker> {
  const log = environment.log.child('broker');
  const { metrics = new Metrics(), eventLoopDelay } = options;
  const server = new BrokerServer({ ...environment, log }, config, options);
  server.declareMetrics(metrics);
  await server.start();
  const endWatch =
    eventLoopDelay === undefined
      ? () => {}
      : watchEventLoop(eventLoopDelay, environment, log, metrics);
  return {
    brokerId: server.brokerId,
    clusterId: server.clusterId,
    ports: server.ports,
    failure: server.failure,
    metrics,
    async stop() {
      endWatch();
      await server.stop();
      log.info('stopped');
    },
  };
}
