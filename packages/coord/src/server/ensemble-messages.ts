/**
 * What a leader and a learner tell each other beyond transactions: requests of the learner's clients,
 * the sessions it heard of, the sessions that clients brought along.
 *
 * A message is one item after another: a kind, then its fields at fixed places. What is said within one
 * turn of the event loop goes as one message, unless it is much. Requests travel as the client sent them, so that
 * forwarding one is a copy. Lengths, checksums and versions are the affair of the link below.
 */
import { MalformedMessage, Reader, Writer } from '@odradek/protocol/zookeeper';
import type { Identity } from '../core/tree/acl.ts';
import type { RequestBytes } from './write-path.ts';

const toLeader = { request: 1, createSession: 2, refused: 3, heard: 4, renew: 5 } as const;
const toLearner = { renewed: 1 } as const;

/** Numbers and lengths of the longest item, without its texts and bytes. */
const FIXED_BYTES_MAX = 64;
/** What is gathered leaves at this size, also within a turn. */
const MESSAGE_BYTES = 256 * 1024;
/** Lists of identities whose bytes are remembered. */
const IDENTITIES_REMEMBERED_MAX = 10_000;

/** Takes what a learner says, in order. */
export interface LearnerItems {
  request(
    requestId: number,
    sessionId: bigint,
    isLocal: boolean,
    identities: readonly Identity[],
    opCode: number,
    body: Reader,
  ): void;
  createSession(requestId: number, sessionId: bigint, timeoutMs: number, password: Buffer): void;
  /** To be refused, in its place. */
  refused(requestId: number, sessionId: bigint, isLocal: boolean, wire: number): void;
  /** Something came from these sessions lately. */
  heard(sessionIds: readonly bigint[]): void;
  /** A client has come with this session. */
  renew(ticket: number, sessionId: bigint, timeoutMs: number): void;
}

/** Takes what a leader says, in order. */
export interface LeaderItems {
  /** @param isAlive false: the session has ended, and its end is applied */
  renewed(ticket: number, isAlive: boolean): void;
}

/** Gathers what is said within one turn, as long as it is not much. */
class Gathering {
  readonly writer = new Writer();
  readonly #tell: (bytes: Uint8Array) => void;
  #isScheduled = false;

  constructor(tell: (bytes: Uint8Array) => void) {
    this.#tell = tell;
  }

  /** @param sizeBytesMax of what is written next, at most */
  begin(kind: number, sizeBytesMax: number): Writer {
    const { writer } = this;
    if (writer.sizeBytes >= MESSAGE_BYTES) this.#tell(writer.finishWhole());
    if (!this.#isScheduled) {
      this.#isScheduled = true;
      queueMicrotask(() => {
        this.#isScheduled = false;
        this.#tell(writer.finishWhole());
      });
    }
    writer.reserve(sizeBytesMax);
    writer.uint8(kind);
    return writer;
  }
}

/** What a learner says. */
export class LearnerMessages {
  readonly #gathering: Gathering;
  /** Connections keep their lists, so each is encoded once. */
  readonly #identities = new WeakMap<readonly Identity[], Buffer>();

  constructor(tell: (bytes: Uint8Array) => void) {
    this.#gathering = new Gathering(tell);
  }

  request(
    requestId: number,
    sessionId: bigint,
    isLocal: boolean,
    identities: readonly Identity[],
    { opCode, buffer, position, end }: RequestBytes,
  ): void {
    const who = this.#encoded(identities);
    const bodyBytes = end - position;
    const sizeBytes = FIXED_BYTES_MAX + who.length + bodyBytes;
    const writer = this.#gathering.begin(toLeader.request, sizeBytes);
    writer.float64(requestId);
    writer.bigint64(sessionId);
    writer.bool(isLocal);
    writer.int32(who.length);
    writer.copy(who);
    writer.int32(opCode);
    writer.int32(bodyBytes);
    buffer.copy(writer.buffer, writer.position, position, end);
    writer.position += bodyBytes;
  }

  createSession(requestId: number, sessionId: bigint, timeoutMs: number, password: Buffer): void {
    const writer = this.#gathering.begin(toLeader.createSession, FIXED_BYTES_MAX + password.length);
    writer.float64(requestId);
    writer.bigint64(sessionId);
    writer.int32(timeoutMs);
    writer.int32(password.length);
    writer.copy(password);
  }

  refused(requestId: number, sessionId: bigint, isLocal: boolean, wire: number): void {
    const writer = this.#gathering.begin(toLeader.refused, FIXED_BYTES_MAX);
    writer.float64(requestId);
    writer.bigint64(sessionId);
    writer.bool(isLocal);
    writer.int32(wire);
  }

  heard(sessionIds: readonly bigint[]): void {
    const writer = this.#gathering.begin(toLeader.heard, FIXED_BYTES_MAX + 8 * sessionIds.length);
    writer.int32(sessionIds.length);
    for (const id of sessionIds) writer.bigint64(id);
  }

