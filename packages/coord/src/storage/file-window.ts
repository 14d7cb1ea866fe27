/**
 * A view on part of a file that moves forward, for reading big files piece by piece.
 *
 * What a view returned stays as it is when the window moves on: each load has a buffer of its own.
 */
import type { DiskFile } from '@odradek/runtime';

/** How much is read at once, at least. */
export const WINDOW_BYTES = 1024 * 1024;

export class FileWindow {
  readonly sizeBytes: number;
  readonly #file: DiskFile;
  #bytes: Buffer = Buffer.alloc(0);
  #start = 0;

  constructor(file: DiskFile, sizeBytes: number) {
    this.#file = file;
    this.sizeBytes = sizeBytes;
  }

  /** The bytes at `position` when they are in the window now, else null. */
  peek(position: number, countBytes: number): Buffer | null {
    const at = position - this.#start;
    if (at < 0 || at + countBytes > this.#bytes.length) return null;
    return this.#bytes.subarray(at, at + countBytes);
  }

  /** All bytes from `position` to the window's end. */
  rest(position: number): Buffer {
    return this.#bytes.subarray(Math.max(0, position - this.#start));
  }

  /**
   * Moves the window so that it begins at `position` and holds at least `countBytes`.
   * @returns false when the file ends before that; the window then holds what there is
   */
  async load(position: number, countBytes: number): Promise<boolean> {
    const available = Math.max(0, this.sizeBytes - position);
    const wanted = Math.min(available, Math.max(countBytes, WINDOW_BYTES));
    const bytes = Buffer.allocUnsafe(wanted);
    const readBytes = await this.#file.read(bytes, position);
    this.#bytes = bytes.subarray(0, readBytes);
    this.#start = position;
    return readBytes >= countBytes;
  }
}
