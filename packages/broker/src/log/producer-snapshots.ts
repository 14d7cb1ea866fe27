/**
 * The `.snapshot` files of one partition: which there are, writing, and finding the newest sound one.
 * Their content is core/producer-state/snapshot.ts's.
 */
import path from 'node:path';
import type { Disk } from '@odradek/runtime';
import { ProducerStates } from '../core/producer-state/producer-states.ts';
import { decodeSnapshot, encodeSnapshot } from '../core/producer-state/snapshot.ts';
import { SUFFIX, segmentFileName } from './file-names.ts';

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

  constructor(disk: Disk, folder: string, offsets: readonly number[]) {
    this.#disk = disk;
    this.#folder = folder;
    this.#offsets = [...offsets].sort((a, b) => a - b);
  }

  get offsets(): readonly number[] {
    return this.#offsets;
  }

  static encode(producers: ProducerStates): Buffer {
    return encodeSnapshot(producers.entries(), producers.size);
  }

  /**
   * Writes a snapshot's bytes. Not forced to the medium: a torn one fails its checksum and the one
   * before it is used, with more to replay.
   */
  async write(offset: number, bytes: Buffer): Promise<void> {
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

  /** The newest sound snapshot at or below `offset`; unsound ones are removed on the way. */
  async latestUpTo(offset: number): Promise<ProducersAt | null> {
    for (;;) {
      const newest = this.#offsets.findLast((at) => at <= offset);
      if (newest === undefined) return null;
      const whole = {
        path: this.#pathOf(newest),
        position: 0,
        sizeBytes: Number.MAX_SAFE_INTEGER,
      };
      const [bytes] = await this.#disk.readPieces([whole]);
      const entries = bytes === undefined ? null : decodeSnapshot(bytes);
      if (entries !== null) return { offset: newest, producers: new ProducerStates(entries) };
      await this.removeWhere((at) => at === newest);
    }
  }

  async removeWhere(unwanted: (offset: number) => boolean): Promise<void> {
    const removed = this.#offsets.filter(unwanted);
    this.#offsets = this.#offsets.filter((offset) => !unwanted(offset));
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
