/**
 * Keeps a log's leader-epoch-checkpoint file in step with its epochs: in the background, one write
 * at a time, however fast they change. After a crash, epochs that did not make it are found again in the batches.
 */
import path from 'node:path';
import type { Disk } from '@odradek/runtime';
import { writeEpochCheckpoint } from './checkpoint-file.ts';
import { LEADER_EPOCH_FILE } from './file-names.ts';
import type { LeaderEpochs } from './leader-epochs.ts';

export class LeaderEpochFile {
  readonly #disk: Disk;
  readonly #path: string;
  readonly #epochs: LeaderEpochs;
  #writtenVersion: number;
  #writing: Promise<void> | null = null;

  constructor(disk: Disk, folder: string, epochs: LeaderEpochs) {
    this.#disk = disk;
    this.#path = path.join(folder, LEADER_EPOCH_FILE);
    this.#epochs = epochs;
    this.#writtenVersion = epochs.version === 0 ? 0 : -1;
  }

  /** Resolves when the file says what the epochs say now. */
  save(): Promise<void> {
    if (this.#writtenVersion === this.#epochs.version) return this.#writing ?? Promise.resolve();
    this.#writing ??= this.#write();
    return this.#writing;
  }

  async #write(): Promise<void> {
    try {
      while (this.#writtenVersion !== this.#epochs.version) {
        const { version, entries } = this.#epochs;
        await writeEpochCheckpoint(this.#disk, this.#path, entries);
        this.#writtenVersion = version;
      }
    } finally {
      this.#writing = null;
    }
  }
}
