/**
 * A connection between two servers: preamble and greeting in front, frames behind. What is sent in one
 * turn of the event loop leaves in one piece; what is received is cut into payloads and handed on.
 *
 * Who may talk to whom is judged in greeting.ts; what payloads mean is the receiver's affair.
 */
import {
  type Clock,
  type Connection,
  type ConnectionHandler,
  type Disarm,
  millis,
  type Timers,
} from '@odradek/runtime';
import { decodeLinkMessage, encodeLinkMessage, LINK_KINDS_END } from './codec.ts';
import { MalformedPeerData } from './errors.ts';
import {
  decodePreamble,
  encodePreamble,
  FrameReader,
  GREETING_BYTES_MAX,
  PREAMBLE_BYTES,
  PROTOCOL_VERSION,
  type Purpose,
} from './frame.ts';
import { decodeGreeting, type Greeting } from './greeting.ts';
import type { PeerLimits } from './limits.ts';

export interface ConnectionParts {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly limits: PeerLimits;
  readonly purpose: Purpose;
  /** The greeting is there by then, or the connection is given up. */
  readonly greetingMs: number;
}

/** What happens on it, in order. */
export interface PeerConnectionEvents {
  /** Once; `open` or `close` is to be called from within. */
  greeted(greeting: Greeting): void;
  /** Once, instead: the other side does not want to talk, or cannot. The connection is closed. */
  failed(reason: string): void;
}

/** Who takes what comes after the greeting. */
export interface PayloadHandler {
  /** @param isOwned whether the payload may be kept; else it is there during the call only */
  payload(payload: Buffer, isOwned: boolean): void;
  /** The last call; not made after our own `close`. */
  closed(reason: string): void;
}

/** The first byte of whoever begins with TLS. */
const TLS_HANDSHAKE = 0x16;
/** Up to so many bytes are joined for one write; more goes out piece by piece. */
const JOINED_BYTES_MAX = 64 * 1024;

export class PeerConnection {
  /** For the network. */
  readonly handler: ConnectionHandler = {
    data: (chunk) => this.#data(chunk),
    room: () => this.#reader.room(),
    filled: (sizeBytes) => this.#filled(sizeBytes),
    drain: () => this.#letOn(),
    close: (error) => this.#lost(error),
  };
  readonly #parts: ConnectionParts;
  readonly #connection: Connection;
  readonly #events: PeerConnectionEvents;
  readonly #reader: FrameReader;
  readonly #preamble = Buffer.alloc(PREAMBLE_BYTES);
  #preambleBytes = 0;
  #hasGreeted = false;
  #receiver: PayloadHandler | null = null;
  #isOver = false;
  #disarm: Disarm;
  /** Why the other side says that it closes. */
  #farewell: string | null = null;
  /** To leave at the end of this turn. */
  #queued: Buffer[] = [];
  #queuedBytes = 0;
  #leavesSoon = false;
  #waiting: (() => void)[] = [];
  readonly #taken = (): void => this.#letOn();

