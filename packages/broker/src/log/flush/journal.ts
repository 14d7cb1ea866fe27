/**
 * The flush journal of one data directory: what makes batches of many partitions durable with one
 * write. Batches are in their segments too, in the operating system's hands; the journal holds them
 * until these segments are on the medium, and recovery looks into it for what they lack.
 *
 * A few files of fixed size, made when they are first needed, written one after the other and then
 * used again. When one is full, all segments whose batches it holds are forced to the medium in the
 * background; then it is free. When none is free there is no room, and whoever has something to
 * write forces its own segment instead: nobody waits for the background.
 *
 * Before a file is written over, a group that is on the medium must say that nothing in it matters
 * any more (`oldestLive`), or what a crash leaves of it could be taken for something that does. Each
 * file has a last sector for that.
 *
 * One write at a time, which is group-commit.ts's to see to. Reading is journal-recovery.ts's.
 */
import path from 'node:path';
import { DiskError, type DiskFile, type Environment, millis } from '@odradek/runtime';
import { forEachConcurrently } from '../for-each-concurrently.ts';
import {
  type FrameHead,
  frameBytes,
  type GroupHead,
  GroupWriter,
  groupBytes,
  JOURNAL_ID_BYTES,
  SECTOR_BYTES,
} from './journal-format.ts';

/** Kafka looks at folders of a data directory, and at its own files: these it does not see. */
const FILE_NAME = /^odradek-flush-journal-\d+$/;

/** Sizes of a journal, in bytes and files. */
export interface JournalLimits {
  readonly fileBytes: number;
  readonly filesMax: number;
}

/** Each data directory in which records are flushed by count spends at most 64 MiB on it. */
export const JOURNAL_LIMITS: JournalLimits = { fileBytes: 16 * 1024 * 1024, filesMax: 4 };

/** The most that is written at once: bounds the memory, and the time that the last in a group waits. */
export const GROUP_BYTES_MAX = 2 * 1024 * 1024;

/** How long to do without a file for which the disk had no room. */
const RETRY_AFTER_MS = 60_000;

/** Segments that are forced to the medium at once for a full file: some of libuv's four threads. */
const CONCURRENT_SETTLES_MAX = 2;

/** Codes of a disk that has no room: no reason to give a directory up, segments may still fit. */
const NO_ROOM_CODES: ReadonlySet<string> = new Set(['ENOSPC', 'EDQUOT', 'EFBIG']);

/** A new file is filled with zeros, so many bytes at once. */
const ZEROS_BYTES = 1024 * 1024;

/** The log that frames belong to. */
export interface JournaledLog {
  /** Everything below is in segments that are on the medium. */
  readonly settledThrough: number;
  /** Forces the segments with what was committed so far to the medium. */
  settle(): Promise<void>;
}

/** Something to be written. */
export interface JournalEntry {
  readonly head: FrameHead;
  readonly batches: readonly Buffer[];
  /** Nothing is to be settled for a cut. */
  readonly log: JournaledLog | null;
}

interface Held {
  readonly log: JournaledLog;
  endOffset: number;
}

interface JournalFile {
  readonly path: string;
  readonly file: DiskFile;
  /** Logs that frames in this file belong to, by `topic-partition`. */
  readonly held: Map<string, Held | null>;
  firstGroup: number;
  lastGroup: number;
  usedBytes: number;
}

export interface FlushJournalOptions {
  readonly directory: string;
  readonly environment: Environment;
  readonly limits?: JournalLimits | undefined;
  /** A file operation failed: the directory is to be taken offline. */
  readonly failed: (error: DiskError) => void;
  /** There is room again. */
  readonly freed: () => void;
}

export class FlushJournal {
  readonly #options: FlushJournalOptions;
  readonly #limits: JournalLimits;
  readonly #writer = new GroupWriter();
  /** Empty until there is a file. */
  #id: Buffer = Buffer.alloc(0);
  readonly #all: JournalFile[] = [];
  #current: JournalFile | null = null;
  /** Written and not settled, oldest first. */
  readonly #full: JournalFile[] = [];
  /** Ready to be written, the one that was settled first first. */
  readonly #free: JournalFile[] = [];
  #making: Promise<void> | null = null;
  #settling: Promise<void> | null = null;
  #retryAt = 0;
  #groupNumber = 0;
  #incarnation = 0;
  /** What the newest group on the medium says of the oldest that matters. */
  #durableOldest = 0;
  #isStopped = false;

