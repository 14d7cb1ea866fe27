/** Plays a sequence to one server and writes down all that comes back, session by session, in order. */
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import {
  connectRequest,
  JuteFrameSplitter,
  oldConnectResponse,
  opCodes,
  Reader,
  saslRequest,
  saslResponse,
  zookeeperErrorCodes,
} from '@odradek/protocol';
import { encode, encodeHeld, type Names } from './encoding.ts';
import type { Profile } from './profiles.ts';
import { respond } from './sasl.ts';
import type { Certificates } from './security-files.ts';
import { type Greeting, SESSIONS, type Sequence, type Step } from './sequence.ts';
import {
  type Answer,
  answerOf,
  type Entry,
  isNotification,
  type Numbers,
  readNotification,
  readReply,
  relative,
} from './transcript.ts';

/** A server that is silent for so long has lost a request, however busy the machine. */
const SILENCE_MS_MAX = 30_000;
const MAX_FRAME_BYTES = 64 * 1024 * 1024;
const WISHED_TIMEOUT_MS = 600_000;
const AHEAD = 1_000_000n;
const { MARSHALLING_ERROR, SESSION_CLOSED_REQUIRE_SASL_AUTH } = zookeeperErrorCodes;

/** Where a server is, and who may come how. */
export interface Door {
  readonly port: number;
  readonly tls: { readonly port: number; readonly certificates: Certificates } | null;
}

/** Requests that are transactions wherever sessions are none. */
const WRITES: ReadonlySet<number> = new Set([
  opCodes.create,
  opCodes.create2,
  opCodes.createContainer,
  opCodes.createTtl,
  opCodes.delete,
  opCodes.setData,
  opCodes.setAcl,
  opCodes.multi,
  opCodes.reconfig,
]);

/** Answered as soon as they are read. */
const OUT_OF_LINE: ReadonlySet<number> = new Set([opCodes.auth, opCodes.sasl]);

/** Which request a reply belongs to. */
interface Expected {
  readonly xid: number;
  readonly opCode: number;
}

/** What came, before it is known how its numbers read. */
type Heard = (numbers: Numbers) => Entry;

/** What all clients of a sequence know together. */
class Shared {
  /** By id. */
  readonly sessions = new Map<bigint, string>();
  /** Zxids at which sessions were closed. */
  readonly closings: bigint[] = [];
  /** Zxids that the server spent on requests that it could not read. */
  readonly spent: bigint[] = [];
  /** Zxids of writes; of those too that were refused. */
  readonly writes: bigint[] = [];
  readonly profile: Profile;
  lastZxid = 0n;

  constructor(profile: Profile) {
    this.profile = profile;
  }

  heard(answer: Answer, opCode: number): void {
    const { zxid, err } = answer.header;
    const isWritten = WRITES.has(opCode) && !isNotification(answer) && err !== MARSHALLING_ERROR;
    if (isWritten) this.writes.push(zxid);
    if (zxid <= this.lastZxid) return;
    this.lastZxid = zxid;
    if (err === MARSHALLING_ERROR) this.spent.push(zxid);
  }
}

class Wire {
  readonly #socket: Socket;
  readonly #splitter = new JuteFrameSplitter(MAX_FRAME_BYTES);
  readonly #frames: Buffer[] = [];
  #isClosed = false;
  #woken: (() => void) | null = null;

  constructor({ port, tls }: Door, way: Greeting['way']) {
    const host = '127.0.0.1';
    this.#socket =
      way === 'plain' || tls === null
        ? connect({ port, host, noDelay: true })
        : connectTls({ port: tls.port, host, ...tls.certificates.showing(way) });
    this.#socket.on('data', (chunk: Buffer) => {
      this.#splitter.push(chunk);
      for (let frame = this.#splitter.next(); frame !== null; frame = this.#splitter.next()) {
        this.#frames.push(frame.buffer.subarray(frame.position, frame.end));
      }
      this.#woken?.();
    });
    this.#socket.on('error', () => {});
    this.#socket.on('close', () => {
      this.#isClosed = true;
      this.#woken?.();
    });
  }

  send(bodies: readonly Buffer[]): void {
    this.#socket.write(
      Buffer.concat(
        bodies.flatMap((body) => {
          const length = Buffer.alloc(4);
          length.writeInt32BE(body.length);
          return [length, body];
        }),
      ),
    );
  }

  /** The next frame, or how it ended. */
  async next(): Promise<Buffer | 'closed' | 'silent'> {
    let silence: NodeJS.Timeout | null = null;
    let isSilent = false;
    while (this.#frames.length === 0 && !this.#isClosed && !isSilent) {
      await new Promise<void>((resolve) => {
        this.#woken = resolve;
        silence ??= setTimeout(() => {
          isSilent = true;
          this.#woken?.();
        }, SILENCE_MS_MAX);
      });
    }
    if (silence !== null) clearTimeout(silence);
    this.#woken = null;
    return this.#frames.shift() ?? (this.#isClosed ? 'closed' : 'silent');
  }

  destroy(): void {
    this.#socket.destroy();
  }
}

