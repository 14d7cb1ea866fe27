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
  authPacket,
  type ConnectRequest,
  connectResponse,
  decodeConnectRequest,
  JuteFrameSplitter,
  MalformedMessage,
  oldConnectResponse,
  opCodes,
  opNameOf,
  type Reader,
  xids,
  zookeeperErrorCodes,
} from '@odradek/protocol';
import {
  type Connection,
  type ConnectionHandler,
  type Disarm,
  type Environment,
  invariant,
  millis,
} from '@odradek/runtime';
import { Fifo } from '../core/fifo.ts';
import type { Lease } from '../core/session/expiry.ts';
import { negotiatedTimeout, PASSWORD_BYTES } from '../core/session/session-table.ts';
import type { Applied } from '../core/transaction/apply.ts';
import type { TransactionRecord } from '../core/transaction/record.ts';
import type { Identity } from '../core/tree/acl.ts';
import type { Admission, Held } from './admission.ts';
import { type AuthenticationOptions, authenticate, withIdentities } from './authentication.ts';
import type { FourLetterWords } from './four-letter-words.ts';
import { HANDSHAKE_MS_MAX, LINGER_MS_MAX, UNSENT_BYTES_MAX } from './limits.ts';
import { Outbox, type OutboxPool } from './outbox.ts';
import { type ReadingClient, type Reads, TooManyWatches } from './reads.ts';
import { decodeWrite, isWrite } from './request-decoding.ts';
import { LatencyStats, type ServerStats } from './server-stats.ts';
import type { HeldSession, SessionConnection, SessionHost } from './session-host.ts';
import type { Waiter, WritePath } from './write-path.ts';
import { replyToWrite } from './write-replies.ts';

/** What the connections of a server share. */
export interface ConnectionParts {
  readonly environment: Pick<Environment, 'clock' | 'timers' | 'log'>;
  readonly outboxes: OutboxPool;
  readonly reads: Reads<ClientConnection>;
  readonly writePath: WritePath;
  readonly sessions: SessionHost;
  readonly admission: Admission;
  readonly stats: ServerStats;
  readonly words: FourLetterWords;
  readonly authentication: AuthenticationOptions;
  readonly maxFrameBytes: number;
  readonly minSessionTimeoutMs: number;
  readonly maxSessionTimeoutMs: number;
  /** The connection is gone. */
  closed(connection: ClientConnection): void;
}

/** A request in its place in the session's order. */
interface Queued {
  readonly xid: number;
  readonly opCode: number;
  readonly receivedAtMs: number;
  readonly sizeBytes: number;
  /** The body of a read; null for a write, which is on its way already. */
  readonly body: Reader | null;
}

/** A write on its way; its connection may go before it comes back. */
class PendingWrite implements Queued, Waiter {
  readonly xid: number;
  readonly opCode: number;
  readonly resultTypes: readonly number[];
  readonly receivedAtMs: number;
  readonly sizeBytes: number;
  readonly body = null;
  readonly #completed: ClientConnection['completed'];

  constructor(
    connection: ClientConnection,
    xid: number,
    opCode: number,
    resultTypes: readonly number[],
    receivedAtMs: number,
    sizeBytes: number,
  ) {
    this.xid = xid;
    this.opCode = opCode;
    this.resultTypes = resultTypes;
    this.receivedAtMs = receivedAtMs;
    this.sizeBytes = sizeBytes;
    this.#completed = connection.completed;
  }

  complete(record: TransactionRecord, applied: Applied): void {
    this.#completed(this, record, applied);
  }
}

/** `new`: nothing read yet; `opening`: its session is being made; `ending`: nothing more is read. */
type State = 'new' | 'opening' | 'open' | 'ending' | 'closed';

export class ClientConnection implements ConnectionHandler, ReadingClient, SessionConnection, Held {
  readonly outbox: Outbox;
  readonly stats = { received: 0, sent: 0, latency: new LatencyStats() };
  /** `/address:port`, as the original prints peers. */
  readonly peer: string;
  readonly remoteAddress: string;
  sessionId = 0n;
  identities: readonly Identity[];
  readonly #parts: ConnectionParts;
  readonly #connection: Connection;
  readonly #splitter: JuteFrameSplitter;
  readonly #queue = new Fifo<Queued>();
  #state: State = 'new';
  #lease: Lease | null = null;
  #isPaused = false;
  /** Time of the chunk that is being handled. */
  #nowMs = 0;
  /** First for the handshake, at the end for the peer's own closing. */
  #disarmTimer: Disarm;

