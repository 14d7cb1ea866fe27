/** A client that sees every frame as it is. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';
import {
  connectRequest,
  connectResponse,
  JuteFrameSplitter,
  Reader,
  Writer,
} from '@odradek/protocol';

/** Hexadecimal text with blanks, as bytes. */
export const hex = (text: string): Buffer => Buffer.from(text.replaceAll(/\s/g, ''), 'hex');

export interface Reply {
  readonly xid: number;
  readonly zxid: bigint;
  readonly err: number;
  readonly body: Buffer;
  readonly frame: Buffer;
}

export interface SessionWish {
  readonly timeoutMs?: number;
  readonly sessionId?: bigint;
  readonly password?: Buffer;
  readonly lastZxidSeen?: bigint;
  /** The client is content with a server that only shows what it has. */
  readonly readOnly?: boolean;
}

export class RawClient {
  readonly #socket: Socket;
  readonly #splitter = new JuteFrameSplitter(64 * 1024 * 1024);
  readonly #frames: Buffer[] = [];
  readonly #waiting: ((frame: Buffer | null) => void)[] = [];
  #isClosed = false;
  sessionId = 0n;
  password: Buffer = Buffer.alloc(16);
  timeoutMs = 0;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (chunk: Buffer) => this.#take(chunk));
    socket.on('error', () => {});
    socket.on('close', () => {
      this.#isClosed = true;
      for (const waiting of this.#waiting.splice(0)) waiting(null);
    });
  }

  /** A connection on which nothing was said yet. */
  static async connect(port: number, tls: ConnectionOptions | null = null): Promise<RawClient> {
    const address = { port, host: '127.0.0.1', noDelay: true };
    const socket = tls === null ? connect(address) : connectTls({ ...address, ...tls });
    await once(socket, tls === null ? 'connect' : 'secureConnect');
    return new RawClient(socket);
  }

  /** A connection with a session. */
  static async open(
    port: number,
    wish: SessionWish & { tls?: ConnectionOptions } = {},
  ): Promise<RawClient> {
    const client = await RawClient.connect(port, wish.tls);
    await client.greet(wish);
    return client;
  }

  /** The handshake. @returns null when the server closed instead of answering */
  async greet(wish: SessionWish = {}): Promise<Buffer | null> {
    const { timeoutMs = 10_000, sessionId = 0n, password = Buffer.alloc(16) } = wish;
    this.frame(
      connectRequest.encode({
        protocolVersion: 0,
        lastZxidSeen: wish.lastZxidSeen ?? 0n,
        timeOut: timeoutMs,
        sessionId,
        passwd: password,
        readOnly: wish.readOnly ?? false,
      }),
    );
    const answer = await this.next();
    if (answer === null) return null;
    const { timeOut, passwd, ...rest } = connectResponse.decode(answer);
    this.sessionId = rest.sessionId;
    this.password = passwd;
    this.timeoutMs = timeOut;
    return answer;
  }

  /** Sends bytes as they are. */
  write(bytes: Buffer | string): void {
    this.#socket.write(bytes);
  }

  /** Sends a frame: puts the length in front. */
  frame(body: Buffer): void {
    const length = Buffer.alloc(4);
    length.writeInt32BE(body.length);
    this.write(Buffer.concat([length, body]));
  }

  /** Sends a request and does not wait. */
  send(xid: number, opCode: number, body: Buffer = Buffer.alloc(0)): void {
    const header = new Writer();
    header.int32(xid);
    header.int32(opCode);
    header.copy(body);
    this.frame(header.finishWhole());
  }

  /** Sends a request and takes the next reply, whatever it is. */
  async request(xid: number, opCode: number, body?: Buffer): Promise<Reply> {
    this.send(xid, opCode, body);
    return this.reply();
  }

  /** The next frame; null once the server has closed. */
  next(): Promise<Buffer | null> {
    const frame = this.#frames.shift();
    if (frame !== undefined) return Promise.resolve(frame);
    if (this.#isClosed) return Promise.resolve(null);
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** The next frame as a reply or notification. */
  async reply(): Promise<Reply> {
    const frame = await this.next();
    if (frame === null) throw new Error('the server closed the connection');
    const reader = new Reader(frame);
    return {
      xid: reader.int32(),
      zxid: reader.bigint64(),
      err: reader.int32(),
      body: frame.subarray(16),
      frame,
    };
  }

  /** Resolves with everything that still came once the server has closed. */
  async untilClosed(): Promise<readonly Buffer[]> {
    const frames: Buffer[] = [];
    for (let frame = await this.next(); frame !== null; frame = await this.next()) {
      frames.push(frame);
    }
    return frames;
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  endWriting(): void {
    this.#socket.end();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  #take(chunk: Buffer): void {
    this.#splitter.push(chunk);
    for (let frame = this.#splitter.next(); frame !== null; frame = this.#splitter.next()) {
      const bytes = frame.buffer.subarray(frame.position, frame.end);
      const waiting = this.#waiting.shift();
      if (waiting === undefined) this.#frames.push(bytes);
      else waiting(bytes);
    }
  }
}

/** What a server answers to a four-letter word. */
export async function word(port: number, text: string): Promise<string> {
  const socket = connect({ port, host: '127.0.0.1' });
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  socket.write(text);
  await once(socket, 'close');
  return Buffer.concat(chunks).toString('utf8');
}
