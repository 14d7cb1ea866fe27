/**
 * The entries of one index file, of a fixed size each: what is on the disk, what waits to be
 * written there, and, while someone looks things up, all of them in memory.
 *
 * An index only ever grows at its end or is cut. Entries are added in memory, gathered, and written
 * with the log's own writes (append-queue.ts); they cost a system call every
 * {@link INDEX_WRITE_BYTES}, not every batch. That is safe because whatever was not flushed is
 * rebuilt from the log after a crash. What entries mean is offset-index.ts's and time-index.ts's;
 * which indexes stay in memory is index-cache.ts's.
 */
import type { DiskFile } from '@odradek/runtime';

/** Unwritten entries, in bytes, that are worth a write of their own. */
export const INDEX_WRITE_BYTES = 1024;

const SMALLEST_BUFFER_BYTES = 96;

/** Shared by all that hold nothing: there are thousands of them. */
const NOTHING = Buffer.alloc(0);

/** Knows the paths of its files; a string for each file that is not in use would cost more than all else. */
export interface FilePlace {
  pathOf(suffix: string): string;
}

export class IndexEntries {
  readonly entryBytes: number;
  readonly #place: FilePlace;
  readonly #suffix: string;
  #writtenBytes: number;
  #unwritten: Buffer = NOTHING;
  #unwrittenBytes = 0;
  #resident: Buffer | null;
  #residentBytes = 0;

  /**
   * @param writtenCount entries that the file holds already; with none the index is in memory from
   * the start
   */
  constructor(place: FilePlace, suffix: string, entryBytes: number, writtenCount: number) {
    this.#place = place;
    this.#suffix = suffix;
    this.entryBytes = entryBytes;
    this.#writtenBytes = writtenCount * entryBytes;
    this.#resident = writtenCount === 0 ? NOTHING : null;
  }

  get path(): string {
    return this.#place.pathOf(this.#suffix);
  }

  get count(): number {
    return (this.#writtenBytes + this.#unwrittenBytes) / this.entryBytes;
  }

  get unwrittenBytes(): number {
    return this.#unwrittenBytes;
  }

  /** All entries, or null when they are not in memory. */
  get resident(): Buffer | null {
    return this.#resident === null ? null : this.#resident.subarray(0, this.#residentBytes);
  }

  /** Bytes held for lookups; 0 when the entries are not in memory. */
  get residentBytes(): number {
    return this.#resident?.length ?? 0;
  }

  /** Adds one entry; its bytes are copied. */
  append(entry: Buffer): void {
    const size = this.entryBytes;
    this.#unwritten = withRoom(this.#unwritten, this.#unwrittenBytes, size);
    entry.copy(this.#unwritten, this.#unwrittenBytes);
    this.#unwrittenBytes += size;
    if (this.#resident === null) return;
    this.#resident = withRoom(this.#resident, this.#residentBytes, size);
    entry.copy(this.#resident, this.#residentBytes);
    this.#residentBytes += size;
  }

  /** Drops the entries from the one at `count` on; the file is cut by {@link cutFile}. */
  keep(count: number): void {
    const bytes = count * this.entryBytes;
    this.#unwrittenBytes = Math.max(0, bytes - this.#writtenBytes);
    this.#writtenBytes = Math.min(this.#writtenBytes, bytes);
    this.#residentBytes = Math.min(this.#residentBytes, bytes);
  }

  /** Writes what the file lacks. No entry may be dropped while this runs. */
  async write(file: DiskFile): Promise<void> {
    const bytes = this.#unwrittenBytes;
    if (bytes === 0) return;
    // A copy-free hand-over: entries added meanwhile go into a buffer of their own.
    const leaving = this.#unwritten.subarray(0, bytes);
    await file.write([leaving], this.#writtenBytes);
    this.#writtenBytes += bytes;
    this.#dropUnwritten(bytes);
  }

  /**
   * Takes the file for written as far as it goes; for entries that were built anew and are all unwritten.
   * @param content all of the file, or more of it than there are entries
   * @returns false when it does not hold the first of these entries and nothing else
   */
  adopt(content: Buffer): boolean {
    const bytes = content.length;
    if (bytes > this.#unwrittenBytes || bytes % this.entryBytes !== 0) return false;
    if (!content.equals(this.#unwritten.subarray(0, bytes))) return false;
    this.#writtenBytes += bytes;
    this.#dropUnwritten(bytes);
    return true;
  }

  /** Makes the file end where the written entries do. */
  cutFile(file: DiskFile): Promise<void> {
    return file.truncate(this.#writtenBytes);
  }

  /** Brings all entries into memory. */
  async load(file: DiskFile): Promise<void> {
    while (this.#resident === null) {
      const bytes = this.#writtenBytes;
      const content = Buffer.alloc(bytes + this.#unwrittenBytes);
      const readBytes = await file.read(content.subarray(0, bytes), 0);
      // Entries written or dropped meanwhile make the picture stale: take another.
      if (bytes !== this.#writtenBytes) continue;
      const unwritten = this.#unwritten.subarray(0, this.#unwrittenBytes);
      this.#resident = Buffer.concat([content.subarray(0, readBytes), unwritten]);
      this.#residentBytes = this.#resident.length;
    }
  }

  #dropUnwritten(bytes: number): void {
    const rest = this.#unwritten.subarray(bytes, this.#unwrittenBytes);
    this.#unwritten = rest.length === 0 ? NOTHING : Buffer.from(rest);
    this.#unwrittenBytes -= bytes;
  }

  /** Frees the memory for lookups. */
  evict(): void {
    this.#resident = null;
    this.#residentBytes = 0;
  }
}

/** `buffer`, or a larger copy of its first `usedBytes` that takes `moreBytes` more. */
function withRoom(buffer: Buffer, usedBytes: number, moreBytes: number): Buffer {
  if (usedBytes + moreBytes <= buffer.length) return buffer;
  const sizeBytes = Math.max(SMALLEST_BUFFER_BYTES, buffer.length * 2, usedBytes + moreBytes);
  const larger = Buffer.alloc(sizeBytes);
  buffer.copy(larger, 0, 0, usedBytes);
  return larger;
}
