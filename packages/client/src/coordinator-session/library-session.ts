/**
 * One ZooKeeper session in the hands of node-zookeeper-client: the only file that touches the library.
 *
 * What we take from it: the connect handshake with its renewal of a session, the Jute records, the
 * matching of replies to requests. What we take away, by giving its connection manager a socket of
 * ours and an inert `connect`, because a broker cannot live with it:
 *
 * - dialing, its timers and its random pauses: a link that is silent is never noticed, a server that
 *   accepts and then says nothing is waited for without end, pings stop when the socket is busy;
 * - its splitting of frames: half a frame left by a broken link is put before the next link's bytes,
 *   and many frames in one chunk overflow the stack, one recursion each;
 * - its watch tables: more than ten watchers on a path raise warnings, an event type it does not know
 *   throws, and all watches go into one setWatches request however large;
 * - its errors: a reply with a code that it does not know throws out of the socket's handler and takes
 *   the process with it. Here the code is read from the frame before the library sees it;
 * - its Client and Transaction classes: `check` and `setData` with version 0 become "any version",
 *   setting null data throws;
 * - its request numbers, which would not fit an int32 after 2^31 requests: they restart.
 *
 * Sockets and time are not here: the owner says when a link is there and hands in whole frames.
 */
import ConnectionManager from 'node-zookeeper-client/lib/ConnectionManager.js';
import jute, {
  type RequestRecord,
  type ResponseRecord,
} from 'node-zookeeper-client/lib/jute/index.js';
import type { WatchEventType, WatchPaths } from './watch-table.ts';

/** ZooKeeper's operation numbers, as far as we use them. */
export const OP_CODES = {
  create: 1,
  remove: 2,
  exists: 3,
  getData: 4,
  setData: 5,
  ping: 11,
  getChildren2: 12,
  check: 13,
  multi: 14,
  setWatches: 101,
  closeSession: -11,
} as const;

const PING_XID = -2;
const NOTIFICATION_XID = -1;
/** Where the error code stands in a reply frame: length, xid, zxid, err. */
const REPLY_XID_AT = 4;
const REPLY_ERROR_AT = 16;
const REPLY_HEADER_END = 20;
/** A code every version of the library knows; the true one travels beside it. */
const SYSTEM_ERROR = -1;
const CONNECTION_LOSS = -4;
const XID_MAX = 0x7fff_0000;
/** The library insists on a connect string although it never dials for us. */
const NEVER_DIALED = 'never-dialed:1';

export interface LibrarySessionEvents {
  established(newSession: boolean): void;
  /** The server refused to renew the session. */
  expired(): void;
  pong(): void;
  watch(type: WatchEventType, path: string): void;
  /** What came from the server makes no sense: the link must go. */
  broken(reason: string): void;
}

/** `wireError` 0 for success, otherwise ZooKeeper's number; the record is null when there is none. */
export type Reply = (wireError: number, response: ResponseRecord | null) => void;

export class LibrarySession {
  readonly #manager: ConnectionManager;
  readonly #events: LibrarySessionEvents;
  readonly #wantedTimeoutMs: number;
  #wireError = 0;
  #renewing = false;
  #isEstablished = false;

  constructor(sessionTimeoutMs: number, events: LibrarySessionEvents) {
    this.#events = events;
    this.#wantedTimeoutMs = sessionTimeoutMs;
    this.#manager = new ConnectionManager(
      NEVER_DIALED,
      { sessionTimeout: sessionTimeoutMs, spinDelay: 0 },
      (state) => this.#stateChanged(state),
    );
    this.#manager.connect = () => undefined;
    this.#manager.watcherManager = {
      isEmpty: () => true,
      emit: ({ type, path }) => {
        if (type === 1 || type === 2 || type === 3 || type === 4) events.watch(type, path);
      },
    };
  }

  /** 0n before the first handshake. */
  get sessionId(): bigint {
    return this.#manager.sessionId.readBigInt64BE();
  }

  /** As the server granted it. */
  get sessionTimeoutMs(): number {
    return this.#manager.sessionTimeout;
  }

  /** A link is there: sends the handshake, renewing the session if there is one. */
  attach(write: (bytes: Buffer) => boolean): void {
    const manager = this.#manager;
    manager.socket = {
      write,
      destroy: () => this.#events.broken('a reply that belongs to no request'),
      setTimeout: () => undefined,
    };
    this.#renewing = this.sessionId !== 0n;
    manager.pendingBuffer = null;
    manager.sessionTimeout = this.#wantedTimeoutMs;
    manager.xid = 0;
    manager.setState(ConnectionManager.STATES.CONNECTING);
    manager.onSocketConnected();
  }

  /** The link is gone: what was sent and not answered fails with CONNECTION_LOSS. */
  detach(): void {
    this.#wireError = CONNECTION_LOSS;
    this.#manager.onSocketClosed(false);
  }

  /** One whole frame with its length in front; it belongs to the session afterwards. */
  receive(frame: Buffer): void {
    try {
      this.#wireError = 0;
      if (frame.length >= REPLY_HEADER_END) this.#lookAhead(frame);
      this.#manager.onSocketData(frame);
    } catch (error) {
      this.#events.broken(`a frame that cannot be read (${String(error)})`);
    }
  }

  drained(): void {
    this.#manager.onSocketDrain();
  }

  ping(): void {
    const header = new jute.protocol.RequestHeader(PING_XID, OP_CODES.ping);
    this.#manager.queue(new jute.Request(header, null));
  }

  /** Sends a request in order. Only while established; `reply` is called exactly once. */
  request(opCode: number, payload: RequestRecord | null, reply: Reply): void {
    const manager = this.#manager;
    if (manager.xid > XID_MAX) manager.xid = 0;
    const header = new jute.protocol.RequestHeader(0, opCode);
    manager.queue(new jute.Request(header, payload), (error, response) =>
      reply(error === null ? 0 : this.#wireError || CONNECTION_LOSS, response?.payload ?? null),
    );
  }

  /** Tells the server again what is watched; it fires at once what changed in between. */
  setWatches(paths: WatchPaths, reply: Reply): void {
    const record = new jute.protocol.SetWatches();
    record.relativeZxid = this.#manager.zxid;
    record.dataWatches = paths.data;
    record.existWatches = paths.exist;
    record.childWatches = paths.child;
    this.request(OP_CODES.setWatches, record, reply);
  }

  /** Pings are counted, and codes noted, before the library has its say. */
  #lookAhead(frame: Buffer): void {
    if (!this.#isEstablished) return;
    const xid = frame.readInt32BE(REPLY_XID_AT);
    if (xid === PING_XID) this.#events.pong();
    else if (xid !== NOTIFICATION_XID) {
      this.#wireError = frame.readInt32BE(REPLY_ERROR_AT);
      if (this.#wireError !== 0) frame.writeInt32BE(SYSTEM_ERROR, REPLY_ERROR_AT);
    }
  }

  #stateChanged(state: number): void {
    this.#isEstablished = state === ConnectionManager.STATES.CONNECTED;
    if (this.#isEstablished) this.#events.established(!this.#renewing);
    else if (state === ConnectionManager.STATES.SESSION_EXPIRED) this.#events.expired();
  }
}
