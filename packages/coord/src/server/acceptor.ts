/**
 * Taking connections: the listening socket, and how many one client address and all together may have.
 */
import type { Connection, ConnectionHandler, Environment, Listener } from '@odradek/runtime';
import { ClientConnection, type ConnectionParts } from './client-connection.ts';
import type { ServerStats } from './server-stats.ts';

export interface AcceptorOptions {
  /** null or '' for all interfaces. */
  readonly host: string | null;
  readonly port: number;
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
  #listener: Listener | null = null;

  constructor(
    options: AcceptorOptions,
    environment: Pick<Environment, 'network' | 'log'>,
    stats: ServerStats,
  ) {
    this.#options = options;
    this.#environment = environment;
    this.#stats = stats;
  }

  /** The port that is bound; 0 before. */
  get port(): number {
    return this.#listener?.port ?? 0;
  }

  /** @throws AddressInUse, ListenFailed */
  async listen(parts: ConnectionParts): Promise<void> {
    const { host, port } = this.#options;
    this.#listener = await this.#environment.network.listen({ host, port }, (connection) =>
      this.#accept(connection, parts),
    );
  }

  /** No more connections; those that are there are ended. */
  async close(): Promise<void> {
    await this.#listener?.close();
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
    const reason = this.#reasonToRefuse(count);
    if (reason !== null) {
      this.#stats.connectionsRejected += 1;
      this.#environment.log.warn('connection refused', { peer: `/${remoteAddress}`, reason });
      connection.destroy();
      return refused;
    }
    this.#stats.connectionsAccepted += 1;
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
