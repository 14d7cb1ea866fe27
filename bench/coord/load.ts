/**
 * A load generator that speaks the raw client protocol: a number of connections, each with a fixed
 * number of equal requests in flight. The same for every server that is measured.
 */
import { connect, type Socket } from 'node:net';

export interface LoadOptions {
  readonly port: number;
  readonly connections: number;
  readonly inFlight: number;
  readonly warmUpMs: number;
  readonly measureMs: number;
}

export interface LoadResult {
  readonly requestsPerSecond: number;
  /** Replies whose error code was not 0. */
  readonly errors: number;
}

function frame(...parts: readonly Buffer[]): Buffer {
  const body = Buffer.concat(parts);
  const length = Buffer.alloc(4);
  length.writeInt32BE(body.length);
  return Buffer.concat([length, body]);
}

function int(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
}

const bytesField = (value: Buffer): Buffer => Buffer.concat([int(value.length), value]);
const text = (value: string): Buffer => bytesField(Buffer.from(value));
const openAcl = Buffer.concat([int(1), int(31), text('world'), text('anyone')]);

const handshake = frame(
  int(0),
  Buffer.alloc(8),
  int(30_000),
  Buffer.alloc(8),
  bytesField(Buffer.alloc(16)),
  Buffer.alloc(1),
);

export const requests = {
  get: (path: string) => frame(int(1), int(4), text(path), Buffer.alloc(1)),
  set: (path: string, data: Buffer) => frame(int(1), int(5), text(path), bytesField(data), int(-1)),
  /** flags 2: persistent and sequential, so that equal requests make different nodes */
  create: (path: string, data: Buffer, flags: number) =>
    frame(int(1), int(1), text(path), bytesField(data), openAcl, int(flags)),
} as const;

/** One connection: sends `request` so that always `inFlight` of them are unanswered. */
class Pump {
  readonly #socket: Socket;
  readonly #batch: Buffer;
  readonly #requestBytes: number;
  #partial: Buffer = Buffer.alloc(0);
  answered = 0;
  errors = 0;

  constructor(socket: Socket, request: Buffer, inFlight: number) {
    this.#socket = socket;
    this.#requestBytes = request.length;
    this.#batch = Buffer.concat(new Array<Buffer>(inFlight).fill(request));
    socket.on('data', (chunk: Buffer) => this.#take(chunk));
    socket.write(this.#batch);
  }

  #take(chunk: Buffer): void {
    const bytes = this.#partial.length === 0 ? chunk : Buffer.concat([this.#partial, chunk]);
    let position = 0;
    let count = 0;
    while (position + 4 <= bytes.length) {
      const end = position + 4 + bytes.readInt32BE(position);
      if (end > bytes.length) break;
      if (bytes.readInt32BE(position + 16) !== 0) this.errors += 1;
      position = end;
      count += 1;
    }
    this.#partial = bytes.subarray(position);
    this.answered += count;
    if (count > 0) this.#socket.write(this.#batch.subarray(0, count * this.#requestBytes));
  }
}

/** A connection with a session. */
async function open(port: number): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  await new Promise<void>((resolve, reject) => {
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('closed instead of answering')));
    socket.once('data', () => resolve());
    socket.write(handshake);
  });
  return socket;
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** One request and its answer, on a session of its own. */
export async function once(port: number, request: Buffer): Promise<void> {
  const socket = await open(port);
  const answered = new Promise<void>((resolve, reject) => {
    socket.once('data', () => resolve());
    socket.once('close', () => reject(new Error('closed instead of answering')));
  });
  socket.write(request);
  await answered;
  socket.destroy();
}

/** Keeps the server busy with one kind of request. */
export async function load(
  request: Buffer,
  { port, connections, inFlight, warmUpMs, measureMs }: LoadOptions,
): Promise<LoadResult> {
  const sockets = await Promise.all(Array.from({ length: connections }, () => open(port)));
  const pumps = sockets.map((socket) => new Pump(socket, request, inFlight));
  const answered = (): number => pumps.reduce((sum, pump) => sum + pump.answered, 0);
  await sleep(warmUpMs);
  const before = answered();
  const beganAt = performance.now();
  await sleep(measureMs);
  const seconds = (performance.now() - beganAt) / 1000;
  const requestsPerSecond = Math.round((answered() - before) / seconds);
  for (const socket of sockets) socket.destroy();
  return { requestsPerSecond, errors: pumps.reduce((sum, pump) => sum + pump.errors, 0) };
}
