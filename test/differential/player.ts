/** Plays a sequence to one server and writes down all that comes back, session by session, in order. */
import { connect, type Socket } from 'node:net';
import {
  connectRequest,
  connectResponse,
  JuteFrameSplitter,
  opCodes,
  zookeeperErrorCodes,
} from '@odradek/protocol';
import { encode, encodeHeld, type Names } from './encoding.ts';
import { SESSIONS, type Sequence, type Step } from './sequences.ts';
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

/** A server that is silent for so long has lost a request. */
const SILENCE_MS_MAX = 3_000;
const MAX_FRAME_BYTES = 64 * 1024 * 1024;
const WISHED_TIMEOUT_MS = 600_000;
const { MARSHALLING_ERROR } = zookeeperErrorCodes;

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
  lastZxid = 0n;

  heard({ header }: Answer): void {
    const { zxid, err } = header;
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

  constructor(port: number) {
    this.#socket = connect({ port, host: '127.0.0.1', noDelay: true });
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
  readonly #port: number;
  readonly #name: string;
  readonly #shared: Shared;
  #wire: Wire | null = null;
  #sessionId = 0n;
  #password: Buffer = Buffer.alloc(16);
  #xid = 0;
  #generation = 0;
  lastZxid = 0n;

  constructor(port: number, name: string, shared: Shared) {
    this.#port = port;
    this.#name = name;
    this.#shared = shared;
  }

  get isConnected(): boolean {
    return this.#wire !== null;
  }

  /** Opens a session, or comes back to the one there is; a refusal is an entry, and the next call opens anew. */
  async connect(password: 'right' | 'wrong' = 'right'): Promise<void> {
    this.disconnect();
    const wire = new Wire(this.#port);
    this.#wire = wire;
    wire.send([
      connectRequest.encode({
        protocolVersion: 0,
        lastZxidSeen: this.lastZxid,
        timeOut: WISHED_TIMEOUT_MS,
        sessionId: this.#sessionId,
        passwd: password === 'right' ? this.#password : Buffer.alloc(16, 7),
        readOnly: false,
      }),
    ]);
    const frame = await wire.next();
    if (typeof frame === 'string') {
      this.#note({ connecting: frame });
      this.disconnect();
      return;
    }
    const { protocolVersion, timeOut, sessionId, passwd, readOnly } = connectResponse.decode(frame);
    const isNew = this.#sessionId === 0n;
    const kept = isNew || (sessionId === this.#sessionId && passwd.equals(this.#password));
    this.#note({
      connected: { protocolVersion, timeOut, readOnly, kept, passwordBytes: passwd.length },
      refused: timeOut === 0,
    });
    if (timeOut === 0) {
      this.#note({ refused: frame.toString('hex') });
      await this.#untilClosed();
      if (password === 'right') this.#sessionId = 0n;
      return;
    }
    if (isNew) {
      this.#shared.lastZxid += 1n; // Making it was a transaction, whose zxid the answer does not tell.
      this.#generation += 1;
      this.#shared.sessions.set(sessionId, `${this.#name}.${this.#generation}`);
    }
    this.#sessionId = sessionId;
    this.#password = passwd;
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
    }
    return answers;
  }

  /** Takes what still comes until the server has closed the connection. */
  async #untilClosed(): Promise<void> {
    while (this.#wire !== null) await this.#reply(this.#wire, 0);
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
      this.#shared.heard(answer);
      if (!isNotification(answer)) {
        this.heard.push((numbers) => readReply(answer, opCode, numbers));
        return answer;
      }
      this.heard.push((numbers) => readNotification(answer, numbers));
    }
  }

  #note(entry: Entry): void {
    this.heard.push(() => entry);
  }
}

/** What every session was told, in order. */
export type Transcript = readonly (readonly Entry[])[];

/** @param root path of a node that does not exist yet; the sequence makes it and stays below */
export async function play(port: number, root: string, sequence: Sequence): Promise<Transcript> {
  const shared = new Shared();
  const clients = Array.from(
    { length: SESSIONS },
    (_, index) => new Client(port, `session ${index}`, shared),
  );
  const [first] = clients;
  if (first === undefined) throw new Error('a sequence has sessions');
  try {
    for (const client of clients) await client.connect();
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
    const { sessions, spent } = shared;
    const numbers: Numbers = { root, baseZxid: made, sessions, spent };
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
  if (!client.isConnected && step.kind !== 'reconnect') await client.connect();
  switch (step.kind) {
    case 'send':
      await client.ask(
        step.requests.map((request) => {
          const { xid, opCode, body } = encode(request, names);
          return { xid: xid ?? client.nextXid(), opCode, body };
        }),
      );
      return;
    case 'auth': {
      const body = authBody(step.scheme, step.auth);
      const [answer] = await client.ask([{ xid: -4, opCode: opCodes.auth, body }]);
      if (answer !== undefined && answer.header.err !== 0) await client.ended();
      return;
    }
    case 'unknown':
      await client.ask([{ xid: client.nextXid(), opCode: step.opCode, body: Buffer.alloc(0) }]);
      await client.ended();
      return;
    case 'reconnect': {
      await client.connect(step.password);
      if (step.held === null || !client.isConnected) return;
      const opCode = step.held.persistent === undefined ? opCodes.setWatches : opCodes.setWatches2;
      await client.ask([{ xid: -8, opCode, body: encodeHeld(step.held, names) }]);
      return;
    }
    case 'close':
      await close(client, shared);
      return;
  }
}

/** What nobody asked for yet is heard, then the session is closed. */
async function finish(client: Client, shared: Shared): Promise<void> {
  if (!client.isConnected) await client.connect();
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

/** In which order a session's ephemerals go is nobody's promise: their events are sorted. */
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
    const isOfClosing = entry.event !== undefined && closings.has(String(entry.zxid));
    if (!isOfClosing || run[0]?.zxid !== entry.zxid) endRun();
    if (isOfClosing) run.push(entry);
    else entries.push(entry);
  }
  endRun();
  return entries;
}
