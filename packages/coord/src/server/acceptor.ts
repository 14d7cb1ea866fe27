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
    const { network } = this.#environment;
    const { host, port, tls, tlsOnPlainPort, secureHost, securePort } = this.#options;
    const accept = (connection: Connection): ConnectionHandler => this.#accept(connection, parts);
    if (port !== null) {
      const both = tlsOnPlainPort && tls !== null ? { tls: { ...tls, alsoPlain: true } } : {};
      this.#plain = await network.listen({ host, port, ...both }, accept);
    }
    if (securePort === null || tls === null) return;
    try {
      this.#secure = await network.listen({ host: secureHost, port: securePort, tls }, accept);
    } catch (error) {
      await this.#plain?.close();
      throw error;
    }
  }

  /** New connections over TLS see these certificates. @throws UnusableTls */
  renewTls(tls: ServerTls): void {
    this.#plain?.renewTls?.({ ...tls, alsoPlain: true });
    this.#secure?.renewTls?.(tls);
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

  #accept(connection: Connection, parts: ConnectionParts): ConnectionHandler {
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
