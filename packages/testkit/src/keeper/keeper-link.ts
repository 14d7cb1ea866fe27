/**
 * One connection of a simulated client to a coordination server, frame by frame, with everything that was
 * said on it written down. It keeps its session alive by pings and gives up on a server that is silent;
 * what to ask, and where to go then, is the client's affair.
 */
import {
  connectRequest,
  connectResponse,
  JuteFrameSplitter,
  type Reader,
  replyHeader,
  watcherEvent,
  xids,
} from '@odradek/protocol';
import {
  type Connection,
  type ConnectionHandler,
  type Disarm,
  type Environment,
  millis,
} from '@odradek/runtime';
import { decodeAnswer, encodeRequest, pingFrame } from './frames.ts';
import type { Exchange, KeeperRequest, LinkHistory, SeenEvent } from './history.ts';

const FRAME_BYTES_MAX = 64 * 1024 * 1024;

export interface LinkWish {
  readonly client: string;
  readonly server: string;
  readonly port: number;
  /** 0: a new one. */
  readonly sessionId: bigint;
  readonly password: Buffer;
  readonly timeoutMs: number;
  readonly lastZxidSeen: bigint;
  readonly connectTimeoutMs: number;
}

export interface LinkListener {
  event(event: SeenEvent): void;
  answered(exchange: Exchange): void;
  /** The last call. */
  lost(): void;
}

/** What came of a handshake. */
export type Greeting = 'established' | 'refused' | 'failed';

interface Pending {
  readonly xid: number;
  readonly exchange: Exchange;
  readonly settle: () => void;
}

export class KeeperLink implements ConnectionHandler {
  readonly #environment: Environment;
  readonly #nowUs: () => number;
  readonly #wish: LinkWish;
  readonly #listener: LinkListener;
  readonly #splitter = new JuteFrameSplitter(FRAME_BYTES_MAX);
  #connection: Connection | null = null;
  #greeted: ((greeting: Greeting) => void) | null = null;
  #pending: Pending[] = [];
  #nextXid = 1;
  #heardAtMs = 0;
  #saidAtMs = 0;
  #disarm: Disarm = () => undefined;
  #isLost = false;
  isSilent = false;
  sessionId: bigint;
  password: Buffer;
  timeoutMs: number;
  lastZxid: bigint;
  history: LinkHistory | null = null;

  /** @param nowUs the world's time */
  constructor(
    environment: Environment,
    nowUs: () => number,
    wish: LinkWish,
    listener: LinkListener,
  ) {
    this.#environment = environment;
    this.#nowUs = nowUs;
    this.#wish = wish;
    this.#listener = listener;
    this.sessionId = wish.sessionId;
    this.password = wish.password;
    this.timeoutMs = wish.timeoutMs;
    this.lastZxid = wish.lastZxidSeen;
  }

  get pendingCount(): number {
    return this.#pending.length;
  }

  get isOpen(): boolean {
    return !this.#isLost && this.history !== null;
  }