/** One of the sequence's clients: a session, its connection of the moment, and what it was told. */
class Client {
  readonly heard: Heard[] = [];
  readonly #door: Door;
  readonly #name: string;
  readonly #shared: Shared;
  readonly #usual: Greeting;
  #wire: Wire | null = null;
  #sessionId = 0n;
  #password: Buffer = Buffer.alloc(16);
  #xid = 0;
  #generation = 0;
  /** Whether an ordinary request was answered on this connection, so that it may have watches. */
  #isServed = false;
  lastZxid = 0n;

  constructor(door: Door, index: number, shared: Shared) {
    this.#door = door;
    this.#name = `session ${index}`;
    this.#shared = shared;
    const { ways } = shared.profile;
    this.#usual = {
      timeoutMs: WISHED_TIMEOUT_MS,
      saysReadOnly: false,
      seen: 'own',
      way: ways[index % ways.length] ?? 'plain',
    };
  }

  get isConnected(): boolean {
    return this.#wire !== null;
  }

  /** Opens a session, or comes back to the one there is; a refusal is an entry, and the next call opens anew. */
  async connect(
    greeting: Greeting = this.#usual,
    password: 'right' | 'wrong' = 'right',
  ): Promise<void> {
    this.disconnect();
    this.#isServed = false;
    const wire = new Wire(this.#door, greeting.way);
    this.#wire = wire;
    wire.send([this.#greet(greeting, password)]);
    const frame = await wire.next();
    if (typeof frame === 'string') {
      this.#note({ connecting: frame });
      this.disconnect();
      return;
    }
    const reader = new Reader(frame);
    const { protocolVersion, timeOut, sessionId, passwd } = oldConnectResponse.decodeFrom(reader);
    const isNew = this.#sessionId === 0n;
    const kept = isNew || (sessionId === this.#sessionId && passwd.equals(this.#password));
    const readOnly = reader.remaining === 0 ? null : reader.bool();
    this.#note({
      connected: {
        protocolVersion,
        timeOut,
        readOnly,
        kept,
        passwordBytes: passwd.length,
        left: reader.remaining,
      },
      refused: timeOut === 0,
    });
    if (timeOut === 0) {
      this.#note({ refused: frame.toString('hex') });
      await this.#untilClosed();
      if (password === 'right') this.#sessionId = 0n;
      return;
    }
    if (isNew) {
      // Making it was a transaction, whose zxid the answer does not tell.
      if (this.#shared.profile.zxids === 'exact') this.#shared.lastZxid += 1n;
      this.#generation += 1;
      this.#shared.sessions.set(sessionId, `${this.#name}.${this.#generation}`);
    }
    this.#sessionId = sessionId;
    this.#password = passwd;
  }

  #greet({ timeoutMs, saysReadOnly, seen }: Greeting, password: 'right' | 'wrong'): Buffer {
    const bytes = connectRequest.encode({
      protocolVersion: 0,
      lastZxidSeen: seen === 'own' ? this.lastZxid : this.#shared.lastZxid + AHEAD,
      timeOut: timeoutMs,
      sessionId: this.#sessionId,
      passwd: password === 'right' ? this.#password : Buffer.alloc(16, 7),
      readOnly: saysReadOnly ?? false,
    });
    return saysReadOnly === null ? bytes.subarray(0, -1) : bytes;
  }

  /** Comes back on a new connection; the old one is heard to its end afterwards. */
  async takeOver(greeting: Greeting): Promise<void> {
    const old = this.#wire;
    this.#wire = null;
    await this.connect(greeting);
    const now = this.#wire;
    // Whoever does not get in leaves the old connection as it is; it is let go here.
    if (old !== null && now !== null) {
      this.#wire = old;
      await this.#untilClosed();
    }
    old?.destroy();
    this.#wire = now;
  }

  /** Lets the connection go without a word. */
  disconnect(): void {
    this.#wire?.destroy();
    this.#wire = null;
  }

  nextXid(): number {
    this.#xid += 1;
    return this.#xid;
  }

  /** Sends requests in one piece and takes everything up to the last one's reply. @returns the replies */
  async ask(
    requests: readonly (Expected & { readonly body: Buffer })[],
  ): Promise<readonly Answer[]> {
    const wire = this.#wire;
    if (wire === null) return [];
    wire.send(
      requests.map(({ xid, opCode, body }) => {
        const header = Buffer.alloc(8);
        header.writeInt32BE(xid, 0);
        header.writeInt32BE(opCode, 4);
        return Buffer.concat([header, body]);
      }),
    );
    const answers: Answer[] = [];
    for (const { opCode } of requests) {
      const answer = await this.#reply(wire, opCode);
      if (answer === null) break;
      answers.push(answer);
      if (answer.header.err === SESSION_CLOSED_REQUIRE_SASL_AUTH) await this.#untilClosed();
    }
    return answers;
  }

  /** Takes what still comes until the server has closed the connection. */
  async #untilClosed(): Promise<void> {
    while (this.#wire !== null) await this.#reply(this.#wire, 0);
  }

  /**
   * Hears what the server has to tell already. Over TLS the original answers what is no request (auth, sasl)
   * sooner than it sends events that came before.
   */
  async settle(): Promise<void> {
    if (!this.#isServed || !this.#shared.profile.isSecured) return;
    await this.ask([{ xid: -2, opCode: opCodes.ping, body: Buffer.alloc(0) }]);
  }

  /** After something that ends the connection. */
  async ended(): Promise<void> {
    await this.#untilClosed();
  }

  forgetSession(): void {
    this.#sessionId = 0n;
  }

  async #reply(wire: Wire, opCode: number): Promise<Answer | null> {
    for (;;) {
      const frame = await wire.next();
      if (typeof frame === 'string') {
        this.#note({ connection: frame });
        this.disconnect();
        return null;
      }
      const answer = answerOf(frame);
      const { zxid } = answer.header;
      if (zxid > this.lastZxid) this.lastZxid = zxid;
      this.#shared.heard(answer, opCode);
      if (!isNotification(answer)) {
        if (!OUT_OF_LINE.has(opCode)) this.#isServed = true;
        this.heard.push((numbers) => readReply(answer, opCode, numbers));
        return answer;
      }
      this.heard.push((numbers) => readNotification(answer, numbers));
    }
  }

  note(entry: Entry): void {
    this.#note(entry);
  }

  #note(entry: Entry): void {
    this.heard.push(() => entry);
  }
}

