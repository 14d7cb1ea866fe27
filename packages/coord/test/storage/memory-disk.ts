/**
 * A disk in memory with a bad character: what was not synced may be lost at a crash, sector by
 * sector and in any order; names too, as long as their folder was not synced. Syncs can be held
 * back, and operations made to fail.
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

const SECTOR_BYTES = 512;

/** Draws an integer in [0, limit). */
export type Draw = (limit: number) => number;

/** A change to a file that is not synced yet. */
type Change =
  | { readonly kind: 'write'; readonly position: number; readonly bytes: Buffer }
  | { readonly kind: 'truncate'; readonly sizeBytes: number };

class MemoryFile {
  /** As everybody sees it while the machine runs. */
  bytes: Buffer = Buffer.alloc(0);
  /** As it certainly is after a crash. */
  durable: Buffer = Buffer.alloc(0);
  changes: Change[] = [];

  apply(change: Change): void {
    this.bytes = applied(this.bytes, change);
    this.changes.push(change);
  }

  sync(): void {
    this.durable = Buffer.from(this.bytes);
    this.changes = [];
  }

  /** What a crash leaves: of the changes since the last sync, some sectors, in any combination. */
  crashed(draw: Draw): MemoryFile {
    let bytes: Buffer = Buffer.from(this.durable);
    const survival = draw(4); // 0: nothing survives, 3: everything, else by chance.
    const survives = (): boolean => survival === 3 || (survival > 0 && draw(2) === 0);
    for (const change of this.changes) {
      if (change.kind === 'truncate') {
        if (survives()) bytes = applied(bytes, change);
        continue;
      }
      const end = change.position + change.bytes.length;
      for (let at = change.position; at < end; ) {
        const next = Math.min(end, (Math.floor(at / SECTOR_BYTES) + 1) * SECTOR_BYTES);
        const sector = change.bytes.subarray(at - change.position, next - change.position);
        if (survives()) bytes = applied(bytes, { kind: 'write', position: at, bytes: sector });
        at = next;
      }
    }
    const file = new MemoryFile();
    file.bytes = bytes;
    file.durable = Buffer.from(bytes);
    return file;
  }
}

function applied(bytes: Buffer, change: Change): Buffer {
  if (change.kind === 'truncate') {
    const cut = Buffer.alloc(change.sizeBytes);
    bytes.copy(cut);
    return cut;
  }
  const end = change.position + change.bytes.length;
  const result = end > bytes.length ? Buffer.alloc(end) : bytes;
  if (result !== bytes) bytes.copy(result);
  change.bytes.copy(result, change.position);
  return result;
}

type Operation = 'write' | 'sync' | 'open' | 'rename' | 'remove' | 'syncDirectory';

export class MemoryDisk implements Disk {
  /** What was done, in order: 'write 120', 'sync' and the like, with the file's last name. */
  readonly calls: string[] = [];
  readonly #files = new Map<string, MemoryFile>();
  /** Names as they certainly are after a crash. */
  readonly #durableNames = new Map<string, MemoryFile>();
  /** A rename that is not durable yet has happened or not; never half. By its new name. */
  readonly #renames = new Map<string, string>();
  readonly #folders = new Set<string>(['/']);
  readonly #locks = new Set<string>();
  #failing: { operation: Operation; code: string; skip: number; path: RegExp } | null = null;
  #heldSyncs: (() => void)[] | null = null;
  #dead = false;
  /** Operations until the power goes. */
  #operationsLeft = Number.POSITIVE_INFINITY;

  /** The next matching operations but `skip` fail with `code`, until {@link heal}. */
  fail(operation: Operation, code: string, { skip = 0, path = /./ } = {}): void {
    this.#failing = { operation, code, skip, path };
  }

  heal(): void {
    this.#failing = null;
  }

  /** From now on syncs wait for `releaseSync`. */
  holdSyncs(): void {
    this.#heldSyncs ??= [];
  }

  get waitingSyncs(): number {
    return this.#heldSyncs?.length ?? 0;
  }

  /** Lets the oldest waiting sync finish. */
  releaseSync(): void {
    this.#heldSyncs?.shift()?.();
  }

