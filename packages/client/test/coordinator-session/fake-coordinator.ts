/**
 * A tiny coordination server over loopback for tests: one tree of nodes, sessions, one-shot watches,
 * and what a real one does only on bad days (falls silent, forgets sessions, answers with codes
 * nobody knows, splits and joins frames at will). Written on the protocol package's records, so that
 * the library's own encoder is not checked against itself.
 */
import {
  checkVersionRequest,
  createRequest,
  createResponse,
  decodeConnectRequest,
  deleteRequest,
  errorResponse,
  getChildren2Response,
  getDataRequest,
  getDataResponse,
  multiEnd,
  multiHeader,
  oldConnectResponse,
  opCodes,
  operationHeader,
  Reader,
  replyHeader,
  setDataRequest,
  setWatchesRequest,
  stat,
  type WireStat,
  watcherEvent,
} from '@odradek/protocol';
import {
  type Connection,
  type ConnectionHandler,
  type Listener,
  nodeEnvironment,
} from '@odradek/runtime';

interface FakeNode {
  data: Buffer | null;
  version: number;
  cversion: number;
  zxid: bigint;
  childZxid: bigint;
  owner: bigint;
}

interface Peer {
  readonly connection: Connection;
  readonly data: Set<string>;
  readonly child: Set<string>;
  sessionId: bigint;
}

const CONNECT_DONE = Symbol('handshake');
const NO_NODE = -101;
const BAD_VERSION = -103;
const NODE_EXISTS = -110;
const NOT_EMPTY = -111;

class Refusal extends Error {
  readonly wire: number;
  constructor(wire: number) {
    super(String(wire));
    this.wire = wire;
  }
}

export class FakeCoordinator {
  readonly nodes = new Map<string, FakeNode>();
  readonly sessions = new Set<bigint>();
  readonly peers = new Set<Peer>();
  /** Operation numbers of all requests, in order of arrival. */
  readonly received: number[] = [];
  readonly wantedTimeouts: number[] = [];
  readonly lastZxidsSeen: bigint[] = [];
  /** Takes bytes and says nothing: a link that was cut without a word. */
  silent = false;
  /** Accepts TCP connections and never answers the handshake. */
  deafHandshake = false;
  /** Answers the next request with this code instead of doing it. */
  nextError: number | null = null;
  grantedTimeoutMs: number | null = null;
  /** Sends replies byte by byte. */
  dribbling = false;
  /** Keeps replies back until `release`. */
  holding = false;
  #held: { readonly peer: Peer; readonly bytes: Buffer }[] = [];
  #zxid = 0n;
  #nextSessionId = 0x0100_0000_0000_0001n;
  #listener: Listener | null = null;

