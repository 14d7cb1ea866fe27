/**
 * One client connection: bytes in, requests executed in order, answers out in order.
 *
 *   received --cut into frames--> waiting --begun--> running --answered--> written
 *
 * A request is begun when the one before it is answered, unless both may overlap (see
 * RegisteredHandler.mayOverlap): then it is begun at once and its answer waits for its turn.
 * Nothing is begun while the peer does not take what was answered, and nothing is read while a
 * whole request waits to be begun, or while all connections together hold too many bytes of
 * requests. So a peer that sends without reading fills its own socket buffers, and nothing of ours.
 *
 * Whatever cannot be read or answered ends the connection with one line in the log: who, which API,
 * why.
 *
 * Received bytes lie in memory that all connections receive into. A request that came whole and can
 * be begun at once is executed where it lies, if its handler keeps nothing of it; any other is
 * copied out. The rest of a large one is received right into memory of the broker's pool, which has
 * it back when such a handler is done; what other handlers keep is left to the garbage collector.
 * A request that is not complete keeps its memory for good, for the socket may still write to it.
 *
 * Not here: how answers get to the socket (outbox.ts), what they are (../api/), which connections are let in (acceptor.ts).
 */
import {
  apis,
  type DecodedRequestHeader,
  decodeRequestHeader,
  encodeResponse,
  FRAME_SIZE_BYTES,
  FrameSplitter,
  KafkaError,
  MalformedMessage,
  UnsupportedVersion,
  unsupportedApiVersions,
} from '@odradek/protocol';
import {
  type BufferPool,
  type Connection,
  type ConnectionHandler,
  InvariantViolation,
  type Log,
  type PooledBuffer,
  type Timers,
} from '@odradek/runtime';
import {
  type ApiRegistry,
  type RegisteredHandler,
  type RequestContext,
  serves,
} from '../api/registry.ts';
import { type DeadlineQueue, Expiring } from '../time/deadline-queue.ts';
import type { ByteBudget } from './byte-budget.ts';
import { Outbox } from './outbox.ts';
import { Presence } from './peer-presence.ts';

/** Requests of one connection that may be running at the same time, when their kind allows it. */
export const OVERLAPPING_REQUESTS_MAX = 100;

/** How long a connection that we ended may take to go. */
const LINGER_MS = 1000;

const ANONYMOUS = 'User:ANONYMOUS';

/** What all connections of a broker share. */
export interface ConnectionContext {
  readonly registry: ApiRegistry;
  readonly timers: Timers;
  readonly log: Log;
  readonly deadlines: DeadlineQueue;
  /** socket.request.max.bytes */
  readonly requestMaxBytes: number;
  /** connections.max.idle.ms; not positive: never. */
  readonly maxIdleMs: number;
  /** Bytes of requests that are not answered. */
  readonly requests: ByteBudget;
  /** Bytes of answers that peers have not taken. */
  readonly answers: ByteBudget;
  /** Memory for requests that come in pieces. */
  readonly buffers: BufferPool;
}

/** A request that came whole. */
interface Received {
  readonly frame: Buffer;
  /** The pool's memory that it lies in; null when it lies elsewhere. */
  readonly memory: PooledBuffer | null;
}

/** A request that was begun. Its answer is written when all before it are. */
class Running {
  readonly registered: RegisteredHandler;
  readonly header: DecodedRequestHeader;
  readonly heldBytes: number;
  isAnswered = false;
  /** null: nothing is to be sent. */
  answer: unknown = null;

  constructor(registered: RegisteredHandler, header: DecodedRequestHeader, heldBytes: number) {
    this.registered = registered;
    this.header = header;
    this.heldBytes = heldBytes;
  }
}

/** Wakes the connection when nothing came for too long, or when it was ended and did not go. */
class Alarm extends Expiring {
  readonly #expired: () => void;
  constructor(expired: () => void) {
    super();
    this.#expired = expired;
  }
  override expire(): void {
    this.#expired();
  }
}

export class ClientConnection implements ConnectionHandler {
  readonly id: string;
  readonly #socket: Connection;
  readonly #listenerName: string;
  readonly #context: ConnectionContext;
  readonly #gone: () => void;
  readonly #outbox: Outbox;
  readonly #splitter: FrameSplitter;
  readonly #deliver = (frame: Buffer, isLent: boolean): void => this.#delivered(frame, isLent);
  /** The memory of the request that is coming in pieces. */
  #filling: PooledBuffer | null = null;
  /** Requests that are not begun, and those that are, both in order. */
  readonly #waiting: Received[] = [];
  readonly #running: Running[] = [];
  #waitingBytes = 0;
  #runningBytes = 0;
  /** What `requests` counts for this connection. */
  #countedBytes = 0;
  /** Received while there was no room for requests. */
  #heldBack: Buffer[] = [];
  #isPaused = false;
  #isPumping = false;
  /** Not begun before `open`: the broker is still starting. */
  #isOpen: boolean;
  #peerIsDone = false;
  #isClosed = false;
  readonly #presence = new Presence();
  readonly #alarm = new Alarm(() => this.#alarmed());
  readonly #roomForRequests = (): void => this.#admit();

