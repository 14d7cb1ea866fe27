/**
 * A broker from its configuration. Wires, and decides nothing.
 */
import type { Environment, OdradekError } from '@odradek/runtime';
import type { BrokerConfig } from './config/broker-config.ts';
import { BrokerServer } from './server/broker-server.ts';

export interface RunningBroker {
  readonly brokerId: number;
  readonly clusterId: string;
  /** The ports that are bound, by listener name. */
  readonly ports: ReadonlyMap<string, number>;
  /** Resolves when the broker could not go on by itself; the caller stops it then. */
  readonly failure: Promise<OdradekError>;
  /** Hands leadership over, answers what is running, and puts everything away in order. */
  stop(): Promise<void>;
}

export interface StartOptions {
  /** Calls the start off while it waits for the coordination service. */
  readonly interrupted?: AbortSignal;
}

/**
 * Starts a broker and resolves when it serves. Waits for the coordination service as long as it takes.
 * @throws ConfigError, AddressInUse, DirectoryLocked, AlreadyRegistered, LogDamaged: one sentence each;
 *   StartInterrupted when it was called off
 */
export async function startBroker(
  environment: Environment,
  config: BrokerConfig,
  { interrupted }: StartOptions = {},
): Promise<RunningBroker> {
  const log = environment.log.child('broker');
  const server = new BrokerServer({ ...environment, log }, config, interrupted);
  await server.start();
  return {
    brokerId: server.brokerId,
    clusterId: server.clusterId,
    ports: server.ports,
    failure: server.failure,
    async stop() {
      await server.stop();
      log.info('stopped');
    },
  };
}
