/**
 * Disk over Node's file system. Reads and writes are positioned and go to libuv's pool; short writes
 * and short reads are continued here, so nobody above sees one. The lock is in lock-file.ts.
 */
import { constants } from 'node:fs';
import {
  type FileHandle,
  mkdir,
  open as openFile,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  statfs,
  unlink,
  utimes,
} from 'node:fs/promises';
import { dirname } from 'node:path';
import type {
  DirectoryEntry,
  Disk,
  DiskFile,
  DiskMode,
  DiskSpace,
  FileStatus,
} from '../environment.ts';
import { DiskError } from '../errors.ts';
import { readPieceNow, surveyNow } from './disk-survey.ts';
import { takeLock } from './lock-file.ts';
import { SMALL_WRITE_BYTES, type SmallWrites, writeByPool } from './small-writes.ts';
import { systemCodeOf } from './system-error.ts';

/**
 * What makes a write durable by itself, with the same promise as fdatasync. Only where that is certain: on macOS
 * the flag leaves the bytes in the drive's cache.
 */
const SYNCED_WRITES = process.platform === 'linux' ? constants.O_DSYNC : 0;

const OPEN_FLAGS = {
  read: constants.O_RDONLY,
  write: constants.O_RDWR | constants.O_CREAT,
  create: constants.O_RDWR | constants.O_CREAT | constants.O_EXCL,
  durable: constants.O_RDWR | constants.O_CREAT | SYNCED_WRITES,
} as const satisfies Record<DiskMode, number>;

function diskError(error: unknown, path: string, operation: string): DiskError {
  return new DiskError(systemCodeOf(error) ?? 'UNKNOWN', path, operation, { cause: error });
}

/** Awaits a file operation and gives its failure our name. */
async function guarded<T>(operation: string, path: string, running: Promise<T>): Promise<T> {
  try {
    return await running;
  } catch (error) {
    throw diskError(error, path, operation);
  }
}

function sizeOf(buffers: readonly Uint8Array[]): number {
  let sizeBytes = 0;
  for (const buffer of buffers) sizeBytes += buffer.byteLength;
  return sizeBytes;
}

/** What is left of `buffers` after their first `writtenBytes`. */
function rest(buffers: readonly Uint8Array[], writtenBytes: number): Uint8Array[] {
  let skip = writtenBytes;
  const left: Uint8Array[] = [];
  for (const buffer of buffers) {
    if (skip >= buffer.byteLength) {
      skip -= buffer.byteLength;
      continue;
    }
    left.push(skip === 0 ? buffer : buffer.subarray(skip));
    skip = 0;
  }
  return left;
}

function writeOnce(
  { fd }: FileHandle,
  buffers: readonly Uint8Array[],
  position: number,
): Promise<number> {
  return new Promise((resolve, reject) => {
    writeByPool({
      fd,
      buffers,
      position,
      written: (error, bytesWritten) => {
        if (error) reject(error);
        else resolve(bytesWritten);
      },
    });
  });
}

async function writeAll(
  handle: FileHandle,
  buffers: readonly Uint8Array[],
  position: number,
): Promise<void> {
  let left = buffers;
  let at = position;
  let leftBytes = sizeOf(buffers);
  while (leftBytes > 0) {
    const bytesWritten = await writeOnce(handle, left, at);
    leftBytes -= bytesWritten;
    if (leftBytes === 0) return;
    at += bytesWritten;
    left = rest(left, bytesWritten);
  }
}

class NodeFile implements DiskFile {
  readonly path: string;
  readonly #handle: FileHandle;
  /** A write is to be followed by a sync: the system does not do it by itself. */
  readonly #owesSync: boolean;
  /** Takes small writes; null when each is to go by itself. */
  readonly #smallWrites: SmallWrites | null;

  constructor(
    path: string,
    handle: FileHandle,
    owesSync: boolean,
    smallWrites: SmallWrites | null,
  ) {
    this.path = path;
    this.#handle = handle;
    this.#owesSync = owesSync;
    this.#smallWrites = smallWrites;
  }

