/**
 * A fetcher's connection to its source broker, over the client's BrokerConnection.
 */
import { BrokerConnection } from '@odradek/client';
import { apis } from '@odradek/protocol';
import {
  type BufferPool,
  ConnectFailed,
  type Environment,
  type PooledBuffer,
} from '@odradek/runtime';
import type { Fetched, SourceConnection } from './fetcher.ts';

/** The newest of the 3.9 line, which is what replicas speak. */
const FETCH_NEWEST = 17;
const LIST_OFFSETS_NEWEST = 9;

export interface SourceConnectionOptions {
  /** Id of this broker, for the other one's logs. */
  readonly brokerId: number;
  readonly environment: Environment;
  /** Memory for what is fetched. */
  readonly buffers: BufferPool;
  /** replica.socket.timeout.ms */
  readonly requestTimeoutMs: number;
  /** socket.connection.setup.timeout.ms */
  readonly connectTimeoutMs: number;
  /** Where brokers reach that broker now; null while it is not known to be alive. */
  endpointOf(brokerId: number): { readonly host: string; readonly port: number } | null;
}

/**
 * @throws ConnectFailed when the broker is not known to be alive or cannot be reached
 * @throws UnsupportedVersion when it is too old to follow
 */
export async function connectToSource(
  sourceId: number,
  options: SourceConnectionOptions,
): Promise<SourceConnection> {
  const endpoint = options.endpointOf(sourceId);
  if (endpoint === null)
    throw new ConnectFailed(`broker ${sourceId}`, 'it is not among the live brokers');
  const connection = await BrokerConnection.connect({
    host: endpoint.host,
    port: endpoint.port,
    clientId: `broker-${options.brokerId}-fetcher-0`,
    environment: options.environment,
    buffers: options.buffers,
    requestTimeoutMs: options.requestTimeoutMs,
    connectTimeoutMs: options.connectTimeoutMs,
    negotiate: true,
  });
  const listOffsetsVersion = connection.versionOf(apis.listOffsets, LIST_OFFSETS_NEWEST);
  return {
    fetchVersion: connection.versionOf(apis.fetch, FETCH_NEWEST),
    async fetch(version, request): Promise<Fetched> {
      let memory: PooledBuffer | null = null;
      const lends = (lent: PooledBuffer): void => {
        memory = lent;
      };
      const response = await connection.send(apis.fetch, version, request, { lends });
      return { response, done: () => memory?.release() };
    },
    listOffsets: (request) => connection.send(apis.listOffsets, listOffsetsVersion, request),
    close: () => connection.close(),
  };
}
