/**
 * The files behind the transaction log: appends groups of bytes, makes them durable, begins a new
 * file when one is full. One call at a time; what is gathered meanwhile is up to transaction-log.ts.
 *
 * Files have blocks of zeros ahead of need, since a durable write is cheaper when neither the file's
 * size nor its blocks change. While there is little to write they grow by small steps, each with the
 * group that needs it; who writes more finds the next file made ready aside (spare-log.ts), twice as
 * big as the last up to the full size.
 */
import { dirname } from 'node:path';
import {
  type Disk,
  type DiskFile,
  type DiskMode,
  OdradekError,
  type Random,
} from '@odradek/runtime';
import { encodeFileHeader, FILE_HEADER_BYTES } from './file-header.ts';
import { storagePath, UNFINISHED } from './file-names.ts';
import type { GroupBuffer } from './group-buffer.ts';
import { SpareLog } from './spare-log.ts';
import type { LogRecord, StorageSettings } from './types.ts';

/** Zeros are written in pieces of this, all the same buffer. */
const ZEROS = Buffer.alloc(64 * 1024);

/** The file that is written to, and where. */
interface OpenFile {
  readonly file: DiskFile;
  readonly salt: number;
  /** Where the next group goes. */
  position: number;
  /** Up to here the file has blocks. */
  allocatedEnd: number;
}

/** The next file is made ready once this part of the current one is used. */
const SPARE_FROM = 1 / 8;

/** A log file to go on with after recovery. */
export interface Continuation {
  readonly path: string;
  readonly salt: number;
  readonly position: number;
}

export class LogWriter {
  readonly #disk: Disk;
  readonly #random: Random;
  readonly #folder: string;
  readonly #settings: StorageSettings;
  readonly #buffer: GroupBuffer;
  #open: OpenFile | null = null;
  #rollWanted = false;
  /** The last zxid in the files, or before them. */
  #lastZxid: bigint;
  readonly #spare: SpareLog;
  /** Files that are no longer written to and still being closed. */
  #retiring: Promise<void> = Promise.resolve();

  constructor(
    { disk, random }: { readonly disk: Disk; readonly random: Random },
    folder: string,
    settings: StorageSettings,
    buffer: GroupBuffer,
    lastZxid: bigint,
  ) {
    this.#disk = disk;
    this.#random = random;
    this.#folder = folder;
    this.#settings = settings;
    this.#buffer = buffer;
    this.#lastZxid = lastZxid;
    this.#spare = new SpareLog(disk, folder);
  }

  /** How log files are opened: each write is durable by itself, unless nobody asked for that. */
  get #mode(): DiskMode {
    return this.#settings.forceSync ? 'durable' : 'write';
  }

  /**
   * Goes on with a recovered file: cuts what is behind its last record, and makes durable what the
   * last process may have left in the operating system's cache only.
   */
  async continue({ path, salt, position }: Continuation): Promise<void> {
    const file = await this.#disk.open(path, this.#mode);
    await file.truncate(position);
    await file.sync();
    this.#open = { file, salt, position, allocatedEnd: position };
  }

  /** The next group begins a new file. */
  roll(): void {
    this.#rollWanted = true;
  }

  /** Resolves when the group is in the file, and durable unless `forceSync` is off. */
  async write(group: readonly LogRecord[], sizeBytes: number): Promise<void> {
    const open = await this.#fileFor(group, sizeBytes);
    const end = open.position + sizeBytes;
    const pieces = [...this.#buffer.fill(group, sizeBytes, open.salt)];
    if (end > open.allocatedEnd) {
      const allocatedEnd = this.#allocationFor(end);
      pieces.push(...zeros(allocatedEnd - end));
      open.allocatedEnd = allocatedEnd;
    }
    await open.file.write(pieces, open.position);
    open.position = end;
    this.#lastZxid = group.at(-1)?.zxid ?? this.#lastZxid;
    if (end > open.allocatedEnd * SPARE_FROM) {
      const { preallocateBytes, logFileBytes } = this.#settings;
      this.#spare.prepare(
        Math.min(logFileBytes, Math.max(preallocateBytes, 2 * open.allocatedEnd)),
      );
    }
  }

  /** Gives back what was preallocated and closes the file. */
  async close(): Promise<void> {
    await this.#spare.drop();
    await this.#retiring;
    const open = this.#open;
    if (open === null) return;
    this.#open = null;
    await open.file.truncate(open.position);
    await open.file.close();
  }

  /** Closes the file after a failure, as it is. */
  async abandon(): Promise<void> {
    await this.#spare.drop();
    await this.#retiring;
    const open = this.#open;
    this.#open = null;
    await open?.file.close();
  }

  async #fileFor(group: readonly LogRecord[], sizeBytes: number): Promise<OpenFile> {
    const open = this.#open;
    if (open !== null) {
      const isEmpty = open.position === FILE_HEADER_BYTES;
      const end = open.position + sizeBytes;
      const isFull = end > this.#settings.logFileBytes;
      const goesOnInSpare = end > open.allocatedEnd && this.#spare.isReady;
      if (isEmpty || !(this.#rollWanted || isFull || goesOnInSpare)) return open;
      this.#retire(open);
    }
    this.#rollWanted = false;
    const created = await this.#create(group[0]?.zxid ?? 0n);
    this.#open = created;
    return created;
  }

  /**
   * Closes a file whose records are all durable, without keeping the next one waiting. That it fails
   * does no harm: behind the last record are zeros, which readers pass over.
   */
  #retire({ file, position }: OpenFile): void {
    const before = this.#retiring;
    this.#retiring = (async () => {
      await before;
      try {
        await file.truncate(position);
        await file.close();
      } catch (error) {
        if (!(error instanceof OdradekError)) throw error;
      }
    })();
  }

  /** Made under another name first: a log file that is there has its whole header. */
  async #create(firstZxid: bigint): Promise<OpenFile> {
    const path = storagePath(this.#folder, 'log', firstZxid);
    const salt = this.#random.bytes(4).readUInt32BE(0);
    const header = encodeFileHeader('log', { salt, zxid: firstZxid, previousZxid: this.#lastZxid });
    const spare = this.#spare.take();
    const unfinishedPath = spare?.path ?? path + UNFINISHED;
    const unfinished = await this.#disk.open(unfinishedPath, 'write');
    let allocatedEnd = spare?.sizeBytes ?? 0;
    if (spare === null) {
      allocatedEnd = this.#allocationFor(FILE_HEADER_BYTES);
      await unfinished.truncate(0);
      await unfinished.write([header, ...zeros(allocatedEnd - FILE_HEADER_BYTES)], 0);
    } else {
      await unfinished.write([header], 0);
    }
    await unfinished.sync();
    await unfinished.close();
    await this.#disk.rename(unfinishedPath, path);
    await this.#disk.syncDirectory(dirname(path));
    const file = await this.#disk.open(path, this.#mode);
    return { file, salt, position: FILE_HEADER_BYTES, allocatedEnd };
  }

  /** How far to allocate so that `end` lies in it: whole steps, but not past the file's full size. */
  #allocationFor(end: number): number {
    const { preallocateBytes, logFileBytes } = this.#settings;
    const steps = Math.ceil(end / preallocateBytes) * preallocateBytes;
    return Math.max(end, Math.min(steps, logFileBytes));
  }
}

function zeros(countBytes: number): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  for (let left = countBytes; left > 0; left -= ZEROS.length) {
    pieces.push(left >= ZEROS.length ? ZEROS : ZEROS.subarray(0, left));
  }
  return pieces;
}
