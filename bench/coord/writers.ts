/**
 * Clients that write and never give up: sessions over the raw protocol that move to the next server when theirs is
 * gone, as libraries do, but at once. For measuring how long nothing can be written, and how writes fare while
 * something else goes on: each tells when an answer came and how long it took.
 */
import { connect, type Socket } from 'node:net';

export interface WriterOptions {
  readonly ports: readonly number[];
  /** Index of the server to begin with. */
  readonly first: number;
  /** One whole frame. */
  readonly request: Buffer;
  readonly inFlight: number;
  /** Pause between an answer and the next request; 0: none. */
  readonly pauseMs: number;
  readonly answered: (latencyMs: number, now: number) => void;
}

const SESSION_MS = 10_000;
const RETRY_MS = 5;
/** A server that takes a connection and says nothing is left for the next one. */
const HANDSHAKE_MS = 1_000;
const NO_SESSION = { id: 0n, password: Buffer.alloc(16) };

export class Writer {
  readonly #options: WriterOptions;
  #server: number;
  #socket: Socket | null = null;
  #session: { readonly id: bigint; readonly password: Buffer } = NO_SESSION;
  #isStopped = false;
  #partial: Buffer = Buffer.alloc(0);
  #isGreeted = false;
  #sentAt: number[] = [];
  readonly #timers = new Set<NodeJS.Timeout>();
  /** Answers with an error code. */
  errors = 0;
  /** Sessions that the ensemble no longer knew. */
  expired = 0;

  constructor(options: WriterOptions) {
    this.#options = options;
    this.#server = options.first;
    this.#dial();
  }

  stop(): void {
    this.#isStopped = true;
    for (const timer of this.#timers) clearTimeout(timer);
    this.#socket?.destroy();
  }

  #later(ms: number, act: () => void): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      act();
    }, ms);
    this.#timers.add(timer);
  }

  #dial(): void {
    if (this.#isStopped) return;
    const { ports } = this.#options;
    const socket = connect({
      port: ports[this.#server % ports.length] ?? 0,
      host: '127.0.0.1',
      noDelay: true,
    });
    this.#socket = socket;
    this.#isGreeted = false;
    this.#partial = Buffer.alloc(0);
    this.#sentAt = [];
    const isLate = setTimeout(() => socket.destroy(), HANDSHAKE_MS);
    socket.on('connect', () => socket.write(this.#greeting()));
    socket.on('data', (chunk: Buffer) => {
      clearTimeout(isLate);
      this.#take(socket, chunk);
    });
    socket.on('error', () => {});
    socket.on('close', () => {
      clearTimeout(isLate);
      this.#server += 1;
      this.#later(RETRY_MS, () => this.#dial());
    });
  }

  #greeting(): Buffer {
    const frame = Buffer.alloc(4 + 45);
    frame.writeInt32BE(45, 0);
    frame.writeInt32BE(SESSION_MS, 4 + 12);
    frame.writeBigInt64BE(this.#session.id, 4 + 16);
    frame.writeInt32BE(16, 4 + 24);
    this.#session.password.copy(frame, 4 + 28);
    return frame;
  }

  #take(socket: Socket, chunk: Buffer): void {
    const bytes = this.#partial.length === 0 ? chunk : Buffer.concat([this.#partial, chunk]);
    const now = performance.now();
    let position = 0;
    while (position + 4 <= bytes.length) {
      const end = position + 4 + bytes.readInt32BE(position);
      if (end > bytes.length) break;
      const frame = bytes.subarray(position + 4, end);
      position = end;
      if (this.#isGreeted) this.#answered(socket, frame, now);
      else if (!this.#greeted(socket, frame)) return;
    }
    this.#partial = bytes.subarray(position);
  }

  #greeted(socket: Socket, frame: Buffer): boolean {
    if (frame.readInt32BE(4) <= 0) {
      this.expired += 1;
      this.#session = NO_SESSION;
      socket.destroy();
      return false;
    }
    this.#session = {
      id: frame.readBigInt64BE(8),
      password: Buffer.from(frame.subarray(20, 36)),
    };
    this.#isGreeted = true;
    for (let n = 0; n < this.#options.inFlight; n += 1) this.#send(socket);
    return true;
  }

  #answered(socket: Socket, frame: Buffer, now: number): void {
    if (frame.readInt32BE(0) < 0) return; // Not an answer: a ping's or a notification.
    const latencyMs = now - (this.#sentAt.shift() ?? now);
    if (frame.readInt32BE(12) === 0) this.#options.answered(latencyMs, now);
    else this.errors += 1;
    const { pauseMs } = this.#options;
    if (pauseMs === 0) this.#send(socket);
    else this.#later(pauseMs, () => this.#send(socket));
  }

  #send(socket: Socket): void {
    if (socket !== this.#socket || socket.destroyed || this.#isStopped) return;
    this.#sentAt.push(performance.now());
    socket.write(this.#options.request);
  }
}

/** @param share 0.5 for the median, 1 for the greatest */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}
