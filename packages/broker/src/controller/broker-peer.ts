/**
 * A broker that is asked something by another one: over a connection, or, when it is this very
 * broker, through its own table of handlers. The local way goes through the same bytes, so that both
 * ways give the same bodies, and needs no listener to be open.
 */

import { BrokerConnection } from '@odradek/client';
import { type Api, type BodyOf, type InputOf, KafkaError, type Message } from '@odradek/protocol';
import type { Environment } from '@odradek/runtime';
import type { ApiRegistry } from '../api/registry.ts';
import { PRESENT } from '../network/peer-presence.ts';

export interface BrokerPeer {
  /**
   * Sends in the highest version both sides have, `maxVersion` at most.
   * @param body makes the request for the version that is chosen: an old one may lack fields
   * @throws ConnectFailed, ConnectionClosed, RequestTimedOut, UnsupportedVersion or KafkaError
   */
  send<Req extends Message<unknown>, Res extends Message<unknown>>(
    api: Api<Req, Res>,
    maxVersion: number,
    body: (version: number) => InputOf<Req>,
  ): Promise<BodyOf<Res>>;
  close(): void;
}

/** This broker itself. */
export function localPeer(registry: Pick<ApiRegistry, 'find'>, brokerId: number): BrokerPeer {
  return {
    async send<Req extends Message<unknown>, Res extends Message<unknown>>(
      api: Api<Req, Res>,
      maxVersion: number,
      body: (version: number) => InputOf<Req>,
    ): Promise<BodyOf<Res>> {
      const registered = registry.find(api.key);
      if (registered === undefined)
        throw new KafkaError('UNSUPPORTED_VERSION', `${api.name} is not served by this broker`);
      const apiVersion = Math.min(maxVersion, registered.versions[1]);
      const request = api.request.decode(
        api.request.encode(body(apiVersion), apiVersion),
        apiVersion,
      );
      const response = await registered.handle(request, {
        apiVersion,
        clientId: `broker-${brokerId}`,
        correlationId: 0,
        listenerName: '',
        peerHost: 'localhost',
        principal: 'User:ANONYMOUS',
        connectionId: `broker-${brokerId}-itself`,
        presence: PRESENT,
      });
      const bytes = Buffer.concat(registered.api.response.encodeChunks(response, apiVersion));
      return api.response.decode(bytes, apiVersion) as BodyOf<Res>;
    },
    close: () => undefined,
  };
}

export interface RemotePeerOptions {
  /** Where the broker is now; null when that is not known. */
  readonly address: () => { readonly host: string; readonly port: number } | null;
  /** The broker's name in errors. */
  readonly name: string;
  readonly clientId: string;
  readonly requestTimeoutMs: number;
  readonly connectTimeoutMs: number;
  readonly environment: Environment;
}

/** Another broker: connects when there is something to send, and anew after a failure. */
export function remotePeer(options: RemotePeerOptions): BrokerPeer {
  let opening: Promise<BrokerConnection> | null = null;
  let current: BrokerConnection | null = null;
  let isClosed = false;
  const open = async (): Promise<BrokerConnection> => {
    const address = options.address();
    if (address === null)
      throw new KafkaError('BROKER_NOT_AVAILABLE', `the address of ${options.name} is not known`);
    const { clientId, environment, requestTimeoutMs, connectTimeoutMs } = options;
    const fresh = await BrokerConnection.connect({
      host: address.host,
      port: address.port,
      clientId,
      environment,
      requestTimeoutMs,
      connectTimeoutMs,
      negotiate: true,
    });
    if (isClosed) fresh.close();
    current = fresh;
    return fresh;
  };
  const connected = async (): Promise<BrokerConnection> => {
    if (current !== null && !current.isClosed) return current;
    opening ??= open().finally(() => {
      opening = null;
    });
    return opening;
  };
  return {
    async send(api, maxVersion, body) {
      const connection = await connected();
      const version = connection.versionOf(api, maxVersion);
      return connection.send(api, version, body(version));
    },
    close() {
      isClosed = true;
      current?.close();
    },
  };
}
