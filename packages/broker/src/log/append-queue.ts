/**
 * The way of appended batches to the disk: one queue per partition, one vectored write per turn of
 * the event loop.
 *
 * The first append of a turn asks to be called when the turn's input is handled; whatever was
 * appended until then goes into one write. What comes while a write runs waits for the next one.
 * So a lone append is written at once, and a flood is written in as few system calls as possible.
 * Batches that lie side by side in memory are one buffer to the system.
 *
 * A failed write ends the queue: nothing later is written, so the file has a prefix of what was
 * accepted and the caller hears of each batch that got that far, and of no other.
 */
import { DiskError } from '@odradek/runtime';
import { INDEX_WRITE_BYTES } from './index-entries.ts';
import type { LogResources } from './log-resources.ts';
import type { FileInUse } from './open-files.ts';
import type { Segment } from './segment.ts';
import { buffersOf, type StoredBatches } from './tail-cache.ts';
import type { AbortedTransaction } from './transaction-index.ts';

/** Batches that were appended together, in place and with their offsets. */
export interface QueuedAppend {
  readonly segment: Segment;
  readonly stored: StoredBatches;
  readonly firstOffset: number;
  /** Grows with appends that are put to this one while it waits. */
  nextOffset: number;
  /** Transactions that markers among these batches abort; nearly always there are none. */
  readonly aborted: readonly AbortedTransaction[];
}

/** Work between two writes, such as what a roll leaves to do on the disk. */
interface QueuedTask {
  readonly run: () => Promise<void>;
  /** It has run, or never will. */
  readonly settled: () => void;
}

export interface AppendQueueOwner {
  /**
   * Writes appends, and forces them to the medium, when the topic asks for that now; null when it
   * does not: then they are handed to the operating system as usual.
   */
  writeDurably(appends: readonly QueuedAppend[], buffers: readonly Buffer[]): Promise<void> | null;
  /** The system has these appends; called in order, once per write. Must not throw. */
  written(appends: readonly QueuedAppend[]): void;
  /** A write failed; nothing after it will be written. */
  failed(error: DiskError): void;
}

export class AppendQueue {
  readonly #resources: LogResources;
  readonly #owner: AppendQueueOwner;
  readonly #write = (): void => void this.#drain();
  #queued: (QueuedAppend | QueuedTask)[] = [];
  #state: 'idle' | 'scheduled' | 'writing' | 'stopped' = 'idle';
  #pendingBytes = 0;
  #waiting: (() => void)[] = [];
  /** The file that is being written, when it was open already. */
  #used: FileInUse | null = null;

  constructor(resources: LogResources, owner: AppendQueueOwner) {
    this.#resources = resources;
    this.#owner = owner;
  }

