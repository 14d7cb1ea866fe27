/**
 * A network inside the process: what is written on one end arrives at the other, in order, one turn later at the
 * earliest, cut into pieces by chance. A side that is dropped hears of nothing any more, as after a power cut.
 */
import {
  AddressInUse,
  ConnectFailed,
  type Connection,
  type ConnectionHandler,
  type Listener,
  type Network,
} from '@odradek/runtime';
import type { Draw } from '../storage/memory-disk.ts';

class End implements Connection {
  readonly remoteAddress = '127.0.0.1';
  readonly remotePort: number;
  readonly localPort: number;
  readonly unsentBytes = 0;
  handler: ConnectionHandler | null = null;
  peer: End | null = null;
  readonly #draw: Draw;
  readonly #arrived: Buffer[] = [];
  #isPaused = false;
  #isScheduled = false;
  #peerEnded = false;
  #isClosed = false;

  constructor(localPort: number, remotePort: number, draw: Draw) {
    this.localPort = localPort;
    this.remotePort = remotePort;
    this.#draw = draw;
  }

  write(bytes: Uint8Array, taken?: () => void): boolean {
    this.peer?.receive(Buffer.from(bytes));
    if (taken !== undefined) queueMicrotask(taken);
    return true;
  }

  receive(bytes: Buffer): void {
    if (this.#isClosed) return;
    if (bytes.length > 1 && this.#draw(4) === 0) {
      const at = 1 + this.#draw(bytes.length - 1);
      this.#arrived.push(bytes.subarray(0, at), bytes.subarray(at));
    } else {
      this.#arrived.push(bytes);
    }
    this.#schedule();
  }

  cork(): void {}
  uncork(): void {}

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    this.#schedule();
  }

  end(): void {
    this.peer?.hearEnd();
  }

  hearEnd(): void {
    this.#peerEnded = true;
    this.#schedule();
  }

  destroy(): void {
    const { peer } = this;
    this.close();
    peer?.close();
  }

  /** Tells the handler, later, that it is over. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.peer = null;
    setImmediate(() => this.handler?.close());
  }

  /** Nothing is heard or said any more, and nobody is told. */
  vanish(): void {
    this.#isClosed = true;
    this.handler = null;
    this.peer = null;
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      this.#deliver();
    });
  }

  #deliver(): void {
    if (this.#isPaused || this.#isClosed) return;
    const next = this.#arrived.shift();
    if (next !== undefined) this.handler?.data(next);
    if (this.#arrived.length > 0) this.#schedule();
    else if (this.#peerEnded && !this.#isClosed) {
      this.#peerEnded = false;
      if (this.handler?.end === undefined) this.end();
      else this.handler.end();
      if (next === undefined) this.destroy();
      else this.hearEnd();
    }
  }
}

export class MemoryNetwork implements Network {
  readonly #draw: Draw;
  readonly #accepting = new Map<number, (connection: Connection) => ConnectionHandler>();
  readonly #ends: End[] = [];
  #nextPort = 1024;

  constructor(draw: Draw) {
    this.#draw = draw;
  }

  listen(
    { host, port }: { readonly host: string | null; readonly port: number },
    accept: (connection: Connection) => ConnectionHandler,
  ): Promise<Listener> {
    const bound = port === 0 ? this.#newPort() : port;
    if (this.#accepting.has(bound)) {
      return Promise.reject(new AddressInUse(`${host ?? ''}:${bound}`));
    }
    this.#accepting.set(bound, accept);
    return Promise.resolve({
      host: host ?? '',
      port: bound,
      close: () => {
        this.#accepting.delete(bound);
        return Promise.resolve();
      },
    });
  }

  connect(
    { port }: { readonly port: number },
    attach: (connection: Connection) => ConnectionHandler,
  ): Promise<Connection> {
    const accept = this.#accepting.get(port);
    if (accept === undefined) {
      return Promise.reject(new ConnectFailed(`${port}`, 'connection refused'));
    }
    const from = this.#newPort();
    const [near, far] = [new End(from, port, this.#draw), new End(port, from, this.#draw)];
    near.peer = far;
    far.peer = near;
    this.#ends.push(near, far);
    near.handler = attach(near);
    far.handler = accept(far);
    return Promise.resolve(near);
  }

  /** The machine is gone: whatever is on its way never arrives. */
  cut(): void {
    for (const end of this.#ends.splice(0)) end.vanish();
    this.#accepting.clear();
  }

  #newPort(): number {
    this.#nextPort += 1;
    return this.#nextPort;
  }
}
