/**
 * Small writes to many files, several in one trip to another thread.
 *
 * libuv's pool takes every write by itself: a lock, a thread that is woken and often takes the core from the one that
 * woke it, and a word back. With a few hundred bytes for each of sixteen files that costs several times what the
 * writes do, and the pool's threads wait for each other's lock. So when there are many, a thread of our own
 * gets all of a turn of the event loop at once, through memory that both see (small-writes-ring.ts), and says once that they
 * are done.
 *
 * A write that waits for the disk holds up those behind it, perhaps of another disk. So when nothing has come back for
 * STUCK_MS, whatever the thread has not begun is called back and goes to the pool, as does everything new until the thread
 * has come out of it. What fails there, and what is under way when the thread ends, is written again by the pool: the same bytes
 * at the same place.
 *
 * The thread is begun when small writes crowd, and ends after a while without any.
 */
import { writev as writeMany, write as writeOne } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { builtModule } from './built-module.ts';
import { nodeClock } from './clock.ts';
import {
  ASLEEP,
  CALLED_BACK,
  DONE,
  FAILED,
  HEAD,
  ORDERS_MAX,
  placeOf,
  QUEUED,
  RING_BYTES,
  ringMemory,
  TOLD,
  WriteRing,
} from './small-writes-ring.ts';

/** What is larger is worth a trip of its own, and not worth a copy. */
export const SMALL_WRITE_BYTES = 16 * 1024;
/** So many that begin beside others within CROWD_MS are worth a thread. */
export const CROWD_COUNT = 200;
const CROWD_MS = 1000;
/** The thread is taken to be stuck when it has finished nothing for so long. */
export const STUCK_MS = 20;
/** A thread without work for this long ends. */
export const IDLE_WRITER_MS = 30_000;

/** As of node:fs. */
export type Written = (error: Error | null, bytesWritten: number) => void;

/** One write that is under way. */
export interface SmallWrite {
  readonly fd: number;
  readonly buffers: readonly Uint8Array[];
  readonly position: number;
  readonly written: Written;
}

/** By callback: a promise of the file handle's costs as much again as the call itself. */
export function writeByPool({ fd, buffers, position, written }: SmallWrite): void {
  const [first] = buffers;
  if (buffers.length === 1 && first !== undefined)
    writeOne(fd, first, 0, first.byteLength, position, written);
  else writeMany(fd, [...buffers], position, written);
}

export interface SmallWritesOptions {
  /** So many small writes that begin beside others within a second are worth a thread. */
  readonly crowdCount?: number;
  readonly idleMs?: number;
  /** URL of what the thread runs, in place of what is built. */
  readonly program?: string;
}

/** What is known of an order beside what the ring says. */
interface Order {
  readonly write: SmallWrite;
  /** Bytes of the ring up to here are free when the thread has passed it. */
  readonly end: number;
}

/** One thread and its ring. Knows nothing of when it pays. */
export class SmallWriter {
  readonly #worker: Worker;
  readonly #ring: WriteRing;
  readonly #ended: () => void;
  /** By place. */
  readonly #orders: (Order | null)[] = new Array<Order | null>(ORDERS_MAX).fill(null);
  /** Counts of orders, as in the ring. */
  #head = 0;
  #done = 0;
  /** Bytes given to orders, and those that are free again, since the thread began. */
  #usedBytes = 0;
  #freedBytes = 0;
  #isKickOwed = false;
  #isStuck = false;
  #watch: NodeJS.Timeout | null = null;
  /** What was done when the watch began. */
  #watchedFrom = 0;
  /** The thread has begun. What is taken before waits for it. */
  isReady = false;
  /** It has been ready once. */
  hasBegun = false;

