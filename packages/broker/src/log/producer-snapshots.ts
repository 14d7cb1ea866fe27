/**
 * The `.snapshot` files of one partition: which there are, writing, and finding the newest sound one.
 * Their content is core/producer-state/snapshot.ts's.
 */
import path from 'node:path';
import { type Disk, DiskError } from '@odradek/runtime';
import { ProducerStates } from '../core/producer-state/producer-states.ts';
import { decodeSnapshot, encodeSnapshot } from '../core/producer-state/snapshot.ts';
import { SUFFIX, segmentFileName } from './file-names.ts';
import { readIfThere } from './read-if-there.ts';

/** Producer state as it was when the log ended at `offset`. */
export interface ProducersAt {
  readonly offset: number;
  readonly producers: ProducerStates;
}

export class ProducerSnapshots {
  readonly #disk: Disk;
  readonly #folder: string;
  /** Ascending. */
  #offsets: number[];
  /** Those that a crash of the machine may take, with the number of their last writing. */
  readonly #volatile: Map<number, number>;
  #writings = 0;

  /** @param lasting the files that were found are on the medium: an orderly stop left them */
  constructor(disk: Disk, folder: string, offsets: readonly number[], lasting: boolean) {
    this.#disk = disk;
    this.#folder = folder;
    this.#offsets = [...offsets].sort((a, b) => a - b);
    this.#volatile = new Map(lasting ? [] : offsets.map((offset) => [offset, 0]));
  }

  get offsets(): readonly number[] {
    return this.#offsets;
  }

  static encode(producers: ProducerStates): Buffer {
    return encodeSnapshot(producers.entries(), producers.size);
  }

  /**
   * Writes a snapshot's bytes. Not forced to the medium at once: a torn one fails its checksum and
   * the one before it is used, with more to replay; see {@link makeLasting}.
   */
  async write(offset: number, bytes: Buffer): Promise<void> {
    this.#writings += 1;
    this.#volatile.set(offset, this.#writings);
    const file = await this.#disk.open(this.#pathOf(offset), 'write');
    try {
      await file.truncate(0);
      await file.write([bytes], 0);
    } finally {
      await file.close();
    }
    if (!this.#offsets.includes(offset)) {
      this.#offsets = [...this.#offsets, offset].sort((a, b) => a - b);
    }
  }

  /** Tells whether one at or below `offset` is not known to be on the medium. */
  hasVolatile(offset: number): boolean {
    for (const at of this.#volatile.keys()) if (at <= offset) return true;
    return false;
  }

  /**
   * Forces those at or below `offset` to the medium, and the folder: what they say of segments that
   * retention removes is nowhere else.
   */
  async makeLasting(offset: number): Promise<void> {
    const loose = [...this.#volatile].filter(([at]) => at <= offset);
    for (const [at] of loose) {
      try {
        const file = await this.#disk.open(this.#pathOf(at), 'read');
        await file.sync().finally(() => file.close());
      } catch (error) {
        // Removed meanwhile, with the batches that it was taken of.
        if (!(error instanceof DiskError && !this.#offsets.includes(at))) throw error;
      }
    }
    await this.#disk.syncDirectory(this.#folder);
    for (const [at, writing] of loose) {
      if (this.#volatile.get(at) === writing) this.#volatile.delete(at);
    }
  }

  /** The newest sound snapshot at or below `offset`; unsound ones are removed on the way. */
  async latestUpTo(offset: number): Promise<ProducersAt | null> {
    for (;;) {
      const newest = this.#offsets.findLast((at) => at <= offset);
      if (newest === undefined) return null;
      const bytes = await readIfThere(this.#disk, this.#pathOf(newest));
      const entries = bytes === null ? null : decodeSnapshot(bytes);
      if (entries !== null) return { offset: newest, producers: new ProducerStates(entries) };
      await this.removeWhere((at) => at === newest);
    }
  }

  async removeWhere(unwanted: (offset: number) => boolean): Promise<void> {
    const removed = this.#offsets.filter(unwanted);
    this.#offsets = this.#offsets.filter((offset) => !unwanted(offset));
    for (const offset of removed) this.#volatile.delete(offset);
    for (const offset of removed) await this.#disk.remove(this.#pathOf(offset));
  }

  /** Keeps those at which a segment begins, and the newest: what truncation and a start can use. */
  removeStray(segmentBases: ReadonlySet<number>): Promise<void> {
    const newest = this.#offsets.at(-1);
    return this.removeWhere((offset) => offset !== newest && !segmentBases.has(offset));
  }

  #pathOf(offset: number): string {
    return path.join(this.#folder, segmentFileName(offset, SUFFIX.producerSnapshot));
  }
}