/** What every session was told, in order. */
export type Transcript = readonly (readonly Entry[])[];

/** @param root path of a node that does not exist yet; the sequence makes it and stays below */
export async function play(
  door: Door,
  root: string,
  sequence: Sequence,
  profile: Profile,
): Promise<Transcript> {
  const shared = new Shared(profile);
  const clients = Array.from({ length: SESSIONS }, (_, index) => new Client(door, index, shared));
  const [first] = clients;
  if (first === undefined) throw new Error('a sequence has sessions');
  try {
    for (const client of clients) await client.connect();
    if (profile.wantsIdentity) await authenticate(first, 'digest', 'u:p');
    const made = await createRoot(first, root);
    const names: Names = {
      root,
      zxidOf: (since) =>
        ({ ever: 0n, start: made, now: shared.lastZxid, future: shared.lastZxid + 1000n })[since],
    };
    for (const step of sequence) {
      const client = clients[step.session];
      if (client !== undefined) await perform(step, client, names, shared);
    }
    for (const client of clients) await finish(client, shared);
    const { sessions, spent, writes } = shared;
    const numbers: Numbers = {
      root,
      baseZxid: made,
      sessions,
      spent,
      eventsHaveZxids: profile.events === 'in order',
      writes: profile.zxids === 'as writes' ? writes : null,
    };
    const closings = new Set(shared.closings.map((zxid) => relative(zxid, numbers)));
    return clients.map(({ heard }) => inOrder(heard, numbers, closings));
  } finally {
    for (const client of clients) client.disconnect();
  }
}

async function createRoot(client: Client, root: string): Promise<bigint> {
  const names: Names = { root, zxidOf: () => 0n };
  const operation = { op: 'create', path: '@', data: '', acl: 'open', flags: 0 } as const;
  const { opCode, body } = encode({ operation }, names);
  const [answer] = await client.ask([{ xid: client.nextXid(), opCode, body }]);
  if (answer?.header.err !== 0) {
    throw new Error(`the node ${root} could not be made: ${answer?.header.err}`);
  }
  return answer.header.zxid;
}