  releaseAllSyncs(): void {
    const held = this.#heldSyncs ?? [];
    this.#heldSyncs = null;
    for (const finish of held) finish();
  }

  /** The power goes after so many operations more. */
  dieAfter(operations: number): void {
    this.#operationsLeft = operations;
  }

  get isDead(): boolean {
    return this.#dead;
  }

  /** The power goes: this disk answers no more; what it leaves behind is a new one. */
  crash(draw: Draw): MemoryDisk {
    this.#dead = true;
    const next = new MemoryDisk();
    for (const folder of this.#folders) next.#folders.add(folder);
    const images = new Map<MemoryFile, MemoryFile>();
    const imageOf = (file: MemoryFile): MemoryFile => {
      const image = images.get(file) ?? file.crashed(draw);
      images.set(file, image);
      return image;
    };
    const happened = new Map<string, boolean>();
    for (const path of new Set([...this.#files.keys(), ...this.#durableNames.keys()])) {
      const current = this.#files.get(path);
      const durable = this.#durableNames.get(path);
      let chosen = current;
      if (current !== durable) {
        const change = this.#renames.get(path) ?? path;
        const isThere = happened.get(change) ?? draw(2) === 0;
        happened.set(change, isThere);
        if (!isThere) chosen = durable;
      }
      if (chosen === undefined) continue;
      next.#files.set(path, imageOf(chosen));
      next.#durableNames.set(path, imageOf(chosen));
    }
    return next;
  }

  /** As after kill -9: the process is gone, the operating system has everything, synced or not. */
  kill(): MemoryDisk {
    this.#dead = true;
    const next = new MemoryDisk();
    for (const folder of this.#folders) next.#folders.add(folder);
    for (const [path, file] of this.#files) next.#files.set(path, file);
    for (const [path, file] of this.#durableNames) next.#durableNames.set(path, file);
    return next;
  }

  contentOf(path: string): Buffer {
    return Buffer.from(this.#file(path).bytes);
  }

  /** Puts a file there, durably. */
  plant(path: string, content: Uint8Array): void {
    const file = new MemoryFile();
    file.apply({ kind: 'write', position: 0, bytes: Buffer.from(content) });
    file.sync();
    this.#files.set(path, file);
    this.#durableNames.set(path, file);
    this.#addFolders(dirname(path));
  }

  /** An independent disk with the same durable content. */
  copy(): MemoryDisk {
    const next = new MemoryDisk();
    for (const folder of this.#folders) next.#folders.add(folder);
    for (const [path, file] of this.#files) next.plant(path, file.bytes);
    return next;
  }

  paths(): string[] {
    return [...this.#files.keys()].sort();
  }

  async open(path: string, mode: DiskMode): Promise<DiskFile> {
    await this.#operation('open', path);
    let file = this.#files.get(path);
    if (file === undefined && mode === 'read') throw new DiskError('ENOENT', path, 'open');
    if (file !== undefined && mode === 'create') throw new DiskError('EEXIST', path, 'open');
    if (!this.#folders.has(dirname(path))) throw new DiskError('ENOENT', path, 'open');
    if (file === undefined) {
      file = new MemoryFile();
      this.#files.set(path, file);
    }
    return this.#handle(path, file, mode === 'durable');
  }

  #handle(path: string, file: MemoryFile, isDurable: boolean): DiskFile {
    const name = path.slice(path.lastIndexOf('/') + 1);
    const sync = async (): Promise<void> => {
      await this.#operation('sync', path);
      if (this.#heldSyncs !== null) {
        const held = this.#heldSyncs;
        await new Promise<void>((resolve) => {
          held.push(resolve);
        });
        this.#check(path);
      }
      this.calls.push(`sync ${name}`);
      file.sync();
    };
    return {
      path,
      sizeBytes: async () => {
        await this.#operation(null, path);
        return file.bytes.length;
      },
      write: async (buffers, position) => {
        // Copied at once, as the real one reads them while the caller waits.
        const bytes = Buffer.concat(buffers);
        await this.#operation('write', path);
        this.calls.push(`write ${name}`);
        file.apply({ kind: 'write', position, bytes });
        if (isDurable) await sync();
      },
      read: async (target, position) => {
        await this.#operation(null, path);
        const part = file.bytes.subarray(position, position + target.byteLength);
        target.set(part);
        return part.length;
      },
      sync,
      truncate: async (sizeBytes) => {
        await this.#operation(null, path);
        file.apply({ kind: 'truncate', sizeBytes });
      },
      close: () => Promise.resolve(),
    };
  }

  async readFile(path: string): Promise<Buffer | null> {
    await this.#operation(null, path);
    return this.#files.get(path)?.bytes ?? null;
  }

  async replaceFile(path: string, content: Uint8Array | string): Promise<void> {
    await this.#operation('write', path);
    this.plant(path, Buffer.from(content));
  }

  async status(path: string) {
    await this.#operation(null, path);
    const file = this.#files.get(path);
    if (file !== undefined) {
      return { kind: 'file', sizeBytes: file.bytes.length, modifiedAtMs: 0 } as const;
    }
    if (!this.#folders.has(path)) return null;
    return { kind: 'directory', sizeBytes: 0, modifiedAtMs: 0 } as const;
  }

  survey(path: string) {
    return surveyByStatus(this, path);
  }

  readPieces(pieces: readonly FilePiece[]) {
    return readPiecesByFile(this, pieces);
  }

  async list(path: string) {
    await this.#operation(null, path);
    const inside = (other: string): boolean => dirname(other) === path && other !== path;
    const nameOf = (other: string): string => other.slice(other.lastIndexOf('/') + 1);
    return [
      ...[...this.#files.keys()]
        .filter(inside)
        .map((file) => ({ name: nameOf(file), kind: 'file' }) as const),
      ...[...this.#folders]
        .filter(inside)
        .map((folder) => ({ name: nameOf(folder), kind: 'directory' }) as const),
    ].sort((left, right) => (left.name < right.name ? -1 : 1));
  }

  async makeDirectory(path: string): Promise<void> {
    await this.#operation(null, path);
    this.#addFolders(path);
  }

  async rename(from: string, to: string): Promise<void> {
    await this.#operation('rename', from);
    const file = this.#file(from);
    this.#files.delete(from);
    this.#files.set(to, file);
    this.#renames.set(from, to);
    this.#renames.set(to, to);
  }

  async remove(path: string): Promise<void> {
    await this.#operation('remove', path);
    this.#files.delete(path);
  }

  async setModifiedTime(path: string): Promise<void> {
    await this.#operation(null, path);
  }

  async space(path: string) {
    await this.#operation(null, path);
    return { totalBytes: 1_000, usableBytes: 400 };
  }

  async syncDirectory(path: string): Promise<void> {
    await this.#operation('syncDirectory', path);
    for (const known of [...this.#durableNames.keys()]) {
      if (dirname(known) === path && !this.#files.has(known)) this.#durableNames.delete(known);
    }
    for (const [from, to] of [...this.#renames]) {
      if (dirname(to) === path) this.#renames.delete(from);
    }
    for (const [name, file] of this.#files) {
      if (dirname(name) === path) this.#durableNames.set(name, file);
    }
  }

  async lock(path: string) {
    await this.#operation(null, path);
    if (this.#locks.has(path)) throw new DirectoryLocked(path, null);
    this.#locks.add(path);
    return {
      release: () => {
        this.#locks.delete(path);
        return Promise.resolve();
      },
    };
  }

  #addFolders(path: string): void {
    for (let folder = path; !this.#folders.has(folder); folder = dirname(folder)) {
      this.#folders.add(folder);
    }
  }

  #file(path: string): MemoryFile {
    const file = this.#files.get(path);
    if (file === undefined) throw new DiskError('ENOENT', path, 'find');
    return file;
  }

  #check(path: string): void {
    if (this.#dead) throw new DiskError('EIO', path, 'use');
  }

  async #operation(operation: Operation | null, path: string): Promise<void> {
    await Promise.resolve();
    if (this.#operationsLeft-- <= 0) this.#dead = true;
    this.#check(path);
    const failing = this.#failing;
    if (failing === null || failing.operation !== operation || !failing.path.test(path)) return;
    if (failing.skip-- > 0) return;
    throw new DiskError(failing.code, path, operation);
  }
}