  async sizeBytes(): Promise<number> {
    return (await guarded('stat', this.path, this.#handle.stat())).size;
  }

  write(buffers: readonly Uint8Array[], position: number): Promise<void> {
    if (this.#smallWrites !== null) {
      const sizeBytes = sizeOf(buffers);
      if (sizeBytes > 0 && sizeBytes <= SMALL_WRITE_BYTES)
        return this.#writeSmall(this.#smallWrites, buffers, position, sizeBytes);
    }
    const written = guarded('write', this.path, writeAll(this.#handle, buffers, position));
    return this.#owesSync ? written.then(() => this.sync()) : written;
  }

  #writeSmall(
    smallWrites: SmallWrites,
    buffers: readonly Uint8Array[],
    position: number,
    sizeBytes: number,
  ): Promise<void> {
    return new Promise((resolve, reject) => {
      const written = (error: Error | null, bytesWritten: number): void => {
        if (error) reject(diskError(error, this.path, 'write'));
        else if (bytesWritten === sizeBytes) resolve();
        else {
          const left = rest(buffers, bytesWritten);
          const at = position + bytesWritten;
          resolve(guarded('write', this.path, writeAll(this.#handle, left, at)));
        }
      };
      smallWrites.write({ fd: this.#handle.fd, buffers, position, written }, sizeBytes);
    });
  }

  async read(target: Uint8Array, position: number): Promise<number> {
    let filled = 0;
    while (filled < target.byteLength) {
      const { bytesRead } = await guarded(
        'read',
        this.path,
        this.#handle.read(target, filled, target.byteLength - filled, position + filled),
      );
      if (bytesRead === 0) break;
      filled += bytesRead;
    }
    return filled;
  }

  sync(): Promise<void> {
    return guarded('fdatasync', this.path, this.#handle.datasync());
  }

  truncate(sizeBytes: number): Promise<void> {
    return guarded('truncate', this.path, this.#handle.truncate(sizeBytes));
  }

  close(): Promise<void> {
    return guarded('close', this.path, this.#handle.close());
  }
}

interface KindOfEntry {
  isFile(): boolean;
  isDirectory(): boolean;
}

function kindOf(entry: KindOfEntry): DirectoryEntry['kind'] {
  if (entry.isFile()) return 'file';
  return entry.isDirectory() ? 'directory' : 'other';
}

/** The result, or null when there is nothing under that path. */
async function orMissing<T>(
  operation: string,
  path: string,
  running: Promise<T>,
): Promise<T | null> {
  try {
    return await running;
  } catch (error) {
    const code = systemCodeOf(error);
    if (code === 'ENOENT' || code === 'ENOTDIR') return null;
    throw diskError(error, path, operation);
  }
}

async function syncDirectory(path: string): Promise<void> {
  const handle = await guarded('open', path, openFile(path, constants.O_RDONLY));
  try {
    await guarded('fsync', path, handle.sync());
  } finally {
    await handle.close();
  }
}

async function writeAndSync(path: string, content: Uint8Array): Promise<void> {
  const handle = await guarded('open', path, openFile(path, 'w'));
  try {
    await guarded('write', path, writeAll(handle, [content], 0));
    await guarded('fsync', path, handle.sync());
  } finally {
    await handle.close();
  }
}

function byName(left: DirectoryEntry, right: DirectoryEntry): number {
  if (left.name === right.name) return 0;
  return left.name < right.name ? -1 : 1;
}

/** A volume of more than eight petabytes counts as one of eight. */
function asNumber(bytes: bigint): number {
  return Math.min(Number(bytes), Number.MAX_SAFE_INTEGER);
}

/** Nearly always it is a file, and there: one call instead of the four that `rm` makes. */
async function removeNow(path: string): Promise<void> {
  try {
    await unlink(path);
  } catch {
    await rm(path, { recursive: true, force: true });
  }
}

/**
 * Lets the event loop run: a promise that is settled at once does not, and whoever looks at one folder after the other
 * would keep everybody else from their turn, heartbeats and the like.
 */
function aTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** What is done on the spot fails as what takes time does. */
async function atOnce<T>(work: () => T): Promise<T> {
  return work();
}

/** @param smallWrites carries out small writes to files that are opened for writing as usual */
export function nodeDisk(smallWrites: SmallWrites | null = null): Disk {
  /** Replacements under way, by path: two at once would share the temporary file. */
  const replacing = new Map<string, Promise<void>>();

  async function replaceNow(path: string, content: Uint8Array): Promise<void> {
    const temporary = `${path}.tmp`;
    await writeAndSync(temporary, content);
    await guarded('rename', path, rename(temporary, path));
    await syncDirectory(dirname(path));
  }

  return {
    async open(path, mode): Promise<DiskFile> {
      const handle = await guarded('open', path, openFile(path, OPEN_FLAGS[mode]));
      const owesSync = mode === 'durable' && SYNCED_WRITES === 0;
      return new NodeFile(path, handle, owesSync, mode === 'durable' ? null : smallWrites);
    },
    readFile: (path) => orMissing('read', path, readFile(path)),
    replaceFile(path, content): Promise<void> {
      const bytes = typeof content === 'string' ? Buffer.from(content) : content;
      const before = replacing.get(path) ?? Promise.resolve();
      const replaced = before.catch(() => undefined).then(() => replaceNow(path, bytes));
      replacing.set(path, replaced);
      const forget = (): void => {
        if (replacing.get(path) === replaced) replacing.delete(path);
      };
      replaced.then(forget, forget);
      return replaced;
    },
    async status(path): Promise<FileStatus | null> {
      const found = await orMissing('stat', path, stat(path));
      if (found === null) return null;
      return { kind: kindOf(found), sizeBytes: found.size, modifiedAtMs: found.mtimeMs };
    },
    async list(path): Promise<readonly DirectoryEntry[]> {
      const found = await orMissing('readdir', path, readdir(path, { withFileTypes: true }));
      const entries = (found ?? []).map((entry) => ({ name: entry.name, kind: kindOf(entry) }));
      return entries.sort(byName);
    },
    async survey(path) {
      await aTurn();
      return guarded(
        'readdir',
        path,
        atOnce(() => surveyNow(path)),
      );
    },
    async readPieces(pieces) {
      const found: Buffer[] = [];
      for (const piece of pieces)
        found.push(
          await guarded(
            'read',
            piece.path,
            atOnce(() => readPieceNow(piece)),
          ),
        );
      return found;
    },
    async makeDirectory(path): Promise<void> {
      await guarded('mkdir', path, mkdir(path, { recursive: true }));
    },
    rename: (from, to) => guarded('rename', from, rename(from, to)),
    remove: (path) => guarded('remove', path, removeNow(path)),
    setModifiedTime: (path, atMs) =>
      guarded('utimes', path, utimes(path, atMs / 1000, atMs / 1000)),
    async space(path): Promise<DiskSpace> {
      const { bsize, blocks, bavail } = await guarded(
        'statfs',
        path,
        statfs(path, { bigint: true }),
      );
      return { totalBytes: asNumber(bsize * blocks), usableBytes: asNumber(bsize * bavail) };
    },
    syncDirectory,
    lock: (lockFilePath) => takeLock(lockFilePath),
  };
}
