/**
 * Open files, as few as needed: a broker may hold thousands of partitions with many segments each,
 * and a process only so many descriptors. A file is opened when it is first used and closed when it
 * is the longest unused of too many; nobody above holds one between two operations.
 */
import type { Disk, DiskFile } from '@odradek/runtime';
import { Recency, type Recent } from './recency.ts';

/** Default for the files open at once; what comes above it waits for one that is not in use. */
export const OPEN_FILES_MAX = 500;

/** Files beyond the limit that are about to be closed; when closing falls behind, opening waits. */
export const CLOSING_FILES_MAX = 16;

const MODES = ['write', 'read', 'durable'] as const;
type Mode = (typeof MODES)[number];

/** A file that stays open until `end` is called with it. */
export interface FileInUse {
  readonly file: DiskFile;
}

interface OpenFile extends Recent<OpenFile> {
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
  readonly #open = new Map<string, OpenFile>();
  /** All of them. */
  readonly #recency = new Recency<OpenFile>();
  /** Uses that wait for a file to fall idle, in order. */
  readonly #waiting: (() => void)[] = [];
  /** Files that left the table and are not closed yet. */
  #leavingCount = 0;

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

  async #run<T>(path: string, mode: Mode, operation: (file: DiskFile) => Promise<T>): Promise<T> {
    const key = keyOf(path, mode);
    let waited = false;
    while (!this.#open.has(key) && !this.#makeRoom()) {
      waited = true;
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    const entry = this.#take(path, key, mode);
    // Whoever waited may have found the file open meanwhile: the room is the next one's then.
    if (waited) this.#wakeNext();
    try {
      return await operation(entry.file ?? (await entry.opening));
    } finally {
      this.#leave(entry);
    }
  }

  /**
   * As {@link use}, for those who write often: without a function that waits around the operation.
   * @returns null when the file is not open; otherwise `end` is to be called
   */
  begin(path: string): FileInUse | null {
    const entry = this.#open.get(path);
    if (entry === undefined || entry.file === null) return null;
    this.#take(path, path, 'write');
    return entry as FileInUse & OpenFile;
  }

  end(used: FileInUse): void {
    this.#leave(used as FileInUse & OpenFile);
  }

  #leave(entry: OpenFile): void {
    entry.users -= 1;
    if (entry.dropped) void this.#closeUnused(entry);
    else if (entry.users === 0) this.#wakeNext();
  }

  /** As {@link use}, with each write on the medium when it resolves. */
  durable<T>(path: string, operation: (file: DiskFile) => Promise<T>): Promise<T> {
    return this.#run(path, 'durable', operation);
  }

  /** Closes a file that is about to be renamed or removed; operations on it still finish. */
  drop(path: string): void {
    for (const mode of MODES) {
      const entry = this.#open.get(keyOf(path, mode));
      if (entry !== undefined) void this.#drop(entry);
    }
  }

  /** Closes everything; resolves when files that nobody uses are closed. */
  async close(): Promise<void> {
    const closing: Promise<void>[] = [];
    for (const entry of [...this.#open.values()]) {
      const closed = this.#drop(entry);
      if (entry.users === 0) closing.push(closed);
    }
    await Promise.all(closing);
  }

  #take(path: string, key: string, mode: Mode): OpenFile {
    let entry = this.#open.get(key);
    if (entry === undefined) {
      const opening = this.#disk.open(path, mode);
      entry = { key, opening, file: null, users: 0, dropped: false, older: null, newer: null };
      this.#remember(entry);
      this.#open.set(key, entry);
      this.#recency.add(entry);
    } else {
      this.#recency.use(entry);
    }
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
        if (this.#open.get(entry.key) === entry) this.#forget(entry);
      },
    );
  }

  /** Sees to it that one more file may be opened. @returns false when all that are open are in use */
  #makeRoom(): boolean {
    if (this.#open.size + this.#leavingCount >= this.#limit + CLOSING_FILES_MAX) return false;
    if (this.#open.size < this.#limit) return true;
    for (let entry = this.#recency.oldest; entry !== null; entry = entry.newer) {
      if (entry.users > 0) continue;
      void this.#drop(entry);
      return true;
    }
    return false;
  }

  /** Takes a file out of the table. Resolves when it is closed, or at once if that is left to its last user. */
  #drop(entry: OpenFile): Promise<void> {
    this.#forget(entry);
    entry.dropped = true;
    this.#leavingCount += 1;
    return this.#closeUnused(entry);
  }

  #forget(entry: OpenFile): void {
    this.#open.delete(entry.key);
    this.#recency.remove(entry);
  }

  async #closeUnused(entry: OpenFile): Promise<void> {
    if (entry.users > 0) return;
    try {
      await (entry.file ?? (await entry.opening)).close();
    } catch {
      // A descriptor that fails to close has nothing unsaved: what must last is synced before.
    }
    this.#leavingCount -= 1;
    this.#wakeNext();
  }

  #wakeNext(): void {
    this.#waiting.shift()?.();
  }
}

/** A file that is open for reading only, or durably, is kept apart: no path ends so. */
function keyOf(path: string, mode: Mode): string {
  return mode === 'write' ? path : `${path}\0${mode}`;
}