  /**
   * @param isOpen false: read nothing until `open` is called
   * @param gone called once when the connection is gone
   */
  constructor(
    socket: Connection,
    id: string,
    listenerName: string,
    isOpen: boolean,
    context: ConnectionContext,
    gone: () => void,
  ) {
    this.#socket = socket;
    this.id = id;
    this.#listenerName = listenerName;
    this.#isOpen = isOpen;
    this.#context = context;
    this.#gone = gone;
    this.#outbox = new Outbox(socket, context.timers, context.answers);
    this.#splitter = new FrameSplitter({
      maxFrameBytes: context.requestMaxBytes,
      lendsFrames: true,
      allocate: (sizeBytes) => this.#memoryFor(sizeBytes),
    });
    if (!isOpen) this.#pause();
    this.#touch();
  }

  open(): void {
    this.#isOpen = true;
    this.#admit();
  }

  /** Begins no more requests, answers those that are running, then closes. */
  finish(): void {
    this.#peerIsDone = true;
    this.#waiting.length = 0;
    this.#waitingBytes = 0;
    this.#heldBack = [];
    this.#pause();
    this.#finishIfDone();
  }

  /** Drops everything. */
  destroy(): void {
    this.#release();
    this.#socket.destroy();
  }

  // The socket's side (ConnectionHandler).

  data(chunk: Buffer): void {
    if (this.#isClosed || this.#peerIsDone) return; // Dropped.
    this.#touch();
    if (!this.#isOpen || this.#heldBack.length > 0 || this.#mustHoldBack(chunk)) {
      this.#heldBack.push(Buffer.from(chunk));
      if (this.#isOpen) this.#context.requests.wait(this.#roomForRequests);
      this.#pause();
    } else this.#receive(chunk);
  }

  room(): Buffer | null {
    const mayFollow = this.#isOpen && !this.#isClosed && !this.#peerIsDone;
    return mayFollow && this.#heldBack.length === 0 ? this.#splitter.room : null;
  }

  filled(sizeBytes: number): void {
    if (this.#isClosed || this.#peerIsDone) return; // Dropped.
    this.#touch();
    this.#splitter.filled(sizeBytes, this.#deliver);
    this.#count();
    this.#pump();
  }

  drain(): void {
    if (this.#isClosed) return;
    this.#outbox.drained();
    this.#pump();
  }

  end(): void {
    if (this.#isClosed) {
      this.#socket.destroy();
      return;
    }
    if (this.#splitter.pendingBytes > 0) this.#fail(null, 'the peer left in the middle of a frame');
    this.#peerIsDone = true;
    this.#presence.leaves();
    this.#finishIfDone();
  }

  close(error?: Error): void {
    if (error !== undefined && !this.#isClosed)
      this.#context.log.debug('connection lost', { peer: this.#peer(), error });
    this.#release();
    this.#context.deadlines.remove(this.#alarm);
    this.#gone();
  }

  /** Nothing is received, executed or answered any more; what it held is given back. */
  #release(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#context.deadlines.remove(this.#alarm);
    this.#context.requests.leave(this.#roomForRequests);
    this.#context.requests.give(this.#countedBytes);
    this.#outbox.release();
    this.#countedBytes = 0;
    for (const { registered, isAnswered, answer } of this.#running)
      if (isAnswered) tellSent(registered, answer);
    this.#waiting.length = 0;
    this.#running.length = 0;
    this.#heldBack = [];
    this.#presence.gone();
  }

  // Receiving.

  /**
   * No room for another request. One that has begun to arrive may be completed; and a connection
   * that holds nothing may bring one that arrived whole: a follower's fetch must get through when
   * producers that wait for that very follower have filled all the room.
   */
  #mustHoldBack(chunk: Buffer): boolean {
    if (this.#splitter.pendingBytes > 0 || !this.#context.requests.isExhausted) return false;
    const holdsNothing = this.#waiting.length + this.#running.length === 0;
    const isWhole =
      chunk.length >= FRAME_SIZE_BYTES && chunk.readInt32BE(0) <= chunk.length - FRAME_SIZE_BYTES;
    return !(holdsNothing && isWhole);
  }

  /** Goes on with what was held back. */
  #admit(): void {
    if (this.#isClosed) return;
    for (let chunk = this.#heldBack[0]; chunk !== undefined; chunk = this.#heldBack[0]) {
      if (this.#mustHoldBack(chunk)) {
        this.#context.requests.wait(this.#roomForRequests);
        return;
      }
      this.#heldBack.shift();
      this.#receive(chunk);
      if (this.#isClosed) return;
    }
    this.#readOn();
    this.#finishIfDone();
  }

  #receive(chunk: Buffer): void {
    try {
      this.#splitter.push(chunk, this.#deliver);
    } catch (error) {
      if (!(error instanceof MalformedMessage)) throw error;
      this.#pump();
      this.#fail(null, error.message);
      return;
    }
    this.#count();
    this.#pump();
  }

  #memoryFor(sizeBytes: number): Buffer {
    this.#filling = this.#context.buffers.take(sizeBytes);
    return this.#filling.bytes.subarray(0, sizeBytes);
  }

  #delivered(frame: Buffer, isLent: boolean): void {
    if (this.#isClosed) return; // A request before it, in the same piece, ended the connection.
    const memory = isLent ? null : this.#filling;
    if (!isLent) this.#filling = null;
    else if (this.#beginsWhereItLies(frame)) return;
    this.#waiting.push({ frame: isLent ? Buffer.from(frame) : frame, memory });
    this.#waitingBytes += frame.length;
  }

  /** Begins a request in received bytes, if it need not wait and nothing of it will be kept. */
  #beginsWhereItLies(frame: Buffer): boolean {
    if (this.#waiting.length > 0 || this.#isPumping || frame.length < 2) return false;
    const registered = this.#context.registry.find(frame.readInt16BE(0));
    if (registered?.keepsNothing !== true || !this.#mayBegin(frame)) return false;
    this.#isPumping = true;
    this.#begin({ frame, memory: null });
    this.#isPumping = false;
    return true;
  }

  /** Brings `requests` up to date with what this connection holds. */
  #count(): void {
    if (this.#isClosed) return;
    const bytes = this.#splitter.pendingBytes + this.#waitingBytes + this.#runningBytes;
    const more = bytes - this.#countedBytes;
    this.#countedBytes = bytes;
    if (more > 0) this.#context.requests.take(more);
    else if (more < 0) this.#context.requests.give(-more);
  }

  #pause(): void {
    if (this.#isPaused) return;
    this.#isPaused = true;
    this.#socket.pause();
  }

  /** Reads on, unless something waits already. */
  #readOn(): void {
    if (!this.#isPaused || !this.#isOpen || this.#peerIsDone) return;
    if (this.#waiting.length > 0 || this.#heldBack.length > 0) return;
    this.#isPaused = false;
    this.#socket.resume();
  }

  // Executing.

  /** Begins what may be begun; stops reading when something has to wait. */
  #pump(): void {
    if (this.#isPumping) return; // An answer that is there at once must not begin the next one twice.
    this.#isPumping = true;
    let received = this.#waiting[0];
    while (received !== undefined && !this.#isClosed && this.#mayBegin(received.frame)) {
      this.#waiting.shift();
      this.#waitingBytes -= received.frame.length;
      this.#begin(received);
      received = this.#waiting[0];
    }
    this.#isPumping = false;
    if (this.#isClosed) return;
    this.#count();
    if (received !== undefined) this.#pause();
    else this.#readOn();
    this.#finishIfDone();
  }

  #mayBegin(frame: Buffer): boolean {
    if (this.#outbox.isBlocked) return false;
    const count = this.#running.length;
    if (count === 0) return true;
    if (count >= OVERLAPPING_REQUESTS_MAX || frame.length < 2) return false;
    const last = this.#running[count - 1];
    const next = this.#context.registry.find(frame.readInt16BE(0));
    return last?.registered.mayOverlap === true && next?.mayOverlap === true;
  }

  #begin({ frame, memory }: Received): void {
    let header: DecodedRequestHeader;
    try {
      header = decodeRequestHeader(frame);
    } catch (error) {
      if (!(error instanceof MalformedMessage || error instanceof UnsupportedVersion)) throw error;
      this.#fail(null, error.message);
      return;
    }
    const registered = this.#context.registry.find(header.apiKey);
    if (registered === undefined) {
      this.#fail(`key ${header.apiKey}`, 'this broker does not serve it');
      return;
    }
    if (!serves(registered, header.apiVersion)) this.#refuseVersion(registered, header);
    else {
      this.#run(registered, header, frame);
      if (registered.keepsNothing) memory?.release();
    }
  }

  /** Only ApiVersions is answered in a version that is not served, so that clients can find one. */
  #refuseVersion({ api, versions }: RegisteredHandler, header: DecodedRequestHeader): void {
    if (api.key !== apis.apiVersions.key) {
      const range = `${versions[0]} to ${versions[1]}`;
      this.#fail(`${api.name} v${header.apiVersion}`, `versions ${range} are served`);
      return;
    }
    const body = unsupportedApiVersions(this.#context.registry.advertised());
    this.#outbox.write(encodeResponse(apis.apiVersions, 0, header.correlationId, body));
  }

  #run(registered: RegisteredHandler, header: DecodedRequestHeader, frame: Buffer): void {
    const { apiVersion, clientId, correlationId } = header;
    const context: RequestContext = {
      apiVersion,
      clientId,
      correlationId,
      listenerName: this.#listenerName,
      peerHost: this.#socket.remoteAddress,
      principal: ANONYMOUS,
      connectionId: this.id,
      presence: this.#presence,
    };
    let request: unknown;
    try {
      request = registered.api.request.decode(frame.subarray(header.bodyOffset), apiVersion);
    } catch (error) {
      if (!(error instanceof MalformedMessage)) throw error;
      this.#fail(`${registered.api.name} v${apiVersion}`, error.message);
      return;
    }
    // What has taken effect is the log's to count, no longer ours.
    const heldBytes = registered.mayOverlap ? 0 : frame.length;
    const running = new Running(registered, header, heldBytes);
    this.#running.push(running);
    this.#runningBytes += heldBytes;
    try {
      const answer = registered.handle(request, context);
      if (answer instanceof Promise)
        answer.then(
          (later) => this.#answered(running, later),
          (error: unknown) => this.#handlerFailed(running, error),
        );
      else this.#answered(running, answer);
    } catch (error) {
      this.#handlerFailed(running, error);
    }
  }

  #handlerFailed({ registered, header }: Running, error: unknown): void {
    if (error instanceof InvariantViolation) throw error;
    if (this.#isClosed) return;
    const api = `${registered.api.name} v${header.apiVersion}`;
    if (error instanceof KafkaError) {
      this.#fail(api, error.message);
      return;
    }
    this.#context.log.error('a request could not be answered; its connection is closed', {
      peer: this.#peer(),
      api,
      error: error instanceof Error ? error : new Error(String(error)),
    });
    this.destroy();
  }

  // Answering.

  #answered(running: Running, answer: unknown): void {
    if (this.#isClosed) {
      tellSent(running.registered, answer);
      return;
    }
    running.isAnswered = true;
    running.answer = answer;
    if (this.#running[0] !== running) return;
    let next: Running | undefined = running;
    while (next?.isAnswered) {
      this.#running.shift();
      this.#runningBytes -= next.heldBytes;
      if (next.answer !== null && !this.#send(next)) return;
      next = this.#running[0];
    }
    this.#pump();
  }

  #send({ registered, header, answer }: Running): boolean {
    try {
      const chunks = encodeResponse(
        registered.api,
        header.apiVersion,
        header.correlationId,
        answer,
      );
      const isAwaited = registered.sent !== undefined;
      this.#outbox.write(chunks, isAwaited ? () => tellSent(registered, answer) : undefined);
      return true;
    } catch (error) {
      // A handler's answer that has no encoding: its fault, and the peer cannot be told.
      this.#context.log.error('an answer could not be encoded; its connection is closed', {
        peer: this.#peer(),
        api: `${registered.api.name} v${header.apiVersion}`,
        error: error instanceof Error ? error : new Error(String(error)),
      });
      this.destroy();
      return false;
    }
  }

  // Ending.

  #touch(): void {
    if (this.#context.maxIdleMs > 0)
      this.#context.deadlines.add(this.#alarm, this.#context.maxIdleMs);
  }

  #alarmed(): void {
    if (this.#isClosed) this.#socket.destroy();
    else if (this.#running.length > 0 || !this.#isOpen) this.#touch();
    else this.#fail(null, `nothing came for ${this.#context.maxIdleMs} ms`, 'debug');
  }

  #finishIfDone(): void {
    if (!this.#peerIsDone || this.#isClosed) return;
    if (this.#waiting.length + this.#running.length + this.#heldBack.length > 0) return;
    this.#endSocket();
  }

  /** What still comes is dropped; it is read for the peer's own end to be noticed. */
  #endSocket(): void {
    this.#outbox.flush();
    this.#socket.end();
    this.#socket.resume();
  }

  #fail(api: string | null, reason: string, level: 'warn' | 'debug' = 'warn'): void {
    if (this.#isClosed) return;
    this.#context.log[level]('connection closed', {
      peer: this.#peer(),
      ...(api === null ? {} : { api }),
      reason,
    });
    this.#release();
    this.#endSocket(); // The peer may still take what was answered before.
    this.#context.deadlines.add(this.#alarm, LINGER_MS);
  }

  #peer(): string {
    return `${this.#socket.remoteAddress}:${this.#socket.remotePort}`;
  }
}

/** Lets the handler have back what its answer lends. */
function tellSent(registered: RegisteredHandler, answer: unknown): void {
  if (answer !== null) registered.sent?.(answer);
}
