/**
 * Replies on their way out, gathered per connection and turn.
 *
 * A connection that has something to say borrows a writer; what it says within one turn goes to the
 * socket in one system call at the turn's end, and the writer goes back. So an idle connection holds
 * no buffer, and a busy one pays no allocation per reply: replies are slices of the writer's slab,
 * and node data from a kilobyte on is referenced where it is.
 */
import { type JuteRecord, Writer } from '@odradek/protocol/zookeeper';
import type { Connection } from '@odradek/runtime';
import { FLUSH_BYTES, IDLE_WRITERS_MAX } from './limits.ts';

const HEADER_BYTES = 16;

/** The last zxid that was applied, in the halves in which it is written. */
export class LastZxid {
  #value = 0n;
  high = 0;
  low = 0;

  get value(): bigint {
    return this.#value;
  }

  set(zxid: bigint): void {
    this.#value = zxid;
    this.high = Number(BigInt.asIntN(32, zxid >> 32n));
    this.low = Number(BigInt.asIntN(32, zxid));
  }
}

/** What the connections of one server share: idle writers, and the list of those to be flushed. */
export class OutboxPool {
  readonly #idle: Writer[] = [];
  #dirty: Outbox[] = [];
  #isScheduled = false;
  readonly lastZxid: LastZxid;

  constructor(lastZxid: LastZxid) {
    this.lastZxid = lastZxid;
  }

  borrow(outbox: Outbox): Writer {
    this.#dirty.push(outbox);
    if (!this.#isScheduled) {
      this.#isScheduled = true;
      // Runs when the input being handled now (a chunk, a batch of commits) is done with.
      queueMicrotask(() => this.#flush());
    }
    return this.#idle.pop() ?? new Writer();
  }

  giveBack(writer: Writer): void {
    if (this.#idle.length < IDLE_WRITERS_MAX) this.#idle.push(writer);
  }

  #flush(): void {
    this.#isScheduled = false;
    const dirty = this.#dirty;
    this.#dirty = [];
    for (const outbox of dirty) outbox.flush();
  }
}

export class Outbox {
  readonly #pool: OutboxPool;
  readonly #connection: Connection;
  #writer: Writer | null = null;
  #isClosed = false;
  /** The peer reads slower than we write: nothing more should be asked of this connection until `drained`. */
  isCongested = false;

  constructor(pool: OutboxPool, connection: Connection) {
    this.#pool = pool;
    this.#connection = connection;
  }

  /** Bytes that the peer has not taken. */
  get unsentBytes(): number {
    return (this.#writer?.sizeBytes ?? 0) + this.#connection.unsentBytes;
  }

  drained(): void {
    this.isCongested = false;
  }

  /** From now on everything is dropped. */
  close(): void {
    this.#isClosed = true;
    if (this.#writer === null) return;
    this.#writer.begin();
    this.#pool.giveBack(this.#writer);
    this.#writer = null;
  }

  /** A reply without a body, with the last applied zxid. @returns its size in bytes */
  bare(xid: number, err: number): number {
    const { lastZxid } = this.#pool;
    this.#header(xid, lastZxid.high, lastZxid.low, err, 0);
    return this.#done(HEADER_BYTES);
  }

  /** A reply without a body and with a zxid of its own. @returns its size in bytes */
  bareWithZxid(xid: number, zxid: bigint, err: number): number {
    const high = Number(BigInt.asIntN(32, zxid >> 32n));
    this.#header(xid, high, Number(BigInt.asIntN(32, zxid)), err, 0);
    return this.#done(HEADER_BYTES);
  }

  /**
   * A reply whose body's size is known beforehand: it is encoded right into place.
   * @returns its size in bytes
   */
  sized<Body, Input>(
    xid: number,
    record: JuteRecord<Body, Input>,
    body: Input,
    bodyBytes: number,
  ): number {
    const { lastZxid } = this.#pool;
    const writer = this.#header(xid, lastZxid.high, lastZxid.low, 0, bodyBytes);
    record.encodeInto(writer, body);
    return this.#done(HEADER_BYTES + bodyBytes);
  }

  /** A reply whose size only encoding tells. @returns its size in bytes */
  reply<Body, Input>(xid: number, record: JuteRecord<Body, Input>, body: Input): number {
    return this.chunks(xid, 0, record.encodeChunks(body));
  }

  /** A reply with an encoded body. @returns its size in bytes */
  chunks(xid: number, err: number, body: readonly Buffer[]): number {
    const { lastZxid } = this.#pool;
    let bodyBytes = 0;
    for (const chunk of body) bodyBytes += chunk.length;
    const writer = this.#header(xid, lastZxid.high, lastZxid.low, err, bodyBytes);
    for (const chunk of body) writer.bytes(chunk);
    return this.#done(HEADER_BYTES + bodyBytes);
  }

  /** A reply with an encoded body and zxid 0: those that are outside the order of transactions. */
  chunksWithoutZxid(xid: number, err: number, body: Buffer): number {
    const writer = this.#header(xid, 0, 0, err, body.length);
    writer.bytes(body);
    return this.#done(HEADER_BYTES + body.length);
  }

  /** Bytes as they are: a whole frame, or no frame at all. @returns their size */
  raw(bytes: Buffer): number {
    this.#borrowed().bytes(bytes);
    return this.#done(bytes.length);
  }

  /** Hands what was gathered to the socket. */
  flush(): void {
    const writer = this.#writer;
    if (writer === null) return;
    this.#writer = null;
    this.#send(writer);
    this.#pool.giveBack(writer);
  }

  #borrowed(): Writer {
    this.#writer ??= this.#pool.borrow(this);
    return this.#writer;
  }

  #header(xid: number, zxidHigh: number, zxidLow: number, err: number, bodyBytes: number): Writer {
    const writer = this.#borrowed();
    writer.reserve(4 + HEADER_BYTES + bodyBytes);
    const { buffer, position } = writer;
    buffer.writeInt32BE(HEADER_BYTES + bodyBytes, position);
    buffer.writeInt32BE(xid, position + 4);
    buffer.writeInt32BE(zxidHigh, position + 8);
    buffer.writeInt32BE(zxidLow, position + 12);
    buffer.writeInt32BE(err, position + 16);
    writer.position = position + 4 + HEADER_BYTES;
    return writer;
  }

  #done(sizeBytes: number): number {
    const writer = this.#writer;
    if (writer !== null && writer.sizeBytes >= FLUSH_BYTES) this.#send(writer);
    return sizeBytes;
  }

  #send(writer: Writer): void {
    const chunks = writer.finish();
    if (this.#isClosed) return;
    const connection = this.#connection;
    const isMany = chunks.length > 1;
    if (isMany) connection.cork();
    for (const chunk of chunks) {
      if (!connection.write(chunk)) this.isCongested = true;
    }
    if (isMany) connection.uncork();
  }
}
