/**
 * A session with the coordination service that can send every operation and shows every event: for
 * tools, above all ZooKeeper's shell. Brokers and the client hold a CoordinatorSession instead.
 *
 * node-zookeeper-client does not do here: of 27 operations it has no createTTL, createContainer, sync,
 * reconfig, addWatch, removeWatches, getEphemerals, getAllChildrenNumber nor whoAmI, cannot be given an
 * opcode, never tells an event's zxid, and cannot ask for a server that only reads.
 *
 * When to dial, ping, and give a link up is the Supervisor's decision, as for the CoordinatorSession.
 * Unlike there, an expired session is the end, and nothing is repeated by itself: a request that was
 * sent fails with CONNECTION_LOSS when the link breaks, one that waits fails once no server could be
 * reached. So a person at a prompt sees what happened, as with the original.
 */
import {
  MalformedMessage,
  oldConnectResponse,
  opCodes,
  type Reader,
  type ReplyHeader,
  replyHeader,
  saslRequest,
  xids,
  ZooKeeperError,
  type ZooKeeperErrorName,
} from '@odradek/protocol';
import { type Connection, type Deliver, drive, type Log, type Random } from '@odradek/runtime';
import {
  type ConnectString,
  parseConnectString,
  underChroot,
  withoutChroot,
} from '../coordinator-session/connect-string.ts';
import {
  Supervisor,
  type SupervisorEffect,
  type SupervisorInput,
} from '../coordinator-session/supervisor.ts';
import { CredentialLine } from './credential-line.ts';
import { openLink } from './link-host.ts';
import type { Operation } from './operations.ts';
import { type LinedUpRequest, REQUESTS_MAX, RequestLine } from './request-line.ts';
import { rooted, unrooted } from './rooted.ts';
import { SaslLogin } from './sasl-login.ts';
import type { KeeperState, RawSessionOptions, RawSessionState, WatchedEvent } from './types.ts';
import { WatchedPaths, type WatchKind } from './watched-paths.ts';
import {
  authFrame,
  checkMultiAnswer,
  EVENT_NAMES,
  errorNameOf,
  eventOf,
  failureOf,
  handshakeFrame,
  type MultiStep,
  multiBody,
  requestFrame,
  setWatchesFrame,
} from './wire.ts';

/** Path text in one setWatches request: Java's client uses the same. */
const SET_WATCHES_PORTION_BYTES = 128 * 1024;
/** The least time one server gets to answer a dial and the handshake. */
const ATTEMPT_TIMEOUT_MS_MIN = 250;
const JITTER_MS_MAX = 100;
const PASSWORD_BYTES = 16;
const CNONCE_BYTES = 24;
/** Before the first request there is nothing else to number. */
const SASL_XID = 0;
const NO_ZXID = -1n;

export interface CallOptions {
  /** The path is the server's own: the chroot is not put in front of it. */
  readonly ignoreChroot?: boolean;
}

type End = 'closed' | 'expired' | 'authFailed';

