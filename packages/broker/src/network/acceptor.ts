/**
 * The door: listens, lets connections in within the limits, and lets them out at the end.
 *
 * All ports are bound first, so that a taken port stops the start at once and the ports chosen for 0
 * can be registered. A connection that comes before `open` is kept waiting, unread: the broker is
 * bound, but not ready.
 */
import type { Connection, ConnectionHandler, Listener, Network } from '@odradek/runtime';
import { type BufferPool, type Clock, type Log, millis, type Timers } from '@odradek/runtime';
import type { ApiRegistry } from '../api/registry.ts';
import { DeadlineQueue } from '../time/deadline-queue.ts';
import type { ByteBudget } from './byte-budget.ts';
import { ClientConnection, type ConnectionContext } from './connection.ts';

/** At most one log line in this time about connections that were turned away. */
const REFUSAL_LOG_INTERVAL_MS = 10_000;

/** Where to listen. */
export interface ListenAddress {
  /** Such as PLAINTEXT. */
  readonly listenerName: string;
  /** Empty for all interfaces. */
  readonly host: string;
  /** 0 for any free one. */
  readonly port: number;
}

export interface AcceptorOptions {
  readonly network: Network;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly log: Log;
  readonly registry: ApiRegistry;
  /** socket.request.max.bytes */
  readonly requestMaxBytes: number;
  /** connections.max.idle.ms */
  readonly maxIdleMs: number;
  /** max.connections */
  readonly maxConnections: number;
  /** max.connections.per.ip, with max.connections.per.ip.overrides */
  maxConnectionsFrom(address: string): number;
  readonly requests: ByteBudget;
  readonly answers: ByteBudget;
  readonly buffers: BufferPool;
}

export class Acceptor {
  readonly #options: AcceptorOptions;
  readonly #context: ConnectionContext;
  readonly #deadlines: DeadlineQueue;
  readonly #listeners = new Map<string, Listener>();
  readonly #connections = new Set<ClientConnection>();
  readonly #countByAddress = new Map<string, number>();
  #isOpen = false;
  #connectionCount = 0;
  #refusalLoggedAtMs = Number.NEGATIVE_INFINITY;
  #allGone: (() => void) | null = null;

  private constructor(options: AcceptorOptions) {
    this.#options = options;
    this.#deadlines = new DeadlineQueue(options);
    this.#context = {
      registry: options.registry,
      timers: options.timers,
      log: options.log,
      deadlines: this.#deadlines,
      requestMaxBytes: options.requestMaxBytes,
      maxIdleMs: options.maxIdleMs,
      requests: options.requests,
      answers: options.answers,
      buffers: options.buffers,
    };
  }

  /**
   * Binds all addresses; nothing is read from connections before `open`.
   * @throws AddressInUse when one is taken; the others are let go then
   */
  static async bind(
    addresses: readonly ListenAddress[],
    options: AcceptorOptions,
  ): Promise<Acceptor> {
    const acceptor = new Acceptor(options);
    try {
      for (const { listenerName, host, port } of addresses) {
        const listener = await options.network.listen(
          { host: host === '' ? null : host, port },
          (connection) => acceptor.#accept(connection, listenerName),
        );
        acceptor.#listeners.set(listenerName, listener);
      }
    } catch (error) {
      await acceptor.close(0);
      throw error;
    }
    return acceptor;
  }

  /** The port really bound, by listener name. */
  get ports(): ReadonlyMap<string, number> {
    return new Map([...this.#listeners].map(([name, { port }]) => [name, port]));
  }

  get connectionCount(): number {
    return this.#connections.size;
  }

  /** Begins to read requests. */
  open(): void {
    this.#isOpen = true;
    for (const connection of this.#connections) connection.open();
  }

  /** Accepts nobody any more; connections that are there stay. */
  async stopListening(): Promise<void> {
    for (const listener of this.#listeners.values()) await listener.close();
  }

  /** Answers what is running for up to `graceMs` (0: not at all), then drops all connections. */
  async close(graceMs: number): Promise<void> {
    await this.stopListening();
    for (const connection of this.#connections) connection.finish();
    if (this.#connections.size > 0 && graceMs > 0) {
      const { clock, timers } = this.#options;
      await new Promise<void>((resolve) => {
        const disarm = timers.wakeAt(millis(clock.now() + graceMs), resolve);
        this.#allGone = () => {
          disarm();
          resolve();
        };
      });
    }
    for (const connection of this.#connections) connection.destroy();
    this.#deadlines.close();
  }

  #accept(socket: Connection, listenerName: string): ConnectionHandler {
    const address = socket.remoteAddress;
    const refusal = this.#refusalOf(address);
    if (refusal !== null) {
      this.#logRefusal(address, refusal);
      socket.destroy();
      return { data: () => {}, close: () => {} };
    }
    this.#countByAddress.set(address, (this.#countByAddress.get(address) ?? 0) + 1);
    this.#connectionCount += 1;
    const id = `${socket.localPort}-${address}:${socket.remotePort}-${this.#connectionCount}`;
    const connection: ClientConnection = new ClientConnection(
      socket,
      id,
      listenerName,
      this.#isOpen,
      this.#context,
      () => this.#left(connection, address),
    );
    this.#connections.add(connection);
    return connection;
  }

  #refusalOf(address: string): string | null {
    const { maxConnections } = this.#options;
    if (this.#connections.size >= maxConnections) return `max.connections=${maxConnections}`;
    const maxFromAddress = this.#options.maxConnectionsFrom(address);
    return (this.#countByAddress.get(address) ?? 0) >= maxFromAddress
      ? `max.connections.per.ip=${maxFromAddress}`
      : null;
  }

  #logRefusal(peer: string, limit: string): void {
    const now = this.#options.clock.now();
    if (now - this.#refusalLoggedAtMs < REFUSAL_LOG_INTERVAL_MS) return;
    this.#refusalLoggedAtMs = now;
    this.#options.log.warn('connections are turned away', { peer, limit });
  }

  #left(connection: ClientConnection, address: string): void {
    this.#connections.delete(connection);
    const count = (this.#countByAddress.get(address) ?? 1) - 1;
    if (count > 0) this.#countByAddress.set(address, count);
    else this.#countByAddress.delete(address);
    if (this.#connections.size === 0) this.#allGone?.();
  }
}
