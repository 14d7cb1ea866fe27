/**
 * A disk in memory for tests of the log: quick, countable, and able to fail. It keeps no promise
 * beyond the Disk port's; what a crash leaves is made by the tests, by cutting files.
 */
import path from 'node:path';
import {
  type Disk,
  DiskError,
  type DiskFile,
  type FilePiece,
  readPiecesByFile,
  surveyByStatus,
} from '@odradek/runtime';

interface Node {
  content: Buffer;
  modifiedAtMs: number;
}

export type Operation =
  | 'open'
  | 'write'
  | 'read'
  | 'sync'
  | 'truncate'
  | 'rename'
  | 'remove'
  | 'replace'
  | 'space';

export class MemoryDisk implements Disk {
  readonly files = new Map<string, Node>();
  readonly folders = new Set<string>();
  /** How often each operation was called. */
  readonly counts = new Map<Operation, number>();
  /** Decides before each operation; a code makes it fail. */
  fail: ((operation: Operation, path: string) => string | null) | null = null;
  /** Awaited before each write: lets a test hold writes back. */
  gate: Promise<void> | null = null;
  /** Awaited before each read of an open file: lets a test hold reads back. */
  beforeRead: ((path: string, position: number, sizeBytes: number) => Promise<void>) | null = null;
  openCount = 0;

  count(operation: Operation): number {
    return this.counts.get(operation) ?? 0;
  }

  content(file: string): Buffer {
    return Buffer.from(this.files.get(file)?.content ?? Buffer.alloc(0));
  }

  put(file: string, content: Uint8Array | string): void {
    this.files.set(file, { content: Buffer.from(content), modifiedAtMs: 0 });
    this.folders.add(path.dirname(file));
  }

  names(folder: string): string[] {
    return [...this.files.keys()]
      .filter((file) => path.dirname(file) === folder)
      .map((file) => path.basename(file))
      .sort();
  }

  /** A disk with the same content: what is there after a crash of the process. */
  copy(): MemoryDisk {
    const copy = new MemoryDisk();
    for (const folder of this.folders) copy.folders.add(folder);
    for (const [file, { content }] of this.files) copy.put(file, content);
    return copy;
  }

  async open(file: string, mode: 'read' | 'write' | 'create'): Promise<DiskFile> {
    this.#note('open', file);
    let node = this.files.get(file);
    if (node === undefined && mode === 'read') throw new DiskError('ENOENT', file, 'open');
    if (node !== undefined && mode === 'create') throw new DiskError('EEXIST', file, 'open');
    if (node === undefined) {
      node = { content: Buffer.alloc(0), modifiedAtMs: 0 };
      this.files.set(file, node);
    }
    this.openCount += 1;
    return this.#handle(file, node);
  }

  async readFile(file: string): Promise<Buffer | null> {
    const node = this.files.get(file);
    return node === undefined ? null : Buffer.from(node.content);
  }

  async replaceFile(file: string, content: Uint8Array | string): Promise<void> {
    this.#note('replace', file);
    this.put(file, content);
  }

  async status(file: string) {
    const node = this.files.get(file);
    if (node !== undefined) {
      const { content, modifiedAtMs } = node;
      return { kind: 'file' as const, sizeBytes: content.length, modifiedAtMs };
    }
    return this.folders.has(file)
      ? { kind: 'directory' as const, sizeBytes: 0, modifiedAtMs: 0 }
      : null;
  }

  async list(folder: string) {
    const entries = this.names(folder).map((name) => ({ name, kind: 'file' as const }));
    const inner = [...this.folders].filter((known) => path.dirname(known) === folder);
    const folders = inner.map((known) => ({
      name: path.basename(known),
      kind: 'directory' as const,
    }));
    return [...entries, ...folders].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  survey(folder: string) {
    return surveyByStatus(this, folder);
  }

  readPieces(pieces: readonly FilePiece[]) {
    return readPiecesByFile(this, pieces);
  }

  async makeDirectory(folder: string): Promise<void> {
    for (let at = folder; at !== path.dirname(at); at = path.dirname(at)) this.folders.add(at);
  }

  async rename(from: string, to: string): Promise<void> {
    this.#note('rename', from);
    const node = this.files.get(from);
    if (node !== undefined) {
      this.files.delete(from);
      this.files.set(to, node);
      return;
    }
    if (!this.folders.delete(from)) throw new DiskError('ENOENT', from, 'rename');
    this.folders.add(to);
    for (const [file, inner] of [...this.files]) {
      if (path.dirname(file) !== from) continue;
      this.files.delete(file);
      this.files.set(path.join(to, path.basename(file)), inner);
    }
  }

  async remove(target: string): Promise<void> {
    this.#note('remove', target);
    this.files.delete(target);
    this.folders.delete(target);
    for (const file of [...this.files.keys()]) {
      if (file.startsWith(`${target}/`)) this.files.delete(file);
    }
  }

  async setModifiedTime(file: string, atMs: number): Promise<void> {
    const node = this.files.get(file);
    if (node !== undefined) node.modifiedAtMs = atMs;
  }

  async space(folder: string) {
    this.#note('space', folder);
    return { totalBytes: 1_000, usableBytes: 400 };
  }

  async syncDirectory(): Promise<void> {}

  async lock() {
    return { release: async () => {} };
  }

  #note(operation: Operation, file: string): void {
    this.counts.set(operation, this.count(operation) + 1);
    const code = this.fail?.(operation, file) ?? null;
    if (code !== null) throw new DiskError(code, file, operation);
  }

  #handle(file: string, node: Node): DiskFile {
    return {
      path: file,
      sizeBytes: async () => node.content.length,
      write: async (buffers, position) => {
        await this.gate;
        this.#note('write', file);
        const bytes = Buffer.concat(buffers);
        const size = Math.max(node.content.length, position + bytes.length);
        const content = Buffer.alloc(size);
        node.content.copy(content);
        bytes.copy(content, position);
        node.content = content;
      },
      read: async (target, position) => {
        await this.beforeRead?.(file, position, target.length);
        this.#note('read', file);
        return node.content.copy(target, 0, position);
      },
      sync: async () => this.#note('sync', file),
      truncate: async (sizeBytes) => {
        this.#note('truncate', file);
        const content = Buffer.alloc(sizeBytes);
        node.content.copy(content);
        node.content = content;
      },
      close: async () => {
        this.openCount -= 1;
      },
    };
  }
}