  /**
   * @param program URL of what the thread runs
   * @param ended called once, when the thread is gone and what it left is in the pool
   */
  constructor(program: string, ended: () => void) {
    const memory = ringMemory();
    this.#ring = new WriteRing(memory);
    this.#ended = ended;
    this.#worker = new Worker(new URL(program), {
      workerData: memory,
      execArgv: [],
      name: 'odradek-small-writes',
      // It makes no garbage to speak of.
      resourceLimits: { maxYoungGenerationSizeMb: 1, maxOldGenerationSizeMb: 16 },
    });
    this.#worker.unref();
    this.#worker.on('message', () => {
      this.isReady = true;
      this.hasBegun = true;
      this.#settle();
    });
    this.#worker.on('error', () => undefined); // It ends, and what it leaves is written by the pool.
    this.#worker.on('exit', () => this.#end());
  }

  get isIdle(): boolean {
    return this.#head === this.#done;
  }

  /**
   * The buffers are not to be changed before `written` is called, for they may have to be written again.
   * @returns false when it cannot be taken now
   */
  take(write: SmallWrite, sizeBytes: number): boolean {
    if (this.#isStuck || ((this.#head - this.#done) | 0) >= ORDERS_MAX) return false;
    let from = this.#usedBytes;
    const tail = RING_BYTES - (from % RING_BYTES);
    if (sizeBytes > tail) from += tail; // Bytes of an order lie in one piece.
    const end = from + sizeBytes;
    if (end - this.#freedBytes > RING_BYTES) return false;
    const ring = this.#ring;
    const place = placeOf(this.#head);
    let at = from % RING_BYTES;
    ring.starts[place] = at;
    for (const buffer of write.buffers) {
      ring.bytes.set(buffer, at);
      at += buffer.byteLength;
    }
    ring.sizes[place] = sizeBytes;
    ring.descriptors[place] = write.fd;
    ring.positions[place] = write.position;
    Atomics.store(ring.states, place, QUEUED);
    this.#orders[place] = { write, end };
    this.#usedBytes = end;
    if (this.isIdle) this.#worker.ref(); // What is under way keeps the process alive, as in the pool.
    this.#head = (this.#head + 1) | 0;
    Atomics.store(ring.counts, HEAD, this.#head);
    if (!this.#isKickOwed) {
      this.#isKickOwed = true;
      setImmediate(this.#kick); // When the others of this turn have come too.
    }
    if (this.#watch === null) this.#beginWatch();
    return true;
  }

  async end(): Promise<void> {
    await this.#worker.terminate();
  }

  readonly #kick = (): void => {
    this.#isKickOwed = false;
    const { counts } = this.#ring;
    if (Atomics.load(counts, ASLEEP) === 1) Atomics.notify(counts, HEAD);
  };

  /** Tells of what is done. */
  #settle(): void {
    const { counts, results } = this.#ring;
    Atomics.store(counts, TOLD, 0); // First: what is done after the next line is told of again.
    const done = Atomics.load(counts, DONE);
    while (this.#done !== done) {
      const place = placeOf(this.#done);
      this.#done = (this.#done + 1) | 0;
      const order = this.#orders[place];
      this.#orders[place] = null;
      if (order === null || order === undefined) continue;
      this.#freedBytes = order.end;
      const result = results[place] ?? FAILED;
      if (result === FAILED) writeByPool(order.write);
      else order.write.written(null, result);
    }
    if (!this.isIdle) return;
    this.#isStuck = false;
    this.#freedBytes = this.#usedBytes;
    this.#worker.unref();
  }

  #beginWatch(): void {
    this.#watchedFrom = this.#done;
    this.#watch = setTimeout(() => this.#look(), STUCK_MS).unref();
  }

  #look(): void {
    this.#watch = null;
    this.#settle(); // The event loop may have been late itself.
    if (this.isIdle) return;
    if (this.#done === this.#watchedFrom) this.#callBack();
    this.#beginWatch();
  }

  /** Takes from the thread what it has not begun. */
  #callBack(): void {
    this.#isStuck = true;
    const { states } = this.#ring;
    for (let count = this.#done; count !== this.#head; count = (count + 1) | 0) {
      const place = placeOf(count);
      const order = this.#orders[place];
      if (order === null || order === undefined) continue;
      if (Atomics.compareExchange(states, place, QUEUED, CALLED_BACK) !== QUEUED) continue;
      this.#orders[place] = null;
      writeByPool(order.write);
    }
  }

  #end(): void {
    this.isReady = false;
    if (this.#watch !== null) clearTimeout(this.#watch);
    this.#settle();
    for (let count = this.#done; count !== this.#head; count = (count + 1) | 0) {
      const order = this.#orders[placeOf(count)];
      if (order !== null && order !== undefined) writeByPool(order.write);
    }
    this.#ended();
  }
}

export class SmallWrites {
  readonly #crowdCount: number;
  readonly #idleMs: number;
  /** What the thread runs; null: there is none that runs without a loader, or it could not begin. undefined: not looked for. */
  #program: string | null | undefined;
  #writer: SmallWriter | null = null;
  /** Small writes that are in the pool. */
  #pooledCount = 0;
  #crowdedCount = 0;
  #crowdedSinceMs = Number.NEGATIVE_INFINITY;
  #isUsed = false;

  constructor(options: SmallWritesOptions = {}) {
    this.#crowdCount = options.crowdCount ?? CROWD_COUNT;
    this.#idleMs = options.idleMs ?? IDLE_WRITER_MS;
    this.#program = options.program;
  }

  get hasThread(): boolean {
    return this.#writer !== null;
  }

  /** @param sizeBytes of all buffers together, at most SMALL_WRITE_BYTES and not 0 */
  write(write: SmallWrite, sizeBytes: number): void {
    const writer = this.#writer;
    if (writer?.isReady === true && writer.take(write, sizeBytes)) {
      this.#isUsed = true;
      return;
    }
    if (this.#pooledCount > 0 && writer === null) this.#noteCrowd();
    this.#pooledCount += 1;
    writeByPool({
      ...write,
      written: (error, bytesWritten) => {
        this.#pooledCount -= 1;
        write.written(error, bytesWritten);
      },
    });
  }

  #noteCrowd(): void {
    const nowMs = nodeClock.now();
    if (nowMs - this.#crowdedSinceMs > CROWD_MS) {
      this.#crowdedSinceMs = nowMs;
      this.#crowdedCount = 0;
    }
    this.#crowdedCount += 1;
    if (this.#crowdedCount < this.#crowdCount) return;
    this.#crowdedCount = 0;
    if (this.#program === undefined)
      this.#program = builtModule(import.meta.url.replace(/\.(ts|js)$/, '-thread.$1'));
    if (this.#program !== null) this.#begin(this.#program);
  }

  #begin(program: string): void {
    const idle = setInterval(() => {
      if (!this.#isUsed && writer.isReady && writer.isIdle) void writer.end();
      this.#isUsed = false;
    }, this.#idleMs).unref();
    const writer = new SmallWriter(program, () => {
      clearInterval(idle);
      this.#writer = null;
      // Where there is no room for another thread, say: trying again with each crowd would cost more than the pool.
      if (!writer.hasBegun) this.#program = null;
    });
    this.#isUsed = true;
    this.#writer = writer;
  }
}