async function perform(step: Step, client: Client, names: Names, shared: Shared): Promise<void> {
  const isReturn = step.kind === 'reconnect' || step.kind === 'takeover';
  if (!client.isConnected && !isReturn) await client.connect();
  switch (step.kind) {
    case 'send':
      await client.ask(
        step.requests.map((request) => {
          const { xid, opCode, body } = encode(request, names);
          return { xid: xid ?? client.nextXid(), opCode, body };
        }),
      );
      return;
    case 'auth':
      await authenticate(client, step.scheme, step.auth);
      return;
    case 'sasl':
      await saslExchange(client, step);
      return;
    case 'unknown':
      await client.ask([{ xid: client.nextXid(), opCode: step.opCode, body: Buffer.alloc(0) }]);
      await client.ended();
      return;
    case 'reconnect': {
      await client.connect(step.greeting, step.password);
      if (step.held === null || !client.isConnected) return;
      const opCode = step.held.persistent === undefined ? opCodes.setWatches : opCodes.setWatches2;
      await client.ask([{ xid: -8, opCode, body: encodeHeld(step.held, names) }]);
      return;
    }
    case 'takeover':
      await client.takeOver(step.greeting);
      return;
    case 'close':
      await close(client, shared);
      return;
  }
}

async function authenticate(
  client: Client,
  scheme: string | null,
  auth: string | null,
): Promise<void> {
  await client.settle();
  const body = authBody(scheme, auth);
  const [answer] = await client.ask([{ xid: -4, opCode: opCodes.auth, body }]);
  if (answer !== undefined && answer.header.err !== 0) await client.ended();
}

async function saslExchange(
  client: Client,
  { user, password, isGarbled }: Step & { readonly kind: 'sasl' },
): Promise<void> {
  const opCode = opCodes.sasl;
  const say = async (token: Buffer): Promise<Buffer | null> => {
    const body = saslRequest.encode({ token });
    const [answer] = await client.ask([{ xid: client.nextXid(), opCode, body }]);
    if (answer === undefined) return null;
    if (answer.header.err === 0) return saslResponse.decode(answer.body).token;
    await client.ended();
    return null;
  };
  await client.settle();
  const challenge = await say(Buffer.alloc(0));
  if (challenge === null) return;
  const { token, proof } = respond(challenge.toString('latin1'), user, password);
  const said = await say(isGarbled ? token.subarray(0, token.length / 2) : token);
  if (said !== null) client.note({ isServerProved: said.toString('latin1') === proof });
}

/** What nobody asked for yet is heard, then the session is closed. */
async function finish(client: Client, shared: Shared): Promise<void> {
  if (!client.isConnected) await client.connect();
  if (shared.profile.wantsIdentity) await authenticate(client, 'digest', 'u:p');
  await client.ask([{ xid: -2, opCode: opCodes.ping, body: Buffer.alloc(0) }]);
  await close(client, shared);
}

async function close(client: Client, shared: Shared): Promise<void> {
  const opCode = opCodes.closeSession;
  const [answer] = await client.ask([{ xid: client.nextXid(), opCode, body: Buffer.alloc(0) }]);
  if (answer === undefined) return;
  shared.closings.push(answer.header.zxid);
  await client.ended();
  client.forgetSession();
}

function authBody(scheme: string | null, auth: string | null): Buffer {
  const text = (value: string | null): Buffer => {
    const bytes = value === null ? null : Buffer.from(value);
    const length = Buffer.alloc(4);
    length.writeInt32BE(bytes?.length ?? -1);
    return Buffer.concat([length, bytes ?? Buffer.alloc(0)]);
  };
  return Buffer.concat([Buffer.alloc(4), text(scheme), text(auth)]);
}

/** In which order a session's ephemerals go is nobody's promise: their events are sorted, and events without a zxid. */
function inOrder(
  heard: readonly Heard[],
  numbers: Numbers,
  closings: ReadonlySet<string>,
): readonly Entry[] {
  const entries: Entry[] = [];
  let run: Entry[] = [];
  const endRun = (): void => {
    entries.push(...run.sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1)));
    run = [];
  };
  for (const read of heard) {
    const entry = read(numbers);
    const isUnordered =
      entry.event !== undefined && (entry.zxid === null || closings.has(String(entry.zxid)));
    if (!isUnordered || run[0]?.zxid !== entry.zxid) endRun();
    if (isUnordered) run.push(entry);
    else entries.push(entry);
  }
  endRun();
  return entries;
}
