/**
 * This broker's ephemeral /brokers/ids/N: how it comes to be, what its czxid is (the broker's epoch),
 * and that it is there again after the session expired.
 *
 * A node that another session owns means that a broker with this id runs already, or that we ourselves
 * ran until a moment ago. Somebody who accepts connections where it says it listens runs; otherwise
 * the node goes away when its session times out, and that is waited for before the start is given up.
 */
import { type Disarm, type Environment, millis, OdradekError } from '@odradek/runtime';
import type { Endpoint } from '../core/controller/state.ts';
import { type Coordination, hasCode } from './coordination.ts';
import { MalformedZnode } from './znode-json.ts';
import { paths } from './znode-paths.ts';
import { type BrokerRegistration, decodeBroker, encodeBroker } from './znodes.ts';

/** How often a node of an earlier life is looked at while waiting for it to go. */
const LOOK_AGAIN_MS = 200;
/** How long the holder of our id may take to accept a connection. */
const PROBE_TIMEOUT_MS = 1_000;

/** Another broker has our id or address: said in one line. */
export class AlreadyRegistered extends OdradekError {
  override readonly name = 'AlreadyRegistered';
  readonly code = 'ALREADY_REGISTERED';
  readonly retriable = false;
}

export interface RegistrationOptions {
  readonly brokerId: number;
  readonly rack: string | null;
  readonly endpoints: readonly Endpoint[];
  readonly session: Coordination;
  readonly environment: Environment;
  /** How long an earlier life's node may take to vanish: the session time-out. */
  readonly patienceMs: number;
}

export class Registration {
  readonly #options: RegistrationOptions;
  #epoch: number | null = null;
  /** The session in which we registered last; its node may outlive it for a moment. */
  #ownSessionId: bigint | null = null;
  #isWithdrawn = false;
  readonly #sleeps = new Set<Disarm>();

  constructor(options: RegistrationOptions) {
    this.#options = options;
  }

  /** The broker's epoch; null before it is registered and between two sessions. */
  get epoch(): number | null {
    return this.#epoch;
  }

  /** The session is gone, and the registration with it. */
  lost(): void {
    this.#epoch = null;
  }

  /** No registration is made any more. */
  withdraw(): void {
    this.#isWithdrawn = true;
    this.#epoch = null;
    for (const disarm of this.#sleeps) disarm();
  }

  /**
   * Creates the node.
   * @throws AlreadyRegistered naming who holds the id, or one of our addresses
   */
  async register(): Promise<void> {
    const { session, environment, brokerId } = this.#options;
    await this.#refuseTakenAddress();
    const deadline = environment.clock.now() + this.#options.patienceMs;
    const path = paths.brokerId(brokerId);
    let heldBy: bigint | null = null;
    while (!this.#isWithdrawn) {
      const data = encodeBroker(this.#registration());
      try {
        await session.create(path, data, { ephemeral: true });
      } catch (error) {
        if (!hasCode(error, 'NODE_EXISTS', 'CONNECTION_LOSS')) throw error;
        await session.whenConnected();
      }
      const node = await session.get(path);
      if (node === null) continue; // The old one vanished just now.
      const owner = node.stat.ephemeralOwner;
      if (owner === session.sessionId) {
        this.#ownSessionId = owner;
        this.#epoch = Number(node.stat.czxid);
        environment.log.info('registered', { brokerId, epoch: this.#epoch });
        return;
      }
      if (owner === this.#ownSessionId) {
        await this.#removeOwn(path, node.stat.version);
        continue;
      }
      const isFirstLook = owner !== heldBy;
      heldBy = owner;
      if (environment.clock.now() >= deadline || (isFirstLook && (await this.#isServed(node.data))))
        throw this.#taken(node.data, owner);
      if (isFirstLook)
        environment.log.warn('waiting for an earlier registration of this broker id to expire', {
          brokerId,
        });
      await this.#sleep(LOOK_AGAIN_MS);
    }
  }

  #registration(): BrokerRegistration {
    const { endpoints, rack, environment } = this.#options;
    return { endpoints, rack, timestampMs: environment.clock.wallTime() };
  }

  async #removeOwn(path: string, version: number): Promise<void> {
    try {
      await this.#options.session.remove(path, version);
    } catch (error) {
      if (!hasCode(error, 'NO_NODE', 'BAD_VERSION', 'CONNECTION_LOSS')) throw error;
    }
  }

  /** Two brokers that advertise one address would be taken for each other. */
  async #refuseTakenAddress(): Promise<void> {
    const { session, endpoints, brokerId } = this.#options;
    const listed = await session.children(paths.brokerIds);
    for (const name of listed?.names ?? []) {
      const id = Number(name);
      if (id === brokerId) continue;
      const node = await session.get(paths.brokerId(id));
      if (node === null) continue;
      const theirs = addressesOf(id, node.data);
      for (const { host, port } of endpoints)
        if (port !== 0 && theirs.has(`${host}:${port}`))
          throw new AlreadyRegistered(
            `broker ${id} already advertises ${host}:${port}: broker ${brokerId} needs another port or advertised.listeners`,
          );
    }
  }

  /** Whether somebody else listens where the holder of our id says it does. */
  async #isServed(data: Buffer): Promise<boolean> {
    const { endpoints, environment, brokerId } = this.#options;
    const own = new Set(endpoints.map(({ host, port }) => `${host}:${port}`));
    for (const { host, port } of endpointsOf(brokerId, data)) {
      if (own.has(`${host}:${port}`)) continue; // There we listen ourselves.
      try {
        const address = { host, port, timeoutMs: PROBE_TIMEOUT_MS };
        const connection = await environment.network.connect(address, () => ({
          data: () => undefined,
          close: () => undefined,
        }));
        connection.destroy();
        return true;
      } catch (error) {
        if (!(error instanceof OdradekError)) throw error;
      }
    }
    return false;
  }

  #taken(data: Buffer, owner: bigint): AlreadyRegistered {
    const { brokerId } = this.#options;
    const where = [...addressesOf(brokerId, data)].join(', ') || 'an unknown address';
    return new AlreadyRegistered(
      `broker id ${brokerId} is already registered by the broker at ${where} (session 0x${BigInt.asUintN(64, owner).toString(16)}): stop it or choose another broker.id`,
    );
  }

  #sleep(durationMs: number): Promise<void> {
    const { clock, timers } = this.#options.environment;
    return new Promise((resolve) => {
      const disarm = timers.wakeAt(millis(clock.now() + durationMs), () => {
        this.#sleeps.delete(end);
        resolve();
      });
      const end = (): void => {
        disarm();
        resolve();
      };
      this.#sleeps.add(end);
    });
  }
}

function addressesOf(id: number, data: Buffer): ReadonlySet<string> {
  return new Set(endpointsOf(id, data).map(({ host, port }) => `${host}:${port}`));
}

function endpointsOf(id: number, data: Buffer): readonly Endpoint[] {
  try {
    return decodeBroker(id, data, 0n).endpoints;
  } catch (error) {
    if (error instanceof MalformedZnode) return [];
    throw error;
  }
}
