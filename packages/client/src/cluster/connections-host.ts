/**
 * The connections of one client: one per broker address and purpose, opened when first needed, shared,
 * and opened anew after they broke. A broker that cannot be reached is not dialed again at once.
 *
 * Purposes keep what may wait long (fetches, joining a group) from holding up what must not
 * (heartbeats, produce requests), for a broker answers each connection in order.
 */
import type { Disarm, Environment } from '@odradek/runtime';
import { millis } from '@odradek/runtime';
import { BrokerConnection } from '../connection/broker-connection-host.ts';
import { ClientMisuse } from '../errors.ts';
import { type Backoff, backoffMs } from './retry.ts';

/**
 * `general`: metadata and admin; `produce`. A consumer has its own, by its number: `fetch`, `group` for
 * joining, `heartbeat` beside a join. Two members behind each other on one connection would each wait
 * for the other to join.
 */
export type Purpose = 'general' | 'produce' | `${'fetch' | 'group' | 'heartbeat'} ${number}`;

export interface Address {
  readonly host: string;
  readonly port: number;
}

export interface ConnectionsOptions {
  readonly environment: Environment;
  readonly clientId: string | null;
  readonly requestTimeoutMs: number;
  readonly connectTimeoutMs: number;
}

const RECONNECT_BACKOFF: Backoff = { firstMs: 50, largestMs: 1_000 };

interface Slot {
  connecting: Promise<BrokerConnection> | null;
  connection: BrokerConnection | null;
  failures: number;
  /** Not dialed before. */
  notBeforeMs: number;
}

export class Connections {
  readonly #options: ConnectionsOptions;
  readonly #slots = new Map<string, Slot>();
  readonly #pauses = new Map<Disarm, () => void>();
  #isClosed = false;

  constructor(options: ConnectionsOptions) {
    this.#options = options;
  }

  /**
   * The connection, at once when it stands.
   * @throws ConnectFailed and the failures of the version negotiation, all retriable
   */
  to(address: Address, purpose: Purpose): Promise<BrokerConnection> {
    if (this.#isClosed) return Promise.reject(new ClientMisuse('the client is closed'));
    const key = `${address.host}:${address.port}/${purpose}`;
    let slot = this.#slots.get(key);
    if (slot === undefined) {
      slot = { connecting: null, connection: null, failures: 0, notBeforeMs: 0 };
      this.#slots.set(key, slot);
    }
    if (slot.connection !== null) return Promise.resolve(slot.connection);
    slot.connecting ??= this.#connect(address, slot);
    return slot.connecting;
  }

  /** Closes the connections of a purpose that nobody has any more. */
  release(purposes: readonly Purpose[]): void {
    for (const [key, { connection }] of this.#slots)
      if (purposes.some((purpose) => key.endsWith(`/${purpose}`))) {
        connection?.close();
        this.#slots.delete(key);
      }
  }

  /** Closes all connections and refuses new ones. */
  close(): void {
    this.#isClosed = true;
    for (const [disarm, resume] of this.#pauses) {
      disarm();
      resume();
    }
    this.#pauses.clear();
    for (const { connection } of this.#slots.values()) connection?.close();
    this.#slots.clear();
  }

  async #connect(address: Address, slot: Slot): Promise<BrokerConnection> {
    const { environment, clientId, requestTimeoutMs, connectTimeoutMs } = this.#options;
    try {
      await this.#pauseUntil(slot.notBeforeMs);
      const connection = await BrokerConnection.connect({
        ...address,
        clientId,
        environment,
        requestTimeoutMs,
        connectTimeoutMs,
        negotiate: true,
      });
      if (this.#isClosed || !this.#isKept(slot)) {
        connection.close();
        throw new ClientMisuse('the client is closed');
      }
      slot.failures = 0;
      slot.connection = connection;
      connection.onClose(() => {
        slot.connection = null;
      });
      return connection;
    } catch (error) {
      slot.failures += 1;
      const chance = environment.random.below(1_000) / 1_000;
      slot.notBeforeMs =
        environment.clock.now() + backoffMs(RECONNECT_BACKOFF, slot.failures, chance);
      throw error;
    } finally {
      slot.connecting = null;
    }
  }

  /** Not released while it was being connected. */
  #isKept(slot: Slot): boolean {
    for (const kept of this.#slots.values()) if (kept === slot) return true;
    return false;
  }

  async #pauseUntil(atMs: number): Promise<void> {
    const { clock, timers } = this.#options.environment;
    if (clock.now() >= atMs) return;
    await new Promise<void>((resolve) => {
      const disarm = timers.wakeAt(millis(atMs), () => {
        this.#pauses.delete(disarm);
        resolve();
      });
      this.#pauses.set(disarm, resolve);
    });
  }
}
