/**
 * Taking connections: the listening socket, and how many one client address and all together may have.
 */
import type {
  Connection,
  ConnectionHandler,
  Environment,
  Listener,
  ServerTls,
} from '@odradek/runtime';
import { reasonToRefuse } from './authentication.ts';
import { ClientConnection } from './client-connection.ts';
import type { ConnectionParts } from './connection-parts.ts';
import type { ServerStats } from './server-stats.ts';

export interface AcceptorOptions {
  /** null or '' for all interfaces. */
  readonly host: string | null;
  /** For plain connections; null: none are taken. */
  readonly port: number | null;
  /** Whether that port takes connections over TLS as well. */
  readonly tlsOnPlainPort: boolean;
  /** null: no TLS. */
  readonly tls: ServerTls | null;
  readonly secureHost: string | null;
  /** For connections over TLS alone; null: there is no such port. */
  readonly securePort: number | null;
  /** Per client address; 0: any number. */
  readonly connectionsPerAddressMax: number;
  /** Of all addresses together; 0: any number. */
  readonly connectionsMax: number;
}

type Accept = (connection: Connection) => ConnectionHandler;

/** A connection that is refused says and hears nothing. */
const refused: ConnectionHandler = { data() {}, close() {} };

export class Acceptor {
  readonly connections = new Set<ClientConnection>();
  readonly #countByAddress = new Map<string, number>();
  readonly #options: AcceptorOptions;
  readonly #environment: Pick<Environment, 'network' | 'log'>;
  readonly #stats: ServerStats;
  #plain: Listener | null = null;
  #secure: Listener | null = null;
  #accept: Accept | null = null;

  constructor(
    options: AcceptorOptions,
    environment: Pick<Environment, 'network' | 'log'>,
    stats: ServerStats,
  ) {
    this.#options = options;
    this.#environment = environment;
    this.#stats = stats;
  }

  /** The plain port that is bound; null: there is none. */
  get port(): number | null {
    return this.#plain?.port ?? null;
  }

  /** The port for TLS that is bound; null: there is none. */
  get securePort(): number | null {
    return this.#secure?.port ?? null;
  }

  /** @throws AddressInUse, ListenFailed, UnusableTls; nothing stays bound then */
  async listen(parts: ConnectionParts): Promise<void> {
    const { host, port, tls, secureHost, securePort } = this.#options;
    const accept = (connection: Connection): ConnectionHandler => this.#take(connection, parts);
    this.#accept = accept;
    if (port !== null) this.#plain = await this.#listenPlain(host, port, accept);
    if (securePort === null || tls === null) return;
    try {
      const { network } = this.#environment;
      this.#secure = await network.listen({ host: secureHost, port: securePort, tls }, accept);
    } catch (error) {
      await this.#plain?.close();
      throw error;
    }
  }

  #listenPlain(host: string | null, port: number, accept: Accept): Promise<Listener> {
    const { tls, tlsOnPlainPort } = this.#options;
    const both = tlsOnPlainPort && tls !== null ? { tls: { ...tls, alsoPlain: true } } : {};
    return this.#environment.network.listen({ host, port, ...both }, accept);
  }

  /** New connections over TLS see these certificates. @throws UnusableTls */
  renewTls(tls: ServerTls): void {
    this.#plain?.renewTls?.({ ...tls, alsoPlain: true });
    this.#secure?.renewTls?.(tls);
  }

  /** Ends the connections of all who are served. Whoever waits for a session, or for a word, stays. */
  dropClients(): void {
    for (const connection of [...this.connections]) {
      if (connection.isServed) connection.shutDown();
    }
  }

  /**
   * Listens elsewhere for plain connections; those that came the old way are ended.
   * @throws AddressInUse, ListenFailed, UnusableTls; the old port is left all the same
   */
  async rebind(host: string | null, port: number): Promise<void> {
    if (this.#accept === null) return;
    const old = this.#plain;
    this.#plain = null;
    await old?.close();
    for (const connection of [...this.connections]) {
      if (connection.localPort === old?.port) connection.shutDown();
    }
    this.#plain = await this.#listenPlain(host, port, this.#accept);
  }

  /** No more connections; those that are there are ended. */
  async close(): Promise<void> {
    await this.#plain?.close();
    await this.#secure?.close();
    for (const connection of [...this.connections]) connection.shutDown();
  }

  closed(connection: ClientConnection): void {
    if (!this.connections.delete(connection)) return;
    const { remoteAddress } = connection;
    const count = (this.#countByAddress.get(remoteAddress) ?? 0) - 1;
    if (count > 0) this.#countByAddress.set(remoteAddress, count);
    else this.#countByAddress.delete(remoteAddress);
  }

  #take(connection: Connection, parts: ConnectionParts): ConnectionHandler {
    const { remoteAddress } = connection;
    const count = this.#countByAddress.get(remoteAddress) ?? 0;
    const reason =
      this.#reasonToRefuse(count) ?? reasonToRefuse(connection, parts.credentials.authentication);
    if (reason !== null) {
      this.#stats.connectionsRejected += 1;
      this.#environment.log.warn('connection refused', { peer: `/${remoteAddress}`, reason });
      connection.destroy();
      return refused;
    }
    this.#countByAddress.set(remoteAddress, count + 1);
    const client = new ClientConnection(connection, parts);
    this.connections.add(client);
    return client;
  }

  #reasonToRefuse(countOfAddress: number): string | null {
    const { connectionsPerAddressMax, connectionsMax } = this.#options;
    if (connectionsPerAddressMax > 0 && countOfAddress >= connectionsPerAddressMax) {
      return `maxClientCnxns: this address has ${countOfAddress} connections already`;
    }
    if (connectionsMax > 0 && this.connections.size >= connectionsMax) {
      return `maxCnxns: there are ${this.connections.size} connections already`;
    }
    return null;
  }
}
