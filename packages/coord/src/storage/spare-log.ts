/**
 * The next log file before it is needed: zeros of its whole size, on the medium.
 *
 * Giving a file its blocks changes the file system's own records, and a write that is to be durable has
 * to wait until those are on the medium too: milliseconds instead of the tenth of one. So that is done
 * beforehand, aside, to a file that nobody writes to yet; taking it into use is a header and a name.
 * Nothing depends on it: where it is not ready, or could not be made, a log file is made when needed.
 * A crash leaves it under a name that the next start removes.
 */
import { join } from 'node:path';
import { type Disk, OdradekError } from '@odradek/runtime';
import { UNFINISHED } from './file-names.ts';

/** A name among those of unfinished log files that no transaction can have. */
const NAME = `log.${'f'.repeat(16)}${UNFINISHED}`;

/** Written and made durable so much at a time: little enough not to keep the log's own writes waiting. */
const PIECE_BYTES = 256 * 1024;
const ZEROS = Buffer.alloc(PIECE_BYTES);

/** Below this, making a file when it is needed costs no more than making it beforehand. */
const SPARE_BYTES_MIN = 1024 * 1024;

export interface ReadySpare {
  readonly path: string;
  readonly sizeBytes: number;
}

export class SpareLog {
  readonly #disk: Disk;
  readonly #path: string;
  #ready: ReadySpare | null = null;
  #making: Promise<void> | null = null;
  #isDropped = false;

  constructor(disk: Disk, folder: string) {
    this.#disk = disk;
    this.#path = join(folder, NAME);
  }

  get isReady(): boolean {
    return this.#ready !== null;
  }

  /** Begins to make one, unless there is one already or it would be too small to be worth it. */
  prepare(sizeBytes: number): void {
    if (this.#ready !== null || this.#making !== null || this.#isDropped) return;
    if (sizeBytes < SPARE_BYTES_MIN) return;
    this.#making = this.#make(sizeBytes).finally(() => {
      this.#making = null;
    });
  }

  /** Hands it over, to be renamed; null when none is ready. */
  take(): ReadySpare | null {
    const ready = this.#ready;
    this.#ready = null;
    return ready;
  }

  /** No more from now on; removes the one there is. */
  async drop(): Promise<void> {
    this.#isDropped = true;
    await this.#making;
    if (this.#ready !== null) await this.#remove();
    this.#ready = null;
  }

  async #make(sizeBytes: number): Promise<void> {
    try {
      const file = await this.#disk.open(this.#path, 'write');
      try {
        await file.truncate(0);
        for (let at = 0; at < sizeBytes && !this.#isDropped; at += PIECE_BYTES) {
          await file.write([ZEROS.subarray(0, Math.min(PIECE_BYTES, sizeBytes - at))], at);
          await file.sync();
        }
      } finally {
        await file.close();
      }
      if (this.#isDropped) await this.#remove();
      else this.#ready = { path: this.#path, sizeBytes };
    } catch (error) {
      if (!(error instanceof OdradekError)) throw error;
      await this.#remove(); // A full disk gets its room back; the log itself will say if there is none.
    }
  }

  /** When even that fails, the next start does it. */
  async #remove(): Promise<void> {
    await this.#disk.remove(this.#path).catch(() => undefined);
  }
}
