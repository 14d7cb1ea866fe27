/**
 * A log file read batch by batch, of any magic, through a window of a bounded size: a file larger
 * than memory is fine, and one batch is all that is ever held beside the window.
 *
 * Nothing here judges what is inside a batch; only its size field is taken at its word, and checked.
 */
import { LOG_OVERHEAD, RECORD_BATCH_OVERHEAD } from '@odradek/protocol';
import type { Disk, DiskFile } from '@odradek/runtime';
import { DumpFailure } from './dump-failure.ts';

/** Bytes that are read at once. */
const WINDOW_BYTES = 1_048_576;
/** Where the length of a batch is, and the last byte that tells which format it has. */
const LENGTH_AT = 8;
const MAGIC_AT = 16;
/** The smallest length field: that of a message of magic 0 without key and value. */
const SMALLEST_LENGTH = 14;

/** One batch; the bytes are there until the next one is asked for. */
export interface BatchAt {
  readonly position: number;
  readonly bytes: Buffer;
  readonly magic: number;
}

export class LogFile {
  readonly path: string;
  readonly sizeBytes: number;
  readonly #file: DiskFile;
  #window: Buffer = Buffer.alloc(0);
  #windowAt = 0;

  private constructor(path: string, file: DiskFile, sizeBytes: number) {
    this.path = path;
    this.#file = file;
    this.sizeBytes = sizeBytes;
  }

  /** @throws DumpFailure when there is no such file */
  static async open(disk: Disk, path: string): Promise<LogFile> {
    const status = await disk.status(path);
    if (status?.kind !== 'file') throw new DumpFailure(`${path}: no such file`);
    const file = await disk.open(path, 'read');
    return new LogFile(path, file, await file.sizeBytes());
  }

  /**
   * The whole batches from a position on. It ends without a word where fewer bytes are left than
   * the next batch needs.
   * @throws DumpFailure at a length that no batch can have, and from outside of the file
   */
  async *batches(from: number, end: number): AsyncGenerator<BatchAt, void, undefined> {
    if (from < 0 || from > this.sizeBytes) {
      throw new DumpFailure(
        `${this.path}: position ${from} is outside of its ${this.sizeBytes} bytes`,
      );
    }
    let position = from;
    // The original needs one byte more than the header has before it looks at it.
    while (position + MAGIC_AT + 1 < end) {
      const header = await this.#bytes(position, MAGIC_AT + 1);
      const length = header.readInt32BE(LENGTH_AT);
      const magic = header.readInt8(MAGIC_AT);
      if (length < SMALLEST_LENGTH) {
        throw new DumpFailure(
          `${this.path}: at position ${position} a batch of length ${length}, below the least possible ${SMALLEST_LENGTH}`,
        );
      }
      const sizeBytes = LOG_OVERHEAD + length;
      if (position + sizeBytes > end) return;
      if (magic >= 2 && sizeBytes < RECORD_BATCH_OVERHEAD) {
        throw new DumpFailure(
          `${this.path}: at position ${position} a batch of magic ${magic} and ${sizeBytes} bytes, less than its header`,
        );
      }
      yield { position, magic, bytes: await this.#bytes(position, sizeBytes) };
      position += sizeBytes;
    }
  }

  close(): Promise<void> {
    return this.#file.close();
  }

  async #bytes(position: number, sizeBytes: number): Promise<Buffer> {
    const at = position - this.#windowAt;
    if (at < 0 || at + sizeBytes > this.#window.length) {
      const wanted = Math.min(Math.max(sizeBytes, WINDOW_BYTES), this.sizeBytes - position);
      const window = Buffer.allocUnsafe(wanted);
      const readBytes = await this.#file.read(window, position);
      if (readBytes < sizeBytes) throw new DumpFailure(`${this.path}: became shorter meanwhile`);
      this.#window = window.subarray(0, readBytes);
      this.#windowAt = position;
    }
    const start = position - this.#windowAt;
    return this.#window.subarray(start, start + sizeBytes);
  }
}
