/**
 * Sockets in memory between brokers of one test, and a minimal server over a table of handlers:
 * what one broker's controller sends is framed, decoded and answered as over a network.
 */

import {
  apiByKey,
  apis,
  decodeRequestHeader,
  encodeResponse,
  FrameSplitter,
} from '@odradek/protocol';
import {
  ConnectFailed,
  type Connection,
  type ConnectionHandler,
  type Listener,
  type Network,
} from '@odradek/runtime';
import type { ApiRegistry } from '../../src/api/registry.ts';
import { PRESENT } from '../../src/network/peer-presence.ts';

type Accept = (connection: Connection) => ConnectionHandler;

class End implements Connection {
  readonly remoteAddress = 'memory';
  readonly remotePort = 1;
  readonly localPort = 1;
  readonly unsentBytes = 0;
  handler: ConnectionHandler | null = null;
  peer: End | null = null;
  #isClosed = false;

  write(bytes: Uint8Array): boolean {
    const { peer } = this;
    const copy = Buffer.from(bytes);
    queueMicrotask(() => peer?.receive(copy));
    return true;
  }
  receive(bytes: Buffer): void {
    if (!this.#isClosed) this.handler?.data(bytes);
  }
  cork(): void {}
  uncork(): void {}
  pause(): void {}
  resume(): void {}
  end(): void {
    this.destroy();
  }
  destroy(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    const { peer, handler } = this;
    queueMicrotask(() => {
      handler?.close();
      peer?.destroy();
    });
  }
}

export class MemoryNetwork implements Network {
  readonly #listeners = new Map<string, Accept>();
  readonly #connections = new Map<string, End[]>();

  listen(address: { host: string | null; port: number }, accept: Accept): Promise<Listener> {
    const key = `${address.host}:${address.port}`;
    this.#listeners.set(key, accept);
    const close = (): Promise<void> => {
      this.#listeners.delete(key);
      return Promise.resolve();
    };
    return Promise.resolve({ host: address.host ?? '', port: address.port, close });
  }

  /** Nobody gets through to this address any more; connections break. */
  cut(host: string, port: number): void {
    this.#listeners.delete(`${host}:${port}`);
    for (const end of this.#connections.get(`${host}:${port}`) ?? []) end.destroy();
  }

  async connect(
    { host, port }: { host: string; port: number },
    attach: Accept,
  ): Promise<Connection> {
    await Promise.resolve();
    const accept = this.#listeners.get(`${host}:${port}`);
    if (accept === undefined) throw new ConnectFailed(`${host}:${port}`, 'nobody listens');
    const near = new End();
    const far = new End();
    near.peer = far;
    far.peer = near;
    near.handler = attach(near);
    far.handler = accept(far);
    const ends = this.#connections.get(`${host}:${port}`) ?? [];
    ends.push(near);
    this.#connections.set(`${host}:${port}`, ends);
    return near;
  }
}

/** Answers frames from a table of handlers, in order, ApiVersions included. */
export function serve(registry: ApiRegistry): Accept {
  return (connection) => {
    const splitter = new FrameSplitter({ maxFrameBytes: 1 << 24 });
    let last: Promise<void> = Promise.resolve();
    const answer = async (frame: Buffer): Promise<void> => {
      const header = decodeRequestHeader(frame);
      const { apiKey, apiVersion, correlationId, clientId, bodyOffset } = header;
      const api = apiByKey(apiKey);
      if (api === undefined) throw new Error(`no api ${apiKey}`);
      const body =
        apiKey === apis.apiVersions.key
          ? { errorCode: 0, apiKeys: registry.advertised() }
          : await registry
              .find(apiKey)
              ?.handle(api.request.decode(frame.subarray(bodyOffset), apiVersion), {
                apiVersion,
                clientId,
                correlationId,
                listenerName: 'PLAINTEXT',
                peerHost: 'memory',
                principal: 'User:ANONYMOUS',
                connectionId: 'memory',
                presence: PRESENT,
              });
      for (const chunk of encodeResponse(api, apiVersion, correlationId, body as never))
        connection.write(chunk);
    };
    return {
      data: (chunk) =>
        splitter.push(chunk, (frame) => {
          last = last.then(() => answer(frame)).catch(() => connection.destroy());
        }),
      close: () => undefined,
    };
  };
}