export class RawSession {
  readonly #options: RawSessionOptions;
  readonly #log: Log;
  readonly #address: ConnectString;
  readonly #supervisor: Supervisor;
  readonly #deliver: Deliver<SupervisorInput>;
  readonly #line = new RequestLine();
  readonly #watched = new WatchedPaths();
  readonly #listeners = new Set<(event: WatchedEvent) => void>();
  readonly #credentials = new CredentialLine((scheme, auth) =>
    this.#connection?.write(authFrame(scheme, auth)),
  );
  #connection: Connection | null = null;
  /** Rises when a link is begun or given up: what an older link still says is ignored. */
  #linkNumber = 0;
  #isEstablished = false;
  /** While the server is still to be convinced of who we are. */
  #login: SaslLogin | null = null;
  #isReadOnly = false;
  /** Whether the session of this link began with it. */
  #newSession = false;
  #sessionId = 0n;
  #sessionTimeoutMs: number;
  #password: Buffer = Buffer.alloc(PASSWORD_BYTES);
  #lastZxid = 0n;
  /** Links that failed since one stood. */
  #failedLinks = 0;
  #end: End | null = null;
  /** Who waits for the session to be gone. */
  readonly #ended: (() => void)[] = [];

  private constructor(options: RawSessionOptions) {
    const { environment, sessionTimeoutMs } = options;
    this.#options = options;
    this.#log = environment.log.child(options.name ?? 'raw-session');
    const address = parseConnectString(options.connect);
    this.#address = { ...address, servers: shuffled(address.servers, environment.random) };
    this.#sessionTimeoutMs = sessionTimeoutMs;
    this.#supervisor = new Supervisor(
      {
        serverCount: address.servers.length,
        attemptTimeoutMs: Math.max(
          ATTEMPT_TIMEOUT_MS_MIN,
          sessionTimeoutMs / address.servers.length,
        ),
        jitterMs: environment.random.below(JITTER_MS_MAX),
      },
      sessionTimeoutMs,
    );
    this.#deliver = drive(this.#supervisor, environment, (effect) => this.#perform(effect));
  }

  /**
   * Opens a session and returns at once; it goes on connecting until it is closed or has expired.
   * @throws ConfigError when the connect string cannot be read
   */
  static open(options: RawSessionOptions): RawSession {
    const session = new RawSession(options);
    session.#deliver({ kind: 'open' });
    return session;
  }

  get state(): RawSessionState {
    if (this.#end === 'authFailed') return 'AUTH_FAILED';
    if (this.#end !== null) return 'CLOSED';
    if (!this.#isEstablished) return 'CONNECTING';
    return this.#isReadOnly ? 'CONNECTEDREADONLY' : 'CONNECTED';
  }

  /** Neither closed nor expired nor refused: requests make sense, though there may be no link now. */
  get isAlive(): boolean {
    return this.#end === null;
  }

  /** 0n before the first handshake. */
  get sessionId(): bigint {
    return this.#sessionId;
  }

  /** As the server granted it; as asked before that. */
  get sessionTimeoutMs(): number {
    return this.#sessionTimeoutMs;
  }

  /** Empty for none. */
  get chroot(): string {
    return this.#address.chroot;
  }

  /**
   * Events of nodes and of the session, in the order in which the server sent them.
   * @returns a function that takes the listener away
   */
  onEvent(listener: (event: WatchedEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * Sends one operation and waits for its answer.
   * @throws ZooKeeperError with the server's code, or CONNECTION_LOSS, SESSION_EXPIRED, AUTH_FAILED
   */
  call<Body, Answer>(
    operation: Operation<Body, Answer>,
    body: Body,
    { ignoreChroot = false }: CallOptions = {},
  ): Promise<Answer> {
    const chroot = ignoreChroot ? '' : this.#address.chroot;
    const { path, full, asked } = rooted(operation, body, chroot);
    return new Promise((resolve, reject) =>
      this.#submit({
        opCode: operation.opCode,
        body: operation.request?.encode(asked) ?? null,
        reject,
        answer: ({ err }, reader) => {
          const code = errorNameOf(err);
          if (code === null) {
            const answer = operation.response?.decodeFrom(reader);
            this.#watch(operation.watch?.(body) ?? null, full);
            // An operation without an answer is declared with Answer void.
            resolve(unrooted(operation, answer as Answer, chroot));
            return;
          }
          if (code === 'NO_NODE') this.#watch(operation.watchWhenMissing?.(body) ?? null, full);
          reject(failureOf(code, path));
        },
      }),
    );
  }

  /**
   * All steps or none, as one change.
   * @throws MultiFailed with the failing step's code and index
   */
  multi<Body>(steps: readonly MultiStep<Body>[]): Promise<void> {
    const asked = steps.map(({ operation, body }) => ({
      operation,
      body: rooted(operation, body, this.#address.chroot).asked,
    }));
    return new Promise((resolve, reject) =>
      this.#submit({
        opCode: opCodes.multi,
        body: multiBody(asked),
        reject,
        answer: ({ err }, reader) => {
          const code = errorNameOf(err);
          try {
            if (code !== null) throw failureOf(code, null);
            checkMultiAnswer(reader);
            resolve();
          } catch (error) {
            if (error instanceof ZooKeeperError) reject(error);
            else throw error;
          }
        },
      }),
    );
  }

  /**
   * Adds an identity, now and on every later link. The session is at its end if the server refuses.
   * @throws ZooKeeperError AUTH_FAILED
   */
  authenticate(scheme: string, auth: Buffer | null): Promise<void> {
    if (this.#end !== null) return Promise.reject(failureOf(this.#endCode(), null));
    return this.#credentials.add(scheme, auth, this.#isEstablished);
  }

  /** Whether such a watch of this session stands at the path, as far as we know. */
  watches(kind: WatchKind, path: string): boolean {
    return this.#watched.has(kind, underChroot(this.#address.chroot, path));
  }

  /** Forgets a watch here; telling the server is an operation of its own. @returns whether it was there */
  forgetWatch(kind: WatchKind, path: string): boolean {
    return this.#watched.remove(kind, underChroot(this.#address.chroot, path));
  }

  /** Tells listeners of something that did not come from the server, such as a watch taken away. */
  announce(type: WatchedEvent['type'], path: string): void {
    this.#emit({ state: this.#keeperState(), type, path, zxid: NO_ZXID });
  }

  /** Ends the session at the server (its ephemeral nodes go at once) and the link. */
  close(): Promise<void> {
    return this.#finish('closed');
  }

  #finish(end: End): Promise<void> {
    if (this.#supervisor.hasEnded) return Promise.resolve();
    this.#end ??= end;
    return new Promise((resolve) => {
      this.#ended.push(resolve);
      this.#deliver({ kind: 'close' });
    });
  }

  #watch(kind: WatchKind | null, full: string | null): void {
    if (kind !== null && full !== null) this.#watched.add(kind, full);
  }

  #submit(request: LinedUpRequest): void {
    if (this.#end !== null) request.reject(failureOf(this.#endCode(), null));
    else if (this.#line.isFull)
      request.reject(
        new ZooKeeperError('THROTTLED_OP', `${REQUESTS_MAX} requests are unanswered already`),
      );
    else if (this.#isEstablished) this.#send(request);
    else this.#line.wait(request);
  }

  #send(request: LinedUpRequest): void {
    const xid = this.#line.sent(request);
    this.#connection?.write(requestFrame(xid, request.opCode, request.body));
  }

  #endCode(): ZooKeeperErrorName {
    return this.#end === 'authFailed' ? 'AUTH_FAILED' : 'SESSION_EXPIRED';
  }

  #perform(effect: SupervisorEffect): void {
    switch (effect.kind) {
      case 'dial':
        this.#dial(effect.serverIndex, effect.timeoutMs);
        break;
      case 'ping':
        this.#connection?.write(requestFrame(xids.ping, opCodes.ping, null));
        break;
      case 'dropLink':
        this.#dropLink();
        break;
      case 'announceConnected':
        this.#connected();
        break;
      case 'announceDoubtful':
        // The event came with the link that broke; to a tool, no link is what doubt means.
        break;
      case 'replaceSession':
        this.#end = 'expired';
        this.#failAll();
        this.#emit({ state: 'Expired', type: 'None', path: null, zxid: NO_ZXID });
        this.#deliver({ kind: 'close' });
        break;
      case 'sendClose':
        this.#sendClose();
        break;
      case 'announceClosed':
        this.#failAll();
        this.#watched.clear();
        if (this.#end === 'closed')
          this.#emit({ state: 'Closed', type: 'None', path: null, zxid: NO_ZXID });
        this.#listeners.clear();
        for (const resolve of this.#ended.splice(0)) resolve();
        break;
    }
  }

  #sendClose(): void {
    const confirmed = (): void => this.#deliver({ kind: 'closeConfirmed' });
    // Who was refused is not listened to any more.
    if (this.#end === 'authFailed') confirmed();
    else
      this.#send({
        opCode: opCodes.closeSession,
        body: null,
        answer: confirmed,
        reject: () => undefined,
      });
  }

  #dial(serverIndex: number, timeoutMs: number): void {
    const server = this.#address.servers[serverIndex];
    if (server === undefined) return;
    this.#linkNumber += 1;
    const linkNumber = this.#linkNumber;
    const { environment, tls } = this.#options;
    openLink({ ...server, timeoutMs, ...(tls !== undefined && { tls }) }, environment.network, {
      isWanted: () => linkNumber === this.#linkNumber,
      up: (connection) => {
        this.#connection = connection;
        this.#deliver({ kind: 'linkUp' });
        connection.write(
          handshakeFrame({
            lastZxidSeen: this.#lastZxid,
            sessionTimeoutMs: this.#options.sessionTimeoutMs,
            sessionId: this.#sessionId,
            password: this.#password,
            canBeReadOnly: this.#options.canBeReadOnly ?? false,
          }),
        );
      },
      frame: (reader) => this.#receive(reader),
      broken: (reason) => this.#linkBroken(linkNumber, reason),
    });
  }

  #receive(reader: Reader): void {
    if (!this.#isEstablished) {
      if (this.#login === null) this.#handshaken(reader);
      else this.#loginHeard(this.#login, reader);
      return;
    }
    const header = replyHeader.decodeFrom(reader);
    if (header.zxid > 0n) this.#lastZxid = header.zxid;
    switch (header.xid) {
      case xids.notification:
        this.#notified(header, reader);
        break;
      case xids.ping:
        this.#deliver({ kind: 'pong' });
        break;
      case xids.auth:
        this.#authenticated(header);
        break;
      case xids.setWatches:
        if (header.err !== 0) throw new MalformedMessage(`watches were refused with ${header.err}`);
        break;
      default:
        this.#line.answered(header, reader);
        break;
    }
  }

  #handshaken(reader: Reader): void {
    const answer = oldConnectResponse.decodeFrom(reader);
    if (answer.timeOut <= 0) {
      this.#deliver({ kind: 'expired' });
      return;
    }
    const newSession = this.#sessionId !== answer.sessionId;
    // Servers before 3.4 leave the last byte out.
    this.#isReadOnly = reader.remaining > 0 && reader.bool();
    this.#sessionId = answer.sessionId;
    this.#password = Buffer.from(answer.passwd);
    this.#sessionTimeoutMs = answer.timeOut;
    this.#newSession = newSession;
    const { sasl, environment } = this.#options;
    if (sasl === undefined) {
      this.#establish();
      return;
    }
    this.#login = new SaslLogin(sasl, environment.random.bytes(CNONCE_BYTES).toString('base64'));
    this.#sayLogin(this.#login.opening);
  }

  /** A link is one only once the server knows who we are. */
  #establish(): void {
    this.#login = null;
    this.#deliver({
      kind: 'established',
      newSession: this.#newSession,
      sessionTimeoutMs: this.#sessionTimeoutMs,
    });
  }

  #sayLogin(token: Buffer): void {
    this.#connection?.write(requestFrame(SASL_XID, opCodes.sasl, saslRequest.encode({ token })));
  }

  #loginHeard(login: SaslLogin, reader: Reader): void {
    const step = login.heard(reader);
    switch (step.kind) {
      case 'say':
        this.#sayLogin(step.token);
        break;
      case 'done':
        this.#establish();
        break;
      case 'failed':
        this.#log.warn('no log-in by SASL', { reason: step.reason });
        this.#refused();
        break;
    }
  }

  #connected(): void {
    this.#isEstablished = true;
    this.#failedLinks = 0;
    this.#credentials.sendAll();
    for (const portion of this.#watched.portions(SET_WATCHES_PORTION_BYTES))
      this.#connection?.write(setWatchesFrame(portion, this.#lastZxid));
    this.#emit({ state: this.#keeperState(), type: 'None', path: null, zxid: NO_ZXID });
    if (this.#options.sasl !== undefined)
      this.#emit({ state: 'SaslAuthenticated', type: 'None', path: null, zxid: NO_ZXID });
    for (const request of this.#line.takeWaiting()) this.#send(request);
  }

  #notified(header: ReplyHeader, reader: Reader): void {
    const { type, path } = eventOf(reader);
    if (!this.#watched.fire(type, path)) return;
    this.#emit({
      state: this.#keeperState(),
      type: EVENT_NAMES[type],
      path: withoutChroot(this.#address.chroot, path),
      zxid: header.zxid,
    });
  }

  #authenticated(header: ReplyHeader): void {
    const settle = this.#credentials.answered();
    if (header.err === 0) {
      settle(null);
      return;
    }
    this.#refused(() => settle(failureOf('AUTH_FAILED', null)));
  }

  /** The server does not believe who we are: the end of the session. */
  #refused(tell: () => void = () => undefined): void {
    this.#end = 'authFailed';
    this.#emit({ state: 'AuthFailed', type: 'None', path: null, zxid: NO_ZXID });
    tell();
    this.#failAll();
    this.#deliver({ kind: 'close' });
  }

  #linkBroken(linkNumber: number, reason: string): void {
    if (linkNumber !== this.#linkNumber) return;
    // Once there has been a session, its events say what a person at a prompt has to know.
    const isNews = this.#sessionId === 0n && this.#failedLinks === 0;
    this.#log[isNews ? 'warn' : 'debug']('no link to the coordination server', { reason });
    this.#dropLink();
    this.#deliver({ kind: 'linkDown' });
  }

  #dropLink(): void {
    const wasEstablished = this.#isEstablished;
    this.#linkNumber += 1;
    this.#isEstablished = false;
    this.#login = null;
    this.#connection?.destroy();
    this.#connection = null;
    this.#failedLinks += 1;
    // With several servers, what waits may wait for the next one until all have had their turn.
    const noServerLeft = wasEstablished || this.#failedLinks % this.#address.servers.length === 0;
    this.#line.fail(() => failureOf('CONNECTION_LOSS', null), noServerLeft);
    this.#credentials.unsend();
    if (noServerLeft) this.#credentials.fail(() => failureOf('CONNECTION_LOSS', null));
    if (wasEstablished && this.#end === null)
      this.#emit({ state: 'Disconnected', type: 'None', path: null, zxid: NO_ZXID });
  }

  #failAll(): void {
    const makeError = (): Error => failureOf(this.#endCode(), null);
    this.#line.fail(makeError, true);
    this.#credentials.fail(makeError);
  }

  #keeperState(): KeeperState {
    if (!this.#isEstablished) return 'Disconnected';
    return this.#isReadOnly ? 'ConnectedReadOnly' : 'SyncConnected';
  }

  #emit(event: WatchedEvent): void {
    for (const listener of [...this.#listeners]) listener(event);
  }
}

function shuffled<T>(items: readonly T[], random: Random): readonly T[] {
  const left = [...items];
  const drawn: T[] = [];
  while (left.length > 0) drawn.push(...left.splice(random.below(left.length), 1));
  return drawn;
}
