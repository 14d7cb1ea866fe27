/**
 * The files behind the transaction log: appends groups of bytes, makes them durable, begins a new
 * file when one is full. One call at a time; what is gathered meanwhile is up to transaction-log.ts.
 *
 * Files grow by blocks of zeros ahead of need, since a sync is cheaper when neither the file's size
 * nor its blocks change.
 */
import { dirname } from 'node:path';
import type { Disk, DiskFile, Random } from '@odradek/runtime';
import { encodeFileHeader, FILE_HEADER_BYTES } from './file-header.ts';
import { storagePath, UNFINISHED } from './file-names.ts';
import type { GroupBuffer } from './group-buffer.ts';
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
  }

  /**
   * Goes on with a recovered file: cuts what is behind its last record, and makes durable what the
   * last process may have left in the operating system's cache only.
   */
  async continue({ path, salt, position }: Continuation): Promise<void> {
    const file = await this.#disk.open(path, 'write');
    await file.truncate(position);
    await file.sync();
    this.#open = { file, salt, position, allocatedEnd: position };
  }

  /** The next group begins a new file. */
  roll(): void {
    this.#rollWanted = true;
  }

  /** Resolves when the group is in the file; durable only after `sync`. */
  async write(group: readonly LogRecord[], sizeBytes: number): Promise<void> {
    const open = await this.#fileFor(group, sizeBytes);
    const end = open.position + sizeBytes;
    const pieces = [...this.#buffer.fill(group, sizeBytes, open.salt)];
    let allocatedEnd = open.allocatedEnd;
    if (end > allocatedEnd) {
      allocatedEnd = this.#allocationFor(end);
      pieces.push(...zeros(allocatedEnd - end));
    }
    await open.file.write(pieces, open.position);
    open.position = end;
    open.allocatedEnd = allocatedEnd;
    this.#lastZxid = group.at(-1)?.zxid ?? this.#lastZxid;
  }

  async sync(): Promise<void> {
    await this.#open?.file.sync();
  }

  /** Gives back what was preallocated and closes the file. */
  async close(): Promise<void> {
    const open = this.#open;
    if (open === null) return;
    this.#open = null;
    await open.file.truncate(open.position);
    await open.file.close();
  }

  /** Closes the file after a failure, as it is. */
  async abandon(): Promise<void> {
    const open = this.#open;
    this.#open = null;
    await open?.file.close();
  }

  async #fileFor(group: readonly LogRecord[], sizeBytes: number): Promise<OpenFile> {
    const open = this.#open;
    if (open !== null) {
      const isEmpty = open.position === FILE_HEADER_BYTES;
      const isFull = open.position + sizeBytes > this.#settings.logFileBytes;
      if (isEmpty || !(this.#rollWanted || isFull)) return open;
      await this.close();
    }
    this.#rollWanted = false;
    const created = await this.#create(group[0]?.zxid ?? 0n);
    this.#open = created;
    return created;
  }

  /** Made under another name first: a log file that is there has its whole header. */
  async #create(firstZxid: bigint): Promise<OpenFile> {
    const path = storagePath(this.#folder, 'log', firstZxid);
    const salt = this.#random.bytes(4).readUInt32BE(0);
    const header = encodeFileHeader('log', { salt, zxid: firstZxid, previousZxid: this.#lastZxid });
    const unfinished = await this.#disk.open(path + UNFINISHED, 'write');
    const allocatedEnd = this.#allocationFor(FILE_HEADER_BYTES);
    await unfinished.truncate(0);
    await unfinished.write([header, ...zeros(allocatedEnd - FILE_HEADER_BYTES)], 0);
    await unfinished.sync();
    await unfinished.close();
    await this.#disk.rename(path + UNFINISHED, path);
    await this.#disk.syncDirectory(dirname(path));
    const file = await this.#disk.open(path, 'write');
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
