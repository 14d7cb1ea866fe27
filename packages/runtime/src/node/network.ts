/**
 * Network over Node's `net` and `tls`. A thin shell: received bytes go up and buffers go down as they are,
 * nothing is copied or joined here. Nagle's delay is off, keep-alive is on, and a half-closed
 * connection stays open as long as its handler wants it.
 *
 * All connections receive into one buffer, one after the other, and a handler that knows where the
 * next bytes should lie receives them right there: see `room` of ConnectionHandler.
 */
import {
  createServer,
  type OnReadOpts,
  connect as openSocket,
  type Server,
  type Socket,
} from 'node:net';
import { connect as openTls } from 'node:tls';
import type {
  Connection,
  ConnectionHandler,
  Listener,
  Network,
  ServerTls,
  TlsSession,
} from '../environment.ts';
import { AddressInUse, ConnectFailed, ListenFailed } from '../errors.ts';
import type { Log } from '../log.ts';
import type { Clock } from '../time.ts';
import { ACCEPT_OPTIONS, receivingInto } from './accepted-socket.ts';
import { partsOf, systemCodeOf } from './system-error.ts';
import { TlsAcceptor } from './tls-acceptor.ts';
import { clientOptions, sessionOf, tlsReasonOf } from './tls-options.ts';

/** `write` answers false while this many bytes or more wait for the operating system. */
const SEND_QUEUE_BYTES = 256 * 1024;
/** The most that is received at once, unless a handler has room for more. */
const RECEIVE_BYTES = 64 * 1024;
/** What received bytes are overwritten with after their receiver has seen them, if that is wanted. */
const POISON = 0xdb;
/** Idle time before the operating system probes whether the peer is still there. */
const KEEP_ALIVE_DELAY_MS = 60_000;
/** Connections the operating system keeps waiting until we accept them. */
const ACCEPT_BACKLOG = 1024;
/** At most one log line per listener in this time about connections that could not be accepted. */
const ACCEPT_FAILURE_LOG_INTERVAL_MS = 10_000;

const IPV4_IN_IPV6 = '::ffff:';

/** IPv4 peers of a dual-stack socket are shown as what they are. */
function plainAddress(address: string | undefined): string {
  if (address === undefined) return '';
  return address.startsWith(IPV4_IN_IPV6) ? address.slice(IPV4_IN_IPV6.length) : address;
}

const hostAndPort = (host: string, port: number): string =>
  host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;

/** The memory that all connections of a network receive into. */
class ReceiveBuffer {
  readonly bytes = Buffer.allocUnsafeSlow(RECEIVE_BYTES);
  readonly #poison: boolean;

  constructor(poison: boolean) {
    this.#poison = poison;
  }

  /** The receiver has seen the first `sizeBytes`. */
  seen(sizeBytes: number): void {
    if (this.#poison) this.bytes.fill(POISON, 0, sizeBytes);
  }
}

/** Brings what a socket receives to its handler. */
class Inlet {
  readonly #shared: ReceiveBuffer;
  /** Set before the first bytes can come. */
  #handler: ConnectionHandler | null = null;
  #isInRoom = false;

  constructor(shared: ReceiveBuffer) {
    this.#shared = shared;
  }

  set handler(handler: ConnectionHandler) {
    this.#handler = handler;
  }

  /** For sockets that receive into memory of ours. */
  readonly onread: OnReadOpts = {
    buffer: () => {
      const room = this.#handler?.room?.() ?? null;
      this.#isInRoom = room !== null;
      return room ?? this.#shared.bytes;
    },
    callback: (sizeBytes: number) => {
      if (this.#isInRoom) this.#handler?.filled?.(sizeBytes);
      else {
        this.#handler?.data(this.#shared.bytes.subarray(0, sizeBytes));
        this.#shared.seen(sizeBytes);
      }
      return true; // Go on; `pause` has stopped the socket already if it was called.
    },
  };
}

class NodeConnection implements Connection {
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly localPort: number;
  readonly tls?: TlsSession;
  readonly #socket: Socket;
  readonly #inlet: Inlet;
  #drainOwed = false;

  constructor(socket: Socket, inlet: Inlet, tls: TlsSession | null = null) {
    if (tls !== null) this.tls = tls;
    this.#socket = socket;
    this.#inlet = inlet;
    // The socket forgets its addresses once it is closed.
    this.remoteAddress = plainAddress(socket.remoteAddress);
    this.remotePort = socket.remotePort ?? 0;
    this.localPort = socket.localPort ?? 0;
  }

  get unsentBytes(): number {
    return this.#socket.writableLength;
  }