  append(append: QueuedAppend): void {
    if (this.#state === 'stopped') return;
    const sizeBytes = append.stored.sizeBytes;
    this.#pendingBytes += sizeBytes;
    this.#resources.budget.took(sizeBytes);
    const last = this.#queued.at(-1);
    if (last !== undefined && 'stored' in last && joins(last, append)) return;
    this.#enqueue(append);
  }

  /**
   * Runs something between two writes: after all that is queued now, before what is queued later.
   * Resolves when it has run, and also when the queue has stopped before.
   */
  task(run: () => Promise<void>): Promise<void> {
    if (this.#state === 'stopped') return Promise.resolve();
    return new Promise((settled) => this.#enqueue({ run, settled }));
  }

  /** Resolves when nothing is queued or being written; also when the queue has stopped. */
  whenIdle(): Promise<void> {
    if (this.#state === 'idle' || this.#state === 'stopped') return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /**
   * Drops what is queued: the directory has failed, or the log is closed. What is stored of it is
   * left to the garbage collector, for some of it may just be on its way to the system.
   */
  stop(): void {
    this.#state = 'stopped';
    settleTasks(this.#queued);
    this.#queued = [];
    this.#release(this.#pendingBytes);
    this.#wakeWaiting();
  }

  #enqueue(item: QueuedAppend | QueuedTask): void {
    this.#queued.push(item);
    if (this.#state !== 'idle') return;
    this.#state = 'scheduled';
    this.#resources.environment.timers.afterTurn(this.#write);
  }

  async #drain(): Promise<void> {
    if (this.#isStopped()) return;
    this.#state = 'writing';
    while (this.#queued.length > 0) {
      const items = this.#queued;
      this.#queued = [];
      const run = plainRun(items);
      try {
        if (run === null) await this.#carryOut(items);
        else {
          // Each function that waits costs some hundred bytes of garbage for every write: here is one only.
          await this.#handOver(run);
          this.#endUse();
          if (!this.#isStopped() && this.#handedOver(run)) await this.#writeIndexes(run);
        }
      } catch (error) {
        this.#endUse();
        if (!(error instanceof DiskError)) throw error;
        if (this.#isStopped()) return; // Another log of the directory failed first.
        this.stop();
        this.#owner.failed(error);
      } finally {
        if (run === null) settleTasks(items);
      }
    }
    if (this.#isStopped()) return;
    this.#state = 'idle';
    this.#wakeWaiting();
  }

  /** Appends to one segment that follow each other are one write. */
  async #carryOut(items: readonly (QueuedAppend | QueuedTask)[]): Promise<void> {
    let run: QueuedAppend[] = [];
    for (const item of items) {
      if ('run' in item) {
        await this.#writeRun(run);
        run = [];
        await item.run();
        item.settled();
      } else if (run[0] === undefined || run[0].segment === item.segment) {
        run.push(item);
      } else {
        await this.#writeRun(run);
        run = [item];
      }
      if (this.#isStopped()) return;
    }
    await this.#writeRun(run);
  }

  async #writeRun(run: readonly QueuedAppend[]): Promise<void> {
    const segment = run[0]?.segment;
    if (segment === undefined) return;
    try {
      await this.#handOver(run);
    } finally {
      this.#endUse();
    }
    if (this.#isStopped()) return;
    const aborted = run.flatMap((append) => append.aborted);
    if (aborted.length > 0) {
      await segment.needTransactionIndex().append(this.#resources.files, aborted);
      if (this.#isStopped()) return;
    }
    if (this.#handedOver(run)) await this.#writeIndexes(run);
  }

  /** Writes appends to one segment. To be followed by `#endUse`, however it ends. */
  #handOver(run: readonly QueuedAppend[]): Promise<void> {
    const { segment } = run[0] as QueuedAppend;
    const buffers = buffersOf(run);
    const durable = this.#owner.writeDurably(run, buffers);
    if (durable !== null) return durable;
    const { files } = this.#resources;
    this.#used = files.begin(segment.logPath);
    return (
      this.#used?.file.write(buffers, segment.writtenBytes) ??
      files.use(segment.logPath, (file) => file.write(buffers, segment.writtenBytes))
    );
  }

  #endUse(): void {
    if (this.#used !== null) this.#resources.files.end(this.#used);
    this.#used = null;
  }

  /** The system has these appends. @returns whether index entries are to be written */
  #handedOver(run: readonly QueuedAppend[]): boolean {
    const { segment } = run[0] as QueuedAppend;
    let sizeBytes = 0;
    for (const { stored } of run) sizeBytes += stored.sizeBytes;
    segment.writtenBytes += sizeBytes;
    this.#release(sizeBytes);
    this.#owner.written(run);
    for (const { stored } of run) stored.release();
    return segment.offsetIndex.entries.unwrittenBytes >= INDEX_WRITE_BYTES;
  }

  #writeIndexes(run: readonly QueuedAppend[]): Promise<void> {
    return writeIndexes(this.#resources, (run[0] as QueuedAppend).segment);
  }

  #isStopped(): boolean {
    return this.#state === 'stopped';
  }

  #release(bytes: number): void {
    this.#pendingBytes -= bytes;
    this.#resources.budget.released(bytes);
  }

  #wakeWaiting(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const wake of waiting) wake();
  }
}

/** Writes the index entries that the files of `segment` lack. */
export async function writeIndexes({ files }: LogResources, segment: Segment): Promise<void> {
  for (const { entries } of [segment.offsetIndex, segment.timeIndex]) {
    if (entries.unwrittenBytes === 0) continue;
    segment.hasLooseIndexes = true;
    await files.use(entries.path, (file) => entries.write(file));
    segment.hasLooseIndexes = true; // Whoever forced it to the medium meanwhile may have come too soon.
  }
}

/** The items, when all are appends to one segment and abort nothing, as they nearly always are. */
function plainRun(items: readonly (QueuedAppend | QueuedTask)[]): readonly QueuedAppend[] | null {
  let segment: Segment | null = null;
  for (const item of items) {
    if ('run' in item || item.aborted.length > 0) return null;
    if (segment !== null && item.segment !== segment) return null;
    segment = item.segment;
  }
  return items as readonly QueuedAppend[];
}

/**
 * Puts an append to the one that waits before it, when it continues that in the log and in memory: thousands of small ones
 * may wait for a write, and what waits is what the collector of young objects moves.
 * @returns false when it does not
 */
function joins(last: QueuedAppend, next: QueuedAppend): boolean {
  if (last.segment !== next.segment || last.nextOffset !== next.firstOffset) return false;
  if (last.aborted.length + next.aborted.length > 0) return false;
  if (!last.stored.takeIn(next.stored)) return false;
  last.nextOffset = next.nextOffset;
  return true;
}

function settleTasks(items: readonly (QueuedAppend | QueuedTask)[]): void {
  for (const item of items) if ('settled' in item) item.settled();
}