  /** Connects and shakes hands. `refused`: there is no such session. */
  async open(): Promise<Greeting> {
    const { network, clock } = this.#environment;
    const { server, port, connectTimeoutMs } = this.#wish;
    try {
      this.#connection = await network.connect(
        { host: server, port, timeoutMs: connectTimeoutMs },
        () => this,
      );
    } catch {
      return 'failed';
    }
    this.#heardAtMs = clock.now();
    const { sessionId, password, timeoutMs, lastZxidSeen } = this.#wish;
    const body = connectRequest.encode({
      protocolVersion: 0,
      lastZxidSeen,
      timeOut: timeoutMs,
      sessionId,
      passwd: password,
      readOnly: false,
    });
    const length = Buffer.alloc(4);
    length.writeInt32BE(body.length);
    this.#write(Buffer.concat([length, body]));
    this.#watchSilence();
    return new Promise((resolve) => {
      this.#greeted = resolve;
    });
  }

  /** Asks; resolves when the answer is there, or never will be. */
  ask(request: KeeperRequest): Promise<Exchange> {
    const exchange: Exchange = {
      request,
      calledAtUs: this.#nowUs(),
      answer: null,
      answeredAtUs: Number.POSITIVE_INFINITY,
    };
    this.history?.exchanges.push(exchange);
    if (this.#isLost) return Promise.resolve(exchange);
    const xid = request.kind === 'setWatches' ? xids.setWatches : this.#nextXid++;
    this.#write(encodeRequest(xid, request));
    return new Promise((resolve) => {
      this.#pending.push({ xid, exchange, settle: () => resolve(exchange) });
    });
  }

  /** Leaves without a word. */
  destroy(): void {
    this.#connection?.destroy();
    this.#lose();
  }

  data(chunk: Buffer): void {
    if (this.#isLost) return;
    this.#heardAtMs = this.#environment.clock.now();
    this.#splitter.push(Buffer.from(chunk));
    for (let frame = this.#splitter.next(); frame !== null; frame = this.#splitter.next()) {
      if (this.history === null) this.#welcome(frame);
      else this.#take(frame);
      if (this.#isLost) return;
    }
  }

  end(): void {
    this.#connection?.destroy();
    this.#lose();
  }

  close(): void {
    this.#lose();
  }

  #write(bytes: Buffer): void {
    this.#saidAtMs = this.#environment.clock.now();
    this.#connection?.write(bytes);
  }

  #welcome(frame: Reader): void {
    const { timeOut, sessionId, passwd } = connectResponse.decodeFrom(frame);
    const greeted = this.#greeted;
    this.#greeted = null;
    if (timeOut <= 0) {
      this.destroy();
      greeted?.('refused');
      return;
    }
    this.sessionId = sessionId;
    this.password = Buffer.from(passwd);
    this.timeoutMs = timeOut;
    this.history = {
      client: this.#wish.client,
      server: this.#wish.server,
      sessionId,
      timeoutMs: timeOut,
      establishedAtUs: this.#nowUs(),
      lastZxidSeen: this.#wish.lastZxidSeen,
      exchanges: [],
      arrivals: [],
      faults: [],
    };
    if (this.#wish.sessionId !== 0n && this.#wish.sessionId !== sessionId) {
      this.history.faults.push(`asked for session ${this.#wish.sessionId}, was given ${sessionId}`);
    }
    greeted?.('established');
  }

  #take(frame: Reader): void {
    const { history } = this;
    if (history === null) return;
    const { xid, zxid, err } = replyHeader.decodeFrom(frame);
    if (xid === xids.ping) return;
    if (xid === xids.notification) {
      const { type, path } = watcherEvent.decodeFrom(frame);
      const event = { type, path, zxid, atUs: this.#nowUs() };
      history.arrivals.push({ kind: 'event', event });
      if (zxid > this.lastZxid) this.lastZxid = zxid;
      this.#listener.event(event);
      return;
    }
    const next = this.#pending.shift();
    if (next === undefined || next.xid !== xid) {
      const expected = next === undefined ? 'nothing was asked' : `it is the turn of ${next.xid}`;
      history.faults.push(`an answer to request ${xid} came, but ${expected}`);
      next?.settle();
      this.destroy();
      return;
    }
    const { exchange } = next;
    exchange.answer = decodeAnswer(exchange.request, zxid, err, frame);
    exchange.answeredAtUs = this.#nowUs();
    history.arrivals.push({ kind: 'answer', exchange });
    if (zxid > this.lastZxid) this.lastZxid = zxid;
    this.#listener.answered(exchange);
    next.settle();
  }

  /** Pings when there is nothing to say; leaves when nothing is heard. */
  #watchSilence(): void {
    const { clock, timers } = this.#environment;
    const everyMs = Math.max(5, this.timeoutMs / 6);
    this.#disarm = timers.wakeAt(millis(clock.now() + everyMs), () => {
      if (this.#isLost) return;
      const now = clock.now();
      if (!this.isSilent) {
        if (now - this.#heardAtMs > (this.timeoutMs * 2) / 3) {
          this.destroy();
          return;
        }
        if (this.history !== null && now - this.#saidAtMs >= this.timeoutMs / 3) {
          this.#write(pingFrame());
        }
      }
      this.#watchSilence();
    });
  }

  #lose(): void {
    if (this.#isLost) return;
    this.#isLost = true;
    this.#disarm();
    const greeted = this.#greeted;
    this.#greeted = null;
    greeted?.('failed');
    const pending = this.#pending;
    this.#pending = [];
    for (const { settle } of pending) settle();
    this.#listener.lost();
  }
}