  constructor(options: FlushJournalOptions) {
    this.#options = options;
    this.#limits = options.limits ?? JOURNAL_LIMITS;
  }

  /** A number that no log has had; greater than all before. */
  nextIncarnation(): number {
    this.#incarnation += 1;
    return this.#incarnation;
  }

  /** Tells whether there may be frames of this log in the files. */
  holds(key: string): boolean {
    return this.#all.some(({ held }) => held.has(key));
  }

  get fileCount(): number {
    return this.#all.length;
  }

  /**
   * Tells whether frames of this size can be written now; if not, sees to it that they can be later.
   * @param framesBytes sum of `frameBytes`
   */
  hasRoom(framesBytes: number): boolean {
    if (this.#isStopped) return false;
    const sizeBytes = groupBytes(framesBytes);
    if (sizeBytes > this.#limits.fileBytes - SECTOR_BYTES) return false;
    const current = this.#current;
    const isFilling = current === null || 2 * current.usedBytes > this.#limits.fileBytes;
    if (isFilling && this.#free.length === 0) this.#makeFile();
    if (this.#free.length > 0) return true;
    if (current === null || this.#fits(current, sizeBytes)) return current !== null;
    this.#retire(current);
    return false;
  }

  /** Resolves when the medium has all entries. To be asked for one at a time, and when there is room. */
  async write(entries: readonly JournalEntry[]): Promise<void> {
    let framesBytes = 0;
    for (const { head, batches } of entries) {
      let batchesBytes = 0;
      for (const buffer of batches) batchesBytes += buffer.length;
      framesBytes += frameBytes(head.topic, batchesBytes);
    }
    const current = await this.#currentFor(groupBytes(framesBytes));
    for (const { head, log } of entries) hold(current, head, log);
    for (const { head, batches } of entries) this.#writer.add(head, batches);
    await this.#put(current, current.usedBytes);
  }

  /** Nothing more will be written; what is there stays for the next start. */
  stop(): void {
    this.#isStopped = true;
    for (const { file } of this.#all) file.close().catch(() => undefined);
  }

  /** All logs were closed in order: nothing here matters any more. */
  async remove(): Promise<void> {
    if (this.#isStopped) return;
    this.#isStopped = true;
    await Promise.all([this.#making, this.#settling]);
    for (const { file } of this.#all) await file.close();
    if (this.#all.length === 0) return;
    const newest = { journalId: this.#id, number: this.#groupNumber };
    await removeJournal(this.#options.environment, this.#options.directory, newest);
  }

  #fits(file: JournalFile, sizeBytes: number): boolean {
    return file.usedBytes + sizeBytes + SECTOR_BYTES <= this.#limits.fileBytes;
  }

  /** The file that the next group goes to. */
  async #currentFor(sizeBytes: number): Promise<JournalFile> {
    const current = this.#current;
    if (current !== null && this.#fits(current, sizeBytes)) return current;
    const next = this.#free.shift();
    if (next === undefined) throw new RangeError('the flush journal has no room');
    // A last sector says what matters now. Only then may what mattered be written over.
    const at = this.#limits.fileBytes - SECTOR_BYTES;
    if (next.lastGroup >= this.#durableOldest) await this.#put(current ?? next, at);
    if (current !== null) this.#retire(current);
    next.held.clear();
    next.firstGroup = this.#groupNumber + 1;
    next.usedBytes = 0;
    this.#current = next;
    return next;
  }

  /** No more is written to it until what it holds is settled. */
  #retire(current: JournalFile): void {
    this.#current = null;
    this.#full.push(current);
    this.#settling ??= this.#settleEach().finally(() => {
      this.#settling = null;
    });
  }

  async #put(file: JournalFile, position: number): Promise<void> {
    this.#groupNumber += 1;
    const number = this.#groupNumber;
    const oldestLive = this.#oldestLive();
    file.lastGroup = number;
    const group = this.#writer.seal({ journalId: this.#id, number, oldestLive });
    file.usedBytes = position + group.length;
    await file.file.write([group], position);
    this.#durableOldest = oldestLive;
  }

  /** Groups from here on are needed by a recovery. */
  #oldestLive(): number {
    return this.#full[0]?.firstGroup ?? this.#current?.firstGroup ?? this.#groupNumber;
  }

  /** In the order in which they were written: what voids a frame must not go before the frame. */
  async #settleEach(): Promise<void> {
    for (;;) {
      const oldest = this.#full[0];
      if (oldest === undefined || this.#isStopped) return;
      try {
        await this.#settle(oldest);
      } catch (error) {
        if (!(error instanceof DiskError)) throw error;
        if (!this.#isStopped) this.#options.failed(error);
        return;
      }
      this.#full.shift();
      this.#free.push(oldest);
      this.#options.freed();
    }
  }

  #settle({ held }: JournalFile): Promise<void> {
    return forEachConcurrently(held.values(), CONCURRENT_SETTLES_MAX, async (each) => {
      if (each === null || this.#isStopped) return;
      if (each.log.settledThrough < each.endOffset) await each.log.settle();
    });
  }

  #makeFile(): void {
    const { clock } = this.#options.environment;
    if (this.#making !== null || this.#all.length >= this.#limits.filesMax) return;
    if (clock.now() < this.#retryAt) return;
    this.#making = this.#make()
      .catch((error: unknown) => {
        if (!(error instanceof DiskError)) throw error;
        this.#makingFailed(error);
      })
      .finally(() => {
        this.#making = null;
      });
  }

  async #make(): Promise<void> {
    const { directory, environment } = this.#options;
    const { disk, random } = environment;
    const file = path.join(directory, `odradek-flush-journal-${this.#all.length}`);
    if (this.#id.length === 0) this.#id = random.bytes(JOURNAL_ID_BYTES);
    // With all of its blocks: giving a file blocks makes durable writes to it wait for the file system.
    const blank = await disk.open(file, 'write');
    try {
      await blank.truncate(0);
      const zeros = Buffer.alloc(Math.min(ZEROS_BYTES, this.#limits.fileBytes));
      for (let at = 0; at < this.#limits.fileBytes; at += zeros.length) {
        await blank.write([zeros.subarray(0, this.#limits.fileBytes - at)], at);
      }
      await blank.sync();
    } finally {
      await blank.close();
    }
    await disk.syncDirectory(directory);
    const open = await disk.open(file, 'durable');
    if (this.#isStopped) return open.close();
    const made = {
      path: file,
      file: open,
      held: new Map<string, Held | null>(),
      firstGroup: 0,
      lastGroup: -1,
      usedBytes: 0,
    };
    this.#all.push(made);
    this.#free.push(made);
    this.#options.freed();
  }

  #makingFailed(error: DiskError): void {
    const { directory, environment, failed } = this.#options;
    if (this.#isStopped) return;
    if (!NO_ROOM_CODES.has(error.code)) {
      failed(error);
      return;
    }
    this.#retryAt = millis(environment.clock.now() + RETRY_AFTER_MS);
    environment.log.warn('no room for the flush journal: each partition is flushed by itself', {
      directory,
      error,
    });
    const unfinished = path.join(directory, `odradek-flush-journal-${this.#all.length}`);
    environment.disk.remove(unfinished).catch(() => undefined); // The next attempt begins anew.
  }
}

function hold({ held }: JournalFile, head: FrameHead, log: JournaledLog | null): void {
  const key = `${head.topic}-${head.partition}`;
  held.set(key, log === null ? null : { log, endOffset: head.endOffset });
}

/** Paths of the journal's files in a data directory. */
export async function journalFiles(
  { disk }: Pick<Environment, 'disk'>,
  directory: string,
): Promise<readonly string[]> {
  const entries = await disk.list(directory);
  return entries
    .filter(({ name, kind }) => kind === 'file' && FILE_NAME.test(name))
    .map(({ name }) => path.join(directory, name));
}

/**
 * Removes the journal, of which nothing matters any more. Were only some of the files gone after a
 * crash, frames could be back without those that void them: so each file first says that it is over.
 * @param newest the newest group that was written
 */
export async function removeJournal(
  { disk }: Pick<Environment, 'disk'>,
  directory: string,
  { journalId, number }: Pick<GroupHead, 'journalId' | 'number'>,
): Promise<void> {
  const paths = await journalFiles({ disk }, directory);
  if (paths.length === 0) return;
  const last = { journalId, number: number + 1, oldestLive: number + 1 };
  const group = new GroupWriter().seal(last);
  for (const path of paths) {
    const file = await disk.open(path, 'durable');
    await file.write([group], 0).finally(() => file.close());
  }
  for (const path of paths) await disk.remove(path);
  await disk.syncDirectory(directory);
}