  renew(ticket: number, sessionId: bigint, timeoutMs: number): void {
    const writer = this.#gathering.begin(toLeader.renew, FIXED_BYTES_MAX);
    writer.int32(ticket);
    writer.bigint64(sessionId);
    writer.int32(timeoutMs);
  }

  #encoded(identities: readonly Identity[]): Buffer {
    const known = this.#identities.get(identities);
    if (known !== undefined) return known;
    const writer = new Writer();
    writer.int32(identities.length);
    for (const { scheme, id } of identities) {
      writer.juteString(scheme);
      writer.juteString(id);
    }
    const bytes = Buffer.from(writer.finishWhole()); // A copy: a slice would keep its whole slab.
    this.#identities.set(identities, bytes);
    return bytes;
  }
}

/** What a leader says to one learner. */
export class LeaderMessages {
  readonly #gathering: Gathering;

  constructor(tell: (bytes: Uint8Array) => void) {
    this.#gathering = new Gathering(tell);
  }

  renewed(ticket: number, isAlive: boolean): void {
    const writer = this.#gathering.begin(toLearner.renewed, FIXED_BYTES_MAX);
    writer.int32(ticket);
    writer.bool(isAlive);
  }
}

/** Reads what learners say. */
export class LearnerMessageReader {
  /** Lists by their bytes: few clients, many requests. */
  readonly #identities = new Map<string, readonly Identity[]>();

  /** @throws MalformedMessage at the first item that does not read as one */
  read(bytes: Uint8Array, items: LearnerItems): void {
    const reader = readerOf(bytes);
    while (reader.remaining > 0) this.#readItem(reader, items);
  }

  #readItem(reader: Reader, items: LearnerItems): void {
    const kind = reader.uint8();
    switch (kind) {
      case toLeader.request: {
        const requestId = reader.float64();
        const sessionId = reader.bigint64();
        const isLocal = reader.bool();
        const identities = this.#identitiesOf(slice(reader));
        const opCode = reader.int32();
        const body = slice(reader);
        items.request(requestId, sessionId, isLocal, identities, opCode, body);
        return;
      }
      case toLeader.createSession: {
        const [requestId, sessionId] = [reader.float64(), reader.bigint64()];
        const timeoutMs = reader.int32();
        const { buffer, position, end } = slice(reader);
        const password = Buffer.from(buffer.subarray(position, end));
        items.createSession(requestId, sessionId, timeoutMs, password);
        return;
      }
      case toLeader.refused: {
        const [requestId, sessionId] = [reader.float64(), reader.bigint64()];
        const isLocal = reader.bool();
        items.refused(requestId, sessionId, isLocal, reader.int32());
        return;
      }
      case toLeader.heard: {
        const count = reader.int32();
        const sessionIds: bigint[] = [];
        while (sessionIds.length < count) sessionIds.push(reader.bigint64());
        items.heard(sessionIds);
        return;
      }
      case toLeader.renew: {
        const [ticket, sessionId] = [reader.int32(), reader.bigint64()];
        items.renew(ticket, sessionId, reader.int32());
        return;
      }
      default:
        throw new MalformedMessage(`a learner's message of unknown kind ${kind}`);
    }
  }

  #identitiesOf(reader: Reader): readonly Identity[] {
    const key = reader.buffer.toString('latin1', reader.position, reader.end);
    const known = this.#identities.get(key);
    if (known !== undefined) return known;
    const identities: Identity[] = [];
    const count = reader.int32();
    while (identities.length < count) {
      const [scheme, id] = [text(reader), text(reader)];
      identities.push({ scheme, id });
    }
    if (this.#identities.size >= IDENTITIES_REMEMBERED_MAX) this.#identities.clear();
    this.#identities.set(key, identities);
    return identities;
  }
}

/** Reads what the leader says. @throws MalformedMessage */
export function readLeaderMessage(bytes: Uint8Array, items: LeaderItems): void {
  const reader = readerOf(bytes);
  while (reader.remaining > 0) {
    const kind = reader.uint8();
    if (kind !== toLearner.renewed) {
      throw new MalformedMessage(`a leader's message of unknown kind ${kind}`);
    }
    const ticket = reader.int32();
    items.renewed(ticket, reader.bool());
  }
}

const readerOf = (bytes: Uint8Array): Reader =>
  new Reader(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));

/** A field with its length in front, as a reader of its own. */
function slice(reader: Reader): Reader {
  const sizeBytes = reader.int32();
  const at = reader.take(sizeBytes);
  return new Reader(reader.buffer, at, at + sizeBytes);
}

function text(reader: Reader): string {
  const { buffer, position, end } = slice(reader);
  return buffer.toString('utf8', position, end);
}