  async start(port = 0): Promise<this> {
    this.nodes.set('/', blankNode(null, 0n, 0n));
    this.#listener = await nodeEnvironment().network.listen(
      { host: '127.0.0.1', port },
      (connection) => this.#accept(connection),
    );
    return this;
  }

  get address(): string {
    return `127.0.0.1:${this.#listener?.port}`;
  }

  async stop(): Promise<void> {
    await this.#listener?.close();
    this.cutLinks();
  }

  /** Writes a node from outside any session; watches fire as they do for clients. */
  put(path: string, data: Buffer | null): void {
    const known = this.nodes.get(path);
    this.#zxid += 1n;
    if (known !== undefined) {
      known.data = data;
      known.version += 1;
      known.zxid = this.#zxid;
      this.#fire(3, path);
      return;
    }
    this.nodes.set(path, blankNode(data, this.#zxid, 0n));
    const parent = this.nodes.get(parentOf(path));
    if (parent !== undefined) parent.childZxid = this.#zxid;
    this.#fire(1, path);
  }

  cutLinks(): void {
    for (const { connection } of this.peers) connection.destroy();
  }

  /** Ends every session at the server: their next renewal is refused. */
  expireAll(): void {
    for (const id of this.sessions) this.#endSession(id);
  }

  /** Sends all that was held back, in one piece. */
  release(): void {
    this.holding = false;
    const held = this.#held;
    this.#held = [];
    for (const peer of this.peers)
      peer.connection.write(
        Buffer.concat(held.filter((entry) => entry.peer === peer).map(({ bytes }) => bytes)),
      );
  }

  sendGarbage(bytes: Buffer): void {
    for (const { connection } of this.peers) connection.write(bytes);
  }

  #accept(connection: Connection): ConnectionHandler {
    const peer: Peer = { connection, data: new Set(), child: new Set(), sessionId: 0n };
    this.peers.add(peer);
    let pending = Buffer.alloc(0);
    let state: typeof CONNECT_DONE | null = null;
    return {
      data: (chunk) => {
        pending = Buffer.concat([pending, chunk]);
        while (pending.length >= 4 && pending.length >= 4 + pending.readInt32BE(0)) {
          const frame = pending.subarray(4, 4 + pending.readInt32BE(0));
          pending = pending.subarray(4 + frame.length);
          if (this.silent || this.deafHandshake) continue;
          if (state === null) {
            state = CONNECT_DONE;
            this.#handshake(peer, frame);
          } else this.#request(peer, frame);
        }
      },
      close: () => this.peers.delete(peer),
    };
  }

  #handshake(peer: Peer, frame: Buffer): void {
    const { request } = decodeConnectRequest(new Reader(frame));
    this.wantedTimeouts.push(request.timeOut);
    this.lastZxidsSeen.push(request.lastZxidSeen);
    const isRefused = request.sessionId !== 0n && !this.sessions.has(request.sessionId);
    if (isRefused) peer.sessionId = 0n;
    else if (request.sessionId === 0n) peer.sessionId = this.#nextSessionId++;
    else peer.sessionId = request.sessionId;
    if (!isRefused) this.sessions.add(peer.sessionId);
    this.#send(
      peer,
      oldConnectResponse.encode({
        protocolVersion: 0,
        timeOut: isRefused ? 0 : (this.grantedTimeoutMs ?? request.timeOut),
        sessionId: peer.sessionId,
        passwd: Buffer.alloc(16, 7),
      }),
    );
    if (isRefused) peer.connection.end();
  }

  #request(peer: Peer, frame: Buffer): void {
    const reader = new Reader(frame);
    const { xid, type } = operationHeader.decodeFrom(reader);
    this.received.push(type);
    if (type === opCodes.ping) {
      this.#reply(peer, -2, 0, Buffer.alloc(0));
      return;
    }
    try {
      if (this.nextError !== null) {
        const wire = this.nextError;
        this.nextError = null;
        throw new Refusal(wire);
      }
      const body = this.#answer(peer, type, reader);
      this.#reply(peer, xid, 0, body);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      this.#reply(peer, xid, error.wire, Buffer.alloc(0));
    }
    if (type === opCodes.closeSession) peer.connection.end();
  }

  #answer(peer: Peer, type: number, reader: Reader): Buffer {
    switch (type) {
      case opCodes.exists:
      case opCodes.getData:
      case opCodes.getChildren2: {
        const { path, watch } = getDataRequest.decodeFrom(reader);
        const node = this.nodes.get(path);
        if (watch && (node !== undefined || type === opCodes.exists))
          (type === opCodes.getChildren2 ? peer.child : peer.data).add(path);
        if (node === undefined) throw new Refusal(NO_NODE);
        const wireStat = this.#stat(path, node);
        if (type === opCodes.exists) return stat.encode(wireStat);
        if (type === opCodes.getData)
          return getDataResponse.encode({ data: node.data, stat: wireStat });
        return getChildren2Response.encode({ children: this.#children(path), stat: wireStat });
      }
      case opCodes.multi:
        return this.#multi(peer, reader);
      case opCodes.closeSession:
        this.#endSession(peer.sessionId);
        return Buffer.alloc(0);
      case opCodes.setWatches:
        this.#setWatches(peer, reader);
        return Buffer.alloc(0);
      default:
        return this.#change(peer, type, reader);
    }
  }

  #setWatches(peer: Peer, reader: Reader): void {
    const { relativeZxid, dataWatches, existWatches, childWatches } =
      setWatchesRequest.decodeFrom(reader);
    for (const path of dataWatches) {
      const node = this.nodes.get(path);
      if (node === undefined) this.#notify(peer, 2, path);
      else if (node.zxid > relativeZxid) this.#notify(peer, 3, path);
      else peer.data.add(path);
    }
    for (const path of existWatches)
      if (this.nodes.has(path)) this.#notify(peer, 1, path);
      else peer.data.add(path);
    for (const path of childWatches) {
      const node = this.nodes.get(path);
      if (node === undefined) this.#notify(peer, 2, path);
      else if (node.childZxid > relativeZxid) this.#notify(peer, 4, path);
      else peer.child.add(path);
    }
  }

  #multi(peer: Peer, reader: Reader): Buffer {
    const before = new Map([...this.nodes].map(([path, node]) => [path, { ...node }]));
    const results: Buffer[] = [];
    let failed: { readonly index: number; readonly wire: number } | null = null;
    let count = 0;
    for (;;) {
      const { type, done } = multiHeader.decodeFrom(reader);
      if (done) break;
      try {
        const body = this.#change(peer, type, reader);
        if (failed === null) results.push(multiHeader.encode({ type, done: false, err: 0 }), body);
      } catch (error) {
        if (!(error instanceof Refusal)) throw error;
        failed ??= { index: count, wire: error.wire };
      }
      count += 1;
    }
    if (failed !== null) {
      this.nodes.clear();
      for (const [path, node] of before) this.nodes.set(path, node);
      results.length = 0;
      for (let index = 0; index < count; index += 1) {
        const err = index < failed.index ? 0 : index === failed.index ? failed.wire : -2;
        results.push(
          multiHeader.encode({ type: -1, done: false, err }),
          errorResponse.encode({ err }),
        );
      }
    }
    return Buffer.concat([...results, multiHeader.encode(multiEnd)]);
  }

  #change(peer: Peer, type: number, reader: Reader): Buffer {
    switch (type) {
      case opCodes.create: {
        const { path: wanted, data, flags } = createRequest.decodeFrom(reader);
        const parent = parentOf(wanted);
        const parentNode = this.nodes.get(parent);
        if (parentNode === undefined) throw new Refusal(NO_NODE);
        const path =
          (flags & 2) === 0 ? wanted : wanted + String(parentNode.cversion).padStart(10, '0');
        if (this.nodes.has(path)) throw new Refusal(NODE_EXISTS);
        const owner = (flags & 1) === 0 ? 0n : peer.sessionId;
        this.nodes.set(path, blankNode(data, ++this.#zxid, owner));
        parentNode.cversion += 1;
        parentNode.childZxid = this.#zxid;
        this.#fire(1, path);
        return createResponse.encode({ path });
      }
      case opCodes.setData: {
        const { path: asked, data, version } = setDataRequest.decodeFrom(reader);
        const path = asked ?? '';
        const node = this.#nodeAt(path, version);
        node.data = data;
        node.version += 1;
        node.zxid = ++this.#zxid;
        this.#fire(3, path);
        return stat.encode(this.#stat(path, node));
      }
      case opCodes.delete: {
        const { path, version } = deleteRequest.decodeFrom(reader);
        this.#nodeAt(path, version);
        if (this.#children(path).length > 0) throw new Refusal(NOT_EMPTY);
        this.#delete(path);
        return Buffer.alloc(0);
      }
      case opCodes.check: {
        const { path, version } = checkVersionRequest.decodeFrom(reader);
        this.#nodeAt(path, version);
        return Buffer.alloc(0);
      }
      default:
        throw new Refusal(-6);
    }
  }

  #nodeAt(path: string, version: number): FakeNode {
    const node = this.nodes.get(path);
    if (node === undefined) throw new Refusal(NO_NODE);
    if (version !== -1 && version !== node.version) throw new Refusal(BAD_VERSION);
    return node;
  }

  #delete(path: string): void {
    this.nodes.delete(path);
    const parentNode = this.nodes.get(parentOf(path));
    this.#zxid += 1n;
    if (parentNode !== undefined) {
      parentNode.cversion += 1;
      parentNode.childZxid = this.#zxid;
    }
    this.#fire(2, path);
  }

  #endSession(sessionId: bigint): void {
    this.sessions.delete(sessionId);
    for (const [path, node] of [...this.nodes]) if (node.owner === sessionId) this.#delete(path);
  }

  #children(path: string): string[] {
    const prefix = path === '/' ? '/' : `${path}/`;
    return [...this.nodes.keys()]
      .filter((name) => name !== '/' && parentOf(name) === path)
      .map((name) => name.slice(prefix.length))
      .reverse();
  }

  #fire(type: 1 | 2 | 3, path: string): void {
    for (const peer of this.peers) {
      const hadData = peer.data.delete(path);
      const hadChild = type === 2 && peer.child.delete(path);
      if (hadData || hadChild) this.#notify(peer, type, path);
      if (type !== 3 && peer.child.delete(parentOf(path))) this.#notify(peer, 4, parentOf(path));
    }
  }

  #notify(peer: Peer, type: number, path: string): void {
    const header = replyHeader.encode({ xid: -1, zxid: -1n, err: 0 });
    this.#send(peer, Buffer.concat([header, watcherEvent.encode({ type, state: 3, path })]));
  }

  #reply(peer: Peer, xid: number, err: number, body: Buffer): void {
    this.#send(peer, Buffer.concat([replyHeader.encode({ xid, zxid: this.#zxid, err }), body]));
  }

  #send(peer: Peer, payload: Buffer): void {
    const bytes = Buffer.alloc(4 + payload.length);
    bytes.writeInt32BE(payload.length);
    payload.copy(bytes, 4);
    if (this.holding) this.#held.push({ peer, bytes });
    else if (this.dribbling) for (const byte of bytes) peer.connection.write(Buffer.from([byte]));
    else peer.connection.write(bytes);
  }

  #stat(path: string, node: FakeNode): WireStat {
    return {
      czxid: node.zxid,
      mzxid: node.zxid,
      ctime: 1_700_000_000_001,
      mtime: 1_700_000_000_002,
      version: node.version,
      cversion: node.cversion,
      aversion: 0,
      ephemeralOwner: node.owner,
      dataLength: node.data?.length ?? 0,
      numChildren: this.#children(path).length,
      pzxid: node.childZxid,
    };
  }
}

function blankNode(data: Buffer | null, zxid: bigint, owner: bigint): FakeNode {
  return { data, version: 0, cversion: 0, zxid, childZxid: zxid, owner };
}

function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/')) || '/';
}
