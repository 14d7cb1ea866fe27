/**
 * Keeps the indexes that are looked things up in, and lets go of those that have not been for
 * longest: the memory for lookups is bounded for all logs together, however many segments there are.
 */
import type { IndexEntries } from './index-entries.ts';
import type { OpenFiles } from './open-files.ts';

/** Default bound for the entries in memory, all logs together. */
export const INDEX_CACHE_BYTES = 32 * 1024 * 1024;

export class IndexCache {
  readonly #files: OpenFiles;
  readonly #limitBytes: number;
  /** Least recently used first, with the bytes that each was last counted with. */
  readonly #held = new Map<IndexEntries, number>();
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
    this.#bytes -= this.#held.get(entries) ?? 0;
    this.#held.delete(entries);
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
    this.#bytes += entries.residentBytes - (this.#held.get(entries) ?? 0);
    this.#held.delete(entries);
    this.#held.set(entries, entries.residentBytes);
    for (const oldest of this.#held.keys()) {
      if (this.#bytes <= this.#limitBytes || oldest === entries) break;
      this.drop(oldest);
    }
  }
}