  constructor(connection: Connection, parts: ConnectionParts) {
    const { clock, timers } = parts.environment;
    this.#connection = connection;
    this.#parts = parts;
    this.#splitter = new JuteFrameSplitter(parts.maxFrameBytes);
    this.outbox = new Outbox(parts.outboxes, connection);
    this.remoteAddress = connection.remoteAddress;
    this.peer = `/${connection.remoteAddress}:${connection.remotePort}`;
    this.identities = [{ scheme: 'ip', id: connection.remoteAddress }];
    this.#disarmTimer = timers.wakeAt(millis(clock.now() + HANDSHAKE_MS_MAX), () =>
      this.#fail('handshake', `no session within ${HANDSHAKE_MS_MAX} ms`),
    );
  }

  /** Requests that wait. */
  get queuedCount(): number {
    return this.#queue.length;
  }

  get isReading(): boolean {
    return !this.#isPaused;
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
    this.release();
  }

  end(): void {
    if (this.#state === 'ending') return; // What was asked for is still answered.
    if (this.#state !== 'closed' && this.#splitter.pendingBytes > 0) {
      this.#fail('frame', `cut short: ${this.#splitter.pendingBytes} bytes of it came`);
    }
    this.#close('end');
  }

  close(): void {
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
    this.#sent(this.outbox.raw(frame));
    if (this.outbox.unsentBytes > UNSENT_BYTES_MAX) {
      this.#fail('notification', `the peer leaves ${this.outbox.unsentBytes} bytes unread`);
    }
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
    if (this.outbox.isCongested) return false;
    if (this.#queue.length === 0 || !this.#parts.admission.isFull) return true;
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
    this.#received();
    if (this.#state === 'new') {
      this.#greet(frame);
      return;
    }
    const sizeBytes = frame.remaining;
    const xid = frame.int32();
    const opCode = frame.int32();
    if (isWrite(opCode)) {
      this.#startWrite(xid, opCode, frame, sizeBytes);
    } else if (opCode === opCodes.auth) {
      this.#authenticate(xid, frame);
    } else if (this.#queue.length === 0) {
      this.#read(xid, opCode, frame, this.#nowMs);
    } else {
      const receivedAtMs = this.#nowMs;
      this.#queue.push({ xid, opCode, receivedAtMs, sizeBytes, body: frame });
      this.#parts.admission.enter(sizeBytes);
    }
  }

  /** A connection may begin with a word instead of a frame. */
  #answerWord(): boolean {
    const word = this.#splitter.peek();
    if (word === null) return false;
    const { words } = this.#parts;
    if (!words.isWord(word)) return false;
    this.#received(); // The answer counts the question.
    const answer = words.answer(word);
    this.#state = 'ending';
    void answer
      .catch((error: unknown) => {
        // What it is made of (sizes of folders, say) could not be had.
        this.#parts.environment.log.error('a four-letter word failed', { reason: String(error) });
        return '';
      })
      .then((text) => {
        if (this.#state === 'closed') return;
        this.#connection.write(Buffer.from(text, 'utf8'));
        this.#close('end');
      });
    return true;
  }

  #greet(frame: Reader): void {
    const { request, knowsReadOnly } = decodeConnectRequest(frame);
    const { sessions, outboxes, minSessionTimeoutMs, maxSessionTimeoutMs } = this.#parts;
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
    const established = (session: HeldSession | null): void =>
      this.#established(request, knowsReadOnly, session);
    if (request.sessionId === 0n) sessions.open(this, timeoutMs, established);
    else sessions.renew(this, request.sessionId, request.passwd, timeoutMs, established);
  }

  #established(request: ConnectRequest, knowsReadOnly: boolean, session: HeldSession | null): void {
    if (this.#state !== 'opening') {
      if (session !== null) this.#parts.sessions.forget(session.id, this);
      return;
    }
    const body = {
      protocolVersion: 0,
      timeOut: session?.timeoutMs ?? 0,
      sessionId: session?.id ?? 0n,
      passwd: session?.password ?? Buffer.alloc(PASSWORD_BYTES),
      readOnly: false,
    };
    const answer = knowsReadOnly ? connectResponse.encode(body) : oldConnectResponse.encode(body);
    const frame = Buffer.allocUnsafe(4 + answer.length);
    frame.writeInt32BE(answer.length, 0);
    answer.copy(frame, 4);
    this.#sent(this.outbox.raw(frame));
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
    this.#state = 'open';
    // Not from here: this may be in the middle of applying transactions, or of taking a frame.
    queueMicrotask(() => this.release());
  }

  /** At once and outside the order: what stands behind it sees the new identity. */
  #authenticate(xid: number, frame: Reader): void {
    const { stats, authentication, environment } = this.#parts;
    const { scheme, auth } = authPacket.decodeFrom(frame);
    const earned = authenticate(scheme, auth, authentication);
    if (earned === null) {
      stats.authFailures += 1;
      environment.log.warn('authentication failed', { peer: this.peer, scheme });
      this.#sent(this.outbox.bareWithZxid(xid, 0n, zookeeperErrorCodes.AUTH_FAILED));
      this.#close('end');
      return;
    }
    this.identities = withIdentities(this.identities, earned);
    this.#sent(this.outbox.bareWithZxid(xid, 0n, 0));
  }

  #startWrite(xid: number, opCode: number, body: Reader, sizeBytes: number): void {
    const { writePath, admission } = this.#parts;
    const { request, resultTypes } = decodeWrite(opCode, body);
    const write = new PendingWrite(this, xid, opCode, resultTypes, this.#nowMs, sizeBytes);
    this.#queue.push(write);
    admission.enter(sizeBytes);
    writePath.submit(request, this, write);
    if (opCode === opCodes.closeSession) this.#state = 'ending';
  }

  /** The transaction of the oldest write is applied. Bound, because writes outlive connections. */
  readonly completed = (write: PendingWrite, record: TransactionRecord, applied: Applied): void => {
    if (this.#state === 'closed') return;
    invariant(
      this.#queue.peek() === write,
      'writes complete in their order, with no read before them',
    );
    this.#queue.shift();
    this.#parts.admission.leave(write.sizeBytes);
    this.#sent(replyToWrite(this.outbox, write, record.change, applied));
    this.#answered(write.receivedAtMs, this.#parts.environment.clock.now());
    if (record.change.kind === 'closeSession') {
      this.#close('end');
      return;
    }
    this.#advance();
  };

  /** Runs the reads that now stand in front. */
  #advance(): void {
    for (let next = this.#queue.peek(); next?.body; next = this.#queue.peek()) {
      if (this.outbox.isCongested || this.#state === 'closed') return;
      this.#queue.shift();
      this.#parts.admission.leave(next.sizeBytes);
      this.#read(next.xid, next.opCode, next.body, next.receivedAtMs);
    }
  }

  #read(xid: number, opCode: number, body: Reader, receivedAtMs: number): void {
    let sizeBytes: number | null;
    try {
      sizeBytes = this.#parts.reads.perform(this, xid, opCode, body);
    } catch (error) {
      if (error instanceof TooManyWatches) {
        this.#fail(opNameOf(opCode) ?? String(opCode), error.message);
        return;
      }
      if (!(error instanceof MalformedMessage)) throw error;
      sizeBytes = this.outbox.bare(xid, zookeeperErrorCodes.MARSHALLING_ERROR);
    }
    if (sizeBytes === null) {
      this.#sent(this.outbox.bareWithZxid(xid, -1n, zookeeperErrorCodes.UNIMPLEMENTED));
      this.#fail(String(opCode), 'no such operation');
      return;
    }
    this.#sent(sizeBytes);
    if (xid !== xids.ping) this.#answered(receivedAtMs, this.#nowMs);
  }

  #received(): void {
    this.stats.received += 1;
    this.#parts.stats.packetsReceived += 1;
  }

  #sent(sizeBytes: number): void {
    this.stats.sent += 1;
    this.#parts.stats.sent(sizeBytes);
  }

  #answered(receivedAtMs: number, nowMs: number): void {
    const latencyMs = Math.max(0, nowMs - receivedAtMs);
    this.stats.latency.add(latencyMs);
    this.#parts.stats.latency.add(latencyMs);
  }

  /** Ends the connection because of what the peer did: one line in the log. */
  #fail(operation: string, reason: string): void {
    if (this.#state === 'closed') return;
    this.#parts.environment.log.warn('connection closed', {
      peer: this.peer,
      operation,
      reason,
      session:
        this.sessionId === 0n ? null : `0x${BigInt.asUintN(64, this.sessionId).toString(16)}`,
    });
    this.#close('end');
  }

  /** @param how `end` sends what is gathered first */
  #close(how: 'end' | 'destroy'): void {
    if (this.#state === 'closed') return;
    if (how === 'end') this.outbox.flush();
    this.#state = 'closed';
    this.outbox.close();
    this.#disarmTimer();
    const { admission, sessions } = this.#parts;
    admission.forget(this);
    for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) {
      admission.leave(next.sizeBytes);
    }
    if (this.sessionId !== 0n) sessions.forget(this.sessionId, this);
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
