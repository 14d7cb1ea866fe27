/**
 * The disk of a host: operations take time, what was not synced may be lost when the power goes, and it
 * can be slow, full or broken. A process has a view of it (`for`), which dies with the process; what the
 * process had handed over before goes on.
 */
import { dirname } from 'node:path';
import {
  DirectoryLocked,
  type Disk,
  DiskError,
  type DiskFile,
  type DiskMode,
  type FilePiece,
  readPiecesByFile,
  surveyByStatus,
} from '@odradek/runtime';
import type { Draw } from '../world/draw.ts';
import type { SimulatedProcess } from '../world/process.ts';
import type { Scheduler } from '../world/scheduler.ts';
import { type Trace, traceKinds } from '../world/trace.ts';
import { DirectoryTree } from './directory-tree.ts';
import { SectorFile, type Survival } from './sector-file.ts';

/** How long things take, in microseconds. */
export interface DiskPace {
  /** Any operation that does not wait for the medium. */
  readonly callUs: number;
  /** Mean time of a sync. */
  readonly syncUs: number;
}

/** A disk that is well. */
export const soundPace: DiskPace = { callUs: 15, syncUs: 400 };

/** What a disk holds that has not been filled up. */
const VOLUME_BYTES = 2 ** 40;

export type DiskOperation = 'read' | 'write' | 'sync' | 'names';

interface Failing {
  readonly code: string;
  readonly operations: readonly DiskOperation[];
  /** Of the operations, how many fail. */
  readonly share: number;
}

/** An operation that the operating system has and has not finished. */
interface UnderWay {
  readonly process: SimulatedProcess;
  readonly file: SectorFile;
  readonly bytes: Buffer;
  readonly position: number;
}

export interface SimulatedDiskParts {
  readonly scheduler: Scheduler;
  readonly draw: Draw;
  readonly trace: Trace;
  readonly hostIndex: number;
}

export class SimulatedDisk {
  pace: DiskPace = soundPace;
  /** null: nothing fails. */
  failing: Failing | null = null;
  /** Bytes that files may have in all. */
  capacityBytes = Number.POSITIVE_INFINITY;
  /** Names change in order, as with any journaling file system; otherwise only as the standard promises. */
  isJournaled = false;
  /**
   * Told of every write, sync and change of names once the medium has it and before the process hears of
   * it: the moments at which a crash may leave something else than at the one before.
   */
  onChange: (() => void) | null = null;
  readonly #parts: SimulatedDiskParts;
  #tree = new DirectoryTree();
  readonly #locks = new Set<string>();
  readonly #writes = new Set<UnderWay>();

  constructor(parts: SimulatedDiskParts) {
    this.#parts = parts;
  }