  write(bytes: Uint8Array, taken?: () => void): boolean {
    if (!this.#socket.writable) {
      taken?.();
      return false;
    }
    if (taken === undefined) this.#socket.write(bytes);
    else this.#socket.write(bytes, () => taken()); // Called with an error if they are dropped.
    if (this.#socket.writableLength < SEND_QUEUE_BYTES) return true;
    this.#drainOwed = true;
    return false;
  }

  cork(): void {
    this.#socket.cork();
  }

  uncork(): void {
    this.#socket.uncork();
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  end(): void {
    if (this.#socket.writable) this.#socket.end();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  /**
   * From here on the socket's events go to `handler`.
   * @param ordinary the socket makes a buffer for each receipt
   */
  attach(handler: ConnectionHandler, ordinary: boolean): void {
    const socket = this.#socket;
    let failure: Error | undefined;
    this.#inlet.handler = handler;
    if (ordinary) socket.on('data', (chunk: Buffer) => handler.data(chunk));
    socket.on('drain', () => {
      if (!this.#drainOwed) return;
      this.#drainOwed = false;
      handler.drain?.();
    });
    socket.on('end', () => {
      if (handler.end === undefined) this.end();
      else handler.end();
    });
    socket.on('error', (error: Error) => {
      failure = error;
    });
    socket.once('close', () => {
      if (failure === undefined) handler.close();
      else handler.close(failure);
    });
  }
}

class NodeListener implements Listener {
  readonly host: string;
  readonly port: number;
  readonly renewTls?: (tls: ServerTls) => void;
  readonly #server: Server;

  constructor(server: Server, secure: TlsAcceptor | null) {
    this.#server = server;
    if (secure !== null) this.renewTls = (tls) => secure.renew(tls);
    const address = server.address();
    this.host = typeof address === 'object' && address !== null ? address.address : '';
    this.port = typeof address === 'object' && address !== null ? address.port : 0;
  }

  close(): Promise<void> {
    // Node's own callback waits for the last established connection; the port is free at once.
    if (this.#server.listening) this.#server.close();
    return Promise.resolve();
  }
}

/** What stands behind a failed connect, in words: Node's error for several addresses has no message. */
function reasonOf(error: unknown): string {
  const parts = partsOf(error);
  if (parts.length > 0) return [...new Set(parts.map(reasonOf))].join(', ');
  switch (systemCodeOf(error)) {
    case 'ECONNREFUSED':
      return 'connection refused';
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return 'the host name cannot be resolved';
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
      return 'the host cannot be reached';
    case 'ETIMEDOUT':
      return 'no answer';
    default:
      return tlsReasonOf(error);
  }
}

/**
 * @param parts.clock limits the log lines about failing accepts
 * @param parts.poison overwrite received bytes once they were seen, to find who keeps them
 */
export function nodeNetwork(parts: { clock: Clock; log: Log; poison?: boolean }): Network {
  const { clock, log, poison = false } = parts;
  const received = new ReceiveBuffer(poison);

  function reportAcceptFailures(server: Server, where: string): void {
    let silentUntil = Number.NEGATIVE_INFINITY;
    server.on('error', (error: Error) => {
      if (clock.now() < silentUntil) return;
      silentUntil = clock.now() + ACCEPT_FAILURE_LOG_INTERVAL_MS;
      log.error('a connection could not be accepted', { listener: where, error });
    });
  }

  const listen: Network['listen'] = async ({ host, port, tls }, accept) => {
    const where = hostAndPort(host === null || host === '' ? '*' : host, port);
    const established = (socket: Socket, session: TlsSession | null): void => {
      const connection = new NodeConnection(socket, new Inlet(received), session);
      socket.resume();
      connection.attach(accept(connection), true);
    };
    // Before the port is bound: what cannot be spoken need not be listened for.
    const secure =
      tls === undefined ? null : new TlsAcceptor(tls, log.child('tls'), where, established);
    return new Promise((resolve, reject) => {
      const server = createServer({
        ...ACCEPT_OPTIONS,
        allowHalfOpen: true,
        noDelay: true,
        keepAlive: true,
        keepAliveInitialDelay: KEEP_ALIVE_DELAY_MS,
      });
      server.on('connection', (accepted: Socket) => {
        if (secure !== null) {
          secure.take(accepted);
          return;
        }
        const inlet = new Inlet(received);
        const socket = receivingInto(accepted, inlet.onread);
        const connection = new NodeConnection(socket ?? accepted, inlet);
        if (socket === null) accepted.resume();
        connection.attach(accept(connection), socket === null);
      });
      server.once('error', (error: Error) => {
        const taken = systemCodeOf(error) === 'EADDRINUSE';
        reject(
          taken
            ? new AddressInUse(where, { cause: error })
            : new ListenFailed(where, reasonOf(error), { cause: error }),
        );
      });
      server.listen({ port, backlog: ACCEPT_BACKLOG, ...(host ? { host } : {}) }, () => {
        server.removeAllListeners('error');
        reportAcceptFailures(server, where);
        resolve(new NodeListener(server, secure));
      });
    });
  };

  const connect: Network['connect'] = async ({ host, port, timeoutMs, tls }, attach) => {
    const where = hostAndPort(host, port);
    const inlet = new Inlet(received);
    const address = {
      host,
      port,
      allowHalfOpen: true,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: KEEP_ALIVE_DELAY_MS,
    };
    const secured = tls === undefined ? null : openTls({ ...address, ...clientOptions(host, tls) });
    const socket = secured ?? openSocket({ onread: inlet.onread, ...address });
    return new Promise((resolve, reject) => {
      const fail = (reason: string, options?: ErrorOptions): void => {
        clearTimeout(timeout);
        socket.destroy();
        reject(new ConnectFailed(where, reason, options));
      };
      const timeout = setTimeout(() => fail(`no answer within ${timeoutMs} ms`), timeoutMs);
      const failed = (error: Error): void => fail(reasonOf(error), { cause: error });
      socket.on('error', failed);
      socket.once(secured === null ? 'connect' : 'secureConnect', () => {
        clearTimeout(timeout);
        const session = secured === null ? null : sessionOf(secured);
        const connection = new NodeConnection(socket, inlet, session);
        connection.attach(attach(connection), secured !== null);
        socket.off('error', failed); // Only now: without any listener an error would end the process.
        resolve(connection);
      });
    });
  };

  return { listen, connect };
}
