/**
 * Open files, as few as needed: a broker may hold thousands of partitions with many segments each,
 * and a process only so many descriptors. A file is opened when it is first used and closed when it
 * is the longest unused of too many; nobody above holds one between two operations.
 */
import type { Disk, DiskFile } from '@odradek/runtime';

/** Default for the files open at once; what comes above it waits for one that is not in use. */
export const OPEN_FILES_MAX = 500;

interface OpenFile {
  readonly key: string;
  readonly opening: Promise<DiskFile>;
  file: DiskFile | null;
  users: number;
  /** No longer in the table: the last user closes it. */
  dropped: boolean;
}

export class OpenFiles {
  readonly #disk: Disk;
  readonly #limit: number;
  /** Least recently used first. */
  readonly #open = new Map<string, OpenFile>();
  /** Uses that wait for a file to fall idle, in order. */
  readonly #waiting: (() => void)[] = [];

  constructor(disk: Disk, limit: number = OPEN_FILES_MAX) {
    this.#disk = disk;
    this.#limit = limit;
  }

  get count(): number {
    return this.#open.size;
  }

  /** Runs `operation` on the file, which is created when it is missing. */
  use<T>(path: string, operation: (file: DiskFile) => Promise<T>): Promise<T> {
    return this.#run(path, 'write', operation);
  }

  /** Runs `operation` on a file that is there: one that is gone rejects and is not made anew. */
  read<T>(path: string, operation: (file: DiskFile) => Promise<T>): Promise<T> {
    return this.#run(path, this.#open.has(path) ? 'write' : 'read', operation);
  }

  async #run<T>(
    path: string,
    mode: 'read' | 'write',
    operation: (file: DiskFile) => Promise<T>,
  ): Promise<T> {
    const key = mode === 'read' ? readKey(path) : path;
    while (!this.#open.has(key) && !this.#makeRoom()) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    const entry = this.#take(path, key, mode);
    try {
      return await operation(entry.file ?? (await entry.opening));
    } finally {
      entry.users -= 1;
      if (entry.dropped) this.#closeUnused(entry);
      if (entry.users === 0) this.#waiting.shift()?.();
    }
  }

  /** Closes a file that is about to be renamed or removed; operations on it still finish. */
  drop(path: string): void {
    for (const key of [path, readKey(path)]) {
      const entry = this.#open.get(key);
      if (entry !== undefined) this.#drop(entry);
    }
  }

  /** Closes everything; resolves when files that nobody uses are closed. */
  async close(): Promise<void> {
    const closing: Promise<void>[] = [];
    for (const entry of [...this.#open.values()]) {
      this.#open.delete(entry.key);
      entry.dropped = true;
      if (entry.users === 0) closing.push(entry.opening.then((file) => file.close()));
    }
    await Promise.allSettled(closing);
  }

  #take(path: string, key: string, mode: 'read' | 'write'): OpenFile {
    let entry = this.#open.get(key);
    if (entry === undefined) {
      const opening = this.#disk.open(path, mode);
      entry = { key, opening, file: null, users: 0, dropped: false };
      this.#remember(entry);
    } else {
      this.#open.delete(key); // To the end: it is the most recently used now.
    }
    this.#open.set(key, entry);
    entry.users += 1;
    return entry;
  }

  #remember(entry: OpenFile): void {
    entry.opening.then(
      (file) => {
        entry.file = file;
      },
      () => {
        // Whoever asked hears of the failure; the next use tries again.
        if (this.#open.get(entry.key) === entry) this.#open.delete(entry.key);
      },
    );
  }

  /** Sees to it that one more file may be opened. @returns false when all that are open are in use */
  #makeRoom(): boolean {
    if (this.#open.size < this.#limit) return true;
    for (const entry of this.#open.values()) {
      if (entry.users > 0) continue;
      this.#drop(entry);
      return true;
    }
    return false;
  }

  #drop(entry: OpenFile): void {
    this.#open.delete(entry.key);
    entry.dropped = true;
    this.#closeUnused(entry);
  }

  #closeUnused(entry: OpenFile): void {
    if (entry.users > 0) return;
    // A descriptor that fails to close has nothing unsaved: what must last is synced before.
    entry.opening.then((file) => file.close()).catch(() => undefined);
  }
}

/** A file that is open for reading only is kept apart: no path ends so. */
function readKey(path: string): string {
  return `${path}\0read`;
}