  /** Everything that was not synced is lost, or not, or in part. */
  losePower(): void {
    const { draw } = this.#parts;
    const survival = draw.weighted<Survival>({ nothing: 2, everything: 1, some: 3 });
    for (const { file, bytes, position } of this.#writes) {
      if (draw.chance(0.5)) file.write(bytes, position);
    }
    this.#writes.clear();
    for (const [, file] of this.#tree.files()) file.losePower(survival, draw);
    this.#tree.losePower(draw, this.isJournaled);
    this.#locks.clear();
  }

  /** Turns a bit in one of the files whose path matches. @returns where; null when there was none */
  rot(path: RegExp): string | null {
    const { draw } = this.#parts;
    const files = [...this.#tree.files()].filter(([name]) => path.test(name));
    if (files.length === 0) return null;
    const [name, file] = draw.oneOf(files);
    const at = file.rot(draw);
    return at === null ? null : `${name} at ${at}`;
  }

  /** A new disk in the place of the old one. */
  wipe(): void {
    this.#tree = new DirectoryTree();
    this.#locks.clear();
    this.#writes.clear();
  }

  paths(): string[] {
    return [...this.#tree.files()].map(([path]) => path).sort();
  }

  contentOf(path: string): Buffer | null {
    const file = this.#tree.get(path);
    if (file === undefined) return null;
    const bytes = Buffer.alloc(file.sizeBytes);
    file.read(bytes, 0);
    return bytes;
  }

  /** Somebody else's files leave only this much room. */
  fillUp(leftBytes: number): void {
    let usedBytes = leftBytes;
    for (const [, file] of this.#tree.files()) usedBytes += file.sizeBytes;
    this.capacityBytes = usedBytes;
  }

  /** A volume of a terabyte, unless it was filled up. */
  space(): { readonly totalBytes: number; readonly usableBytes: number } {
    let usedBytes = 0;
    for (const [, file] of this.#tree.files()) usedBytes += file.sizeBytes;
    const totalBytes = Math.min(this.capacityBytes, VOLUME_BYTES);
    return { totalBytes, usableBytes: Math.max(0, totalBytes - usedBytes) };
  }

  /** Puts a file there, durably, as an operator would. */
  plant(path: string, content: Uint8Array | string): void {
    const file = new SectorFile();
    file.write(Buffer.from(content), 0);
    file.endSync(file.beginSync());
    this.#tree.addFolder(dirname(path));
    this.#tree.link(path, file);
    this.#tree.sync(dirname(path));
  }

  /** The disk as one process sees it. */
  for(process: SimulatedProcess): Disk {
    process.whenDead(() => this.left(process));
    return new DiskView(this, this.#parts, process, () => this.#tree, this.#locks);
  }

  /** How long an operation takes now. */
  delayUs(operation: DiskOperation, sizeBytes: number): number {
    const { draw } = this.#parts;
    const { callUs, syncUs } = this.pace;
    const meanUs = operation === 'sync' ? syncUs : callUs;
    return 1 + Math.floor(draw.exponential(meanUs)) + Math.floor(sizeBytes / 4096);
  }

  /** The code with which an operation fails now; null: it does not. */
  failureOf(operation: DiskOperation, growthBytes: number): string | null {
    const { failing } = this;
    if (failing?.operations.includes(operation) && this.#parts.draw.chance(failing.share)) {
      return failing.code;
    }
    if (growthBytes > 0 && this.capacityBytes !== Number.POSITIVE_INFINITY) {
      let usedBytes = growthBytes;
      for (const [, file] of this.#tree.files()) usedBytes += file.sizeBytes;
      if (usedBytes > this.capacityBytes) return 'ENOSPC';
    }
    return null;
  }

  began(write: UnderWay): void {
    this.#writes.add(write);
  }

  /** A program is gone: what it had handed over is written, or just not any more. */
  left(process: SimulatedProcess): void {
    for (const write of this.#writes) {
      if (write.process !== process) continue;
      this.#writes.delete(write);
      if (this.#parts.draw.chance(0.5)) write.file.write(write.bytes, write.position);
    }
  }

  ended(write: UnderWay): void {
    this.#writes.delete(write);
  }
}

class DiskView implements Disk {
  readonly #disk: SimulatedDisk;
  readonly #parts: SimulatedDiskParts;
  readonly #process: SimulatedProcess;
  readonly #tree: () => DirectoryTree;
  readonly #locks: Set<string>;
  /** The last replacement of each path. */
  readonly #replacing = new Map<string, Promise<void>>();

  constructor(
    disk: SimulatedDisk,
    parts: SimulatedDiskParts,
    process: SimulatedProcess,
    tree: () => DirectoryTree,
    locks: Set<string>,
  ) {
    this.#disk = disk;
    this.#parts = parts;
    this.#process = process;
    this.#tree = tree;
    this.#locks = locks;
  }

  /**
   * Does something to the medium after a while and tells the process. The medium does not mind when the
   * process is stopped or dead by then, only when the power is gone.
   */
  #after<T>(
    operation: DiskOperation,
    path: string,
    sizeBytes: number,
    act: () => T,
    growthBytes = 0,
  ): Promise<T> {
    if (this.#process.state === 'dead') return new Promise<T>(() => undefined);
    const { scheduler } = this.#parts;
    const tree = this.#tree();
    return new Promise<T>((resolve, reject) => {
      scheduler.at(scheduler.nowUs + this.#disk.delayUs(operation, sizeBytes), () => {
        // Of what a dead process had asked for, `left` and `losePower` have taken care.
        if (this.#process.state === 'dead' || tree !== this.#tree()) return;
        const code = this.#disk.failureOf(operation, growthBytes);
        let settle: () => void;
        try {
          if (code !== null) throw new DiskError(code, path, operation);
          const result = act();
          settle = () => resolve(result);
        } catch (error) {
          settle = () => reject(error);
        }
        if (operation !== 'read') this.#disk.onChange?.();
        this.#process.deliver(settle);
      });
    });
  }

  async open(path: string, mode: DiskMode): Promise<DiskFile> {
    const file = await this.#after('names', path, 0, () => {
      const tree = this.#tree();
      const found = tree.get(path);
      if (found === undefined && mode === 'read') throw new DiskError('ENOENT', path, 'open');
      if (found !== undefined && mode === 'create') throw new DiskError('EEXIST', path, 'open');
      if (!tree.isFolder(dirname(path))) throw new DiskError('ENOENT', path, 'open');
      if (found !== undefined) return found;
      const created = new SectorFile();
      tree.link(path, created);
      return created;
    });
    return this.#handle(path, file, mode === 'durable');
  }

  #handle(path: string, file: SectorFile, isDurable: boolean): DiskFile {
    const { trace, hostIndex, draw } = this.#parts;
    return {
      path,
      sizeBytes: () => this.#after('read', path, 0, () => file.sizeBytes),
      write: (buffers, position) => {
        // The system reads the memory at some time before it answers: now, or at the last moment.
        const readsNow = draw.chance(0.5) ? Buffer.concat(buffers) : null;
        let sizeBytes = 0;
        for (const buffer of buffers) sizeBytes += buffer.byteLength;
        const growthBytes = Math.max(0, position + sizeBytes - file.sizeBytes);
        const underWay = {
          process: this.#process,
          file,
          bytes: readsNow ?? Buffer.concat(buffers),
          position,
        };
        this.#disk.began(underWay);
        const written = this.#after(
          isDurable ? 'sync' : 'write',
          path,
          sizeBytes,
          () => {
            const bytes = readsNow ?? Buffer.concat(buffers);
            this.#disk.ended(underWay);
            trace.mixBytes(traceKinds.diskWrite, hostIndex, bytes);
            if (isDurable) file.writeDurably(bytes, position);
            else file.write(bytes, position);
          },
          growthBytes,
        );
        written.catch(() => this.#disk.ended(underWay));
        return written;
      },
      read: (target, position) =>
        this.#after('read', path, target.byteLength, () => file.read(target, position)),
      sync: () => {
        const point = file.beginSync();
        return this.#after('sync', path, 0, () => {
          trace.mix(traceKinds.diskSync, hostIndex, point.sizeBytes);
          file.endSync(point);
        });
      },
      truncate: (sizeBytes) => this.#after('write', path, 0, () => file.truncate(sizeBytes)),
      close: () => this.#after('names', path, 0, () => undefined),
    };
  }

  readFile(path: string): Promise<Buffer | null> {
    return this.#after('read', path, 0, () => {
      const file = this.#tree().get(path);
      if (file === undefined) return null;
      const bytes = Buffer.alloc(file.sizeBytes);
      file.read(bytes, 0);
      return bytes;
    });
  }

  /** One after the other for each path, as the real one: two at once would share the temporary file. */
  replaceFile(path: string, content: Uint8Array | string): Promise<void> {
    const before = this.#replacing.get(path) ?? Promise.resolve();
    const replaced = before.catch(() => undefined).then(() => this.#replaceNow(path, content));
    this.#replacing.set(path, replaced);
    return replaced;
  }

  async #replaceNow(path: string, content: Uint8Array | string): Promise<void> {
    const temporary = `${path}.tmp`;
    const file = await this.open(temporary, 'write');
    await file.truncate(0);
    await file.write([Buffer.from(content)], 0);
    await file.sync();
    await this.rename(temporary, path);
    await this.syncDirectory(dirname(path));
  }

  status(path: string) {
    return this.#after('read', path, 0, () => {
      const tree = this.#tree();
      const file = tree.get(path);
      if (file !== undefined) {
        const { sizeBytes, modifiedAtMs } = file;
        return { kind: 'file', sizeBytes, modifiedAtMs } as const;
      }
      if (!tree.isFolder(path)) return null;
      return { kind: 'directory', sizeBytes: 0, modifiedAtMs: 0 } as const;
    });
  }

  list(path: string) {
    return this.#after('read', path, 0, () => this.#tree().children(path));
  }

  survey(path: string) {
    return surveyByStatus(this, path);
  }

  readPieces(pieces: readonly FilePiece[]) {
    return readPiecesByFile(this, pieces);
  }

  makeDirectory(path: string): Promise<void> {
    return this.#after('names', path, 0, () => this.#tree().addFolder(path));
  }

  rename(from: string, to: string): Promise<void> {
    return this.#after('names', from, 0, () => {
      const tree = this.#tree();
      if (tree.get(from) === undefined && !tree.isFolder(from)) {
        throw new DiskError('ENOENT', from, 'rename');
      }
      tree.rename(from, to);
    });
  }

  remove(path: string): Promise<void> {
    return this.#after('names', path, 0, () => this.#tree().remove(path));
  }

  setModifiedTime(path: string, atMs: number): Promise<void> {
    return this.#after('names', path, 0, () => {
      const file = this.#tree().get(path);
      if (file !== undefined) file.modifiedAtMs = atMs;
    });
  }

  space(path: string) {
    return this.#after('read', path, 0, () => this.#disk.space());
  }

  syncDirectory(path: string): Promise<void> {
    return this.#after('sync', path, 0, () => this.#tree().sync(path));
  }

  async lock(path: string) {
    await this.#after('names', path, 0, () => {
      if (this.#locks.has(path)) throw new DirectoryLocked(path, null);
      this.#locks.add(path);
      this.#process.whenDead(() => this.#locks.delete(path));
    });
    return {
      release: () => this.#after('names', path, 0, () => void this.#locks.delete(path)),
    };
  }
}