  constructor(parts: ConnectionParts, connection: Connection, events: PeerConnectionEvents) {
    this.#parts = parts;
    this.#connection = connection;
    this.#events = events;
    this.#reader = new FrameReader(GREETING_BYTES_MAX, (payload, isOwned) =>
      this.#take(payload, isOwned),
    );
    const { clock, timers, greetingMs } = parts;
    this.#disarm = timers.wakeAt(millis(clock.now() + greetingMs), () =>
      this.#fail(`no greeting came within ${greetingMs} ms`),
    );
  }

  get remote(): Connection {
    return this.#connection;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  get unsentBytes(): number {
    return this.#queuedBytes + this.#connection.unsentBytes;
  }

  /** Our side's first bytes. @param frame a greeting or a refusal */
  greet(frame: Buffer): void {
    this.#hasGreeted = true;
    this.#enqueue(encodePreamble(this.#parts.purpose));
    this.#enqueue(frame);
  }

  /** The greeting was fine. */
  open(payloadBytesMax: number, handler: PayloadHandler): void {
    if (this.#isOver) return;
    this.#disarm();
    this.#reader.payloadBytesMax = payloadBytesMax;
    this.#receiver = handler;
  }

  /**
   * @param frame must not change any more
   * @param isGathered the sender has put together already what a turn brought: it leaves with all that waits, as
   *   soon as the sender is done, and not a turn later
   */
  send(frame: Buffer, isGathered = false): void {
    if (this.#isOver) return;
    this.#enqueue(frame);
    if (isGathered && !this.#leavesSoon) {
      this.#leavesSoon = true;
      queueMicrotask(() => this.#flush());
    }
    const { unsentBytesMax } = this.#parts.limits;
    if (this.unsentBytes <= unsentBytesMax) return;
    this.#finish();
    this.#connection.destroy();
    // Not from within the sender's call.
    this.#tellLater(`it reads too slowly: more than ${unsentBytesMax} bytes wait for it`);
  }

  /** Resolves when less than half of the limit of unsent bytes is left, or the connection is over. */
  whenWritable(): Promise<void> {
    if (this.#isOver || this.#isWritable()) return Promise.resolve();
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
    });
  }

  pause(): void {
    this.#connection.pause();
  }

  resume(): void {
    this.#connection.resume();
  }

  /** Sends what is queued, then ends. Nothing more is heard. @param reason is told to the other side */
  close(reason: string): void {
    if (this.#isOver) return;
    this.#enqueue(encodeLinkMessage({ kind: 'bye', reason }));
    this.#end();
  }

  /** The same for somebody who has to hear of it here as well. */
  giveUp(reason: string): void {
    if (this.#isOver) return;
    this.close(reason);
    this.#tellLater(reason);
  }

  /** The same at once: whoever takes its place is told of only afterwards. */
  giveWay(reason: string): void {
    if (this.#isOver) return;
    this.close(reason);
    this.#tell(reason);
  }

  /** The same without a word, for who has heard a refusal. */
  hangUp(): void {
    if (!this.#isOver) this.#end();
  }

  #end(): void {
    this.#finish();
    this.#flush();
    this.#connection.resume(); // A paused one would not notice that the other side has gone.
    this.#connection.end();
    const { clock, timers, limits } = this.#parts;
    this.#disarm = timers.wakeAt(millis(clock.now() + limits.lingerMs), () =>
      this.#connection.destroy(),
    );
  }

  #data(chunk: Buffer): void {
    if (this.#isOver) return;
    try {
      const at = this.#preambleBytes < PREAMBLE_BYTES ? this.#readPreamble(chunk) : 0;
      if (at < chunk.length) this.#reader.push(at === 0 ? chunk : chunk.subarray(at));
    } catch (error) {
      this.#malformed(error);
    }
  }

  #filled(sizeBytes: number): void {
    if (this.#isOver) return;
    try {
      this.#reader.filled(sizeBytes);
    } catch (error) {
      this.#malformed(error);
    }
  }

  #lost(error: Error | undefined): void {
    if (this.#isOver) {
      this.#disarm();
      return;
    }
    const system =
      error === undefined ? this.#endWord() : `the connection was lost: ${error.message}`;
    this.#over(this.#farewell ?? system);
  }

  #endWord(): string {
    return this.#receiver === null
      ? 'the connection was closed before any greeting: one side may want TLS and the other not, or one refuse the certificate of the other'
      : 'the other side closed the connection';
  }

  #malformed(error: unknown): void {
    if (!(error instanceof MalformedPeerData)) throw error;
    this.#fail(error.message);
  }

  #readPreamble(chunk: Buffer): number {
    const count = Math.min(PREAMBLE_BYTES - this.#preambleBytes, chunk.length);
    chunk.copy(this.#preamble, this.#preambleBytes, 0, count);
    this.#preambleBytes += count;
    if (this.#preambleBytes < PREAMBLE_BYTES) return count;
    const preamble = decodePreamble(this.#preamble);
    if (preamble === null) {
      throw new MalformedPeerData(
        this.#preamble[0] === TLS_HANDSHAKE
          ? 'it speaks TLS, and this server does not (sslQuorum)'
          : 'it speaks something else than the protocol of these servers',
      );
    }
    const { version, purpose } = preamble;
    const isFine = version === PROTOCOL_VERSION && purpose === this.#parts.purpose;
    if (!isFine && !this.#hasGreeted) {
      this.#enqueue(encodePreamble(this.#parts.purpose)); // By which the other side sees it as well.
      this.#flush();
    }
    if (version !== PROTOCOL_VERSION) {
      throw new MalformedPeerData(
        `it speaks version ${version} of the protocol between servers, this server version ${PROTOCOL_VERSION}: ` +
          'install the same release on all servers',
      );
    }
    if (purpose !== this.#parts.purpose) {
      throw new MalformedPeerData(
        `it wants ${purpose ?? 'something unknown'} on the port for ${this.#parts.purpose}: ` +
          'the two ports in a server line are mixed up',
      );
    }
    return count;
  }

  #take(payload: Buffer, isOwned: boolean): void {
    const receiver = this.#receiver;
    if (receiver === null) {
      const greeting = decodeGreeting(payload);
      if ('refusal' in greeting) this.#fail(greeting.refusal);
      else this.#events.greeted(greeting);
      return;
    }
    const message = (payload[1] ?? 0) < LINK_KINDS_END ? decodeLinkMessage(payload) : null;
    if (message?.kind === 'bye') this.#farewell = message.reason;
    else receiver.payload(payload, isOwned);
  }

  #enqueue(bytes: Buffer): void {
    if (this.#isOver) return;
    this.#queued.push(bytes);
    this.#queuedBytes += bytes.length;
    if (this.#queued.length === 1) this.#parts.timers.afterTurn(() => this.#flush());
  }

  #flush(): void {
    this.#leavesSoon = false;
    const queued = this.#queued;
    if (queued.length === 0) return;
    const sizeBytes = this.#queuedBytes;
    this.#queued = [];
    this.#queuedBytes = 0;
    const [first] = queued;
    if (queued.length === 1 && first !== undefined) {
      this.#connection.write(first, this.#taken);
    } else if (sizeBytes <= JOINED_BYTES_MAX) {
      this.#connection.write(Buffer.concat(queued, sizeBytes), this.#taken);
    } else {
      this.#connection.cork();
      for (const bytes of queued) this.#connection.write(bytes, this.#taken);
      this.#connection.uncork();
    }
  }

  #isWritable(): boolean {
    return this.unsentBytes < this.#parts.limits.unsentBytesMax / 2;
  }

  #letOn(): void {
    if (this.#waiting.length > 0 && this.#isWritable()) this.#release();
  }

  #release(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }

  #finish(): void {
    this.#isOver = true;
    this.#disarm();
    this.#reader.stop();
    this.#release();
  }

  /** Something is wrong with the other side. */
  #fail(reason: string): void {
    if (this.#isOver) return;
    this.#finish();
    this.#connection.destroy();
    this.#tell(reason);
  }

  #over(reason: string): void {
    this.#finish();
    this.#tell(reason);
  }

  #tellLater(reason: string): void {
    this.#parts.timers.afterTurn(() => this.#tell(reason));
  }

  #tell(reason: string): void {
    if (this.#receiver === null) this.#events.failed(reason);
    else this.#receiver.closed(reason);
  }
}
