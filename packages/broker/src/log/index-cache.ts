/**
 * Keeps the indexes that are looked things up in, and lets go of those that have not been for
 * longest: the memory for lookups is bounded for all logs together, however many segments there are.
 */
import type { IndexEntries } from './index-entries.ts';
import type { OpenFiles } from './open-files.ts';
import { Recency, type Recent } from './recency.ts';

/** Default bound for the entries in memory, all logs together. */
export const INDEX_CACHE_BYTES = 32 * 1024 * 1024;

interface Held extends Recent<Held> {
  readonly entries: IndexEntries;
  /** That they were last counted with. */
  bytes: number;
}

export class IndexCache {
  readonly #files: OpenFiles;
  readonly #limitBytes: number;
  readonly #held = new Map<IndexEntries, Held>();
  readonly #recency = new Recency<Held>();
  readonly #loading = new Map<IndexEntries, Promise<void>>();
  #bytes = 0;

  constructor(files: OpenFiles, limitBytes: number = INDEX_CACHE_BYTES) {
    this.#files = files;
    this.#limitBytes = limitBytes;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** The entries when they are in memory: good until the next await. */
  peek(entries: IndexEntries): Buffer | null {
    const resident = entries.resident;
    if (resident !== null) this.#touch(entries);
    return resident;
  }

  /** The entries, read from the disk when they are not in memory: good until the next await. */
  async get(entries: IndexEntries): Promise<Buffer> {
    for (;;) {
      const resident = this.peek(entries);
      if (resident !== null) return resident;
      await this.#load(entries);
    }
  }

  /** Counts an index that grew; called with each append that adds an entry. */
  grew(entries: IndexEntries): void {
    if (entries.residentBytes > 0) this.#touch(entries);
  }

  /** Forgets an index whose file is gone. */
  drop(entries: IndexEntries): void {
    const held = this.#held.get(entries);
    if (held !== undefined) {
      this.#bytes -= held.bytes;
      this.#held.delete(entries);
      this.#recency.remove(held);
    }
    entries.evict();
  }

  #load(entries: IndexEntries): Promise<void> {
    const running = this.#loading.get(entries);
    if (running !== undefined) return running;
    const loading = this.#files
      .read(entries.path, (file) => entries.load(file))
      .finally(() => this.#loading.delete(entries));
    this.#loading.set(entries, loading);
    return loading;
  }

  #touch(entries: IndexEntries): void {
    let held = this.#held.get(entries);
    if (held === undefined) {
      held = { entries, bytes: 0, older: null, newer: null };
      this.#held.set(entries, held);
      this.#recency.add(held);
    } else {
      this.#recency.use(held);
    }
    this.#bytes += entries.residentBytes - held.bytes;
    held.bytes = entries.residentBytes;
    while (this.#bytes > this.#limitBytes) {
      const { oldest } = this.#recency;
      if (oldest === null || oldest === held) break;
      this.drop(oldest.entries);
    }
  }
}
