/**
 * One client: its frames, its session, and the order of what it asks.
 *
 * Writes start on their way as soon as they are read, many at once. A read behind them waits until
 * they are applied and then runs right there, before anything later is: so a session sees its own
 * writes, and replies come in the order of the requests. Only when nothing is before it, which is
 * nearly always, a read is answered at once.
 *
 * A connection is not read while its peer does not read, while its session is being opened, and
 * while too many requests wait. Bytes that make no sense end the connection with one line in the
 * log; other connections do not notice.
 */
import {
  type ConnectRequest,
  decodeConnectRequest,
  JuteFrameSplitter,
  type LargerFrames,
  MalformedMessage,
  opCodes,
  opNameOf,
  type Reader,
  xids,
  zookeeperErrorCodes,
} from '@odradek/protocol/zookeeper';
import { type Connection, type ConnectionHandler, type Disarm, millis } from '@odradek/runtime';
import type { Lease } from '../core/session/expiry.ts';
import { negotiatedTimeout } from '../core/session/session-table.ts';
import type { WriteRequest } from '../core/transaction/request.ts';
import type { Identity } from '../core/tree/acl.ts';
import type { Held } from './admission.ts';
import type { ConnectionParts } from './connection-parts.ts';
import { ConnectionStats } from './connection-stats.ts';
import { type Attempt, Credentials } from './credentials.ts';
import { greetingFrame } from './greeting.ts';
import { LINGER_MS_MAX, SET_WATCHES_BYTES_MAX } from './limits.ts';
import { Outbox } from './outbox.ts';
import { type Completed, PendingRead, PendingWrite } from './queued-request.ts';
import { type ReadingClient, TooManyWatches } from './reads.ts';
import { LongReplies } from './reply-limits.ts';
import { decodeWrite, isWrite } from './request-decoding.ts';
import { RequestOrder } from './request-order.ts';
import type { Serving, Waiting } from './serving.ts';
import { showsState } from './session-options.ts';
import type { Renewal, SessionConnection } from './sessions.ts';
import type { SlowReader } from './slow-readers.ts';
import { replyToWrite } from './write-replies.ts';

const ephemeralOnLocalSession: WriteRequest = {
  kind: 'refused',
  wire: zookeeperErrorCodes.EPHEMERAL_ON_LOCAL_SESSION,
};

/**
 * `new`: nothing read yet; `waiting`: nobody serves it yet; `opening`: its session is being made;
 * `ending`: nothing more is read.
 */
type State = 'new' | 'waiting' | 'opening' | 'open' | 'ending' | 'closed';

interface Greeting {
  readonly request: ConnectRequest;
  /** Old clients do not: their answer has one byte less. */
  readonly knowsReadOnly: boolean;
}

