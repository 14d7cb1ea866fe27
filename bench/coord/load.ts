/**
 * A load generator that speaks the raw client protocol: a number of connections, each with a fixed
 * number of equal requests in flight. The same for every server that is measured.
 */
import { connect, type Socket } from 'node:net';

export interface LoadOptions {
  /** Of one server, or of several over which the connections are spread. */
  readonly port: number | readonly number[];
  readonly connections: number;
  readonly inFlight: number;
  readonly warmUpMs: number;
  readonly measureMs: number;
}

export interface LoadResult {
  readonly requestsPerSecond: number;
  /** 99 of 100 requests were answered within this time. */
  readonly p99Ms: number;
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

/** Latencies are counted in steps of this width, the last one for all beyond. */
const STEP_MS = 0.02;
const STEPS = 100_000;

/** One connection: sends the requests of a round in turn, so that always `inFlight` are unanswered. */
class Pump {
  readonly #socket: Socket;
  readonly #round: readonly Buffer[];
  /** When the unanswered ones were sent, oldest at #oldest. */
  readonly #sentAt: Float64Array;
  #oldest = 0;
  #next = 0;
  #partial: Buffer = Buffer.alloc(0);
  readonly latencies = new Uint32Array(STEPS);
  answered = 0;
  errors = 0;

  constructor(socket: Socket, round: readonly Buffer[], inFlight: number) {
    this.#socket = socket;
    this.#round = round;
    this.#sentAt = new Float64Array(inFlight).fill(performance.now());
    socket.on('data', (chunk: Buffer) => this.#take(chunk));
    this.#send(inFlight);
  }

  #send(count: number): void {
    const batch: Buffer[] = [];
    for (let n = 0; n < count; n += 1) {
      batch.push(this.#round[this.#next] ?? Buffer.alloc(0));
      this.#next = (this.#next + 1) % this.#round.length;
    }
    this.#socket.write(batch.length === 1 && batch[0] ? batch[0] : Buffer.concat(batch));
  }

  #take(chunk: Buffer): void {
    const bytes = this.#partial.length === 0 ? chunk : Buffer.concat([this.#partial, chunk]);
    let position = 0;
    let count = 0;
    const now = performance.now();
    while (position + 4 <= bytes.length) {
      const end = position + 4 + bytes.readInt32BE(position);
      if (end > bytes.length) break;
      if (bytes.readInt32BE(position + 16) !== 0) this.errors += 1;
      position = end;
      count += 1;
      const step = Math.floor((now - (this.#sentAt[this.#oldest] ?? now)) / STEP_MS);
      const counted = Math.min(step, STEPS - 1);
      this.latencies[counted] = (this.latencies[counted] ?? 0) + 1;
      this.#sentAt[this.#oldest] = now;
      this.#oldest = (this.#oldest + 1) % this.#sentAt.length;
    }
    this.#partial = bytes.subarray(position);
    this.answered += count;
    if (count > 0) this.#send(count);
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

/** Keeps the server busy with requests, in turn. */
export async function load(
  round: readonly Buffer[],
  { port, connections, inFlight, warmUpMs, measureMs }: LoadOptions,
): Promise<LoadResult> {
  const ports = typeof port === 'number' ? [port] : port;
  const sockets = await Promise.all(
    Array.from({ length: connections }, (_, index) => open(ports[index % ports.length] ?? 0)),
  );
  const pumps = sockets.map((socket) => new Pump(socket, round, inFlight));
  const answered = (): number => pumps.reduce((sum, pump) => sum + pump.answered, 0);
  await sleep(warmUpMs);
  for (const { latencies } of pumps) latencies.fill(0);
  const before = answered();
  const beganAt = performance.now();
  await sleep(measureMs);
  const seconds = (performance.now() - beganAt) / 1000;
  const requestsPerSecond = Math.round((answered() - before) / seconds);
  for (const socket of sockets) socket.destroy();
  return {
    requestsPerSecond,
    p99Ms: p99(pumps),
    errors: pumps.reduce((sum, pump) => sum + pump.errors, 0),
  };
}

function p99(pumps: readonly Pump[]): number {
  const total = pumps.reduce(
    (sum, { latencies }) => sum + latencies.reduce((all, count) => all + count, 0),
    0,
  );
  let below = 0;
  for (let step = 0; step < STEPS; step += 1) {
    for (const { latencies } of pumps) below += latencies[step] ?? 0;
    if (below >= total * 0.99) return (step + 1) * STEP_MS;
  }
  return STEPS * STEP_MS;
}

/** Makes so many nodes of so many bytes below `parent`, as fast as the server takes them. */
export async function fill(
  port: number,
  parent: string,
  count: number,
  dataBytes: number,
): Promise<void> {
  const request = requests.create(`${parent}/n-`, Buffer.alloc(dataBytes, 'x'), 2);
  const socket = await open(port);
  await new Promise<void>((resolve) => {
    let sent = 0;
    let bytes = 0;
    const replyBytes = 4 + 16 + 4 + parent.length + 13;
    const send = (wanted: number): void => {
      const batch = Math.min(wanted, count - sent);
      if (batch > 0) socket.write(Buffer.concat(new Array<Buffer>(batch).fill(request)));
      sent += batch;
    };
    socket.on('data', (chunk: Buffer) => {
      const before = Math.floor(bytes / replyBytes);
      bytes += chunk.length;
      const answered = Math.floor(bytes / replyBytes);
      if (answered >= count) resolve();
      else send(answered - before);
    });
    send(500);
  });
  socket.destroy();
}