export class ClientConnection
  implements
    ConnectionHandler,
    ReadingClient,
    SessionConnection,
    SlowReader,
    LargerFrames,
    Held,
    Waiting
{
  readonly outbox: Outbox;
  readonly stats: ConnectionStats;
  /** `/address:port`, as the original prints peers. */
  readonly peer: string;
  readonly remoteAddress: string;
  /** Whether it came over TLS. */
  readonly isSecure: boolean;
  sessionId = 0n;
  readonly #parts: ConnectionParts;
  readonly #connection: Connection;
  readonly #splitter: JuteFrameSplitter;
  readonly #order: RequestOrder;
  readonly #credentials: Credentials;
  #state: State = 'new';
  #greeting: Greeting | null = null;
  /** What serves it, from its session on. */
  #serving: Serving | null = null;
  #lease: Lease | null = null;
  #isPaused = false;
  readonly #longReplies: LongReplies;
  /** Time of the chunk that is being handled. */
  #nowMs = 0;
  readonly #deadlineMs: number;
  /** First for the handshake, at the end for the peer's own closing. */
  #disarmTimer: Disarm;

  constructor(connection: Connection, parts: ConnectionParts) {
    const { clock, timers } = parts.environment;
    this.#connection = connection;
    this.#parts = parts;
    this.#splitter = new JuteFrameSplitter(parts.maxFrameBytes, this);
    this.stats = new ConnectionStats(parts.stats, clock.wallTime());
    this.#order = new RequestOrder(parts.admission);
    this.#longReplies = new LongReplies(parts.replyLimits);
    this.#deadlineMs = clock.now() + parts.handshakeMs;
    this.outbox = new Outbox(parts.outboxes, connection);
    this.remoteAddress = connection.remoteAddress;
    this.peer = `/${connection.remoteAddress}:${connection.remotePort}`;
    this.isSecure = connection.tls !== undefined;
    this.#credentials = new Credentials(connection, this.peer, this.outbox, parts.credentials);
    this.#disarmTimer = timers.wakeAt(millis(this.#deadlineMs), () => {
      parts.stats.handshakesMissed += 1;
      this.#fail('handshake', `no session within ${parts.handshakeMs} ms`);
    });
  }

  get identities(): readonly Identity[] {
    return this.#credentials.identities;
  }

  /** Whether it belongs to the present state of affairs: it has a session, or is about to have one. */
  get isServed(): boolean {
    return this.#serving !== null;
  }

  /** The port it came to. */
  get localPort(): number {
    return this.#connection.localPort;
  }

  /** Requests that wait. */
  get queuedCount(): number {
    return this.#order.length;
  }

  /** As the original shows it: 1 while requests are taken, 4 while answers wait for the peer. */
  get interest(): number {
    const isReading = !this.#isPaused && this.#state !== 'ending';
    return (isReading ? 1 : 0) + (this.outbox.isCongested ? 4 : 0);
  }

  /** Of the session, as negotiated on this connection; 0 without one. */
  get sessionTimeoutMs(): number {
    return this.#lease?.timeoutMs ?? 0;
  }

  /** Monotonic: without a session, when it is closed. */
  get deadlineMs(): number {
    return this.#deadlineMs;
  }

  /** The longest answer the client is to get. */
  get replyBytesMax(): number {
    return this.#parts.replyLimits.limitOf(this.sessionId);
  }

  data(chunk: Buffer): void {
    if (this.#state === 'closed') return;
    this.#parts.stats.bytesReceived += chunk.length;
    this.#heard();
    this.#splitter.push(Buffer.from(chunk)); // Requests that wait, and data that is stored, lie in it.
    this.#process();
  }

  drain(): void {
    if (this.#state === 'closed') return;
    this.#heard(); // Who takes bytes is alive, even if its own are waiting to be read.
    this.outbox.drained();
    this.#parts.slowReaders.forget(this);
    this.release();
  }

  end(): void {
    if (this.#state === 'ending') return; // What was asked for is still answered.
    if (this.#state !== 'closed' && this.#splitter.pendingBytes > 0) {
      this.#fail('frame', `cut short: ${this.#splitter.pendingBytes} bytes of it came`);
    }
    this.#peerLeft();
    this.#close('end');
  }

  close(): void {
    this.#peerLeft();
    this.#close('destroy');
    this.#disarmTimer();
  }

  /** There may be room again. */
  release(): void {
    if (this.#state === 'closed') return;
    this.#nowMs = this.#parts.environment.clock.now();
    this.#advance();
    this.#process();
  }

  leave(_reason: string): void {
    this.#close('end');
  }

  /** Tells of a watched change. */
  notify(frame: Buffer): void {
    if (this.#state === 'closed') return;
    this.stats.countSent(this.outbox.raw(frame));
    this.#parts.stats.watchBytes += frame.length;
    this.#parts.slowReaders.notified(this, this.outbox.unsentBytes);
  }

  giveUp(unsentBytes: number): void {
    this.#parts.stats.connectionsDropped += 1;
    // What it has not read so far it will not read now: nothing is to be kept for it.
    this.#fail('notification', `the peer leaves ${unsentBytes} bytes unread`, 'destroy');
  }

  /** The server stops: whatever is still to be said is said. */
  shutDown(): void {
    this.#close('end');
  }

  #heard(): void {
    this.#nowMs = this.#parts.environment.clock.now();
    if (this.#lease !== null) this.#lease.heardAtMs = this.#nowMs;
  }

  /** Takes frame after frame until there are no more, or no more may be taken. */
  #process(): void {
    while (this.#mayTakeMore()) {
      if (this.#state === 'new' && this.#answerWord()) return;
      let frame: Reader | null;
      try {
        frame = this.#splitter.next();
        if (frame !== null) this.#take(frame);
      } catch (error) {
        if (!(error instanceof MalformedMessage)) throw error;
        this.#fail(this.#state === 'new' ? 'handshake' : 'frame', error.message);
        return;
      }
      if (frame === null) {
        this.#setPaused(false);
        return;
      }
    }
    this.#setPaused(true);
  }

  #mayTakeMore(): boolean {
    if (this.#state !== 'open' && this.#state !== 'new') return false;
    if (this.outbox.isCongested || this.#order.isHeld) return false;
    if (this.#order.length === 0 || !this.#parts.admission.isFull) return true;
    this.#parts.admission.hold(this);
    return false;
  }

  #setPaused(paused: boolean): void {
    if (paused === this.#isPaused || this.#state === 'closed') return;
    this.#isPaused = paused;
    if (paused) this.#connection.pause();
    else this.#connection.resume();
  }

  #take(frame: Reader): void {
    this.stats.countReceived();
    const serving = this.#serving;
    if (serving === null) {
      this.#greet(frame);
      return;
    }
    const sizeBytes = frame.remaining;
    const xid = frame.int32();
    const opCode = frame.int32();
    if (opCode === opCodes.sasl) {
      this.#attempted(this.#credentials.saslStep(xid, frame));
    } else if (opCode === opCodes.auth) {
      this.#attempted(this.#credentials.authenticate(xid, frame));
    } else if (!this.#credentials.isLetIn) {
      this.#refuseStranger(xid);
    } else if (serving.isReadOnly && this.#needsLeader(opCode)) {
      this.stats.countSent(this.outbox.bare(xid, zookeeperErrorCodes.NOT_READ_ONLY));
    } else if (isWrite(opCode) && this.#order.mustHoldWrites) {
      this.#order.hold(() => this.#startWrite(serving, xid, opCode, frame, sizeBytes));
    } else if (isWrite(opCode)) {
      this.#startWrite(serving, xid, opCode, frame, sizeBytes);
    } else if (this.#wantsConfirmation(opCode)) {
      this.#confirmAndRead(serving, xid, opCode, frame, sizeBytes);
    } else {
      this.#startRead(xid, opCode, frame, sizeBytes);
    }
  }

  /** At once when nothing is before it, else in its place. */
  #startRead(xid: number, opCode: number, body: Reader, sizeBytes: number): void {
    if (this.#order.length === 0) {
      this.#read(xid, opCode, body, this.#nowMs);
    } else {
      this.#order.push(new PendingRead(xid, opCode, body, this.#nowMs, sizeBytes, true));
    }
  }

  /** `sync` means: everything acknowledged so far. Other reads show that much if it is wished. */
  #wantsConfirmation(opCode: number): boolean {
    return opCode === opCodes.sync || (this.#credentials.linearizableReads && showsState(opCode));
  }

  /** What nobody can promise while nobody leads. A client that leaves may leave. */
  #needsLeader(opCode: number): boolean {
    return (isWrite(opCode) && opCode !== opCodes.closeSession) || this.#wantsConfirmation(opCode);
  }

  /** A read that must not run before it is certain that nothing newer was acknowledged elsewhere. */
  #confirmAndRead(
    { writes }: Serving,
    xid: number,
    opCode: number,
    frame: Reader,
    sizeBytes: number,
  ): void {
    const read = new PendingRead(xid, opCode, frame, this.#nowMs, sizeBytes, false);
    this.#order.pushUnconfirmed(read);
    let isWithin = true;
    writes.confirm(() => {
      this.#order.confirmed(read);
      if (isWithin) this.#advance();
      else this.release();
    });
    isWithin = false;
  }

  /** Setting watches again after a reconnection may take longer frames than anything else. */
  get maxBytes(): number {
    return this.#state === 'open' ? SET_WATCHES_BYTES_MAX : 0;
  }

  mayBeLarger(opCode: number): boolean {
    return opCode === opCodes.setWatches || opCode === opCodes.setWatches2;
  }

  /** A connection may begin with a word instead of a frame. */
  #answerWord(): boolean {
    const word = this.#splitter.peek();
    if (word === null) return false;
    const { words } = this.#parts;
    if (!words.isWord(word)) return false;
    const bytes = this.#splitter.peekBytes(words.sizeOf(word));
    if (bytes === null) {
      this.#setPaused(false);
      return true;
    }
    this.stats.countReceived(); // The answer counts the question.
    this.#state = 'ending';
    void words.answerOrNothing(bytes).then((text) => {
      if (this.#state === 'closed') return;
      this.#connection.write(Buffer.from(text, 'utf8'));
      this.#parts.stats.packetsSent += 1;
      this.#close('end');
    });
    return true;
  }

  #greet(frame: Reader): void {
    const greeting = decodeConnectRequest(frame);
    const { stats, doorway } = this.#parts;
    stats.connectRequests += 1;
    this.#greeting = greeting;
    if (doorway.serving !== null) this.#open(greeting, doorway.serving);
    else if (doorway.hold(this)) this.#state = 'waiting';
    else this.turnAway();
  }

  enter(serving: Serving): void {
    if (this.#state === 'waiting' && this.#greeting !== null) this.#open(this.#greeting, serving);
  }

  /** Without a word: the client tries elsewhere, and its session lives on. */
  turnAway(): void {
    if (this.#state === 'closed') return;
    this.#parts.stats.connectionsRejected += 1;
    this.#close('end');
  }

  #open({ request }: Greeting, serving: Serving): void {
    const { outboxes, minSessionTimeoutMs, maxSessionTimeoutMs } = this.#parts;
    if (serving.isReadOnly && !request.readOnly) {
      this.turnAway();
      return;
    }
    this.#disarmTimer();
    if (request.lastZxidSeen > outboxes.lastZxid.value) {
      // It knows of transactions that this server has not seen: it must find a server that has.
      const seen = `0x${request.lastZxidSeen.toString(16)}`;
      const ours = `0x${outboxes.lastZxid.value.toString(16)}`;
      this.#fail('handshake', `the client has seen zxid ${seen}, this server only ${ours}`);
      return;
    }
    const timeoutMs = negotiatedTimeout(request.timeOut, minSessionTimeoutMs, maxSessionTimeoutMs);
    this.#state = 'opening';
    this.#serving = serving;
    const { sessions } = serving;
    const established = (renewal: Renewal): void => this.#established(serving, renewal);
    if (request.sessionId === 0n) sessions.open(this, timeoutMs, established);
    else sessions.renew(this, request.sessionId, request.passwd, timeoutMs, established);
  }

  #established({ isReadOnly, sessions }: Serving, renewal: Renewal): void {
    if (this.#state !== 'opening' || this.#greeting === null) {
      if (typeof renewal === 'object') sessions.forget(renewal.id, this);
      return;
    }
    if (renewal === 'unknown') {
      this.turnAway();
      return;
    }
    const { request, knowsReadOnly } = this.#greeting;
    this.#greeting = null;
    const session = renewal === 'gone' ? null : renewal;
    this.stats.countSent(this.outbox.raw(greetingFrame(session, knowsReadOnly, isReadOnly)));
    if (session === null) {
      const id = `0x${BigInt.asUintN(64, request.sessionId).toString(16)}`;
      this.#parts.environment.log.info('session refused: expired, unknown, or wrong password', {
        session: id,
        peer: this.peer,
      });
      this.#close('end');
      return;
    }
    this.sessionId = session.id;
    this.#lease = session.lease;
    if (request.sessionId === 0n) {
      this.stats.opened(this.#parts.outboxes.lastZxid.value, this.#nowMs);
    } else this.#parts.stats.revalidations += 1;
    this.#state = 'open';
    // Not from here: this may be in the middle of applying transactions, or of taking a frame.
    queueMicrotask(() => this.release());
  }

  #attempted({ answerBytes, ends }: Attempt): void {
    if (answerBytes !== null) this.stats.countSent(answerBytes);
    if (ends) this.#close('end');
  }

  /** Whoever has to authenticate and has not is told so, and that is all. */
  #refuseStranger(xid: number): void {
    const err = zookeeperErrorCodes.SESSION_CLOSED_REQUIRE_SASL_AUTH;
    this.stats.countSent(this.outbox.bareWithZxid(xid, 0n, err));
    const schemes = [...this.#parts.credentials.authentication.enforcedSchemes].join(', ');
    this.#fail('request', `the client must authenticate first, by one of: ${schemes}`);
  }

  #startWrite(
    { writes, sessions }: Serving,
    xid: number,
    opCode: number,
    body: Reader,
    sizeBytes: number,
  ): void {
    if (opCode === opCodes.closeSession && sessions.isLocal(this.sessionId)) {
      this.#order.push(new PendingRead(xid, opCode, body, this.#nowMs, sizeBytes, true));
      this.#advance();
      if (this.#state !== 'closed') this.#state = 'ending';
      return;
    }
    const { buffer, position, end } = body;
    const bytes = writes.wantsBytes ? { opCode, buffer, position, end } : null;
    const decoded = decodeWrite(opCode, body);
    if (decoded === null) {
      this.#startRead(xid, opCode, body, sizeBytes); // To be refused in its place.
      return;
    }
    const { request: asked, resultTypes } = decoded;
    const request = sessions.admit(asked, this.sessionId) ? asked : ephemeralOnLocalSession;
    const write = new PendingWrite(
      this.completed,
      xid,
      opCode,
      resultTypes,
      this.#nowMs,
      sizeBytes,
    );
    this.#order.push(write);
    writes.submit(request, this, write, bytes);
    if (opCode === opCodes.closeSession) this.#state = 'ending';
  }

  /** The transaction of the oldest write is applied. Bound, because writes outlive connections. */
  readonly completed: Completed = (write, record, applied): void => {
    if (this.#state === 'closed') return;
    this.#order.completed(write);
    if (
      record.change.kind === 'error' &&
      record.change.wire === zookeeperErrorCodes.SESSION_MOVED
    ) {
      // Its client is elsewhere by now and does not want to hear of this.
      this.#fail(opNameOf(write.opCode) ?? '', 'the session has moved to another server');
      return;
    }
    this.stats.countSent(replyToWrite(this.outbox, write, record.change, applied));
    const nowMs = this.#parts.environment.clock.now();
    this.#parts.stats.updateLatency.observe(this.stats.answered(write, record.zxid, nowMs));
    if (record.change.kind === 'closeSession') {
      this.#close('end');
      return;
    }
    this.#advance();
  };

  /** Runs the reads that now stand in front, and starts what has waited for them. */
  #advance(): void {
    while (!this.outbox.isCongested && this.#state !== 'closed') {
      const next = this.#order.takeRead();
      if (next?.body) this.#read(next.xid, next.opCode, next.body, next.receivedAtMs);
      else break;
    }
    const start = this.#order.takeHeld();
    if (start !== null && this.#state === 'open') start();
  }

  #read(xid: number, opCode: number, body: Reader, receivedAtMs: number): void {
    if (opCode === opCodes.closeSession) {
      this.#endLocalSession(xid);
      return;
    }
    let sizeBytes: number | null;
    try {
      sizeBytes = this.#serving?.reads.perform(this, xid, opCode, body) ?? null;
    } catch (error) {
      if (error instanceof TooManyWatches) {
        this.#fail(opNameOf(opCode) ?? String(opCode), error.message);
        return;
      }
      if (!(error instanceof MalformedMessage)) throw error;
      sizeBytes = this.outbox.bare(xid, zookeeperErrorCodes.MARSHALLING_ERROR);
    }
    if (sizeBytes === null) {
      this.stats.countSent(this.outbox.bareWithZxid(xid, -1n, zookeeperErrorCodes.UNIMPLEMENTED));
      this.#fail(String(opCode), 'no such operation');
      return;
    }
    this.stats.countSent(sizeBytes);
    this.#longReplies.sent(this.sessionId, sizeBytes, this.#nowMs);
    if (xid === xids.ping) return;
    const { stats, outboxes } = this.#parts;
    const request = { xid, opCode, receivedAtMs };
    stats.readLatency.observe(this.stats.answered(request, outboxes.lastZxid.value, this.#nowMs));
  }

  /** Everything the session wrote is applied; that it ends concerns nobody else. */
  #endLocalSession(xid: number): void {
    this.stats.countSent(this.outbox.bare(xid, 0));
    const id = this.sessionId;
    this.#close('end');
    this.#serving?.sessions.closeLocal(id);
  }

  /** The peer went away by itself: perhaps because of what it was sent. */
  #peerLeft(): void {
    if (this.#state !== 'open') return;
    const { environment } = this.#parts;
    const rule = this.#longReplies.broke(this.sessionId, environment.clock.now());
    if (rule !== null) environment.log.warn(rule, this.#named);
  }

  /** Who it is, for the log. */
  get #named(): { peer: string; session: string | null } {
    const id = BigInt.asUintN(64, this.sessionId);
    return { peer: this.peer, session: id === 0n ? null : `0x${id.toString(16)}` };
  }

  /** Ends the connection because of what the peer did: one line in the log. */
  #fail(operation: string, reason: string, how: 'end' | 'destroy' = 'end'): void {
    if (this.#state === 'closed') return;
    const { environment } = this.#parts;
    environment.log.warn('connection closed', { ...this.#named, operation, reason });
    this.#close(how);
  }

  /** @param how `end` sends what is gathered first */
  #close(how: 'end' | 'destroy'): void {
    if (this.#state === 'closed') return;
    if (how === 'end') this.outbox.flush();
    this.#state = 'closed';
    this.outbox.close();
    this.#disarmTimer();
    const { admission, slowReaders } = this.#parts;
    admission.forget(this);
    slowReaders.forget(this);
    this.#order.clear();
    if (this.sessionId !== 0n) this.#serving?.sessions.forget(this.sessionId, this);
    if (this.#isPaused) this.#connection.resume(); // So that the peer's own end is noticed.
    if (how === 'end') this.#endPolitely();
    else this.#connection.destroy();
    this.#parts.closed(this);
  }

  /** Sends what is queued and waits for the peer to close as well, but not for ever. */
  #endPolitely(): void {
    const { clock, timers } = this.#parts.environment;
    this.#connection.end();
    this.#disarmTimer = timers.wakeAt(millis(clock.now() + LINGER_MS_MAX), () =>
      this.#connection.destroy(),
    );
  }
}
